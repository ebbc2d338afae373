"""The signed POST to the service, as an ASGI app: a request in, the service's answer out.

It raises nothing. What keeps it from an answer (a setting, the network, the time) becomes a 503 or 504, problem+json,
whose detail says what happened and what to do, and shows neither the URL nor a key.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import requests
from mangum.types import Receive, Response, Scope, Send
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

PARKING_SECONDS = 2.0  # what is left of the invocation when the forwarder gives up
LEAST_SECONDS = 0.5  # with less left, a POST would only leave the service with an event nobody waits for


@dataclass
class Forwarder:
    """Posts over one kept connection. Spans are seconds; `total` bounds the retry, too: Pinpoint waits 15 s."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    connect: float = 1.0
    read: float = 6.0
    total: float = 12.0
    session: requests.Session = field(default_factory=requests.Session, repr=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Blocks its event loop while it posts: a Lambda has one invocation at a time, nothing else would run."""
        request = await receive()
        answer = self._hand_over(scope, request["body"])
        await send({"type": "http.response.start", "status": answer["status"], "headers": answer["headers"]})
        await send({"type": "http.response.body", "body": answer["body"]})

    def _hand_over(self, scope: Scope, body: bytes) -> Response:
        try:
            url, signer = _settings(self.environment)
        except ValueError as fault:
            return _problem(503, str(fault))
        context = scope["aws.context"]
        ends_in = context.get_remaining_time_in_millis() / 1000 if context else float("inf")
        deadline = time.monotonic() + min(self.total, ends_in - PARKING_SECONDS)
        answer = _problem(504, "The function had no time left to call the service: set its time-out to 15 s.")
        for _ in range(2):  # the event id makes the second harmless, even after a read time-out
            left = deadline - time.monotonic()
            if left < LEAST_SECONDS:
                break
            answer = self._post(url, signer, scope, body, left)
            if answer["status"] not in {502, 503, 504}:
                break
        return answer

    def _post(self, url: str, signer: Webhook, scope: Scope, body: bytes, left: float) -> Response:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        headers |= _signature(signer, scope["shim.event_id"], body)
        connect = min(self.connect, left / 2)
        spans = (connect, min(self.read, left - connect))
        try:
            answer = self.session.post(url + scope["path"], body, headers=headers, timeout=spans, allow_redirects=False)
        except requests.ReadTimeout:
            return _problem(504, "The service did not answer in time and may have taken the event: see its log.")
        except (requests.RequestException, ValueError) as error:  # urllib3 lets a ValueError through for odd hosts
            cause = type(error).__name__
            return _problem(503, f"No answer ({cause}): check SERVICE_URL, that the service runs, and the way to it.")
        return {"status": answer.status_code, "headers": [], "body": answer.content}


def _settings(environment: Mapping[str, str]) -> tuple[str, Webhook]:
    """The service's base URL, and what signs. A ValueError names what to set and never shows a value."""
    url = environment.get("SERVICE_URL", "").strip().rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise ValueError("SERVICE_URL is not set or no URL: set it to the service's base URL, as in https://host.")
    try:
        return url, Webhook(environment.get("SIGNING_KEYS", "").split(",")[0].strip())
    except (ValueError, EmptyWebhookSecretError):
        sentence = "SIGNING_KEYS is not set or its first key is none: set it to the service's, as in whsec_…,whsec_…"
        raise ValueError(sentence) from None


def _signature(signer: Webhook, event_id: str, body: bytes) -> dict[str, str]:
    """Standard Webhooks headers for these bytes at this moment; `sign` takes any time for UTC."""
    now = datetime.now(UTC)
    signature = signer.sign(event_id, now, body.decode())
    return {"webhook-id": event_id, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}


def _problem(status: int, detail: str) -> Response:
    body = {"type": "about:blank", "title": "Not handed over", "status": status, "detail": detail}
    return {"status": status, "headers": [], "body": json.dumps(body).encode()}

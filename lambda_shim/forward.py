"""The call to the service: an event is signed, tried twice, and parked where it is not taken; HTTP is passed on, once."""

import base64
import gzip
import json
import os
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Thread
from typing import Any

import requests
from mangum.types import Receive, Response, Scope, Send
from standardwebhooks import Webhook

from lambda_shim.adapters import REFUSALS, NotTaken, Refused, read_results

SETTINGS = ("SERVICE_URL", "SIGNING_KEYS", "PARKING_QUEUE_URL")
KEPT, LEAST = 2.0, 0.5  # seconds of the invocation: for parking, and for a call that somebody still waits for
NO_KEY = "SIGNING_KEYS is unusable: give it the service's own, as in whsec_…,whsec_…, or the ARN of a readable secret"
SLOW = "No whole answer in time: check SERVICE_URL, its name server, and the service's log."
ELSEWHERE = "There is nothing here but /webhooks/whatsapp and /v1/."
LARGEST = 1_000_000  # bytes of a parked body; SQS takes 1 MiB with all attributes
DOOR = re.compile(r"/webhooks/whatsapp|/v1(/[A-Za-z0-9_-]+)+")
ASKED = re.compile(rb"accept|authorization|content-type|idempotency-key|user-agent|x-hub-signature-256|webhook-[a-z]+")
ANSWERED = re.compile(r"allow|content-disposition|content-type|idempotent-replayed|retry-after", re.IGNORECASE)


class Forwarder:
    """An ASGI app that raises nothing. Spans are seconds; `total` bounds the retry, too: Pinpoint waits 15 s."""

    def __init__(self, environment: Mapping[str, str] = os.environ, read: float = 6.0, total: float = 12.0) -> None:
        self._read, self._total = read, total
        self._url, self._keys, self._queue = (environment.get(name, "").strip() for name in SETTINGS)
        self._session, self._secret = requests.Session(), ""
        self._session.verify = environment.get("REQUESTS_CA_BUNDLE") or True
        self._sqs = _aws("sqs") if self._queue else None  # at start, not in the emergency

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Blocks its event loop while it calls: a Lambda has one invocation at a time, nothing else would run."""
        body = (await receive())["body"]
        answer = self._hand_over(scope, body) if "shim" in scope else self._pass_on(scope, body)
        await send({"type": "http.response.start", "status": answer["status"], "headers": answer["headers"]})
        await send({"type": "http.response.body", "body": answer["body"]})

    def post(self, scope: Scope, body: bytes) -> Response:
        """An event, signed; a second time where that may help: its id makes it harmless, even after a read time-out."""
        answer = _problem(503, "The function had no time left to call the service: set its time-out to 15 s.")
        deadline, refused, webhook_id = time.monotonic() + self._left(scope), "", scope["shim"]["webhook_id"]
        for _ in range(2):
            if answer["status"] not in {401, 502, 503, 504} or deadline - time.monotonic() < LEAST:
                break
            try:
                key, now = self._key(refused), datetime.now(UTC)  # `sign` takes any time for UTC
                signature = Webhook(key).sign(webhook_id, now, body.decode())
            except Exception as error:  # noqa: BLE001 - no key, none that is one, a secret that boto3 cannot read
                return answer if refused else _problem(503, NO_KEY, error)
            signed = {"webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
            headers = {"content-type": "application/json", "webhook-id": webhook_id, **signed}
            answer = self._call(scope, body, headers, deadline - time.monotonic())
            refused = key if answer["status"] == 401 else ""
        return answer

    def _key(self, refused: str) -> str:
        """The first signing key but the one that was refused; after a refusal the secret is read anew."""
        if self._keys.startswith("arn:") and (refused or not self._secret):
            self._secret = _aws("secretsmanager").get_secret_value(SecretId=self._keys)["SecretString"]
        return next(key for key in map(str.strip, (self._secret or self._keys).split(",")) if key not in {"", refused})

    def _hand_over(self, scope: Scope, body: bytes) -> Response:
        facts, answers = scope["shim"], [_problem(503, SLOW)]
        call = Thread(target=lambda: answers.append(self.post(scope, body)), daemon=True)
        call.start()  # no time-out of requests ends the wait for a slow name server, or for an answer that trickles
        call.join(max(0.0, self._left(scope)) + LEAST)
        answer, status = answers[-1], answers[-1]["status"]
        try:
            outcomes = [result["whatsapp_status"] for result in read_results(answer, facts["recipients"])]
        except Refused:
            outcomes = ["refused"] * facts["recipients"]
        except NotTaken as reason:
            answer, outcome = self._park(scope, body, answer, str(reason))
            outcomes = [outcome] * facts["recipients"]
        log_invocation(status=status, **facts, **{each: outcomes.count(each) for each in outcomes})
        return answer

    def _park(self, scope: Scope, body: bytes, answer: Response, reason: str) -> tuple[Response, str]:
        if self._sqs is None:
            return answer, "not_taken"
        attributes = {"webhook-id": {"DataType": "String", "StringValue": scope["shim"]["webhook_id"]}}
        if len(body) > LARGEST:
            body = base64.b64encode(gzip.compress(body))
            attributes["content-encoding"] = {"DataType": "String", "StringValue": "gzip"}
        try:
            self._sqs.send_message(QueueUrl=self._queue, MessageBody=body.decode(), MessageAttributes=attributes)
        except Exception as error:  # noqa: BLE001 - boto3 has many; each means that the event is not kept
            told = f"{reason.partition(': ')[2].rstrip('.')}. Nor does SQS take it: check PARKING_QUEUE_URL"
            return _problem(503 if answer["status"] in REFUSALS else answer["status"], told, error), "not_taken"
        results = [{"status": "parked", "detail": reason}] * scope["shim"]["recipients"]
        return {"status": 202, "headers": [], "body": json.dumps({"results": results}).encode()}, "parked"

    def _pass_on(self, scope: Scope, body: bytes) -> Response:
        event, path = scope["aws.event"], scope["path"]
        known = DOOR.fullmatch(path) and "%" not in f"{event.get('rawPath')}{event.get('path')}"  # nor in disguise
        headers = {name.decode(): text.decode("latin-1") for name, text in scope["headers"] if ASKED.fullmatch(name)}
        answer = self._call(scope, body, headers, self._left(scope)) if known else _problem(404, ELSEWHERE)
        log_invocation(status=answer["status"], path=path[:64] if known else "elsewhere")
        return answer

    def _left(self, scope: Scope) -> float:
        context = scope["aws.context"]
        return min(self._total, context.get_remaining_time_in_millis() / 1000 - KEPT) if context else self._total

    def _call(self, scope: Scope, body: bytes, headers: Mapping[str, str], seconds: float) -> Response:
        url = f"{self._url.rstrip('/')}{scope['path']}?{scope.get('query_string', b'').decode()}"
        half = max(0.1, seconds) / 2
        spans = min(1.0, half), min(self._read, half)  # to connect, to read
        try:
            request = requests.Request(scope["method"], url, headers, data=body).prepare()
            answer = self._session.send(request, timeout=spans, allow_redirects=False, proxies={})
        except Exception as error:  # noqa: BLE001 - requests', urllib3's, the operating system's: each means no answer
            return _problem(503, "No answer: check SERVICE_URL, that the service runs, and its log", error)
        kept = [[n.encode(), v.encode("ascii", "replace")] for n, v in answer.headers.items() if ANSWERED.fullmatch(n)]
        return {"status": answer.status_code, "headers": kept, "body": answer.content}


def _problem(status: int, detail: str, cause: Exception | None = None) -> Response:
    told = f"{detail} ({type(cause).__name__})." if cause else detail  # its text could show a URL or a key
    body = json.dumps({"type": "about:blank", "title": "Not handed over", "status": status, "detail": told})
    headers = [[b"content-type", b"application/problem+json"], [b"retry-after", b"10"]]
    return {"status": status, "headers": headers, "body": body.encode()}


def _aws(service: Any) -> Any:
    import boto3  # noqa: PLC0415 - it comes with Lambda's runtime and is slow to load: only who uses it does
    from botocore.config import Config  # noqa: PLC0415

    patience = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 2})
    return boto3.Session().client(service, config=patience)  # the default session is not for several threads


def log_invocation(**facts: Any) -> None:
    """One JSON line on stdout, where Lambda collects it, in one write: threads do not mix theirs."""
    print(json.dumps({"log": "shim.invoked", **facts}) + "\n", end="", flush=True)

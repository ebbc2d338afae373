"""Event → HTTP request to the service; HTTP answer → what the event's sender expects.

Mangum asks an adapter whether an event is its own (`infer`), runs the forwarder on its `scope` and `body`, and
returns what its `__call__` makes of the answer. Two things are raised, and only there:

    x Refused    will never be taken; mend the campaign
    x NotTaken   not taken, or nobody knows; the same event may be handed over again
"""

import json
import time
import uuid
from collections import Counter
from contextlib import suppress
from typing import Any

from mangum.types import Response, Scope

OVERLOADED = "The service is down, deploying or overloaded: see its /readyz and its log."
ADVICE = {
    401: "Shim and service disagree on keys or time: the first of SIGNING_KEYS here must be among the service's.",
    403: "Something before the service forbids the call: check SERVICE_URL and the load balancer's rules.",
    404: "That was not the service: set SERVICE_URL to its base URL, without /v1.",
}


class Refused(Exception):
    """Names the status and each fault in the service's words, which quote neither address nor Data."""


class NotTaken(Exception):
    """Says what happened and what to look at."""


class PinpointEvent:
    """A campaign or journey that calls its custom channel: up to 50 endpoints in, attributes for each out."""

    def __init__(self, event: dict[str, Any], context: Any, _config: object) -> None:
        self.event, self.context, self.started = event, context, time.monotonic()
        request_id = context.aws_request_id if context else uuid.uuid4().hex
        self.event_id = f"evt_{time.time_ns() // 1_000_000}_{request_id}"  # the service reads the receipt time from it

    @classmethod
    def infer(cls, event: object, _context: object, _config: object) -> bool:
        """One of Pinpoint's own names will do: what is missing, the service says, and keeps the refused event."""
        names = {"ApplicationId", "CampaignId", "JourneyId", "Endpoints", "Data"}
        return isinstance(event, dict) and not names.isdisjoint(event)

    @property
    def scope(self) -> Scope:
        """The request; the forwarder signs it as `shim.event_id`."""
        headers = [[b"content-type", b"application/json"]]
        request = {"type": "http", "method": "POST", "path": "/v1/events/pinpoint", "headers": headers}
        return {**request, "aws.context": self.context, "shim.event_id": self.event_id}

    @property
    def body(self) -> bytes:
        """The event as it came; in ASCII, where half a surrogate pair does no harm."""
        return json.dumps(self.event, separators=(",", ":")).encode("ascii")

    def __call__(self, response: Response) -> dict[str, Any]:
        """What a journey can branch on; Pinpoint takes 5 attributes an endpoint, names and values of 128 characters."""
        results: dict[str, dict[str, str]] = {}
        try:
            results = read_results(response)
        finally:
            self._log(response["status"], Counter(facts["status"] for facts in results.values()))
        return {
            recipient: {"EventAttributes": {f"whatsapp_{name}": _fit(fact) for name, fact in facts.items()}}
            for recipient, facts in results.items()
        }

    def _log(self, status: int, counts: Counter[str]) -> None:
        ids = {"application": "ApplicationId", "campaign": "CampaignId", "journey": "JourneyId"}
        endpoints = self.event.get("Endpoints")
        log_invocation(
            status=status,
            webhook_id=self.event_id,
            **{name: value for name, key in ids.items() if isinstance(value := self.event.get(key), str)},
            endpoints=len(endpoints) if isinstance(endpoints, dict) else 0,
            accepted=counts["accepted"],
            duplicates=counts["duplicate"],
            rejected=counts["rejected"],
            duration_ms=round((time.monotonic() - self.started) * 1000),
        )


def _fit(fact: str) -> str:
    return fact if len(fact) <= 128 else f"{fact[:127]}…"


def log_invocation(**facts: str | int) -> None:
    """One JSON line on stdout, where Lambda collects it; one write, so that threads do not mix theirs."""
    print(json.dumps({"log": "shim.invoked", **facts}) + "\n", end="", flush=True)


def read_results(response: Response) -> dict[str, dict[str, str]]:
    """Each recipient's `status`, `message_id` and `reason`, as far as there is one. Raises Refused, NotTaken."""
    status, body = response["status"], response["body"]
    if status == 202:
        with suppress(ValueError, LookupError, TypeError):  # not the service's JSON
            return {result["recipient"]: _facts(result) for result in json.loads(body)["results"]}
    reason = _reason(body)
    if status in {400, 413, 422}:
        raise Refused(f"The service refused the event ({status}): {reason or 'it gave no reason.'}")
    advice = ADVICE.get(404 if status < 400 else status, "")  # a redirect, or a success that is not the service's
    reason = f"{reason} {advice}".strip() or OVERLOADED
    raise NotTaken(f"The event was not taken ({status}): {reason} Then hand it over again.")


def _facts(result: dict[str, Any]) -> dict[str, str]:
    if result["status"] not in {"accepted", "duplicate", "rejected"}:
        raise ValueError(result["status"])
    reason = _joined(result, "code", "detail") if result["status"] == "rejected" else None
    facts = {"status": result["status"], "message_id": result.get("message_id"), "reason": reason}
    return {name: str(fact) for name, fact in facts.items() if fact}


def _reason(body: bytes) -> str:
    """What a problem+json says of each fault, or of the whole; nothing where it is none."""
    with suppress(ValueError, LookupError, TypeError, AttributeError):
        problem = json.loads(body)
        faults = [_joined(fault, "path", "detail") for fault in problem.get("errors", ())]
        return "; ".join(faults) or str(problem["detail"])
    return ""


def _joined(item: dict[str, Any], *names: str) -> str:
    return ": ".join(str(item[name]) for name in names if item.get(name))

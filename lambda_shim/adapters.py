"""Event → HTTP request to the service; HTTP answer → what the event's sender expects, or one of two exceptions."""

import json
import time
import uuid
from contextlib import suppress
from typing import Any

from mangum.types import Response, Scope

LOGGED = ("ApplicationId", "CampaignId", "JourneyId", "RunId", "ActionId")
OUTCOMES = {"accepted", "duplicate", "rejected", "parked"}  # the last is the shim's own
REFUSALS = {400, 413, 422}
ADVICE = "Check SIGNING_KEYS (401), SERVICE_URL (404), what stands before the service (403), else its /readyz."


class Refused(Exception):
    """Will never be taken: mend the campaign. In the service's words, which quote neither address nor Data."""


class NotTaken(Exception):
    """Not taken, or nobody knows: the same event may be handed over again. Says what happened and what to look at."""


class _Event:
    """What Mangum asks of an adapter: `infer`, then the request as `scope` and `body`, then a call with the answer."""

    path, names = "", set[str]()  # one of the names will do: what is missing, the service says, and keeps the event

    def __init__(self, event: dict[str, Any], context: Any, _config: object, event_id: str = "") -> None:
        request_id = context.aws_request_id if context else uuid.uuid4().hex
        self.event, self.context = event, context
        self.event_id = event_id or f"evt_{time.time_ns() // 1_000_000}_{request_id}"  # receipt time, for the service
        profiles = look_up(look_up(event, "Items", {}), "CustomerProfiles", [])
        self.recipients = [look_up(each, "ProfileId", "") for each in profiles] or list(look_up(event, "Endpoints", {}))
        self.campaign = look_up(look_up(event, "InvocationMetadata", {}), "CampaignContext", {}) or event

    @classmethod
    def infer(cls, event: object, _context: object, _config: object) -> bool:
        return isinstance(event, dict) and not cls.names.isdisjoint(event)

    @property
    def scope(self) -> Scope:
        ids = {name: value for name in LOGGED if (value := look_up(self.campaign, name, ""))}
        ours = {"webhook_id": self.event_id, "recipients": len(self.recipients), **ids}
        return {"type": "http", "method": "POST", "path": self.path, "shim": ours, "aws.context": self.context}

    @property
    def body(self) -> bytes:
        return json.dumps(self.event, separators=(",", ":")).encode("ascii")  # half a surrogate pair does no harm there


class ConnectEvent(_Event):
    """A custom action in a journey of Amazon Connect: profiles in, one item for each ProfileId out."""

    path, names = "/v1/events/connect", {"InvocationMetadata", "Items"}

    def __call__(self, response: Response) -> dict[str, Any]:
        """Connect takes a profile without an item for an error, and an exception for an error of all."""
        try:
            results = read_results(response, len(self.recipients))
        except Refused as reason:
            results = [{"whatsapp_status": "refused", "whatsapp_reason": str(reason)}] * len(self.recipients)
        items = {name: facts for name, facts in zip(self.recipients, results, strict=True) if name}
        return {"Items": {"CustomerProfiles": [{"Id": name, "ResultData": facts} for name, facts in items.items()]}}


class PinpointEvent(_Event):
    """A campaign or journey that calls its custom channel: up to 50 endpoints in, attributes for each out."""

    path, names = "/v1/events/pinpoint", {"ApplicationId", "CampaignId", "JourneyId", "Endpoints", "Data"}

    def __call__(self, response: Response) -> dict[str, Any]:
        """What a journey can branch on; Pinpoint takes values of 128 characters."""
        results = read_results(response, len(self.recipients))
        fit = [{k: v if len(v) <= 128 else f"{v[:127]}…" for k, v in each.items()} for each in results]
        return {name: {"EventAttributes": facts} for name, facts in zip(self.recipients, fit, strict=True)}


def read_results(response: Response, recipients: int) -> list[dict[str, str]]:
    """Each recipient's outcome, message id and reason as far as there are, in order. Raises Refused, NotTaken."""
    status, reason = response["status"], ""
    with suppress(ValueError, LookupError, TypeError, RecursionError):  # not the service's JSON
        answer = json.loads(response["body"])
        reason = look_up(answer, "detail", "") if look_up(answer, "status", 0) == status else ""  # a problem of its own
        found = answer["results"] if status == 202 else None
        if isinstance(found, list) and len(found) == recipients and {each["status"] for each in found} <= OUTCOMES:
            return [_facts(**result) for result in found]
    if status in REFUSALS and reason:  # the service has kept it as a refused event
        raise Refused(f"The service refused the event ({status}): {reason}")
    raise NotTaken(f"The event was not taken ({status}): {reason or ADVICE}")


def _facts(status: str, message_id: str = "", code: str = "", detail: str = "", **_: object) -> dict[str, str]:
    facts = {"status": status, "message_id": message_id, "reason": ": ".join(filter(None, (code, detail)))}
    return {f"whatsapp_{name}": str(fact) for name, fact in facts.items() if fact}


def look_up(value: object, name: str, default: Any) -> Any:
    """What an object holds under a name, where it is of the default's type."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, type(default)) else default

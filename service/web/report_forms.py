"""The public forms of what is reported: facts of the outbox in, the contract's JSON out.

The words for a failure come from the table of error codes (G9). Phone numbers are masked unless `unmasked`.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from service.intake.address import mask
from service.message import Pause, Priority, Scope, Status
from service.outbox.decisions import DECIDED
from service.outbox.report import EventFacts, Facts, MessageFacts
from service.outbox.search import CampaignFacts
from service.people import Inbound
from service.whatsapp.errors import Verdict, verdict_on
from service.whatsapp.send_error import Refused

OUR_WORDS: Mapping[str, tuple[str, str, str]] = {
    Status.EXPIRED: (
        "Expired",
        "The message waited longer than it was worth sending and was never sent.",
        "Look at the attempts for what held it up; send it again if it still matters, or give it a longer time to live.",
    ),
    Status.UNANSWERED: (
        "No answer from Meta",
        "The request went out, but no answer came back and no notification either: the person may or may not have it.",
        "Wait for a notification, or ask the person; sending it again may reach them twice.",
    ),
    Status.CANCELLED: (
        "Cancelled",
        "An operator called the message off before it was sent.",
        "Nothing; where it must go after all, send it anew as another message.",
    ),
    Status.SUPPRESSED: (
        "Suppressed",
        "The recipient opted out, or an operator took them off, before the message was sent.",
        "Nothing; such a person gets messages again once they ask for them.",
    ),
}

_DECIDED = Verdict(
    None,
    Refused,
    Scope.MESSAGE,
    DECIDED,
    "It was not known what became of the message, and an operator decided that it did not arrive.",
    "Nothing; a later notification of Meta still counts. Where it must arrive, send it anew.",
)


def message_report(facts: MessageFacts, pauses: Sequence[Pause] = (), *, unmasked: bool = False) -> dict[str, Any]:
    """The public form of a message (contract: calls)."""
    message = facts.message
    return {
        "message_id": message["message_id"],
        "event_id": message["event_id"],
        "recipient": message["recipient"],
        "to": message["to"] if unmasked else mask(message["to"]),
        "phone_number_id": message["phone_number_id"],
        "template": {"name": message["template_name"], "language": message["language"]},
        "status": message["status"],
        "status_at": _iso(message["status_at"]),
        "campaign_id": message["campaign_id"],
        "reference": message["reference"],
        "priority": Priority(message["priority"]).name.lower(),
        "expires_at": _iso(message["expires_at"]),
        "attempts": [_attempt_report(attempt, unmasked=unmasked) for attempt in facts.attempts],
        "replies": [_reply_report(reply, unmasked=unmasked) for reply in facts.replies],
        "waits_for": [pause_report(pause) for pause in pauses],
        "failure": _failure(message["status"], facts.attempts),
    }


def pause_report(pause: Pause) -> dict[str, Any]:
    """The public form of a pause."""
    return {
        "scope": pause.scope.value,
        "key": pause.key,
        "reason": pause.reason.value,
        "detail": pause.detail,
        "since": _iso(pause.since),
        "until": _iso(pause.until) if pause.until else None,
    }


def _reply_report(reply: Inbound, *, unmasked: bool) -> dict[str, Any]:
    """What a person answered; a button's payload is our own, the text is the person's."""
    text = reply.text if unmasked else None
    return {"kind": reply.kind, "at": _iso(reply.at), "text": text, "payload": reply.payload}


def _attempt_report(attempt: Facts, *, unmasked: bool) -> dict[str, Any]:
    wamid = attempt["wamid"]
    return {
        "attempt": attempt["attempt"],
        "started_at": _iso(attempt["started_at"]),
        "outcome": attempt["outcome"],
        "http_status": attempt["http_status"],
        "code": attempt["code"],
        "fbtrace_id": attempt["fbtrace_id"],
        "wamid": wamid if unmasked or wamid is None else f"wamid.••••{wamid[-6:]}",
        "statuses": [
            {"status": status, "at": _iso(attempt[f"{status}_at"])}
            for status in ("sent", "delivered", "read", "failed")
            if attempt[f"{status}_at"] is not None
        ],
    }


def _failure(status: str, attempts: list[Facts]) -> dict[str, Any] | None:
    """Why the message did not arrive, in words, and what to do."""
    newest: Facts = attempts[-1] if attempts else {}
    facts = {"code": newest.get("code"), "details": newest.get("details")}
    if status in OUR_WORDS:
        title, explanation, next_step = OUR_WORDS[status]
        return {**facts, "title": title, "explanation": explanation, "next_step": next_step}
    if status != Status.FAILED:
        return None
    verdict = _DECIDED if str(newest.get("title")).startswith(DECIDED) else verdict_on(newest.get("code"))
    title = newest.get("title") or verdict.title
    return {**facts, "title": title, "explanation": verdict.explanation, "next_step": verdict.next_step}


def event_report(facts: EventFacts) -> dict[str, Any]:
    """The public form of an event (contract: calls)."""
    event = facts.event
    return {
        "event_id": event["event_id"],
        "source": event["source"],
        "application_id": event["application_id"],
        "campaign_id": event["campaign_id"],
        "journey_id": event["journey_id"],
        "received_at": _iso(event["received_at"]),
        "recipients": event["recipients"],
        "counts": _counts(facts.counts, len(facts.rejections)),
        "failures": _failures(facts.failures),
        "rejections": [
            {"recipient": row["recipient"], "status": "rejected"}
            | {"code": row["code"], "path": row["path"], "detail": row["detail"]}
            for row in facts.rejections
        ],
        "problem": json.loads(event["answer"]) if event["http_status"] != 202 else None,
    }


def campaign_report(facts: CampaignFacts, paused: Pause | None) -> dict[str, Any]:
    """The public form of a campaign (contract: calls)."""
    return {
        "campaign_id": facts.campaign_id,
        "received_at": _iso(facts.received_at),
        "last_received_at": _iso(facts.last_received_at),
        "events": facts.events,
        "recipients": facts.recipients,
        "counts": _counts(facts.counts, facts.rejected),
        "failures": _failures(facts.failures),
        "paused": pause_report(paused) if paused else None,
    }


def _counts(messages: Mapping[str, int], rejected: int) -> dict[str, int]:
    return {**messages, "rejected": rejected} if rejected else dict(messages)


def _failures(counted: Mapping[int | None, int]) -> list[dict[str, Any]]:
    """What failed most comes first."""
    return [_failure_count(code, count) for code, count in sorted(counted.items(), key=lambda one: -one[1])]


def _failure_count(code: int | None, count: int) -> dict[str, Any]:
    verdict = verdict_on(code)
    return {"code": code, "count": count, "explanation": verdict.explanation, "next_step": verdict.next_step}


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""`GET /v1/messages/{id}` and `GET /v1/events/{id}`: what became of a message, of an event. API key with scope `read`.

Facts come from the outbox's report, the words for a failure from the table of error codes (G9). Phone numbers are masked
unless the key has the scope `pii`.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, g, jsonify

from service.intake.address import mask
from service.message import Pause, Priority, Scope, Status, Template
from service.outbox.decisions import DECIDED
from service.outbox.report import EventFacts, Facts, MessageFacts, Report
from service.web.auth import ApiKeys, needs_scope
from service.web.contract import Problem
from service.web.openapi import REPORTS, SPEC, Answers
from service.web.problems import problem
from service.web.report_contract import EventReport, MessageReport
from service.whatsapp.errors import Verdict, verdict_on
from service.whatsapp.pausing import Account, Place
from service.whatsapp.send_error import Refused

_ID = re.compile(r"[0-9A-Za-z]{1,64}")
"""The form of our ids; nothing else is looked up, since not every store can compare any character."""

_OUR_WORDS: Mapping[str, tuple[str, str, str]] = {
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
}


_DECIDED = Verdict(
    None,
    Refused,
    Scope.MESSAGE,
    DECIDED,
    "It was not known what became of the message, and an operator decided that it did not arrive.",
    "Nothing; a later notification of Meta still counts. Where it must arrive, send it anew.",
)


@dataclass(frozen=True, slots=True)
class Reports:
    """What the handlers are given. `accounts`: what the settings say of each phone number."""

    report: Report
    now: Callable[[], datetime]
    accounts: Mapping[str, Account] = field(default_factory=dict)

    def waits_for(self, facts: MessageFacts) -> list[Pause]:
        """The pauses that hold a queued message back."""
        message = facts.message
        if message["status"] != Status.QUEUED:
            return []
        place = Place(
            message["phone_number_id"],
            Template(message["template_name"], message["language"]),
            self.accounts.get(message["phone_number_id"], Account()),
            message["country"],
            message["campaign_id"],
        )
        return self.report.pauses(self.now(), place.keys())


def blueprint(reports: Reports, keys: ApiKeys) -> Blueprint:
    """The routes of this file."""
    report = reports.report
    routes = Blueprint("reports", __name__)

    @routes.get("/v1/messages/<message_id>")
    @SPEC.validate(
        resp=Answers(HTTP_200=MessageReport, HTTP_401=None, HTTP_403=Problem, HTTP_404=Problem, HTTP_503=Problem),
        security={"api_key": []},
        tags=[REPORTS],
        skip_validation=True,
        operation_id="get_message",
        path_parameter_descriptions={"message_id": "from the answer to its event"},
    )
    @needs_scope(keys, "read")
    def message(message_id: str) -> Response:
        """Tell what became of one message.

        Its attempts with Meta's statuses and, where it failed, why and what to do. Scope `read`.
        """
        facts = report.message(message_id) if _ID.fullmatch(message_id) else None
        if facts is None:
            return problem(404, "No such message", "No message has this id; ids are in the answer to its event.")
        return jsonify(message_report(facts, reports.waits_for(facts), unmasked="pii" in g.api_key.scopes))

    @routes.get("/v1/events/<event_id>")
    @SPEC.validate(
        resp=Answers(HTTP_200=EventReport, HTTP_401=None, HTTP_403=Problem, HTTP_404=Problem, HTTP_503=Problem),
        security={"api_key": []},
        tags=[REPORTS],
        skip_validation=True,
        operation_id="get_event",
        path_parameter_descriptions={"event_id": "from its answer"},
    )
    @needs_scope(keys, "read")
    def event(event_id: str) -> Response:
        """Tell what became of one event.

        Its messages counted by status, failures by code, rejections by name; or why it was refused. Scope `read`.
        """
        facts = report.event(event_id) if _ID.fullmatch(event_id) else None
        if facts is None:
            return problem(404, "No such event", "No event has this id; ids are in the answer to the event.")
        return jsonify(event_report(facts))

    return routes


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
        "attempts": [_attempt_report(attempt) for attempt in facts.attempts],
        "waits_for": [_pause_report(pause) for pause in pauses],
        "failure": _failure(message["status"], facts.attempts),
    }


def _pause_report(pause: Pause) -> dict[str, Any]:
    return {
        "scope": pause.scope.value,
        "key": pause.key,
        "reason": pause.reason.value,
        "detail": pause.detail,
        "since": _iso(pause.since),
        "until": _iso(pause.until) if pause.until else None,
    }


def _attempt_report(attempt: Facts) -> dict[str, Any]:
    return {
        "attempt": attempt["attempt"],
        "started_at": _iso(attempt["started_at"]),
        "outcome": attempt["outcome"],
        "http_status": attempt["http_status"],
        "code": attempt["code"],
        "fbtrace_id": attempt["fbtrace_id"],
        "wamid": attempt["wamid"],
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
    if status in _OUR_WORDS:
        title, explanation, next_step = _OUR_WORDS[status]
        return {**facts, "title": title, "explanation": explanation, "next_step": next_step}
    if status != Status.FAILED:
        return None
    verdict = _DECIDED if str(newest.get("title")).startswith(DECIDED) else verdict_on(newest.get("code"))
    title = newest.get("title") or verdict.title
    return {**facts, "title": title, "explanation": verdict.explanation, "next_step": verdict.next_step}


def event_report(facts: EventFacts) -> dict[str, Any]:
    """The public form of an event (contract: calls)."""
    event = facts.event
    counts = dict(facts.counts)
    if facts.rejections:
        counts["rejected"] = len(facts.rejections)
    return {
        "event_id": event["event_id"],
        "source": event["source"],
        "application_id": event["application_id"],
        "campaign_id": event["campaign_id"],
        "journey_id": event["journey_id"],
        "received_at": _iso(event["received_at"]),
        "recipients": event["recipients"],
        "counts": counts,
        "failures": [_failure_count(code, count) for code, count in facts.failures.items()],
        "rejections": [
            {"recipient": row["recipient"], "status": "rejected"}
            | {"code": row["code"], "path": row["path"], "detail": row["detail"]}
            for row in facts.rejections
        ],
        "problem": json.loads(event["answer"]) if event["http_status"] != 202 else None,
    }


def _failure_count(code: int | None, count: int) -> dict[str, Any]:
    verdict = verdict_on(code)
    return {"code": code, "count": count, "explanation": verdict.explanation, "next_step": verdict.next_step}


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""`POST /v1/events/pinpoint`, `POST /v1/events/connect`: an event from the shim goes into the outbox.

202  kept: one result per recipient; also for a replay of a known `webhook-id`, with the first answer
400  no JSON        ┐
413  over 6 MB      │ the caller must change it; sending it again does not help
422  unusable event ┘ (400 and 422 are kept as refused events)
401  not signed by us, or longer than five minutes ago; nothing is kept
503  the store is down: park it and send it again
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from flask import Blueprint, Response, request
from pydantic import BaseModel

from service import metrics
from service.intake import connect, pinpoint
from service.intake.rules import Rules
from service.message import Event, Fault, ParsedEvent, Refusal, printable
from service.outbox.outbox import Outbox, Receipt, ReceiptConflict
from service.web.auth import Signatures
from service.web.contract import ConnectEvent, PinpointEvent, Problem
from service.web.contract import Receipt as ReceiptModel
from service.web.openapi import EVENTS, SPEC, Answers
from service.web.problems import problem, problem_text, unauthorised
from service.web.receipts import NotJson, answered, count, in_words, read_json

_RECEIPT = re.compile(r"evt_([0-9]{13})_.+")
"""The shim's `webhook-id` begins with the moment it received the event, in epoch milliseconds."""
_OLDEST_RECEIPT = timedelta(days=15)
"""A parked event comes at most 14 days late."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What the handler is given."""

    outbox: Outbox
    rules: Rules
    signatures: Signatures
    now: Callable[[], datetime]
    new_id: Callable[[], str]


class Source(Protocol):
    """A module of `intake` that reads one kind of event."""

    SOURCE: str

    def parse_event(
        self, document: object, event: Event, rules: Rules, new_id: Callable[[], str]
    ) -> ParsedEvent | Refusal:
        """One result per recipient, in order, or why nothing can be used; never raises."""


def _documented(
    model: type[BaseModel], operation_id: str
) -> Callable[[Callable[[], Response]], Callable[[], Response]]:
    """An event's call in the contract: all answer alike."""
    documented: Callable[[Callable[[], Response]], Callable[[], Response]] = SPEC.validate(
        json=model,
        resp=Answers(
            HTTP_202=ReceiptModel, HTTP_400=Problem, HTTP_401=None, HTTP_413=Problem, HTTP_422=Problem, HTTP_503=Problem
        ),
        security={"signature": []},
        tags=[EVENTS],
        skip_validation=True,
        operation_id=operation_id,
    )
    return documented


def blueprint(intake: Intake) -> Blueprint:
    """The routes of this file."""
    routes = Blueprint("events", __name__)

    @routes.post("/v1/events/pinpoint")
    @_documented(PinpointEvent, "post_pinpoint_event")
    def pinpoint_event() -> Response:
        """Take a Pinpoint custom-channel event of a campaign or a journey.

        Pinpoint puts up to 50 endpoints into one event. Each becomes a message, a duplicate or a rejection, and none spoils
        the others. What is refused whole (400, 422) is kept and can be read as an event.
        """
        return _receive(intake, pinpoint)

    @routes.post("/v1/events/connect")
    @_documented(ConnectEvent, "post_connect_event")
    def connect_event() -> Response:
        """Take an event of an Amazon Connect journey's custom action.

        Each customer profile becomes a message, a duplicate or a rejection, in the event's order, and none spoils the others.
        What is sent is the named message of the settings file, `[messages.<name>]`, whose name is the `ActionId`; where there
        is none every profile is rejected, and once there is one the event can be sent again under another `webhook-id`.
        """
        return _receive(intake, connect)

    return routes


def _receive(intake: Intake, source: Source) -> Response:
    """Check, parse, keep, answer."""
    body = request.get_data(cache=False)
    if not intake.signatures.are_genuine(body, dict(request.headers)):
        metrics.UNVERIFIED.labels("event").inc()
        return unauthorised()
    now = intake.now()
    event = _event(source.SOURCE, body, request.headers["webhook-id"], now, intake.new_id())
    try:
        receipt = _take(intake, source, event, body, now)
    except ReceiptConflict:
        fault = Fault("webhook-id", "receipt_conflict", "this id was used for another body; give each event its own")
        return problem(422, "Receipt id used twice", fault.detail, [fault])
    metrics.EVENTS.labels(event.source, receipt.http_status).inc()
    return answered(receipt)


def _event(source: str, body: bytes, receipt_id: str, now: datetime, event_id: str) -> Event:
    received_at = _received_at(receipt_id, now)
    return Event(
        event_id=event_id,
        source=source,
        received_at=received_at,
        keys_expire_at=received_at,
        receipt_id=printable(receipt_id)[:256],
        body_sha256=hashlib.sha256(body).hexdigest(),
    )


def _received_at(receipt_id: str, now: datetime) -> datetime:
    """When the shim received the event; now, where its id does not say so or says something impossible."""
    match = _RECEIPT.fullmatch(receipt_id)
    if not match:
        return now
    moment = datetime.fromtimestamp(int(match[1]) / 1000, UTC)
    return moment if now - _OLDEST_RECEIPT < moment <= now else now


def _take(intake: Intake, source: Source, event: Event, body: bytes, now: datetime) -> Receipt:
    """Parse and keep; a refused event is kept too, with the answer that says why."""
    try:
        document = read_json(body)
    except NotJson as error:
        refusal = Refusal(event, [Fault("", "invalid_json", str(error))])
        return _refuse(intake, refusal, 400, "Not JSON", body, now)
    parsed = source.parse_event(document, event, intake.rules, intake.new_id)
    if isinstance(parsed, Refusal):
        return _refuse(intake, parsed, 422, "Event refused", body, now)
    receipt = intake.outbox.add(parsed, now)
    if not receipt.replayed:
        count(parsed, receipt)
    return receipt


def _refuse(intake: Intake, refusal: Refusal, status: int, title: str, body: bytes, now: datetime) -> Receipt:
    answer = problem_text(status, title, in_words(refusal.faults), refusal.faults, event_id=refusal.event.event_id)
    return intake.outbox.refuse(refusal, status, answer, body.decode("utf-8", "backslashreplace"), now)

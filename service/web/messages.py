"""`POST /v1/messages`: an internal system's messages go into the outbox. API key with scope `send`.

202  kept: one result per message; also for a replay of a known `Idempotency-Key`, with the first answer
200  a dry run: one result per message, nothing kept
400  no JSON        ┐
413  over 6 MB      │ the caller must change it; sending it again does not help
422  unusable call  ┘
401, 403  no key, or one without the scope; nothing is kept
503  the store is down: send it again

What is refused whole is not kept, other than an event's: the caller gets the answer at once, a caller's mistakes cannot fill
the store, and the `Idempotency-Key` remains free for the mended call.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from service import metrics
from service.intake.direct import SOURCE, Caller, parse_messages
from service.intake.rules import Rules
from service.message import Event, Fault, Message, ParsedEvent, Refusal, Rejection, Template
from service.outbox.outbox import Outbox, ReceiptConflict
from service.web.auth import ApiKeys, needs_scope
from service.web.contract import Problem, Receipt
from service.web.direct_contract import DirectMessages, Rehearsal, SendHeaders, SendQuery
from service.web.openapi import MESSAGES, SPEC, Answers
from service.web.problems import problem
from service.web.receipts import NotJson, answered, count, in_words, read_json
from service.whatsapp.payload import build
from service.whatsapp.templates import Rendered

_KEY = "Idempotency-Key"
_KEY_FORM = re.compile(r"[\x20-\x7e]{1,255}")
_YES = {"true": True, "1": True, "false": False, "0": False}
_LONGEST_RECEIPT = 256

Render = Callable[[str, Template], Rendered | None]
"""What a person would see of a template sent from a number, or None where the template is not known."""


def _not_known(_phone_number_id: str, _template: Template) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Direct:
    """What the handler is given."""

    outbox: Outbox
    rules: Rules
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    render: Render = _not_known


def blueprint(direct: Direct, keys: ApiKeys) -> Blueprint:
    """The routes of this file."""
    routes = Blueprint("messages", __name__)

    @routes.post("/v1/messages")
    @SPEC.validate(
        query=SendQuery,
        headers=SendHeaders,
        json=DirectMessages,
        resp=Answers(
            HTTP_200=Rehearsal,
            HTTP_202=Receipt,
            HTTP_400=Problem,
            HTTP_401=None,
            HTTP_403=Problem,
            HTTP_413=Problem,
            HTTP_422=Problem,
            HTTP_503=Problem,
        ),
        security={"api_key": []},
        tags=[MESSAGES],
        skip_validation=True,
        operation_id="post_messages",
    )
    @needs_scope(keys, "send")
    def messages() -> Response:
        """Send messages to people, 1 to 1000 in one call.

        Each becomes a message, a duplicate or a rejection, in order, and none spoils the others. 202 follows the commit of
        all of them. A call that is refused whole (400, 422) is not kept. With `?dry_run=true` every message is checked and
        answered with 200: how it would look and what Meta would be sent; nothing is kept. Scope `send`.
        """
        return _receive(direct, Caller(g.api_key.name, request.headers.get(_KEY)))

    return routes


def _receive(direct: Direct, caller: Caller) -> Response:
    """Check, parse, keep, answer."""
    body = request.get_data(cache=False)
    if faults := [*_query_faults(), *_key_faults(caller.idempotency_key)]:
        return _refused(422, "Call refused", faults)
    now = direct.now()
    try:
        document = read_json(body)
    except NotJson as error:
        return _refused(400, "Not JSON", [Fault("", "invalid_json", str(error))])
    parsed = parse_messages(document, _event(direct, caller, body, now), direct.rules, direct.new_id, caller)
    if isinstance(parsed, Refusal):
        return _refused(422, "Call refused", parsed.faults)
    if _is_dry_run():
        results = direct.outbox.rehearse(parsed.results)
        return jsonify({"results": [_rehearsed(direct.render, item) for item in results]})
    return _keep(direct, parsed, now)


def _query_faults() -> Iterator[Fault]:
    """A misspelt `dry_run` must not send."""
    for name, values in request.args.lists():
        if name != "dry_run":
            yield Fault("", "unknown_field", "the query has a parameter that is not known; known is dry_run")
        elif len(values) > 1 or values[0] not in _YES:
            yield Fault("dry_run", "invalid_value", "give true or false, once")


def _key_faults(key: str | None) -> Iterator[Fault]:
    if key is not None and not _KEY_FORM.fullmatch(key):
        yield Fault(_KEY, "invalid_value", "give 1 to 255 printable ASCII characters, or leave the header out")


def _is_dry_run() -> bool:
    return _YES[request.args.get("dry_run", "false")]


def _event(direct: Direct, caller: Caller, body: bytes, now: datetime) -> Event:
    return Event(
        event_id=direct.new_id(),
        source=SOURCE,
        received_at=now,
        keys_expire_at=now,
        receipt_id=_receipt_id(caller),
        body_sha256=hashlib.sha256(body).hexdigest(),
    )


def _receipt_id(caller: Caller) -> str | None:
    """The call's name among those of all callers; no name of a key holds `:` or `#`."""
    if caller.idempotency_key is None:
        return None
    whole = f"{caller.name}:{caller.idempotency_key}"
    return whole if len(whole) <= _LONGEST_RECEIPT else f"#{hashlib.sha256(whole.encode()).hexdigest()}"


def _keep(direct: Direct, parsed: ParsedEvent, now: datetime) -> Response:
    try:
        receipt = direct.outbox.add(parsed, now)
    except ReceiptConflict:
        fault = Fault(_KEY, "receipt_conflict", "this key was used for another body; give each call its own")
        return _refused(422, "Idempotency key used twice", [fault])
    if not receipt.replayed:
        count(parsed, receipt)
    metrics.EVENTS.labels(SOURCE, receipt.http_status).inc()
    return answered(receipt)


def _refused(status: int, title: str, faults: Sequence[Fault]) -> Response:
    metrics.EVENTS.labels(SOURCE, status).inc()
    return problem(status, title, in_words(faults), faults)


def _rehearsed(render: Render, item: Message | Rejection) -> dict[str, Any]:
    """What would become of one message."""
    if isinstance(item, Rejection):
        return {"status": "rejected", **asdict(item)}
    rendered = render(item.phone_number_id, item.template)
    return {
        "recipient": item.recipient,
        "status": "accepted",
        "rendered": asdict(rendered) if rendered else None,
        "request": json.loads(build(item, f"{item.message_id}.1")),
    }

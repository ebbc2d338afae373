"""An event with its messages and rejections goes in: whole, and once (G1, G3), and nothing for who must not get it (G8)."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from service.message import Event, Message, ParsedEvent, Refusal, Rejection, Status
from service.outbox import blocking, rows, tables
from service.outbox.database import Insert


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the caller is answered: HTTP status and JSON text. `replayed`: it was the answer to an earlier delivery.

    `queued` counts the new messages, `suppressed` those that became rejections here.
    """

    http_status: int
    answer: str
    replayed: bool = False
    queued: int = 0
    suppressed: int = 0


class ReceiptConflict(Exception):
    """A known receipt id came with another body: the caller mixed something up, nothing was stored."""


def add(connection: Connection, given: Sequence[tuple[ParsedEvent, datetime]]) -> list[Receipt | ReceiptConflict]:
    """Keep events, each with the moment of its adding, their rejections, and a message for each key that nobody holds.

    One answer per event, in order; they were received at about the same moment. A message that its recipient must not get
    becomes a rejection, and uses up no key. A delivery that is known by its receipt id gets the first answer again, or a
    conflict where it has another body.
    """
    hoped = {parsed.event.event_id: _hoped(parsed) for parsed, _ in given}
    entered = _enter(
        connection,
        [
            _event_row(parsed.event, now, len(parsed.results), 202, hoped[parsed.event.event_id])
            for parsed, now in given
        ],
    )
    fresh = [one for one in given if one[0].event.event_id in entered]
    receipts = dict(zip((one[0].event.event_id for one in fresh), _add_fresh(connection, fresh, hoped), strict=True))
    return [receipts.get(parsed.event.event_id) or _replay(connection, parsed.event) for parsed, _ in given]


def _add_fresh(
    connection: Connection, fresh: Sequence[tuple[ParsedEvent, datetime]], hoped: Mapping[str, str]
) -> list[Receipt]:
    """Events whose rows have just been written, with the answers that were hoped for."""
    if not fresh:
        return []
    wanted = [item for parsed, _ in fresh for item in parsed.results]
    judged = iter(blocking.reject(connection, wanted))
    events = [(replace(parsed, results=list(islice(judged, len(parsed.results)))), now) for parsed, now in fresh]
    holders = _claim_keys(connection, [parsed for parsed, _ in events])
    messages = [
        _message_row(parsed.event, item, now)
        for parsed, now in events
        for item in parsed.results
        if isinstance(item, Message) and holders[item.key] == item.message_id
    ]
    if messages:
        rows.insert(connection, tables.messages, messages)
    _keep_rejections(connection, [parsed for parsed, _ in events])
    answers = [_answer(parsed, holders) for parsed, _ in events]
    came_to = {parsed.event.event_id: answer for (parsed, _), answer in zip(events, answers, strict=True)}
    _CORRECT.execute(
        connection, [{"of_event": of, "new_answer": came_to[of]} for of in came_to if came_to[of] != hoped[of]]
    )
    queued = Counter(row["event_id"] for row in messages)
    return [
        Receipt(
            202,
            answer,
            queued=queued[parsed.event.event_id],
            suppressed=sum(one is not other for one, other in zip(before.results, parsed.results, strict=True)),
        )
        for (before, _), (parsed, _), answer in zip(fresh, events, answers, strict=True)
    ]


def refuse(
    connection: Connection, refusal: Refusal, http_status: int, answer: str, body: str, now: datetime
) -> Receipt:
    """Keep an event of which nothing can be used, with its body, so that a person can see and mend it."""
    kept = _event_row(refusal.event, now, 0, http_status, answer) | {"refused_body": body.replace("\0", "\\0")}
    if not _enter(connection, [kept]):
        known = _replay(connection, refusal.event)
        if isinstance(known, ReceiptConflict):
            raise known
        return known
    return Receipt(http_status, answer)


def _enter(connection: Connection, events: Sequence[dict[str, Any]]) -> set[str]:
    """Write the events' rows; the ids of those whose receipt id was not known.

    A second delivery at the same moment waits here until the first has committed, and then finds its answer.
    """
    ordered = sorted(events, key=lambda row: (row["source"], row["receipt_id"] or ""))  # one order, as with any lock
    entered = rows.insert(connection, tables.events, ordered, _unless_known)
    return set(entered.scalars())


def _unless_known(insertion: Insert) -> Any:
    return insertion.on_conflict_do_nothing().returning(tables.events.c.event_id)


def _replay(connection: Connection, event: Event) -> Receipt | ReceiptConflict:
    """The stored answer of an event whose receipt id is known."""
    columns = tables.events.c
    stored = connection.execute(
        select(columns.body_sha256, columns.http_status, columns.answer).where(
            columns.source == event.source, columns.receipt_id == event.receipt_id
        )
    ).one()
    if stored.body_sha256 != event.body_sha256:
        return ReceiptConflict(event.receipt_id)
    return Receipt(stored.http_status, stored.answer, replayed=True)


def _claim_keys(connection: Connection, events: Sequence[ParsedEvent]) -> dict[str, str]:
    """Which message holds each key: ours where the key was free or had expired, otherwise the first one's.

    One statement decides; rows go in key order, so that two events with the same recipients cannot block each other.
    """
    wanted: dict[str, str] = {}
    until: dict[str, datetime] = {}
    for parsed in events:
        for item in parsed.results:
            if isinstance(item, Message) and item.key not in wanted:
                wanted[item.key], until[item.key] = item.message_id, parsed.event.keys_expire_at
    if not wanted:
        return {}
    received_at = min(parsed.event.received_at for parsed in events)
    claims = [{"key": key, "message_id": wanted[key], "expires_at": until[key]} for key in sorted(wanted)]
    ours = set(rows.insert(connection, tables.keys, claims, _unless_held, received_at=received_at).scalars())
    others = [key for key in wanted if key not in ours]
    if others:
        wanted.update((row.key, row.message_id) for row in _HELD.execute(connection, others))
    return wanted


def _unless_held(insertion: Insert) -> Any:
    table = tables.keys
    return insertion.on_conflict_do_update(
        index_elements=[table.c.key],
        set_={"message_id": insertion.excluded.message_id, "expires_at": insertion.excluded.expires_at},
        where=table.c.expires_at <= bindparam("received_at", type_=table.c.expires_at.type),
    ).returning(table.c.key)


_HELD = rows.Lookup(lambda among: select(tables.keys.c.key, tables.keys.c.message_id).where(among(tables.keys.c.key)))


def _keep_rejections(connection: Connection, events: Sequence[ParsedEvent]) -> None:
    rejected = [
        {"event_id": parsed.event.event_id, "position": n, "recipient": item.recipient}
        | {"code": item.code, "path": item.path, "detail": item.detail}
        for parsed in events
        for n, item in enumerate(parsed.results)
        if isinstance(item, Rejection)
    ]
    if rejected:
        rows.insert(connection, tables.rejections, rejected)


_CORRECT = rows.Change(
    lambda given: (
        update(tables.events).where(tables.events.c.event_id == given("of_event")).values(answer=given("new_answer"))
    ),
    of_event=tables.events.c.event_id.type,
    new_answer=tables.events.c.answer.type,
)


def _hoped(parsed: ParsedEvent) -> str:
    """The answer where nobody is suppressed and every key is free: kept at once, so that few rows are written twice."""
    return _answer(parsed, {item.key: item.message_id for item in parsed.results if isinstance(item, Message)})


def _answer(parsed: ParsedEvent, holders: dict[str, str]) -> str:
    """The one shape of every 202 (contract: calls)."""
    results: list[dict[str, str]] = []
    counts = {"accepted": 0, "duplicate": 0, "rejected": 0}
    for item in parsed.results:
        if isinstance(item, Rejection):
            status, facts = "rejected", {"code": item.code, "path": item.path, "detail": item.detail}
        else:
            holder = holders[item.key]
            status, facts = ("accepted" if holder == item.message_id else "duplicate"), {"message_id": holder}
        counts[status] += 1
        results.append({"recipient": item.recipient, "status": status, **facts})
    return json.dumps(
        {
            "event_id": parsed.event.event_id,
            "accepted": counts["accepted"],
            "duplicates": counts["duplicate"],
            "rejected": counts["rejected"],
            "results": results,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def _event_row(event: Event, now: datetime, recipients: int, http_status: int, answer: str) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "source": event.source,
        "receipt_id": event.receipt_id,
        "body_sha256": event.body_sha256,
        "received_at": event.received_at,
        "added_at": now,
        "application_id": event.application_id,
        "campaign_id": event.campaign_id,
        "journey_id": event.journey_id,
        "treatment_id": event.treatment_id,
        "activity_id": event.activity_id,
        "recipients": recipients,
        "http_status": http_status,
        "answer": answer,
    }


def _message_row(event: Event, message: Message, now: datetime) -> dict[str, Any]:
    return {
        "message_id": message.message_id,
        "event_id": event.event_id,
        "recipient": message.recipient,
        "to": message.to,
        "phone_number_id": message.phone_number_id,
        "template_name": message.template.name,
        "language": message.template.language,
        "components": message.template.components,
        "priority": int(message.priority),
        "campaign_id": message.campaign_id,
        "reference": message.reference,
        "country": message.country,
        "category": message.category,
        "key": message.key,
        "created_at": now,
        "due_at": message.due_at,
        "expires_at": message.expires_at,
        "status": Status.QUEUED.value,
        "status_at": now,
    }

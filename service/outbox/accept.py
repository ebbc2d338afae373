"""An event with its messages and rejections goes in: whole, and once (G1, G3), and nothing for who must not get it (G8)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from service.message import Event, Message, ParsedEvent, Refusal, Rejection, Status
from service.outbox import blocking, tables
from service.outbox.database import upsert


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


def add(connection: Connection, parsed: ParsedEvent, now: datetime) -> Receipt:
    """Keep the event, its rejections, and a message for each key that nobody holds; answer per recipient.

    A message that its recipient must not get becomes a rejection, and uses up no key. A delivery that is known by its receipt
    id gets the first answer again. Raise ReceiptConflict.
    """
    known = _enter(connection, parsed.event, now, recipients=len(parsed.results))
    if known:
        return known
    given = parsed.results
    parsed = replace(parsed, results=blocking.reject(connection, given))
    suppressed = sum(one is not other for one, other in zip(given, parsed.results, strict=True))
    holders = _claim_keys(connection, parsed)
    new = [item for item in parsed.results if isinstance(item, Message) and holders[item.key] == item.message_id]
    if new:
        connection.execute(insert(tables.messages), [_message_row(parsed.event, item, now) for item in new])
    _keep_rejections(connection, parsed.event.event_id, parsed.results)
    answer = _answer(parsed, holders)
    _keep_answer(connection, parsed.event.event_id, 202, answer)
    return Receipt(202, answer, queued=len(new), suppressed=suppressed)


def refuse(
    connection: Connection, refusal: Refusal, http_status: int, answer: str, body: str, now: datetime
) -> Receipt:
    """Keep an event of which nothing can be used, with its body, so that a person can see and mend it."""
    known = _enter(connection, refusal.event, now, recipients=0)
    if known:
        return known
    _keep_answer(connection, refusal.event.event_id, http_status, answer, refused_body=body.replace("\0", "\\0"))
    return Receipt(http_status, answer)


def _enter(connection: Connection, event: Event, now: datetime, recipients: int) -> Receipt | None:
    """Write the event's row; return the stored answer where its receipt id is known already.

    A second delivery at the same moment waits here until the first has committed, and then finds its answer.
    """
    statement = upsert(connection, tables.events).on_conflict_do_nothing().returning(tables.events.c.event_id)
    entered = connection.execute(statement, _event_row(event, now, recipients)).first()
    if entered:
        return None
    columns = tables.events.c
    stored = connection.execute(
        select(columns.body_sha256, columns.http_status, columns.answer).where(
            columns.source == event.source, columns.receipt_id == event.receipt_id
        )
    ).one()
    if stored.body_sha256 != event.body_sha256:
        raise ReceiptConflict(event.receipt_id)
    return Receipt(stored.http_status, stored.answer, replayed=True)


def _claim_keys(connection: Connection, parsed: ParsedEvent) -> dict[str, str]:
    """Which message holds each key: ours where the key was free or had expired, otherwise the first one's.

    One statement decides; rows go in key order, so that two events with the same recipients cannot block each other.
    """
    table = tables.keys
    wanted: dict[str, str] = {}
    for item in parsed.results:
        if isinstance(item, Message):
            wanted.setdefault(item.key, item.message_id)
    if not wanted:
        return {}
    insertion = upsert(connection, table)
    statement = insertion.on_conflict_do_update(
        index_elements=[table.c.key],
        set_={"message_id": insertion.excluded.message_id, "expires_at": insertion.excluded.expires_at},
        where=table.c.expires_at <= parsed.event.received_at,
    ).returning(table.c.key)
    rows = [
        {"key": key, "message_id": wanted[key], "expires_at": parsed.event.keys_expire_at} for key in sorted(wanted)
    ]
    ours = set(connection.execute(statement, rows).scalars())
    others = [key for key in wanted if key not in ours]
    if others:
        held = connection.execute(select(table.c.key, table.c.message_id).where(table.c.key.in_(others)))
        wanted.update((row.key, row.message_id) for row in held)
    return wanted


def _keep_rejections(connection: Connection, event_id: str, results: Sequence[Message | Rejection]) -> None:
    rows = [
        {"event_id": event_id, "position": n, "recipient": item.recipient}
        | {"code": item.code, "path": item.path, "detail": item.detail}
        for n, item in enumerate(results)
        if isinstance(item, Rejection)
    ]
    if rows:
        connection.execute(insert(tables.rejections), rows)


def _keep_answer(
    connection: Connection, event_id: str, http_status: int, answer: str, refused_body: str | None = None
) -> None:
    connection.execute(
        update(tables.events).where(tables.events.c.event_id == bindparam("of_event")),
        {"of_event": event_id, "http_status": http_status, "answer": answer, "refused_body": refused_body},
    )


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


def _event_row(event: Event, now: datetime, recipients: int) -> dict[str, Any]:
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
        "http_status": 0,
        "answer": "",
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

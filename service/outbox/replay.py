"""Sending again what did not go, as an operator wants it.

Filter ─► page of ids ─► each message judged: when it goes again, or why it does not ─┬─► queued again (`replay`)
                                                                                      └─► counted (`preview`)

A page at a time, in the order of the ids. Every write is fenced by the status and the attempt that were judged.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, null, or_, select, update

from service.message import Status
from service.outbox import tables
from service.outbox.queue import lock_messages
from service.outbox.report import NEWEST
from service.outbox.search import Filter, fitting, next_ids

REPLAYED_AT_ONCE = 5_000
"""So many in one transaction, so that a replay of a large campaign keeps no other writer waiting for long."""

REPLAYABLE = (Status.FAILED, Status.EXPIRED, Status.UNANSWERED)
_UNLESS_NAMED = (Status.FAILED, Status.EXPIRED)
"""What was never answered may have arrived: it goes again only where its status is named."""

_messages = tables.messages.c
_attempts = tables.attempts.c
_events = tables.events.c


@dataclass(frozen=True, slots=True)
class Terms:
    """When what failed may go again: `now`, but so long after it as `not_before` says for its code, and with `never`'s not."""

    now: datetime
    not_before: Mapping[int, timedelta]
    never: Collection[int]


class LeftOut(StrEnum):
    """Why a message that was meant does not go again."""

    OPTED_OUT = "opted_out"
    DELIVERED = "delivered"
    TAKEN = "taken"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay came to, or would: how many go now, how many later, how many do not, and why."""

    now: int = 0
    later: int = 0
    left_out: Counter[LeftOut] = field(default_factory=Counter)

    @property
    def queued(self) -> int:
        """How many go again."""
        return self.now + self.later

    def __add__(self, other: "Replayed") -> "Replayed":
        return Replayed(self.now + other.now, self.later + other.later, self.left_out + other.left_out)


def replayable(wanted: Filter) -> Filter:
    """What a replay of these messages takes: those that failed or expired where no status is given.

    Raise ValueError where a status is given of which nothing is sent again, or nothing but statuses.
    """
    return wanted.narrowed(REPLAYABLE, _UNLESS_NAMED, "sent again")


def preview(connection: Connection, wanted: Filter, terms: Terms) -> Replayed:
    """Count what `replay` would do."""
    total = Replayed()
    ids = next_ids(connection, wanted, "", REPLAYED_AT_ONCE)
    while ids:
        total += _count(_judged(connection, ids, wanted, terms).values(), terms)
        ids = next_ids(connection, wanted, ids[-1], REPLAYED_AT_ONCE)
    return total


def replay(connection: Connection, wanted: Filter, terms: Terms, after: str) -> tuple[Replayed, str | None]:
    """Queue the next page of messages again. What it came to, and after which id to go on, None at the end.

    Each gets as many tries and as long a time to live as it had, from when it may go; `created_at` is that moment from then on.
    """
    ids = next_ids(connection, wanted, after, REPLAYED_AT_ONCE)
    lock_messages(connection, ids)
    judged = _judged(connection, ids, wanted, terms)
    changes = [_queued_again(row, fate, terms.now) for row, fate in judged.items() if isinstance(fate, datetime)]
    if changes:
        connection.execute(_QUEUE_AGAIN, changes)
    return _count(judged.values(), terms), ids[-1] if ids else None


def _judged(
    connection: Connection, ids: Sequence[str], wanted: Filter, terms: Terms
) -> dict[Row[Any], datetime | LeftOut]:
    """What still fits, with the moment when it may go again, or why it may not."""
    rows = look(connection, _messages.message_id.in_(ids), *fitting(wanted))
    return {row: _judge(row, terms) for row in rows}


def _judge(row: Row[Any], terms: Terms) -> datetime | LeftOut:
    if row.delivered:
        return LeftOut.DELIVERED
    if row.taken:
        return LeftOut.TAKEN
    if row.code in terms.never:
        return LeftOut.OPTED_OUT
    wait = terms.not_before.get(row.code)
    return terms.now if wait is None else max(terms.now, row.status_at + wait)


def _count(fates: Iterable[datetime | LeftOut], terms: Terms) -> Replayed:
    known = list(fates)
    now = known.count(terms.now)
    left_out = Counter(fate for fate in known if isinstance(fate, LeftOut))
    return Replayed(now, len(known) - now - left_out.total(), left_out)


def look(connection: Connection, *which: ColumnElement[bool]) -> Sequence[Row[Any]]:
    """What messages are judged by, in the order of their ids.

    `delivered`: an attempt has arrived. `taken`: Meta has an attempt, however old, and has not said that it failed.
    """
    any_attempt = tables.attempts.alias("any_attempt")
    at = any_attempt.c
    own = select(at.attempt).where(at.message_id == _messages.message_id)
    known = own.where(at.failed_at.is_(None), or_(at.wamid.is_not(None), at.sent_at.is_not(None)))
    arrived = own.where(or_(at.delivered_at.is_not(None), at.read_at.is_not(None)))
    moments = _messages.status_at, _messages.created_at, _messages.expires_at, _events.added_at, _events.received_at
    found = (
        select(
            *(_messages.message_id, _messages.status, _messages.attempts, *moments, _attempts.code),
            *(arrived.exists().label("delivered"), known.exists().label("taken")),
        )
        .select_from(tables.messages)
        .outerjoin(tables.attempts, NEWEST)
        .outerjoin(tables.events, _events.event_id == _messages.event_id)
        .where(*which)
    )
    return connection.execute(found.order_by(_messages.message_id)).all()


def time_to_live(row: Row[Any]) -> timedelta:
    """How long a message is worth sending: counted from its event's receipt, and once it was sent again from then."""
    replayed = row.received_at is None or row.created_at != row.added_at
    span: timedelta = row.expires_at - (row.created_at if replayed else row.received_at)
    return span


def _queued_again(row: Row[Any], due_at: datetime, now: datetime) -> dict[str, Any]:
    return {
        "of_message": row.message_id,
        "while_status": row.status,
        "while_attempts": row.attempts,
        "new_status_at": now,
        "new_due_at": due_at,
        "new_created_at": due_at,
        "new_expires_at": due_at + time_to_live(row),
    }


_QUEUE_AGAIN = (
    update(tables.messages)
    .where(
        _messages.message_id == bindparam("of_message"),
        _messages.status == bindparam("while_status"),
        _messages.attempts == bindparam("while_attempts"),
    )
    .values({name: bindparam(f"new_{name}") for name in ("status_at", "due_at", "created_at", "expires_at")})
    .values(status=Status.QUEUED.value, tries=0, shelf=null())
)

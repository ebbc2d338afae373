"""What is over, and has been for long, goes: the people's data of finished messages. Counts stay (`tally`).

    messages that ended ──► gone, each with its attempts, its key and what was to be published of it
    events without messages ──► gone, with their rejections, or with the body that was refused
    replies, people of the daily limit ──► gone by their own age

Ids sort by time: what is old is the front of a primary key, and costs the same however many messages are younger. A walk goes
on where the one before it ended. What it had to leave, since it is not over, it sees again a day later.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, Engine, Select, and_, delete, or_, select, update

from service.message import Status
from service.outbox import daily, tables
from service.outbox.database import reading, transaction
from service.outbox.unmatched import UNMATCHED_FOR

MESSAGES_AT_ONCE = 500
EVENTS_AT_ONCE = 50
"""So many in one transaction, so that no other writer waits for long. A direct call may have 1,000 rejections."""

ANEW_AFTER = timedelta(days=1)
"""So long after its beginning a walk begins anew, to see what it had to leave."""

META_DONE_AFTER = timedelta(days=30) + UNMATCHED_FOR
"""Meta tries for 30 days (Cloud API, message time-to-live, read 2026-11) and repeats what it tells for seven: after that, what
it has will come to nothing more."""

RECEIPTS_KEPT = timedelta(days=16)
"""The shim may deliver an event for 15 days: for so long its receipt must be known, whatever the settings say."""

REPLIES_KEPT = UNMATCHED_FOR + timedelta(days=1)
"""A reply that Meta repeats must be known: what it asks for is not done twice."""

_ENDED = (Status.READ, Status.DELIVERED, Status.FAILED, Status.EXPIRED, Status.SUPPRESSED, Status.CANCELLED)
_WITH_META = (Status.ACCEPTED, Status.SENT, Status.HELD)
"""What is being sent is found in doubt by the number's next dispatcher; what is unanswered waits for a person."""

_messages = tables.messages.c
_attempts = tables.attempts.c
_keys = tables.keys.c
_events = tables.events.c
_replies = tables.inbound_messages.c
_outcomes = tables.outcomes.c

Due = ColumnElement[bool]
Erase = Callable[[Connection, Sequence[str], Due, datetime], int]


class Erased(NamedTuple):
    """One transaction: what it erased, and how many, which may be none."""

    what: str
    number: int


class Retention:
    """Erases what is older than `keep`. Several may do so at once: each passes over what another is at."""

    def __init__(self, engine: Engine, keep: timedelta) -> None:
        self._engine = engine
        self._keep = keep
        self._marks: dict[str, str] = {}
        self._begun_at: datetime | None = None

    def steps(self, now: datetime) -> Iterator[Erased]:
        """Erase what is due, a bounded transaction each step. Any may raise StoreUnavailable; the next call goes on there.

        Whoever steps leaves others their turn in between.
        """
        if self._begun_at is None or not timedelta() <= now - self._begun_at < ANEW_AFTER:
            self._begun_at, self._marks = now, {}
        before = now - self._keep
        is_over = _is_over(before, min(before, now - META_DONE_AFTER))
        yield from self._walk("messages", _messages.message_id, is_over, before, now, _erase_messages, MESSAGES_AT_ONCE)
        before = now - max(self._keep, RECEIPTS_KEPT)
        yield from self._walk("events", _events.event_id, _is_empty(before), before, now, _erase_events, EVENTS_AT_ONCE)
        yield from self._erase_replies(now - max(self._keep, REPLIES_KEPT))
        yield from self._forget_people(now)

    def _walk(
        self, what: str, own_id: Column[str], due: Due, before: datetime, now: datetime, erase: Erase, at_once: int
    ) -> Iterator[Erased]:
        """Look at the next rows in the order of their ids, only reading; erase those that are due."""
        is_due = due.label("is_due")
        while True:
            ahead = own_id > self._marks.get(what, ""), own_id < first_id(before)
            with reading(self._engine) as connection:
                rows = connection.execute(select(own_id, is_due).where(*ahead).order_by(own_id).limit(at_once)).all()
            if not rows:
                return
            ids = [row[0] for row in rows if row.is_due]
            erased = 0
            if ids:
                with transaction(self._engine) as connection:
                    erased = erase(connection, ids, due, now)
            self._marks[what] = rows[-1][0]
            yield Erased(what, erased)

    def _erase_replies(self, before: datetime) -> Iterator[Erased]:
        old = select(_replies.wamid).where(_replies.received_at <= before).order_by(_replies.received_at)
        while self._finds(old):
            with transaction(self._engine) as connection:
                some = old.limit(MESSAGES_AT_ONCE).with_for_update(skip_locked=True)
                wamids = connection.execute(some).scalars().all()
                _unpublish(connection, wamids)
                connection.execute(delete(tables.inbound_messages).where(_replies.wamid.in_(wamids)))
            yield Erased("replies", len(wamids))
            if not wamids:  # another dispatcher is at them
                return

    def _forget_people(self, now: datetime) -> Iterator[Erased]:
        """Claims do so where there are any; this is for the portfolios that send nothing any more."""
        with reading(self._engine) as connection:
            portfolios = daily.outdated(connection, now)
        for portfolio in portfolios:
            forgotten = MESSAGES_AT_ONCE
            while forgotten == MESSAGES_AT_ONCE:
                with transaction(self._engine) as connection:
                    forgotten = daily.forget(connection, portfolio, now, MESSAGES_AT_ONCE)
                yield Erased("people", forgotten)

    def _finds(self, rows: Select[tuple[str]]) -> bool:
        """Asked first, so that nothing to do costs no writer his turn."""
        with reading(self._engine) as connection:
            return connection.execute(rows.limit(1)).first() is not None


def first_id(moment: datetime) -> str:
    """Every id that was made at this moment or later is as great or greater (`wiring.moments.new_id`)."""
    return f"{int(moment.timestamp() * 1000) << 80:032x}"


def _is_over(before: datetime, meta_done_before: datetime) -> Due:
    """What came to its end before, and what had its time: nobody serves its number any more, or Meta told no end of it."""
    return or_(
        and_(_messages.status.in_(sorted(_ENDED)), _messages.status_at <= before),
        and_(_messages.status.in_(sorted(_WITH_META)), _messages.status_at <= meta_done_before),
        and_(_messages.status == Status.QUEUED.value, _messages.expires_at <= before),
    )


def _erase_messages(connection: Connection, ids: Sequence[str], due: Due, now: datetime) -> int:
    columns = _messages.message_id, _messages.key, _messages.status
    due_still = select(*columns).where(_messages.message_id.in_(ids), due)
    rows = connection.execute(due_still.order_by(_messages.message_id).with_for_update(skip_locked=True)).all()
    names = [row.message_id for row in rows]
    _expire(connection, [row.message_id for row in rows if row.status == Status.QUEUED], now)
    _forget_keys(connection, [row.key for row in rows], names)
    _unpublish(connection, names)
    connection.execute(delete(tables.attempts).where(_attempts.message_id.in_(names)))
    connection.execute(delete(tables.messages).where(_messages.message_id.in_(names)))
    return len(names)


def _expire(connection: Connection, names: Sequence[str], now: datetime) -> None:
    """So that they are not counted as queued for ever. No claim takes what has waited past its time to live."""
    if names:
        ended = update(tables.messages).where(_messages.message_id.in_(names))
        connection.execute(ended.values(status=Status.EXPIRED.value, status_at=now))


def _forget_keys(connection: Connection, keys: Sequence[str], names: Sequence[str]) -> None:
    """In their order, in which events claim them. A key that another message holds by now stays."""
    own = _keys.key.in_(sorted(keys)), _keys.message_id.in_(names)
    held = connection.execute(select(_keys.key).where(*own).order_by(_keys.key).with_for_update()).scalars().all()
    connection.execute(delete(tables.keys).where(_keys.key.in_(held)))


def _unpublish(connection: Connection, subjects: Sequence[str]) -> None:
    """What the event bus has not taken for so long."""
    connection.execute(delete(tables.outcomes).where(_outcomes.subject.in_(subjects)))


def _is_empty(before: datetime) -> Due:
    """An event goes after the last of its messages."""
    left = select(_messages.message_id).where(_messages.event_id == _events.event_id).exists()
    return and_(_events.added_at <= before, ~left)


def _erase_events(connection: Connection, ids: Sequence[str], due: Due, _now: datetime) -> int:
    due_still = select(_events.event_id).where(_events.event_id.in_(ids), due).order_by(_events.event_id)
    locked = due_still.with_for_update(skip_locked=True, of=tables.events)
    names = connection.execute(locked).scalars().all()
    connection.execute(delete(tables.rejections).where(tables.rejections.c.event_id.in_(names)))
    connection.execute(delete(tables.events).where(_events.event_id.in_(names)))
    return len(names)

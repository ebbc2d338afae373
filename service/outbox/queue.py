"""The work: claim what can be sent now, settle what became of it, expire what has waited too long.

A claim is one statement under a lease that still stands. A settlement is fenced by the number of the attempt: it moves the
message only while that attempt is its newest, and is kept with the attempt in any case, since a late answer is evidence.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, case, func, insert, or_, select, union_all, update
from sqlalchemy.sql.elements import ColumnElement

from service.message import Attempt, Message, Outcome, Priority, Settlement, Status, Template, may_become
from service.outbox import tables
from service.outbox.leases import Lease, stands
from service.outbox.pauses import paused

EXPIRED_AT_ONCE = 5_000
"""So many in one transaction, so that ending a large campaign keeps no other writer waiting for long."""

_messages = tables.messages
_attempts = tables.attempts


def claim(
    connection: Connection, lease: Lease, limit: int, now: datetime, only: Priority | None = None
) -> list[Attempt]:
    """Take up to `limit` messages that may go now, the urgent and the oldest first, each as a new attempt.

    Nothing is taken once the lease has run out or while the number is paused.
    """
    candidates = union_all(
        *(_due(lease.phone_number_id, priority, limit, now) for priority in ([only] if only is not None else Priority))
    ).cte("candidates")
    columns = candidates.c
    picked = select(columns.message_id).order_by(columns.priority, columns.due_at, columns.message_id).limit(limit)
    rows = connection.execute(
        update(_messages)
        .where(
            _messages.c.message_id.in_(picked),
            tables.WAITS,
            stands(connection, lease),
            ~paused(lease.phone_number_id, now),
        )
        .values(status=Status.SENDING.value, status_at=now, attempts=_messages.c.attempts + 1, lease_epoch=lease.epoch)
        .returning(_messages)
    ).all()
    if not rows:
        return []
    claimed = sorted((_attempt(row, now) for row in rows), key=_first_to_go)
    connection.execute(
        insert(_attempts),
        [
            {"message_id": attempt.message.message_id, "attempt": attempt.number}
            | {"phone_number_id": lease.phone_number_id, "started_at": now}
            for attempt in claimed
        ],
    )
    return claimed


def _first_to_go(attempt: Attempt) -> tuple[Priority, datetime, str]:
    message = attempt.message
    return message.priority, message.due_at, message.message_id


def _due(phone_number_id: str, priority: Priority, limit: int, now: datetime) -> Select[Any]:
    """The first of one priority, by the index; what another transaction is moving just now is passed over."""
    first = (
        select(_messages.c.message_id, _messages.c.priority, _messages.c.due_at)
        .where(
            _messages.c.phone_number_id == phone_number_id,
            tables.WAITS,
            _messages.c.priority == int(priority),
            _messages.c.due_at <= now,
            _messages.c.expires_at > now,
        )
        .order_by(_messages.c.due_at, _messages.c.message_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .subquery()
    )
    return select(first)


def _attempt(row: Row[Any], now: datetime) -> Attempt:
    message = Message(
        message_id=row.message_id,
        recipient=row.recipient,
        to=row.to,
        phone_number_id=row.phone_number_id,
        template=Template(row.template_name, row.language, row.components),
        due_at=row.due_at,
        expires_at=row.expires_at,
        key=row.key,
        priority=Priority.HIGH if row.priority == Priority.HIGH else Priority.NORMAL,
        campaign_id=row.campaign_id,
        reference=row.reference,
    )
    return Attempt(message, number=row.attempts, started_at=now, tries=row.tries)


def lock_messages(connection: Connection, message_ids: Iterable[str]) -> None:
    """Take the messages' rows for this transaction, in the order of their ids.

    Whoever changes several messages, or their attempts, begins with this; so no two transactions wait for each other.
    """
    wanted = select(_messages.c.message_id).where(_messages.c.message_id.in_(sorted(message_ids)))
    if connection.dialect.name != "sqlite":  # which has one writer
        connection.execute(wanted.order_by(_messages.c.message_id).with_for_update())


def settle(connection: Connection, settlements: Iterable[Settlement], now: datetime) -> None:
    """Record what each attempt came to, and move its message where that attempt is still its newest.

    A late answer counts: `accepted` also moves a message that was given up for unanswered or queued again meanwhile.
    """
    ordered = sorted(settlements, key=lambda s: (s.message_id, s.attempt))
    lock_messages(connection, {s.message_id for s in ordered})
    _record(connection, [s for s in ordered if s.outcome is not Outcome.UNANSWERED], now, certain=True)
    _record(connection, [s for s in ordered if s.outcome is Outcome.UNANSWERED], now, certain=False)
    by_status = sorted(ordered, key=lambda s: s.status)
    for status, group in groupby(by_status, key=lambda s: s.status):
        _move(connection, status, list(group), now)


def _record(connection: Connection, settlements: Sequence[Settlement], now: datetime, *, certain: bool) -> None:
    """A certain answer replaces "unanswered"; "unanswered" replaces nothing that is known."""
    if not settlements:
        return
    unknown = _attempts.c.outcome.is_(None)
    open_to_it = or_(unknown, _attempts.c.finished_at.is_(None), _attempts.c.outcome == Outcome.UNANSWERED.value)
    statement = (
        update(_attempts)
        .where(
            _attempts.c.message_id == bindparam("of_message"),
            _attempts.c.attempt == bindparam("of_attempt"),
            open_to_it if certain else unknown,
        )
        .values(
            outcome=bindparam("new_outcome"),
            finished_at=now,
            duration_ms=bindparam("took_ms"),
            http_status=bindparam("with_http_status"),
            code=func.coalesce(bindparam("with_code"), _attempts.c.code),
            title=func.coalesce(bindparam("with_title"), _attempts.c.title),
            details=func.coalesce(bindparam("with_details"), _attempts.c.details),
            fbtrace_id=bindparam("with_fbtrace_id"),
            wamid=func.coalesce(bindparam("with_wamid"), _attempts.c.wamid),
        )
    )
    connection.execute(
        statement,
        [
            {
                "of_message": s.message_id,
                "of_attempt": s.attempt,
                "new_outcome": s.outcome.value,
                "took_ms": s.duration_ms,
                "with_http_status": s.http_status,
                "with_code": s.code,
                "with_title": s.title,
                "with_details": s.details,
                "with_fbtrace_id": s.fbtrace_id,
                "with_wamid": s.wamid,
            }
            for s in settlements
        ],
    )


def _move(connection: Connection, status: Status, settlements: Sequence[Settlement], now: datetime) -> None:
    """A try is counted when its message leaves `sending`; a later answer that shows it was none takes it off again."""
    columns = _messages.c
    origins = may_become(status) & {Status.SENDING, Status.UNANSWERED}
    movable: ColumnElement[bool] = or_(*(columns.status == origin.value for origin in sorted(origins)))
    if status in {Status.ACCEPTED, Status.HELD}:
        movable = or_(movable, (columns.status == Status.QUEUED.value) & ~_known_to_have_failed())
    counted_before = case((columns.status == Status.SENDING.value, 0), else_=1)
    statement = (
        update(_messages)
        .where(columns.message_id == bindparam("of_message"), columns.attempts == bindparam("of_attempt"), movable)
        .values(
            status=status.value,
            status_at=now,
            due_at=func.coalesce(bindparam("next_due_at", type_=tables.UtcMoment), columns.due_at),
            tries=columns.tries + bindparam("counted") - counted_before,
        )
    )
    connection.execute(
        statement,
        [
            {"of_message": s.message_id, "of_attempt": s.attempt, "next_due_at": s.due_at, "counted": int(s.counts)}
            for s in settlements
        ],
    )


def _known_to_have_failed() -> ColumnElement[bool]:
    """A failure that was notified before the answer came stands: the message waits for its next attempt."""
    return (
        select(_attempts.c.attempt)
        .where(
            _attempts.c.message_id == _messages.c.message_id,
            _attempts.c.attempt == _messages.c.attempts,
            _attempts.c.failed_at.is_not(None),
        )
        .exists()
    )


def expire(connection: Connection, lease: Lease, now: datetime) -> int:
    """End what has waited longer than it was worth sending, at most EXPIRED_AT_ONCE. How many."""
    late = (
        select(_messages.c.message_id)
        .where(_messages.c.phone_number_id == lease.phone_number_id, tables.WAITS, _messages.c.expires_at <= now)
        .limit(EXPIRED_AT_ONCE)
        .with_for_update(skip_locked=True)
        .cte("late")
    )
    statement = (
        update(_messages)
        .where(_messages.c.message_id.in_(select(late.c.message_id)), tables.WAITS, stands(connection, lease))
        .values(status=Status.EXPIRED.value, status_at=now)
        .returning(_messages.c.message_id)
    )
    return len(connection.execute(statement).all())

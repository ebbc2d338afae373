"""What became of what was claimed, and of what has waited too long.

A settlement is fenced by the number of the attempt: it moves the message only while that attempt is its newest, and is kept
with the attempt in any case, since a late answer is evidence.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby

from sqlalchemy import (
    Connection,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.sql.elements import ColumnElement

from service.message import Outcome, Settlement, Status, may_become
from service.outbox import blocking, consent, daily, outcomes, tables
from service.outbox.leases import Lease, stands

EXPIRED_AT_ONCE = 5_000
"""So many in one transaction, so that ending a large campaign keeps no other writer waiting for long."""

_messages = tables.messages
_attempts = tables.attempts


def lock_messages(connection: Connection, message_ids: Iterable[str]) -> None:
    """Take the messages' rows for this transaction, in the order of their ids.

    Whoever changes several messages, or their attempts, begins with this; so no two transactions wait for each other.
    """
    wanted = select(_messages.c.message_id).where(_messages.c.message_id.in_(sorted(message_ids)))
    if connection.dialect.name != "sqlite":  # which has one writer
        connection.execute(wanted.order_by(_messages.c.message_id).with_for_update())


def settle(connection: Connection, settlements: Iterable[Settlement], now: datetime) -> None:
    """Record what each attempt came to, and move its message where that attempt is still its newest.

    A late answer counts: `accepted` also moves a message that was given up for unanswered or queued again meanwhile. What
    would go again to somebody who opted out meanwhile is `suppressed`; who opts out by an answer is suppressed with it.
    """
    ordered = sorted(settlements, key=lambda s: (s.message_id, s.attempt))
    lock_messages(connection, {s.message_id for s in ordered})
    _record(connection, [s for s in ordered if s.outcome is not Outcome.UNANSWERED], now, certain=True)
    _record(connection, [s for s in ordered if s.outcome is Outcome.UNANSWERED], now, certain=False)
    by_status = sorted(ordered, key=lambda s: s.status)
    for status, group in groupby(by_status, key=lambda s: s.status):
        _move(connection, status, list(group), now)
    not_reached = {s.message_id: s.attempt for s in ordered if not s.reached}
    if not_reached:
        newest = connection.execute(
            select(_messages.c.message_id, _messages.c.attempts).where(_messages.c.message_id.in_(sorted(not_reached)))
        )
        daily.take_off(connection, (row.message_id for row in newest if row.attempts == not_reached[row.message_id]))
    queued = sorted({s.message_id for s in ordered if s.status is Status.QUEUED})
    if queued:
        blocking.withhold(connection, _messages.c.message_id.in_(queued), now)
    consent.refused_marketing(connection, {s.message_id: now for s in ordered if s.opted_out}, now)
    outcomes.keep(connection, {s.message_id for s in ordered}, now)


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
            door=bindparam("through"),
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
                "through": s.door.value,
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
            code=bindparam("with_code") if status is Status.FAILED else columns.code,
        )
    )
    connection.execute(
        statement,
        [
            {"of_message": s.message_id, "of_attempt": s.attempt, "next_due_at": s.due_at, "counted": int(s.counts)}
            | ({"with_code": s.code} if status is Status.FAILED else {})
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
    """End what will never go: what is blocked, and what has waited longer than it was worth sending.

    At most EXPIRED_AT_ONCE of these; how many waited too long.
    """
    blocking.sweep(connection, lease, now)
    late = (
        select(_messages.c.message_id)
        .where(_messages.c.phone_number_id == lease.phone_number_id, tables.WAITS, _messages.c.expires_at <= now)
        .limit(EXPIRED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    some = connection.execute(late).scalars().all()
    if not some:
        return 0
    statement = (
        update(_messages)
        .where(_messages.c.message_id.in_(some), tables.STILL_WAITS, stands(connection, lease))
        .values(
            status=case((blocking.blocks(), Status.SUPPRESSED.value), else_=Status.EXPIRED.value),
            status_at=now,
        )
        .returning(_messages.c.message_id)
    )
    ended = connection.execute(statement).scalars().all()
    outcomes.keep(connection, ended, now)
    return len(ended)

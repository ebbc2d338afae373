"""What became of what was claimed, and of what has waited too long.

A settlement is fenced by the number of the attempt: it moves the message only while that attempt is its newest, and is kept
with the attempt in any case, since a late answer is evidence.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cache
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, bindparam, case, func, or_, select, update
from sqlalchemy.sql.dml import Update
from sqlalchemy.sql.elements import ColumnElement

from service.message import Outcome, Settlement, Status, may_become
from service.outbox import blocking, consent, daily, outcomes, rows, tables
from service.outbox.leases import Lease, stands

EXPIRED_AT_ONCE = 5_000
"""So many in one transaction, so that ending a large campaign keeps no other writer waiting for long."""

_messages = tables.messages
_attempts = tables.attempts
_NOW = bindparam("now", type_=tables.UtcMoment())


def lock_messages(
    connection: Connection, message_ids: Collection[str], *columns: ColumnElement[Any]
) -> Sequence[Row[Any]]:
    """Take the messages' rows for this transaction, in the order of their ids, and give these columns of them.

    Whoever changes several messages, or their attempts, begins with this; so no two transactions wait for each other.
    """
    if not columns and connection.dialect.name == "sqlite":  # which has one writer
        return []
    return _locking(columns).execute(connection, message_ids).all()


@cache
def _locking(columns: tuple[ColumnElement[Any], ...]) -> rows.Lookup:
    of_id = _messages.c.message_id
    return rows.Lookup(lambda among: select(of_id, *columns).where(among(of_id)).order_by(of_id).with_for_update())


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
        these = rows.among(connection, _messages.c.message_id, not_reached)
        newest = connection.execute(select(_messages.c.message_id, _messages.c.attempts).where(these))
        daily.take_off(connection, (row.message_id for row in newest if row.attempts == not_reached[row.message_id]))
    queued = sorted({s.message_id for s in ordered if s.status is Status.QUEUED})
    if queued:
        blocking.withhold(connection, _messages.c.message_id.in_(queued), now)
    consent.refused_marketing(connection, {s.message_id: now for s in ordered if s.opted_out}, now)
    outcomes.keep(connection, {s.message_id for s in ordered}, now)


def _record(connection: Connection, settlements: Sequence[Settlement], now: datetime, *, certain: bool) -> None:
    """A certain answer replaces "unanswered"; "unanswered" replaces nothing that is known."""
    answers = [
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
    ]
    _recording(certain).execute(connection, answers, now=now)


@cache
def _recording(certain: bool) -> rows.Change:
    columns = _attempts.c
    unknown = columns.outcome.is_(None)
    open_to_it = or_(unknown, columns.finished_at.is_(None), columns.outcome == Outcome.UNANSWERED.value)

    def build(given: rows.Given) -> Update:
        return (
            update(_attempts)
            .where(
                columns.message_id == given("of_message"),
                columns.attempt == given("of_attempt"),
                open_to_it if certain else unknown,
            )
            .values(
                outcome=given("new_outcome"),
                finished_at=_NOW,
                duration_ms=given("took_ms"),
                http_status=given("with_http_status"),
                code=func.coalesce(given("with_code"), columns.code),
                title=func.coalesce(given("with_title"), columns.title),
                details=func.coalesce(given("with_details"), columns.details),
                fbtrace_id=given("with_fbtrace_id"),
                wamid=func.coalesce(given("with_wamid"), columns.wamid),
                door=given("through"),
            )
        )

    return rows.Change(
        build,
        of_message=columns.message_id.type,
        of_attempt=columns.attempt.type,
        new_outcome=columns.outcome.type,
        took_ms=columns.duration_ms.type,
        with_http_status=columns.http_status.type,
        with_code=columns.code.type,
        with_title=columns.title.type,
        with_details=columns.details.type,
        with_fbtrace_id=columns.fbtrace_id.type,
        with_wamid=columns.wamid.type,
        through=columns.door.type,
    )


def _move(connection: Connection, status: Status, settlements: Sequence[Settlement], now: datetime) -> None:
    """A try is counted when its message leaves `sending`; a later answer that shows it was none takes it off again."""
    moves = [
        {
            "of_message": s.message_id,
            "of_attempt": s.attempt,
            "next_due_at": s.due_at,
            "counted": int(s.counts),
            "with_code": s.code,
        }
        for s in settlements
    ]
    _moving(status).execute(connection, moves, now=now)


@cache
def _moving(status: Status) -> rows.Change:
    columns = _messages.c
    origins = may_become(status) & {Status.SENDING, Status.UNANSWERED}
    standing = columns.status.concat("")  # of rows named by their ids: no index of all that are sent or wait
    movable: ColumnElement[bool] = or_(*(standing == origin.value for origin in sorted(origins)))
    if status in {Status.ACCEPTED, Status.HELD}:
        movable = or_(movable, (standing == Status.QUEUED.value) & ~_known_to_have_failed())
    counted_before = case((columns.status == Status.SENDING.value, 0), else_=1)

    def build(given: rows.Given) -> Update:
        return (
            update(_messages)
            .where(columns.message_id == given("of_message"), columns.attempts == given("of_attempt"), movable)
            .values(
                status=status.value,
                status_at=_NOW,
                due_at=func.coalesce(given("next_due_at"), columns.due_at),
                tries=columns.tries + given("counted") - counted_before,
                code=given("with_code") if status is Status.FAILED else columns.code,
            )
        )

    return rows.Change(
        build,
        of_message=columns.message_id.type,
        of_attempt=columns.attempts.type,
        next_due_at=columns.due_at.type,
        counted=columns.tries.type,
        with_code=columns.code.type,
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

"""The doubtful: requests that went out and were not answered (G4).

What an earlier holder of a number was sending is given up for unanswered. What is unanswered goes again only on evidence that
Meta never took it; the rest stays, is shown, and an operator decides.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, FromClause, Select, case, func, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from service.message import Outcome, Settlement, Status
from service.outbox import queue, tables
from service.outbox.leases import Lease, stands

EVIDENCE = 20
"""So many messages of the same number and template must have been accepted around a doubtful one …"""
EVIDENCE_WINDOW = timedelta(minutes=1)
"""… within this time of it, and all of them notified."""
VERDICTS_AT_ONCE = 200

_messages = tables.messages
_attempts = tables.attempts


class Doubtful(NamedTuple):
    """An unanswered attempt."""

    message_id: str
    attempt: int


class _Circumstances(NamedTuple):
    """What doubtful messages have in common that can be judged by the same peers."""

    template: str
    language: str
    started_at: datetime


def rescue(connection: Connection, lease: Lease, now: datetime) -> int:
    """Give up for unanswered what an earlier holder of the number was sending when it was lost. How many."""
    rows = connection.execute(_lost(connection.engine, lease)).all()
    if not rows:
        return 0
    lost = [Settlement(row.message_id, row.attempts, Outcome.UNANSWERED, Status.UNANSWERED) for row in rows]
    queue.settle(connection, lost, now)
    return len(lost)


@lru_cache(maxsize=1024)
def _lost(engine: Engine, lease: Lease) -> Select[Any]:
    """Built once for as long as the lease is held."""
    return select(_messages.c.message_id, _messages.c.attempts).where(
        _messages.c.phone_number_id == lease.phone_number_id,
        _messages.c.indexed_status == Status.SENDING.value,
        tables.IN_DOUBT,
        _messages.c.lease_epoch < lease.epoch,
        stands(engine, lease),
    )


def never_taken(
    connection: Connection, phone_number_id: str, now: datetime, grace: timedelta, max_tries: int
) -> list[Doubtful]:
    """What Meta, by all evidence, never took, though it had `grace` to tell us that it did.

    The evidence: at least EVIDENCE messages of the same number, template and language were accepted within EVIDENCE_WINDOW
    of it, every one of those has been notified, and none is held.
    """
    doubtful = (
        _messages.c.phone_number_id == phone_number_id,
        _messages.c.indexed_status == Status.UNANSWERED.value,
        tables.IN_DOUBT,
        _messages.c.doubt_at <= now - grace,
        _messages.c.expires_at > now,
        _messages.c.tries < max_tries,
        ~_reached_meta(),
    )
    newest = (_attempts.c.message_id == _messages.c.message_id) & (_attempts.c.attempt == _messages.c.attempts)
    shared = _messages.c.template_name, _messages.c.language, _attempts.c.started_at
    rows = connection.execute(select(*shared).join(_attempts, newest).where(*doubtful).distinct())
    guilty = {
        circumstances
        for circumstances in _their_turn([_Circumstances(*row) for row in rows], now)
        if _all_peers_notified(connection, phone_number_id, circumstances)
    }
    if not guilty:
        return []
    rows = connection.execute(
        select(_messages.c.message_id, _messages.c.attempts, *shared)
        .join(_attempts, newest)
        .where(*doubtful, _attempts.c.started_at.in_({circumstances.started_at for circumstances in guilty}))
    )
    return [Doubtful(name, attempt) for name, attempt, *rest in rows if _Circumstances(*rest) in guilty]


def _their_turn(circumstances: list[_Circumstances], now: datetime) -> list[_Circumstances]:
    """All of them, or by lot as many as can be judged at once: what stays doubtful must not keep others from their turn."""
    if len(circumstances) <= VERDICTS_AT_ONCE:
        return circumstances
    return Random(now.timestamp()).sample(circumstances, VERDICTS_AT_ONCE)  # noqa: S311 - a lot, not a secret


def _all_peers_notified(connection: Connection, phone_number_id: str, of: _Circumstances) -> bool:
    peers = connection.execute(
        select(
            func.count().label("accepted"),
            func.count(case((_notified(_attempts), 1))).label("notified"),
            func.count(case((_attempts.c.outcome == Outcome.HELD.value, 1))).label("held"),
        )
        .join(_messages, _messages.c.message_id == _attempts.c.message_id)
        .where(
            _attempts.c.phone_number_id == phone_number_id,
            _attempts.c.started_at.between(of.started_at - EVIDENCE_WINDOW, of.started_at + EVIDENCE_WINDOW),
            _attempts.c.outcome.in_([Outcome.ACCEPTED.value, Outcome.HELD.value]),
            _messages.c.template_name == of.template,
            _messages.c.language == of.language,
        )
    ).one()
    return bool(peers.accepted >= EVIDENCE and peers.notified == peers.accepted and peers.held == 0)


def queue_again(connection: Connection, lease: Lease, doubtful: Iterable[Doubtful], now: datetime) -> int:
    """Put these back into the queue, if what was found of them still holds. How many."""
    queued = 0
    for message_id, attempt in sorted(doubtful):
        statement = (
            update(_messages)
            .where(
                _messages.c.message_id == message_id,
                _messages.c.attempts == attempt,
                _messages.c.status == Status.UNANSWERED.value,
                ~_reached_meta(),
                stands(connection, lease),
            )
            .values(status=Status.QUEUED.value, status_at=now, due_at=now)
        )
        queued += connection.execute(statement).rowcount
    return queued


def _reached_meta() -> ColumnElement[bool]:
    """Whether any attempt of the message, however old, is known to have reached Meta: such a message never goes again."""
    earlier = _attempts.alias("earlier")
    return (
        select(earlier.c.attempt)
        .where(earlier.c.message_id == _messages.c.message_id, or_(earlier.c.wamid.is_not(None), _notified(earlier)))
        .exists()
    )


def _notified(attempts: FromClause) -> ColumnElement[bool]:
    return or_(*(attempts.c[f"{status}_at"].is_not(None) for status in ("sent", "delivered", "read", "failed")))

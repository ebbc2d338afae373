"""Which of a dispatcher's numbers have something to be done: one look for all of them, however many messages wait."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, Select, bindparam, or_, select
from sqlalchemy.sql.elements import ColumnElement

from service.message import Priority, Status
from service.outbox import tables
from service.outbox.leases import database_now

_messages = tables.messages.c
_leases = tables.leases.c


@dataclass(frozen=True, slots=True)
class Look:
    """Numbers for which a message is `due`, though a pause may stand for it, and those with something `astray`.

    That is what an earlier holder was sending, and what lies on a shelf: its pause may be over.
    """

    due: frozenset[str]
    astray: frozenset[str]


def look(connection: Connection, holder: str, now: datetime) -> Look:
    """At the numbers that `holder` serves."""
    rows = connection.execute(_statement(connection.engine), {"holder": holder, "now": now}).all()
    return Look(
        frozenset(row.phone_number_id for row in rows if row.is_due),
        frozenset(row.phone_number_id for row in rows if row.is_astray),
    )


@lru_cache(maxsize=16)
def _statement(engine: Engine) -> Select[Any]:
    ready = tables.READY, _messages.due_at <= bindparam("now", type_=tables.UtcMoment())
    by_due_at = _messages.due_at, _messages.message_id
    due = (_is_there(*ready, _messages.priority == int(one), order=by_due_at) for one in Priority)
    shelved = _is_there(tables.SHELVED, order=(_messages.shelf,))
    sending = tables.IN_DOUBT, _messages.indexed_status == Status.SENDING.value
    left = _is_there(*sending, _messages.lease_epoch < _leases.epoch, order=(_messages.doubt_at,))
    return select(_leases.phone_number_id, or_(*due).label("is_due"), or_(shelved, left).label("is_astray")).where(
        _leases.holder == bindparam("holder"), _leases.expires_at > database_now(engine)
    )


def _is_there(*which: Any, order: tuple[Any, ...]) -> ColumnElement[bool]:
    """By the first of an index: asked whether any EXISTS, PostgreSQL would read all that wait where it knows no better."""
    mine = _messages.phone_number_id == _leases.phone_number_id
    return select(_messages.message_id).where(mine, *which).order_by(*order).limit(1).scalar_subquery().is_not(None)

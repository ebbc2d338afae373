"""For which of a dispatcher's numbers something waits that may go: one look for all of them, however many messages wait."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Connection, Engine, Select, bindparam, or_, select
from sqlalchemy.sql.elements import ColumnElement

from service.message import Priority
from service.outbox import tables
from service.outbox.leases import database_now

_messages = tables.messages.c
_leases = tables.leases.c


def numbers(connection: Connection, holder: str, now: datetime) -> Sequence[str]:
    """Those that `holder` serves and for which a message is due; a pause may stand for it, which the claim obeys."""
    return connection.execute(_statement(connection.engine), {"holder": holder, "now": now}).scalars().all()


@lru_cache(maxsize=16)
def _statement(engine: Engine) -> Select[str]:
    served = (_leases.holder == bindparam("holder"), _leases.expires_at > database_now(engine))
    return select(_leases.phone_number_id).where(*served, or_(*(_is_due(priority) for priority in Priority)))


def _is_due(priority: Priority) -> ColumnElement[bool]:
    """By the first of the index: asked whether any EXISTS, PostgreSQL would read all that wait where it knows no better."""
    return (
        select(_messages.message_id)
        .where(
            _messages.phone_number_id == _leases.phone_number_id,
            tables.READY,
            _messages.priority == int(priority),
            _messages.due_at <= bindparam("now", type_=tables.UtcMoment()),
        )
        .order_by(_messages.due_at, _messages.message_id)
        .limit(1)
        .scalar_subquery()
        .is_not(None)
    )

"""Calling off what has yet to go, as an operator wants it: queued messages, also those that wait for a pause.

What is being sent just now still goes. A page at a time, in the order of the ids.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, null, select, update

from service.message import Status
from service.outbox import outcomes, tables
from service.outbox.queue import lock_messages
from service.outbox.report import NEWEST
from service.outbox.search import Filter, fitting, next_ids

CANCELLED_AT_ONCE = 5_000
"""So many in one transaction, so that ending a large campaign keeps no other writer waiting for long."""

_messages = tables.messages.c


def cancellable(wanted: Filter) -> Filter:
    """What a cancellation of these messages takes: those that are queued.

    Raise ValueError where another status is given, or nothing but the status.
    """
    return wanted.narrowed((Status.QUEUED,), (Status.QUEUED,), "cancelled")


def preview(connection: Connection, wanted: Filter) -> int:
    """Count what `cancel` would take."""
    counted = select(func.count()).select_from(tables.messages).outerjoin(tables.attempts, NEWEST)
    return connection.execute(counted.where(*fitting(wanted))).scalar_one()


def cancel(connection: Connection, wanted: Filter, now: datetime, after: str) -> tuple[Sequence[str], str | None]:
    """Call the next page of messages off. Which, and after which id to go on, None at the end.

    A claim that runs at the same moment either has a message already, and sends it, or finds it cancelled.
    """
    ids = next_ids(connection, wanted, after, CANCELLED_AT_ONCE)
    lock_messages(connection, ids)
    statement = (
        update(tables.messages)
        .where(_messages.message_id.in_(ids), tables.STILL_WAITS)
        .values(status=Status.CANCELLED.value, status_at=now, shelf=null())
        .returning(_messages.message_id)
    )
    cancelled = connection.execute(statement).scalars().all()
    outcomes.keep(connection, cancelled, now)
    return cancelled, ids[-1] if ids else None

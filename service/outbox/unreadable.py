"""Queued messages whose rows this version cannot read or count on: each is put away alone, so that it stops no other (G2).

A row comes to that by a hand in the database, or by a newer version that knows more. Claims take many at once, so one of
these fails them all. They are found by claiming each of those that are next for itself, and undoing it.
"""

import logging
from collections.abc import Callable, Collection
from datetime import datetime

from sqlalchemy import Connection, exc, func, insert, select, update

from service.message import Outcome, Status
from service.outbox import outcomes, tables

UNREADABLE = (ValueError, TypeError, OverflowError, exc.DataError)
"""What a row raises that holds no moment, a word that nobody knows, or a number that is too large."""

TITLE = "The stored message cannot be read"

log = logging.getLogger(__name__)

_messages = tables.messages
_attempts = tables.attempts.c


def put_away(
    connection: Connection, message_ids: Collection[str], claim_one: Callable[[str], object], now: datetime
) -> int:
    """Fail those of these queued messages that `claim_one` cannot take, with the reason on an attempt of theirs. How many."""
    spoiled = {}
    for message_id in message_ids:
        trial = connection.begin_nested()
        try:
            claim_one(message_id)
        except UNREADABLE as error:
            spoiled[message_id] = type(error).__name__
        trial.rollback()
    for message_id, why in spoiled.items():
        log.error("message.unreadable message_id=%s error=%s", message_id, why)
        _fail(connection, message_id, why, now)
    outcomes.keep(connection, spoiled, now)
    return len(spoiled)


def _fail(connection: Connection, message_id: str, why: str, now: datetime) -> None:
    """What may be wrong of it is set right, so that people can look at it."""
    newest = func.coalesce(func.max(_attempts.attempt), 0)
    number = connection.execute(select(newest).where(_attempts.message_id == message_id)).scalar_one() + 1
    connection.execute(
        update(_messages)
        .where(_messages.c.message_id == message_id, tables.STILL_READY)
        .values(
            status=Status.FAILED.value,
            status_at=now,
            due_at=now,
            expires_at=now,
            attempts=number,
            tries=0,
            category=None,
            code=None,
        )
    )
    phone_number_id = select(_messages.c.phone_number_id).where(_messages.c.message_id == message_id).scalar_subquery()
    connection.execute(
        insert(tables.attempts).values(
            message_id=message_id,
            attempt=number,
            phone_number_id=phone_number_id,
            started_at=now,
            finished_at=now,
            outcome=Outcome.NOT_SENT.value,
            title=TITLE,
            details=f"{why}: its row in the database is damaged. Nothing was sent; send it as a new message.",
        )
    )

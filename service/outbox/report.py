"""Every read for people: what became of a message, of an event, of a queue. Facts only; the words are found elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Result, func, select

from service.message import Status
from service.outbox import tables
from service.outbox.database import reading

Facts = Mapping[str, Any]
"""One row: names of columns in `tables` → values."""


def _facts(rows: Result[Any]) -> list[Facts]:
    return [dict(zip(rows.keys(), row, strict=True)) for row in rows]


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """A message with its attempts, oldest first."""

    message: Facts
    attempts: list[Facts]


@dataclass(frozen=True, slots=True)
class EventFacts:
    """An event: its messages counted by status, its failures by code, its rejections in the event's order."""

    event: Facts
    counts: dict[str, int]
    failures: dict[int | None, int]
    rejections: list[Facts]


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """What waits for a phone number: how many in each unfinished status, and since when the oldest is due."""

    phone_number_id: str
    status: str
    count: int
    oldest_due_at: datetime


class Report:
    """Reads that take no lock; each may raise StoreUnavailable."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def message(self, message_id: str) -> MessageFacts | None:
        """One message, or None where none has this id."""
        with reading(self._engine) as connection:
            found = connection.execute(select(tables.messages).where(tables.messages.c.message_id == message_id))
            message = next(iter(_facts(found)), None)
            if message is None:
                return None
            attempts = connection.execute(
                select(tables.attempts)
                .where(tables.attempts.c.message_id == message_id)
                .order_by(tables.attempts.c.attempt)
            )
            return MessageFacts(message, _facts(attempts))

    def event(self, event_id: str) -> EventFacts | None:
        """One event, refused ones included, or None where none has this id."""
        messages, attempts = tables.messages.c, tables.attempts.c
        with reading(self._engine) as connection:
            found = connection.execute(select(tables.events).where(tables.events.c.event_id == event_id))
            event = next(iter(_facts(found)), None)
            if event is None:
                return None
            counts = connection.execute(
                select(messages.status, func.count().label("number"))
                .where(messages.event_id == event_id)
                .group_by(messages.status)
            )
            failures = connection.execute(
                select(attempts.code, func.count().label("number"))
                .select_from(tables.messages)
                .join(
                    tables.attempts,
                    (attempts.message_id == messages.message_id) & (attempts.attempt == messages.attempts),
                )
                .where(messages.event_id == event_id, messages.status == Status.FAILED.value)
                .group_by(attempts.code)
            )
            rejections = connection.execute(
                select(tables.rejections)
                .where(tables.rejections.c.event_id == event_id)
                .order_by(tables.rejections.c.position)
            )
            return EventFacts(
                event,
                {row.status: row.number for row in counts},
                {row.code: row.number for row in failures},
                _facts(rejections),
            )

    def queues(self) -> list[QueueFacts]:
        """What is queued or in doubt, per number; the partial indexes hold just that."""
        messages = tables.messages.c
        columns = messages.phone_number_id, messages.status
        counted = select(*columns, func.count(), func.min(messages.due_at)).group_by(*columns)
        with reading(self._engine) as connection:
            return [
                QueueFacts(*row)
                for unfinished in (tables.WAITS, tables.IN_DOUBT)
                for row in connection.execute(counted.where(unfinished))
            ]

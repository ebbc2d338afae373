"""Every read for people: what became of a message, of an event, of a queue. Facts only; the words are found elsewhere."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Result, func, select, true

from service.message import Pause, Scope, Status, printable
from service.outbox import daily, inbound, numbers, outcomes, overview, pauses, tables, tally
from service.outbox.database import reading
from service.outbox.numbers import KnownNumber
from service.outbox.overview import BatchRow, CampaignRow, NumberState, Place, QueueFacts, RefusedRow
from service.outbox.pauses import PauseKey
from service.outbox.tally import Quarter
from service.outbox.unmatched import UNMATCHED_FOR
from service.people import Inbound

Facts = Mapping[str, Any]
"""One row: names of columns in `tables` → values."""


NEWEST = (tables.attempts.c.message_id == tables.messages.c.message_id) & (
    tables.attempts.c.attempt == tables.messages.c.attempts
)
"""How a message is joined with its newest attempt."""


def facts_of(rows: Result[Any]) -> list[Facts]:
    """The rows of a query by the names of their columns."""
    return [dict(zip(rows.keys(), row, strict=True)) for row in rows]


def count_by_status(connection: Connection, which: ColumnElement[bool]) -> dict[str, int]:
    """How many messages of these stand in each status."""
    status, number = tables.messages.c.status, func.count().label("number")
    return {row.status: row.number for row in connection.execute(select(status, number).where(which).group_by(status))}


def count_failures(connection: Connection, which: ColumnElement[bool]) -> dict[int | None, int]:
    """How many messages of these have failed, by the code of their newest attempt."""
    code = tables.attempts.c.code
    counted = select(code, func.count().label("number")).select_from(tables.messages).join(tables.attempts, NEWEST)
    return {row.code: row.number for row in connection.execute(counted.where(which, tables.FAILED).group_by(code))}


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """A message with its attempts and what was answered to it, oldest first."""

    message: Facts
    attempts: list[Facts]
    replies: Sequence[Inbound] = ()


@dataclass(frozen=True, slots=True)
class EventFacts:
    """An event: its messages counted by status, its failures by code, its rejections in the event's order."""

    event: Facts
    counts: dict[str, int]
    failures: dict[int | None, int]
    rejections: list[Facts]


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A message whose newest request got no answer: since when, and until when Meta may still tell what became of it."""

    message_id: str
    to: str
    phone_number_id: str
    template: str
    language: str
    since: datetime
    told_until: datetime


class Report:
    """Reads that take no lock; each may raise StoreUnavailable."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def message(self, message_id: str) -> MessageFacts | None:
        """One message, or None where none has this id."""
        with reading(self._engine) as connection:
            found = connection.execute(select(tables.messages).where(tables.messages.c.message_id == message_id))
            message = next(iter(facts_of(found)), None)
            if message is None:
                return None
            attempts = connection.execute(
                select(tables.attempts)
                .where(tables.attempts.c.message_id == message_id)
                .order_by(tables.attempts.c.attempt)
            )
            return MessageFacts(message, facts_of(attempts), inbound.of_message(connection, message_id))

    def message_of_wamid(self, wamid: str) -> str | None:
        """The id of the message that Meta calls so, or None where none is."""
        attempts = tables.attempts.c
        with reading(self._engine) as connection:
            return connection.execute(select(attempts.message_id).where(attempts.wamid == printable(wamid))).scalar()

    def event(self, event_id: str) -> EventFacts | None:
        """One event, refused ones included, or None where none has this id."""
        with reading(self._engine) as connection:
            found = connection.execute(select(tables.events).where(tables.events.c.event_id == event_id))
            event = next(iter(facts_of(found)), None)
            if event is None:
                return None
            of_event = tables.messages.c.event_id == event_id
            counts, failures = count_by_status(connection, of_event), count_failures(connection, of_event)
            rejections = connection.execute(
                select(tables.rejections)
                .where(tables.rejections.c.event_id == event_id)
                .order_by(tables.rejections.c.position)
            )
            return EventFacts(event, counts, failures, facts_of(rejections))

    def queues(self) -> list[QueueFacts]:
        """What is queued or in doubt, per number."""
        with reading(self._engine) as connection:
            return overview.queues(connection)

    def unanswered(self, limit: int) -> list[Unanswered]:
        """The messages that got no answer: those that have been so for longest, the oldest attempt first."""
        messages, attempts = tables.messages.c, tables.attempts.c
        columns = messages.message_id, messages.to, messages.phone_number_id, messages.template_name, messages.language
        oldest = (
            select(messages.message_id)
            .where(tables.IN_DOUBT, messages.indexed_status == Status.UNANSWERED.value)
            .order_by(messages.doubt_at, messages.message_id)
            .limit(limit)
            .subquery("oldest")
        )
        found = (
            select(*columns, attempts.started_at)
            .join(oldest, oldest.c.message_id == messages.message_id)
            .join(tables.attempts, NEWEST)
            .order_by(attempts.started_at, messages.message_id)
        )
        with reading(self._engine) as connection:
            return [Unanswered(*row, told_until=row.started_at + UNMATCHED_FOR) for row in connection.execute(found)]

    def pauses(self, now: datetime, keys: Sequence[PauseKey] | None = None) -> list[Pause]:
        """The pauses that stand, the earliest first; all, or those of these keys."""
        with reading(self._engine) as connection:
            return pauses.standing(connection, now) if keys is None else pauses.find(connection, keys, now)

    def waiting_for(self, scope: Scope, key: str, phone_number_ids: Collection[str] | None = None) -> int:
        """How many queued messages a pause of this scope and key holds.

        `phone_number_ids` are those that it reaches, None for all: the account and the token of a number are not stored.
        """
        messages = tables.messages.c
        name = key.partition("@")[0]
        of_scope = {
            Scope.TEMPLATE: messages.template_name + "/" + messages.language == name,
            Scope.COUNTRY: messages.country == name,
            Scope.CAMPAIGN: messages.campaign_id == key,
            Scope.NUMBER: messages.phone_number_id == key,
        }
        counted = select(func.count()).select_from(tables.messages).where(tables.WAITS, of_scope.get(scope, true()))
        if phone_number_ids is not None:
            counted = counted.where(messages.phone_number_id.in_(sorted(phone_number_ids)))
        with reading(self._engine) as connection:
            return connection.execute(counted).scalar_one()

    def daily_usage(self) -> Sequence[tuple[str, int, int]]:
        """Each portfolio that has a daily limit, with the limit and how much of it is used."""
        with reading(self._engine) as connection:
            return daily.usage(connection)

    def outcomes_waiting(self) -> int:
        """How many outcomes were not published yet."""
        with reading(self._engine) as connection:
            return outcomes.count_waiting(connection)

    def numbers(self) -> dict[str, KnownNumber]:
        """What Meta told last of each number that it was asked about, by the number's id."""
        with reading(self._engine) as connection:
            return numbers.known(connection)

    def served_numbers(self) -> list[str]:
        """Every phone number that a dispatcher has ever served."""
        served = tables.leases.c.phone_number_id
        with reading(self._engine) as connection:
            return list(connection.execute(select(served).order_by(served)).scalars())

    def campaigns(self, limit: int, after: Place | None = None) -> list[CampaignRow]:
        """The campaigns and journeys, those that began last first, from below the place `after`."""
        with reading(self._engine) as connection:
            return overview.campaigns(connection, limit, after)

    def campaign(self, campaign_id: str) -> CampaignRow | None:
        """One campaign or journey, or None where nothing was counted of it."""
        with reading(self._engine) as connection:
            return overview.campaign(connection, printable(campaign_id))

    def quarters(self, since: datetime, campaign_id: str | None = None) -> list[Quarter]:
        """What happened since a moment, in all or in one campaign, by quarters of an hour."""
        with reading(self._engine) as connection:
            return tally.quarters(connection, since, campaign_id)

    def batches(self, limit: int, after: str | None = None) -> list[BatchRow]:
        """The events without a campaign, the newest first, from below the id `after`."""
        with reading(self._engine) as connection:
            return overview.batches(connection, limit, after)

    def rejections(self, campaign_id: str, code: str, limit: int) -> list[Facts]:
        """Recipients of a campaign or journey who were rejected with this code, some of them where they are many."""
        with reading(self._engine) as connection:
            return facts_of(overview.rejections(connection, printable(campaign_id), printable(code), limit))

    def refused(self, limit: int, after: str | None = None) -> list[RefusedRow]:
        """The events of which nothing could be used, the newest first, from below the id `after`."""
        with reading(self._engine) as connection:
            return overview.refused(connection, limit, after)

    def refused_event(self, event_id: str) -> RefusedRow | None:
        """One of them, with its body; None where no such event was refused."""
        with reading(self._engine) as connection:
            return overview.refused_event(connection, event_id)

    def number_states(self, known: Iterable[str], now: datetime) -> list[NumberState]:
        """Each of these numbers and every other that was ever served: what it does just now, and what Meta says of it."""
        with reading(self._engine) as connection:
            return overview.number_states(connection, known, now)

    def live_dispatchers(self) -> int:
        """How many dispatchers have told lately that they live."""
        with reading(self._engine) as connection:
            return overview.live_dispatchers(connection)

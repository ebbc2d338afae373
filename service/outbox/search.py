"""Messages found by what they have in common, a page at a time, and what came of a campaign.

Filter ─► fitting (conditions on `messages` and the newest attempt) ─► page ─► stream of pages

Newest first, in the order of the ids, which sort by time; a page goes on after the last id of the one before. So a message that
is added meanwhile moves nothing.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, func, or_, select

from service.message import Status, printable
from service.outbox import tables, tally
from service.outbox.database import reading
from service.outbox.report import NEWEST, MessageFacts, facts_of

STREAMED_AT_ONCE = 1_000
"""How many messages a stream reads at a time, each time in a short transaction of its own."""

_messages = tables.messages.c
_attempts = tables.attempts.c
_events = tables.events.c
_COLUMNS = [column for column in tables.messages.c if column.name != "components"]
"""What a message says to its recipient is nobody else's matter, and long."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which messages are meant: those that fit all of what is given. Nothing given means all messages.

    Of `message_ids` and `statuses` one has to fit. `template` is a name, in every language; `recipient` is the caller's own
    name for the person, `to` a parsed address; `code` is the one of the newest attempt. `created_from` is inclusive,
    `created_until` is not: when the message was accepted or, once it was sent again by an operator, when that was.
    """

    message_ids: Collection[str] = ()
    statuses: Collection[Status] = ()
    event_id: str | None = None
    campaign_id: str | None = None
    template: str | None = None
    phone_number_id: str | None = None
    to: str | None = None
    recipient: str | None = None
    reference: str | None = None
    code: int | None = None
    created_from: datetime | None = None
    created_until: datetime | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether it says more than how messages stand."""
        lists = {"message_ids", "statuses"}
        one_fact = (getattr(self, one.name) is not None for one in fields(self) if one.name not in lists)
        return bool(self.message_ids) or any(one_fact)

    def narrowed(self, possible: Sequence[Status], default: Collection[Status], done: str) -> "Filter":
        """The same for an action that only messages of `possible` statuses allow, `default` where none is given.

        Raise ValueError where another status is given, or nothing but statuses: nobody changes everything by accident.
        `done` is the action in a sentence.
        """
        if not self.is_narrow:
            raise ValueError(
                "say which messages: by their ids, or by event, campaign, template, number, address, recipient, "
                "reference, code or time"
            )
        if not set(self.statuses) <= set(possible):
            raise ValueError(f"only messages that are {_listed(possible)} can be {done}")
        return replace(self, statuses=self.statuses or default)


def fitting(wanted: Filter) -> list[ColumnElement[bool]]:
    """The conditions of a filter, for messages joined with their newest attempt (`report.NEWEST`).

    Texts are compared in the form in which they are stored.
    """
    texts = {
        _messages.event_id: wanted.event_id,
        _messages.campaign_id: wanted.campaign_id,
        _messages.template_name: wanted.template,
        _messages.phone_number_id: wanted.phone_number_id,
        _messages.to: wanted.to,
        _messages.recipient: wanted.recipient,
        _messages.reference: wanted.reference,
    }
    conditions = [column == printable(text) for column, text in texts.items() if text is not None]
    if wanted.message_ids:
        conditions.append(_messages.message_id.in_(sorted({printable(name) for name in wanted.message_ids})))
    if wanted.statuses:
        values = {status.value for status in wanted.statuses}
        column = _messages.indexed_status if values <= tables.INDEXED else _messages.status
        conditions.append(column.in_(sorted(values)))
    if wanted.code is not None:
        conditions.append(_attempts.code == wanted.code)
    if wanted.created_from is not None:
        conditions.append(_messages.created_at >= wanted.created_from)
    if wanted.created_until is not None:
        conditions.append(_messages.created_at < wanted.created_until)
    return conditions


def next_ids(connection: Connection, wanted: Filter, after: str, limit: int) -> Sequence[str]:
    """The ids of the next messages that fit, oldest first: what an action takes in one transaction."""
    found = (
        select(_messages.message_id)
        .outerjoin(tables.attempts, NEWEST)
        .where(_messages.message_id > after, *fitting(wanted))
        .order_by(_messages.message_id)
        .limit(limit)
    )
    return connection.execute(found).scalars().all()


@dataclass(frozen=True, slots=True)
class Page:
    """Messages, newest first, each with no attempt but its newest. `last`: the id to go on after, None where none is left."""

    messages: list[MessageFacts]
    last: str | None


@dataclass(frozen=True, slots=True)
class CampaignFacts:
    """What came of all events that name a campaign or a journey.

    `recipients` counts them in every event, also those that were duplicates. `counts`: its messages by status. `failures`: how
    many failed, by code. Moments are those of the first and the last event.
    """

    campaign_id: str
    received_at: datetime
    last_received_at: datetime
    events: int
    recipients: int
    rejected: int
    counts: dict[str, int]
    failures: dict[int | None, int]


class Search:
    """Reads that take no lock; each may raise StoreUnavailable."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def page(self, wanted: Filter, limit: int, after: str | None = None) -> Page:
        """Up to `limit` messages that fit, newest first, from below the id `after`."""
        found = select(*_COLUMNS).outerjoin(tables.attempts, NEWEST).where(*fitting(wanted))
        if after is not None:
            found = found.where(_messages.message_id < after)
        with reading(self._engine) as connection:
            rows = facts_of(connection.execute(found.order_by(_messages.message_id.desc()).limit(limit + 1)))
            page = rows[:limit]
            ids = [row["message_id"] for row in page]
            of_page = select(tables.attempts).where(_attempts.message_id.in_(ids))
            attempts = {(row["message_id"], row["attempt"]): row for row in facts_of(connection.execute(of_page))}
        newest = (attempts.get((row["message_id"], row["attempts"])) for row in page)
        messages = [MessageFacts(row, [one] if one else []) for row, one in zip(page, newest, strict=True)]
        return Page(messages, ids[-1] if len(rows) > limit else None)

    def stream(self, wanted: Filter, at_once: int = STREAMED_AT_ONCE) -> Iterator[list[MessageFacts]]:
        """All messages that fit, newest first, in lists of `at_once`; at least one list.

        No transaction is open while the caller works on a list, so lists may be of different moments.
        """
        page = self.page(wanted, at_once)
        yield page.messages
        while page.last is not None:
            page = self.page(wanted, at_once, page.last)
            yield page.messages

    def campaign(self, campaign_id: str) -> CampaignFacts | None:
        """One campaign or journey, or None where no event ever named it.

        Its messages are those that a replay or a pause of it concerns: where an event names both, the campaign's. Counts are of
        all there ever were; of events that are erased by now only the quarter of an hour is known in which they came.
        """
        name = printable(campaign_id)
        named = or_(_events.campaign_id == name, _events.journey_id == name)
        moments = func.min(_events.received_at).label("first"), func.max(_events.received_at).label("last")
        with reading(self._engine) as connection:
            row = connection.execute(select(func.count().label("events"), *moments).where(named)).one()
            came = tally.received(connection, name)
            if came is None and not row.events:
                return None
            counted = tally.by_campaign(connection, [name]).get(name, tally.Tally())
            return CampaignFacts(
                name,
                received_at=_first(row.first, came),
                last_received_at=row.last or came[1] if came else row.last,
                events=row.events,
                recipients=counted.recipients,
                rejected=counted.rejected,
                counts={status: number for status, number in counted.statuses.items() if number},
                failures={int(code) if code else None: number for code, number in counted.failures.items() if number},
            )


def _first(known: datetime | None, came: tuple[datetime, datetime] | None) -> datetime:
    """When the first event came, as far as is known: an event that is erased may have been before the first that is left."""
    counted = came[0] if came else known
    assert counted is not None
    return known if known is not None and known < counted + tally.QUARTER else counted


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last

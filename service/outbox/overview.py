"""What the channel does just now: each number, the campaigns, the calls that belong to none, what was refused.

Every read here costs the same however many messages there are: counts come from `tally`, rows by their indexes.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Result, func, or_, select, union_all

from service.message import Status
from service.outbox import numbers, tables, tally
from service.outbox.leases import database_now
from service.outbox.numbers import KnownNumber
from service.outbox.tally import Tally

RATED_OVER = timedelta(seconds=10)
"""The rate of a number just now is that of these last seconds."""

_COUNTED = (tables.moves, tables.tallies)
_messages = tables.messages.c
_events = tables.events.c
_attempts = tables.attempts.c

Place = tuple[datetime, str]
"""Where a page of campaigns ended: the campaign's first moment and its id."""


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A campaign or a journey in a list. What is sent, by whom and how is that of its first message, None without any."""

    campaign_id: str
    first_at: datetime
    last_at: datetime
    tally: Tally
    phone_number_id: str | None = None
    template: str | None = None
    language: str | None = None
    source: str | None = None
    is_journey: bool = False


@dataclass(frozen=True, slots=True)
class BatchRow:
    """An event that names no campaign, in a list: what a direct call or a test has brought, and where that stands."""

    event_id: str
    source: str
    received_at: datetime
    recipients: int
    statuses: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """An event of which nothing could be used; `answer` is what its caller was told, problem+json."""

    event_id: str
    source: str
    received_at: datetime
    http_status: int
    answer: str
    campaign_id: str | None
    body: str | None = None


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """What waits for a phone number: how many in each unfinished status, and since when the oldest is due."""

    phone_number_id: str
    status: str
    count: int
    oldest_due_at: datetime


@dataclass(frozen=True, slots=True)
class NumberState:
    """A phone number just now.

    `rate` is what it is paced at by whoever serves it, as far as that was learned; `sent_per_second` what it really sends.
    `said` is what Meta told of it, None where nobody has asked yet.
    """

    phone_number_id: str
    is_served: bool = False
    rate: float | None = None
    sent_per_second: float = 0.0
    waiting: int = 0
    oldest_due_at: datetime | None = None
    unanswered: int = 0
    said: KnownNumber | None = None


def campaigns(connection: Connection, limit: int, after: Place | None = None) -> list[CampaignRow]:
    """The campaigns and journeys, those that began last first, from below the place `after`."""
    moves, known = tables.moves.c, tables.campaigns.c
    fresh = (
        select(moves.campaign_id, func.min(moves.quarter).label("first_at"), func.max(moves.quarter).label("last_at"))
        .where(moves.campaign_id != "")
        .group_by(moves.campaign_id)
    )
    both = union_all(select(known.campaign_id, known.first_at, known.last_at), fresh).subquery().c
    first, last = func.min(both.first_at), func.max(both.last_at)
    found = (
        select(both.campaign_id, first.label("first_at"), last.label("last_at"))
        .group_by(both.campaign_id)
        .order_by(first.desc(), both.campaign_id.desc())
        .limit(limit)
    )
    if after is not None:
        at, name = after
        found = found.having((first < at) | ((first == at) & (both.campaign_id < name)))
    rows = connection.execute(found).all()
    tallies = tally.by_campaign(connection, [row.campaign_id for row in rows])
    plain = [CampaignRow(*row, tallies.get(row.campaign_id, Tally())) for row in rows]
    return [_described(connection, one) for one in plain]


def campaign(connection: Connection, campaign_id: str) -> CampaignRow | None:
    """One campaign or journey, or None where nothing was counted of it."""
    both = union_all(*(select(t.c.quarter).where(t.c.campaign_id == campaign_id) for t in _COUNTED)).subquery().c
    row = connection.execute(
        select(func.min(both.quarter).label("first_at"), func.max(both.quarter).label("last_at"))
    ).one()
    if row.first_at is None:
        return None
    counted = tally.by_campaign(connection, [campaign_id])[campaign_id]
    return _described(connection, CampaignRow(campaign_id, row.first_at, row.last_at, counted))


def _described(connection: Connection, plain: CampaignRow) -> CampaignRow:
    """The same with what its first message and its events tell; a few rows by their indexes."""
    facts = _messages.phone_number_id, _messages.template_name, _messages.language
    first = select(*facts).where(_messages.campaign_id == plain.campaign_id).order_by(_messages.message_id).limit(1)
    message = connection.execute(first).first()
    named = [
        connection.execute(select(_events.source).where(column == plain.campaign_id).limit(1)).scalar()
        for column in (_events.campaign_id, _events.journey_id)
    ]
    return replace(
        plain,
        phone_number_id=message.phone_number_id if message else None,
        template=message.template_name if message else None,
        language=message.language if message else None,
        source=named[0] or named[1],
        is_journey=named[0] is None and named[1] is not None,
    )


def batches(connection: Connection, limit: int, after: str | None = None) -> list[BatchRow]:
    """The events without a campaign, the newest first, from below the id `after`."""
    columns = _events.event_id, _events.source, _events.received_at, _events.recipients
    found = select(*columns).where(tables.ALONE).order_by(_events.event_id.desc()).limit(limit)
    if after is not None:
        found = found.where(_events.event_id < after)
    rows = [BatchRow(*row) for row in connection.execute(found)]
    by_id = {row.event_id: row for row in rows}
    status = _messages.event_id, _messages.status
    counted = select(*status, func.count()).where(_messages.event_id.in_(sorted(by_id))).group_by(*status)
    for event_id, name, number in connection.execute(counted):
        by_id[event_id].statuses[name] = number
    rejected = tables.rejections.c.event_id
    counted = select(rejected, func.count()).where(rejected.in_(sorted(by_id))).group_by(rejected)
    for event_id, number in connection.execute(counted):
        by_id[event_id].statuses[tally.REJECTED] = number
    return rows


def rejections(connection: Connection, campaign_id: str, code: str, limit: int) -> Result[Any]:
    """Recipients of a campaign or journey who were rejected with this code, in the order of their events."""
    rejected = tables.rejections.c
    named = or_(_events.campaign_id == campaign_id, _events.journey_id == campaign_id)
    found = select(tables.rejections, _events.received_at).join(tables.events, rejected.event_id == _events.event_id)
    order = rejected.event_id, rejected.position
    return connection.execute(found.where(named, rejected.code == code).order_by(*order).limit(limit))


def refused(connection: Connection, limit: int, after: str | None = None) -> list[RefusedRow]:
    """The events of which nothing could be used, the newest first, from below the id `after`; without their bodies."""
    found = select(*_REFUSED_COLUMNS).where(tables.REFUSED).order_by(_events.event_id.desc()).limit(limit)
    if after is not None:
        found = found.where(_events.event_id < after)
    return [RefusedRow(*row) for row in connection.execute(found)]


def refused_event(connection: Connection, event_id: str) -> RefusedRow | None:
    """One of them, with its body."""
    found = select(*_REFUSED_COLUMNS, _events.refused_body).where(_events.event_id == event_id, tables.REFUSED)
    row = connection.execute(found).first()
    return RefusedRow(*row) if row else None


_REFUSED_COLUMNS = (
    *(_events.event_id, _events.source, _events.received_at, _events.http_status, _events.answer),
    func.coalesce(_events.campaign_id, _events.journey_id),
)


def queues(connection: Connection) -> list[QueueFacts]:
    """What is queued or in doubt, per number; the partial indexes hold just that."""
    columns = _messages.phone_number_id, _messages.indexed_status.label("status")
    counted = select(*columns, func.count(), func.min(_messages.due_at)).group_by(*columns)
    return [
        QueueFacts(*row)
        for unfinished in (tables.WAITS, tables.IN_DOUBT)
        for row in connection.execute(counted.where(unfinished))
    ]


def number_states(connection: Connection, known: Iterable[str], now: datetime) -> list[NumberState]:
    """Each of these numbers and every other that was ever served, by its id."""
    leases = tables.leases.c
    is_served = (leases.expires_at > database_now(connection)).label("is_served")
    found = connection.execute(select(leases.phone_number_id, leases.rate, is_served))
    served = {row.phone_number_id: (bool(row.is_served), row.rate) for row in found}
    said = numbers.known(connection)
    queued = queues(connection)
    states = []
    for name in sorted({*known, *served}):
        own = {facts.status: facts for facts in queued if facts.phone_number_id == name}
        waiting = own.get(Status.QUEUED)
        states.append(
            NumberState(
                name,
                *served.get(name, (False, None)),
                sent_per_second=_sent_since(connection, name, now - RATED_OVER) / RATED_OVER.total_seconds(),
                waiting=sum(own[status].count for status in _ON_THEIR_WAY if status in own),
                oldest_due_at=waiting.oldest_due_at if waiting else None,
                unanswered=own[Status.UNANSWERED].count if Status.UNANSWERED in own else 0,
                said=said.get(name),
            )
        )
    return states


_ON_THEIR_WAY = (Status.QUEUED, Status.SENDING)


def _sent_since(connection: Connection, phone_number_id: str, since: datetime) -> int:
    counted = select(func.count()).where(_attempts.phone_number_id == phone_number_id, _attempts.started_at >= since)
    return connection.execute(counted).scalar_one()


def live_dispatchers(connection: Connection) -> int:
    """How many dispatchers have told lately that they live."""
    live = tables.dispatchers.c.expires_at > database_now(connection)
    return connection.execute(select(func.count()).select_from(tables.dispatchers).where(live)).scalar_one()

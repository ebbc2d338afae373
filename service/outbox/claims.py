"""What a lane takes out of the queue: messages that may go now, each as a new attempt.

A claim is one statement for each kind of message that it asks for, under a lease that still stands. It obeys the pauses, and
gives nothing to who must not get it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Integer,
    Select,
    bindparam,
    case,
    func,
    insert,
    literal,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from service.message import REACHED, Attempt, Category, Message, Priority, Scope, Status, Template
from service.outbox import blocking, daily, rows, tables, unreadable
from service.outbox.leases import Lease, stands
from service.outbox.pauses import PauseKey, stopped, waits

LOOKED_AT = 2_000
"""So many of those who wait are looked at for one who counts already, once a daily limit is used up."""

_messages = tables.messages
_attempts = tables.attempts


@dataclass(frozen=True, slots=True)
class Demand:
    """What a lane asks for: at most `limit` messages of its number, the first `reserved` of them of normal priority.

    Nothing is given while a pause stands for one of `scopes`, and nothing to those in `barred`. `portfolio` names the daily
    limit that counts, `waba_id` the number's account.
    """

    lease: Lease
    limit: int
    reserved: int = 0
    scopes: Sequence[PauseKey] = ()
    waba_id: str | None = None
    barred: Collection[str] = ()
    portfolio: str | None = None


def claim(connection: Connection, demand: Demand, now: datetime) -> list[Attempt]:
    """Take messages that may go now, the urgent and the oldest first, each as a new attempt.

    Nothing is taken once the lease has run out or while the number is paused. Where the portfolio's daily limit leaves
    nothing for new people, those go whose recipients count already.
    """
    left = daily.left(connection, demand.portfolio, now) if demand.portfolio else None
    if left is None:
        taken = _take(connection, demand, demand.limit, now, reserved=demand.reserved)
    else:
        taken = _take_within(connection, demand, left, now)
    if taken:
        _begin(connection, taken, now)
    return taken


def _take_within(connection: Connection, demand: Demand, left: daily.Left, now: datetime) -> list[Attempt]:
    """What the daily limit leaves."""
    taken = _take(connection, demand, min(demand.reserved, left.normal), now, Priority.NORMAL)
    taken += _take(connection, demand, min(demand.limit, left.any) - len(taken), now, Priority.HIGH)
    taken += _take(connection, demand, min(demand.limit, left.normal) - len(taken), now, Priority.NORMAL)
    if left.normal < demand.limit:
        taken += _take(connection, demand, demand.limit - len(taken), now, to_known=True)
    assert demand.portfolio is not None
    daily.count(connection, demand.portfolio, [(one.message.to, one.message.message_id) for one in taken], now)
    return taken


def _begin(connection: Connection, taken: Sequence[Attempt], now: datetime) -> None:
    """A row for each attempt, so that its answer and its notifications find it."""
    _BEGINNING.execute(connection, (attempt.message.message_id for attempt in taken), now=now)


def put_unreadable_away(connection: Connection, demand: Demand, now: datetime) -> int:
    """After a claim that raised one of UNREADABLE: fail those of the next messages that cannot be claimed. How many."""
    number, waba_id, barred = demand.lease.phone_number_id, demand.waba_id, bool(demand.barred)
    known = (None, demand.portfolio) if demand.portfolio else (None,)
    due = (_due(number, waba_id, to, priority, with_barred=barred) for to in known for priority in Priority)
    next_ones = select(union_all(*due).subquery().c.message_id)
    given = {"now": now, "places": demand.limit} | ({"barred": sorted(demand.barred)} if barred else {})
    ids = sorted(set(connection.execute(next_ones, given).scalars()))

    def claim_one(message_id: str) -> None:
        only = select(literal(message_id).label("message_id"))
        for row in connection.execute(_claiming(connection.engine, demand.lease, demand.scopes, only), {"now": now}):
            _attempt(row, now)

    return unreadable.put_away(connection, ids, claim_one, now)


def _take(
    connection: Connection,
    demand: Demand,
    limit: int,
    now: datetime,
    only: Priority | None = None,
    *,
    reserved: int = 0,
    to_known: bool = False,
) -> list[Attempt]:
    """Up to `limit` of one priority or of any, in one statement; the first `reserved` places are for normal messages."""
    if limit <= 0:
        return []
    statement = _claim_statement(
        connection.engine,
        demand.lease,
        tuple(demand.scopes),
        demand.waba_id,
        demand.portfolio if to_known else None,
        (only,) if only is not None else tuple(Priority),
        bool(demand.barred),
    )
    barred = {"barred": sorted(demand.barred)} if demand.barred else {}
    taken = connection.execute(statement, {"now": now, "places": limit, "reserved": reserved, **barred}).all()
    ordered = sorted((_attempt(row, now) for row in taken), key=_first_to_go)
    first = [one for one in ordered if one.message.priority is Priority.NORMAL][:reserved]
    names = {one.message.message_id for one in first}
    return first + [one for one in ordered if one.message.message_id not in names]


def _first_to_go(attempt: Attempt) -> tuple[Priority, datetime, str]:
    message = attempt.message
    return message.priority, message.due_at, message.message_id


_NOW = bindparam("now", type_=tables.UtcMoment())
_PLACES = bindparam("places", type_=Integer())
_RESERVED = bindparam("reserved", type_=Integer())

_READ = [
    _messages.c[name]
    for name in (
        *("message_id", "recipient", "to", "phone_number_id", "template_name", "language", "components", "priority"),
        *("due_at", "expires_at", "key", "campaign_id", "reference", "country", "category", "attempts", "tries"),
    )
]
"""What an attempt is made of."""

_OF_A_MESSAGE = select(_messages.c.message_id, _messages.c.attempts, _messages.c.phone_number_id, _NOW)
_BEGINNING = rows.Lookup(
    lambda among: insert(_attempts).from_select(
        ["message_id", "attempt", "phone_number_id", "started_at"],
        _OF_A_MESSAGE.where(among(_messages.c.message_id)),
    )
)


@lru_cache(maxsize=256)
def _claim_statement(
    engine: Engine,
    lease: Lease,
    scopes: tuple[PauseKey, ...],
    waba_id: str | None,
    known_to: str | None,
    priorities: tuple[Priority, ...],
    with_barred: bool,
) -> ReturningUpdate[Any]:
    """The claim of a number, which is built once and run twenty times a second: building it takes longer than running it."""
    due = (_due(lease.phone_number_id, waba_id, known_to, priority, with_barred) for priority in priorities)
    candidates = union_all(*due).cte("candidates")
    columns = candidates.c
    order = columns.priority, columns.due_at, columns.message_id
    place = func.row_number().over(partition_by=columns.priority, order_by=order)
    reserved = (columns.priority == int(Priority.NORMAL)) & (place <= _RESERVED)
    picked = select(columns.message_id).order_by(case((reserved, 0), else_=1), *order).limit(_PLACES)
    return _claiming(engine, lease, scopes, picked)


def _claiming(engine: Engine, lease: Lease, scopes: Sequence[PauseKey], picked: Select[str]) -> ReturningUpdate[Any]:
    """Take the messages with these ids, if they may be taken still."""
    return (
        update(_messages)
        .where(
            _messages.c.message_id.in_(picked),
            tables.STILL_READY,
            stands(engine, lease),
            ~stopped([(Scope.NUMBER, lease.phone_number_id), *scopes], _NOW),
        )
        .values(status=Status.SENDING.value, status_at=_NOW, attempts=_messages.c.attempts + 1, lease_epoch=lease.epoch)
        .returning(*_READ)
    )


def _due(
    phone_number_id: str, waba_id: str | None, known_to: str | None, priority: Priority, with_barred: bool
) -> Select[Any]:
    """The first of one priority, by the index; what another transaction is moving just now is passed over."""
    first = (
        select(_messages.c.message_id, _messages.c.priority, _messages.c.due_at)
        .where(
            _messages.c.phone_number_id == phone_number_id,
            tables.READY,
            _messages.c.priority == int(priority),
            _messages.c.due_at <= _NOW,
            _messages.c.expires_at > _NOW,
            ~waits(waba_id, _NOW),
            ~blocking.blocks(),
        )
        .order_by(_messages.c.due_at, _messages.c.message_id)
    )
    if with_barred:
        first = first.where(_messages.c.to.not_in(bindparam("barred", expanding=True)))
    if known_to:
        first = _to_known(known_to, first)
    return select(first.limit(_PLACES).with_for_update(of=_messages, skip_locked=True).subquery())


def _to_known(portfolio: str, first: Select[Any]) -> Select[Any]:
    """Of the first that wait, those whose recipients count already: not past a whole campaign to new people each time."""
    front = first.add_columns(_messages.c.to).limit(LOOKED_AT).subquery("front")
    return (
        select(_messages.c.message_id, _messages.c.priority, _messages.c.due_at)
        .join_from(front, _messages, _messages.c.message_id == front.c.message_id)
        .where(daily.known(portfolio, front.c.to), tables.STILL_WAITS)
        .order_by(front.c.due_at, front.c.message_id)
    )


def _attempt(row: Sequence[Any], now: datetime) -> Attempt:
    """Of a row of _READ, which is taken apart at once: to ask it for each value by its name takes three times as long."""
    message_id, recipient, to, phone_number_id, name, language, components, priority, *more = row
    due_at, expires_at, key, campaign_id, reference, country, category, attempts, tries = more
    message = Message(
        message_id=message_id,
        recipient=recipient,
        to=to,
        phone_number_id=phone_number_id,
        template=Template(name, language, components),
        due_at=due_at,
        expires_at=expires_at,
        key=key,
        priority=Priority.HIGH if priority == Priority.HIGH else Priority.NORMAL,
        campaign_id=campaign_id,
        reference=reference,
        country=country,
        category=Category(category) if category else None,
    )
    return Attempt(message, number=attempts, started_at=now, tries=tries)


def recent_sends(
    connection: Connection, phone_number_id: str, since: datetime, busy_since: datetime | None = None
) -> list[tuple[str, datetime]]:
    """To whom attempts were begun that Meta took or may have taken, and when, the oldest first.

    Those only who got more than one since `since`, and of them all since `busy_since`, where that is given.
    """
    reached = or_(_attempts.c.outcome.is_(None), _attempts.c.outcome.in_(sorted(REACHED)))
    lately = (
        select(_messages.c.to)
        .join(_attempts, _attempts.c.message_id == _messages.c.message_id)
        .where(_attempts.c.phone_number_id == phone_number_id, reached, _attempts.c.started_at > since)
    )
    several = lately.group_by(_messages.c.to).having(func.count() > 1).cte("several")
    mine = _attempts.c.phone_number_id.concat("") == phone_number_id  # no index of all that the number has sent
    theirs = (
        select(_messages.c.to, _attempts.c.started_at)
        .select_from(several)
        .join(_messages, _messages.c.to == several.c.to)
        .join(_attempts, _attempts.c.message_id == _messages.c.message_id)
        .where(mine, reached, _attempts.c.started_at > (busy_since or since))
    )
    return [(row.to, row.started_at) for row in connection.execute(theirs.order_by(_attempts.c.started_at))]

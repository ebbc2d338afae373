"""Meta's limit of different people that a business portfolio may write to within 24 hours, kept by ourselves (G6).

Meta documents no error for going over it, so nothing goes over it: a person is counted when the first message to them is
claimed, under a lock on the portfolio's row, and counts until 24 hours after the last. What Meta certainly did not take is
taken off again. A portfolio without a limit is not counted.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, null, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from service.message import REACHED
from service.outbox import tables
from service.outbox.database import upsert

WINDOW = timedelta(hours=24)
RESERVE = 0.1
"""The part of the limit that campaigns leave to messages of high priority."""

_portfolios = tables.portfolios
_recipients = tables.daily_recipients


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The numbers that share a daily limit. `limit` is what the settings say, None where Meta is asked."""

    name: str
    phone_number_ids: tuple[str, ...]
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """How many more people may be written to now: by any message, and by one of normal priority."""

    any: int
    normal: int


def set_limit(connection: Connection, portfolio: Portfolio, limit: int | None, now: datetime) -> None:
    """Keep the limit, None for no limit. Where there was none before, count who was written to in the last 24 hours."""
    statement = upsert(connection, _portfolios).values(portfolio=portfolio.name, daily_limit=null(), used=0)
    connection.execute(statement.on_conflict_do_nothing())
    before = _locked(connection, portfolio.name)
    if before.daily_limit == limit:
        return
    values: dict[str, Any] = {"daily_limit": limit}
    if before.daily_limit is None:
        values["used"] = _count_anew(connection, portfolio, now)
    connection.execute(update(_portfolios).where(_portfolios.c.portfolio == portfolio.name).values(values))


def _count_anew(connection: Connection, portfolio: Portfolio, now: datetime) -> int:
    attempts, messages = tables.attempts.c, tables.messages.c
    lately = (
        select(messages.to, func.max(attempts.started_at).label("at"))
        .select_from(tables.attempts)
        .join(tables.messages, messages.message_id == attempts.message_id)
        .where(
            attempts.phone_number_id.in_(portfolio.phone_number_ids),
            attempts.started_at > now - WINDOW,
            or_(attempts.outcome.is_(None), attempts.outcome.in_(sorted(REACHED))),
        )
        .group_by(messages.to)
    )
    connection.execute(delete(_recipients).where(_recipients.c.portfolio == portfolio.name))
    people = [{"portfolio": portfolio.name, "to": to, "at": at} for to, at in connection.execute(lately)]
    if people:
        connection.execute(insert(_recipients), people)
    return len(people)


def left(connection: Connection, portfolio: str, now: datetime) -> Left | None:
    """What is left of the limit, None where there is none. Nobody else counts for this portfolio until the commit."""
    row = _locked(connection, portfolio)
    if row is None or row.daily_limit is None:
        return None
    used = row.used - _forget(connection, portfolio, now)
    reserve = max(1, round(row.daily_limit * RESERVE))
    return Left(max(0, row.daily_limit - used), max(0, row.daily_limit - reserve - used))


def known(portfolio: str, to: ColumnElement[str]) -> ColumnElement[bool]:
    """The condition that somebody counts already, as part of another statement; `left` has dropped who no longer does."""
    return select(_recipients.c.to).where(_recipients.c.portfolio == portfolio, _recipients.c.to == to).exists()


def count(connection: Connection, portfolio: str, people: Collection[tuple[str, str]], now: datetime) -> None:
    """Count those to whom these messages go: pairs of `to` and message id. `left` was asked in this transaction."""
    if not people:
        return
    wanted = sorted({to for to, _ in people})
    counted = connection.execute(
        select(func.count())
        .select_from(_recipients)
        .where(_recipients.c.portfolio == portfolio, _recipients.c.to.in_(wanted))
    ).scalar_one()
    insertion = upsert(connection, _recipients)
    statement = insertion.on_conflict_do_update(
        index_elements=[_recipients.c.portfolio, _recipients.c.to],
        set_={"at": insertion.excluded.at, "message_id": null()},
    )
    connection.execute(
        statement, [{"portfolio": portfolio, "to": to, "at": now, "message_id": name} for to, name in sorted(people)]
    )
    _add(connection, portfolio, len(wanted) - counted)


def take_off(connection: Connection, message_ids: Iterable[str]) -> None:
    """Those whom only these messages counted no longer count."""
    theirs = _recipients.c.message_id.in_(sorted(message_ids))
    portfolios = connection.execute(select(_recipients.c.portfolio).where(theirs).distinct()).scalars().all()
    for portfolio in sorted(portfolios):
        _locked(connection, portfolio)  # before its people, as a claim does
        gone = connection.execute(delete(_recipients).where(theirs, _recipients.c.portfolio == portfolio)).rowcount
        _add(connection, portfolio, -gone)


def outdated(connection: Connection, now: datetime) -> list[str]:
    """The portfolios with people who count no longer, and were not dropped: nothing was claimed since."""
    old = _recipients.c.portfolio == _portfolios.c.portfolio, _recipients.c.at <= now - WINDOW
    found = select(_portfolios.c.portfolio).where(select(_recipients.c.to).where(*old).exists())
    return list(connection.execute(found.order_by(_portfolios.c.portfolio)).scalars())


def forget(connection: Connection, portfolio: str, now: datetime, at_most: int) -> int:
    """Drop some of those who count no longer. How many."""
    _locked(connection, portfolio)
    old = select(_recipients.c.to).where(_recipients.c.portfolio == portfolio, _recipients.c.at <= now - WINDOW)
    people = connection.execute(old.limit(at_most)).scalars().all()
    theirs = _recipients.c.portfolio == portfolio, _recipients.c.to.in_(people)
    connection.execute(delete(_recipients).where(*theirs))
    _add(connection, portfolio, -len(people))
    return len(people)


def _forget(connection: Connection, portfolio: str, now: datetime) -> int:
    """Drop those whose last message is 24 hours ago. How many."""
    old = delete(_recipients).where(_recipients.c.portfolio == portfolio, _recipients.c.at <= now - WINDOW)
    gone = connection.execute(old).rowcount
    if gone:
        _add(connection, portfolio, -gone)
    return gone


def _add(connection: Connection, portfolio: str, people: int) -> None:
    statement = update(_portfolios).where(_portfolios.c.portfolio == portfolio)
    connection.execute(statement.values(used=_portfolios.c.used + people))


def _locked(connection: Connection, portfolio: str) -> Any:
    statement = select(_portfolios).where(_portfolios.c.portfolio == portfolio).with_for_update()
    return connection.execute(statement).first()


def usage(connection: Connection) -> Sequence[tuple[str, int, int]]:
    """Each portfolio that has a limit, with the limit and how much of it is used."""
    columns = _portfolios.c
    rows = connection.execute(
        select(columns.portfolio, columns.daily_limit, columns.used).where(columns.daily_limit.is_not(None))
    )
    return [(row.portfolio, row.daily_limit, row.used) for row in rows]

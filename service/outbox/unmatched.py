"""Statuses that fit no attempt yet: kept for a while, and given out when their attempt turns up.

A notification may come before the answer that tells its wamid, or be of another system that sends by the same number.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from service.message import Status, StatusUpdate
from service.outbox import rows, tables
from service.outbox.database import Insert

UNMATCHED_FOR = timedelta(days=7)
"""Meta repeats a notification for up to seven days; later than that nothing will turn up for it."""

_unmatched = tables.unmatched_statuses
_attempts = tables.attempts


def keep(connection: Connection, updates: Sequence[StatusUpdate], now: datetime) -> None:
    """Keep these, each status of a wamid once."""
    kept = [
        {
            "callback_data": news.callback_data,
            "wamid": news.wamid,
            "status": news.status.value,
            "at": news.at,
            "code": news.code,
            "title": news.title,
            "details": news.details,
            "retry": int(news.retry_after is not None),
            "retry_seconds": None if news.retry_after is None else int(news.retry_after.total_seconds()),
            "opted_out": int(news.opted_out),
            "expires_at": now + UNMATCHED_FOR,
        }
        for news in sorted(updates, key=lambda news: (news.wamid, news.status))  # one order for all, as with any lock
    ]
    rows.insert(connection, _unmatched, kept, _unless_kept)


def _unless_kept(insertion: Insert) -> Any:
    return insertion.on_conflict_do_nothing()


def take(connection: Connection, wamids: Collection[str]) -> list[StatusUpdate]:
    """What was kept for these wamids, which is kept no longer; it is named by its wamid alone."""
    kept = _KEPT.execute(connection, wamids).all() if wamids else []
    if kept:
        connection.execute(delete(_unmatched).where(_unmatched.c.id.in_([row.id for row in kept])))
    return [_read(row) for row in kept]


_KEPT = rows.Lookup(lambda among: select(_unmatched).where(among(_unmatched.c.wamid)))


def _read(row: Row[Any]) -> StatusUpdate:
    facts = row.code, row.title, row.details, _retry_after(row)
    return StatusUpdate(Status(row.status), row.at, row.wamid, None, *facts, opted_out=bool(row.opted_out))


def _retry_after(row: Row[Any]) -> timedelta | None:
    """What the version before this one kept says only that it may be tried again."""
    if row.retry_seconds is None:
        return timedelta(minutes=1) if row.retry else None
    return timedelta(seconds=row.retry_seconds)


def crossed(connection: Connection) -> Sequence[str]:
    """The wamids for which statuses are kept although their attempt is there: they came in beside the answer."""
    of_wamid = _attempts.c.wamid == _unmatched.c.wamid
    return connection.execute(select(_unmatched.c.wamid).join(_attempts, of_wamid)).scalars().all()


def forget(connection: Connection, now: datetime) -> None:
    """Drop what no attempt turned up for in time."""
    connection.execute(delete(_unmatched).where(_unmatched.c.expires_at <= now))

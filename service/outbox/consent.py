"""Who must not get messages and who said so (G8): the writing and the reading of `suppressions`.

Everybody who says it has a row of their own: (to, blocked, source). What the person's word made, the person's word lifts; what
an operator entered, only an operator. With a row goes what is queued for the person (`blocking.py`).

Words come late and out of order: the newest by Meta's time holds, and of two in the same second the one that stops. For that
the table also keeps until when a person's words were lifted (`blocked` is `none` there, `since` is until when): what was said
up to then suppresses no more.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, delete, or_, select, text
from sqlalchemy.sql.elements import ColumnElement

from service.outbox import blocking, tables
from service.outbox.database import reading, transaction, upsert
from service.people import Blocked, Suppression, SuppressionSource

ADDED_AT_ONCE = 1_000
"""So many in one transaction, so that a long list keeps no other writer waiting for long."""

Place = tuple[datetime, int]
"""Where a search goes on: at rows that were added at this moment or before, so many of that very moment left out."""

_LIFTED = "none"
_SUPPRESSES = [blocked.value for blocked in Blocked]
_THIS_MUCH_EARLIER = timedelta(microseconds=1)
_TURN = 0x636F6E73656E74
"""The name of the lock in PostgreSQL: "consent" in ASCII."""

_table = tables.suppressions
_columns = tables.suppressions.c

_WORDS_OF: Mapping[SuppressionSource, SuppressionSource] = {
    SuppressionSource.STOP_REPLY: SuppressionSource.STOP_REPLY,
    SuppressionSource.USER_PREFERENCES: SuppressionSource.USER_PREFERENCES,
    SuppressionSource.ERROR_131050: SuppressionSource.USER_PREFERENCES,
}
"""What made a row by the person's own word, and under which name it is kept that this was lifted."""

_LIFTS: Mapping[SuppressionSource, tuple[SuppressionSource, ...]] = {
    SuppressionSource.STOP_REPLY: (SuppressionSource.STOP_REPLY, SuppressionSource.IMPORT),
    SuppressionSource.USER_PREFERENCES: (SuppressionSource.USER_PREFERENCES, SuppressionSource.ERROR_131050),
}
"""Whose rows a person's word lifts that asks for messages again, by where it was said."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A person's word about messages, at Meta's time: `blocked` are to come no more; None asks for them again.

    It holds for all of `addresses`, and for whom the message of ours went to that it answers, by its wamid. `source` is
    `stop_reply` or `user_preferences`: where the person said it.
    """

    addresses: tuple[str, ...]
    source: SuppressionSource
    blocked: Blocked | None
    at: datetime
    answers: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which suppressions are looked for: those that fit all of what is given. `since` is the earliest moment of adding."""

    to: str | None = None
    blocked: Blocked | None = None
    source: SuppressionSource | None = None
    since: datetime | None = None


class Consent:
    """Who must not get messages. One transaction for each call; each may raise StoreUnavailable."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def suppress(self, suppressions: Sequence[Suppression], now: datetime) -> int:
        """Suppress people, many in several transactions. How many queued messages became `suppressed` with it."""
        withheld = 0
        for start in range(0, len(suppressions), ADDED_AT_ONCE):
            with transaction(self._engine) as connection:
                withheld += add(connection, suppressions[start : start + ADDED_AT_ONCE], now)
        return withheld

    def lift(self, to: str, now: datetime, blocked: Blocked | None = None) -> int:
        """Lift what stands for a person, whoever said it, as an operator may; only rows of `blocked` where given. How many."""
        with transaction(self._engine) as connection:
            return _remove(connection, to, blocked, now)

    def search(self, wanted: Wanted, limit: int, after: Place | None = None) -> tuple[list[Suppression], Place | None]:
        """Up to `limit` suppressions, the newest first, and where the next page begins, None at the end."""
        with reading(self._engine) as connection:
            return _search(connection, wanted, limit, after)


def add(connection: Connection, suppressions: Iterable[Suppression], now: datetime) -> int:
    """Suppress people. How many queued messages became `suppressed` with it.

    A word that is older than what is known changes nothing; nor does one that was lifted since.
    """
    newest: dict[tuple[str, str, str], Suppression] = {}
    for one in sorted(suppressions, key=lambda one: one.since):
        newest[one.to, one.blocked.value, one.source.value] = one
    if not newest:
        return 0
    _take_turn(connection)
    lifted = _lifted(connection, {one.to for one in newest.values() if one.source in _WORDS_OF})
    standing = [one for _, one in sorted(newest.items()) if not _is_over(one, lifted)]
    if not standing:
        return 0
    _put(connection, [_row(one.to, one.blocked, one.source, one.since, now, one.reason) for one in standing])
    people = sorted({one.to for one in standing})
    return blocking.withhold(connection, tables.messages.c.to.in_(people), now)


def heed(connection: Connection, wishes: Sequence[Wish], now: datetime) -> int:
    """Do as people say, in whatever order their words come. How many queued messages became `suppressed` with it."""
    if not wishes:
        return 0
    _take_turn(connection)
    answered = _answered(connection, {wish.answers for wish in wishes if wish.answers})
    stops = []
    for wish in wishes:
        also = answered.get(wish.answers) if wish.answers else None
        people = sorted({*wish.addresses, also} if also else set(wish.addresses))
        if wish.blocked is None:
            _lift(connection, people, wish, now)
        else:
            stops += [Suppression(to, wish.blocked, wish.source, wish.at) for to in people]
    return add(connection, stops, now)


def refused_marketing(connection: Connection, said: Mapping[str, datetime], now: datetime) -> None:
    """Suppress those of whom Meta says that they want no marketing, by message id, and since when."""
    if not said:
        return
    messages = tables.messages.c
    found = connection.execute(select(messages.message_id, messages.to).where(messages.message_id.in_(sorted(said))))
    source = SuppressionSource.ERROR_131050
    add(connection, [Suppression(row.to, Blocked.MARKETING, source, said[row.message_id]) for row in found], now)


def _take_turn(connection: Connection) -> None:
    """One writer at a time until its commit: what a word comes to depends on what else was said.

    Who holds the turn waits for no message, so that nobody waits in a circle.
    """
    if connection.dialect.name != "sqlite":  # which has one writer
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_TURN})"))


def _lifted(connection: Connection, people: Collection[str]) -> dict[tuple[str, str], datetime]:
    """Until when the words of these people were lifted, by the kind of word."""
    if not people:
        return {}
    rows = connection.execute(select(_table).where(_columns.to.in_(sorted(people)), _columns.blocked == _LIFTED))
    return {(row.to, row.source): row.since for row in rows}


def _is_over(one: Suppression, lifted: Mapping[tuple[str, str], datetime]) -> bool:
    kind = _WORDS_OF.get(one.source)
    until = lifted.get((one.to, kind.value)) if kind else None
    return until is not None and one.since <= until


def _put(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert; of what is known already, the newer word holds, and the reason that is given last."""
    statement = upsert(connection, _table)
    given = statement.excluded
    another_reason = (given.since == _columns.since) & given.reason.is_distinct_from(_columns.reason)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[_columns.to, _columns.blocked, _columns.source],
            set_={name: given[name] for name in ("since", "added_at", "reason")},
            where=or_(given.since > _columns.since, another_reason),
        ),
        list(rows),
    )


def _lift(connection: Connection, people: Sequence[str], wish: Wish, now: datetime) -> None:
    """Lift what was said before the wish; keep that it was, for what was said before and comes later."""
    until = wish.at - _THIS_MUCH_EARLIER
    of = _columns.source.in_([source.value for source in _LIFTS[wish.source]])
    stands = _columns.to.in_(people) & _columns.blocked.in_(_SUPPRESSES) & (_columns.since <= until)
    connection.execute(delete(_table).where(of, stands))
    _put(connection, [_row(to, _LIFTED, wish.source, until, now) for to in people])


def _row(
    to: str, blocked: str, source: SuppressionSource, since: datetime, now: datetime, reason: str | None = None
) -> dict[str, Any]:
    facts = {"to": to, "blocked": str(blocked), "source": source.value}
    return facts | {"since": since, "added_at": now, "reason": reason}


def _answered(connection: Connection, wamids: Collection[str]) -> dict[str, str]:
    """To whom the messages went that Meta calls so."""
    if not wamids:
        return {}
    attempts, messages = tables.attempts.c, tables.messages.c
    found = select(attempts.wamid, messages.to).join(tables.messages, messages.message_id == attempts.message_id)
    return {row.wamid: row.to for row in connection.execute(found.where(attempts.wamid.in_(sorted(wamids))))}


def _remove(connection: Connection, to: str, blocked: Blocked | None, now: datetime) -> int:
    """An operator's decision is about what is known: words that were said up to then and come again change nothing."""
    _take_turn(connection)
    statement = delete(_table).where(_columns.to == to, _columns.blocked.in_(_named(blocked)))
    removed = connection.execute(statement.returning(_columns.source, _columns.since)).all()
    until: dict[SuppressionSource, datetime] = {}
    for row in removed:
        kind = _WORDS_OF.get(SuppressionSource(row.source))
        if kind:
            until[kind] = max(row.since, until.get(kind, row.since))
    if until:
        _put(connection, [_row(to, _LIFTED, kind, moment, now) for kind, moment in sorted(until.items())])
    return len(removed)


def _named(blocked: Blocked | None) -> list[str]:
    return [blocked.value] if blocked else _SUPPRESSES


def _search(
    connection: Connection, wanted: Wanted, limit: int, after: Place | None
) -> tuple[list[Suppression], Place | None]:
    conditions: list[ColumnElement[bool]] = [_columns.blocked.in_(_named(wanted.blocked))]
    if wanted.to is not None:
        conditions.append(_columns.to == wanted.to)
    if wanted.source is not None:
        conditions.append(_columns.source == wanted.source.value)
    if wanted.since is not None:
        conditions.append(_columns.added_at >= wanted.since)
    if after is not None:
        conditions.append(_columns.added_at <= after[0])
    in_order = _columns.added_at.desc(), _columns.to, _columns.blocked, _columns.source
    page = select(_table).where(*conditions).order_by(*in_order).limit(limit + 1).offset(after[1] if after else 0)
    rows = connection.execute(page).all()
    found = [
        Suppression(row.to, Blocked(row.blocked), SuppressionSource(row.source), row.since, row.reason)
        for row in rows[:limit]
    ]
    if len(rows) <= limit:
        return found, None
    last = rows[limit - 1].added_at
    given = sum(row.added_at == last for row in rows[:limit])
    return found, (last, given + (after[1] if after and after[0] == last else 0))

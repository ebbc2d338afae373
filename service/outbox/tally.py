"""How many messages of a campaign stand where, and how they came there, without counting messages.

a statement that moves messages ── trigger (migration 0004) ──► moves ── fold ──► tallies, campaigns

What is counted is the sum of `tallies` and `moves`, so it is true at every moment; folding only keeps `moves` short. A campaign
id of "" stands for the messages that name none.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Connection, cast, delete, func, select, union_all
from sqlalchemy.sql.elements import ColumnElement

from service.message import Status
from service.outbox import tables
from service.outbox.database import upsert

FOLDED_AT_ONCE = 5_000

QUARTER = timedelta(minutes=15)

REJECTED, RECIPIENTS = "rejected", "recipients"
"""Targets beside the statuses: recipients who got no message at all, and the recipients that events named."""

Which = Callable[[ColumnElement[str]], ColumnElement[bool]]
"""A condition on the campaign's id."""

_moves = tables.moves
_tallies = tables.tallies
_KEY = ("campaign_id", "quarter", "origin", "target", "code")

_RANK = {Status.HELD: 1, Status.ACCEPTED: 1, Status.SENT: 2, Status.DELIVERED: 3, Status.READ: 4}
"""How far a message has come with Meta; everything else is 0."""


@dataclass(slots=True)
class Tally:
    """What moves add up to. `statuses`: messages by where they stand. `failures` and `rejections`: by code, "" for none.

    `messages` were accepted by us; with the rejected ones and those that came again (`duplicates`) they are the `recipients`.
    """

    recipients: int = 0
    messages: int = 0
    rejected: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    rejections: Counter[str] = field(default_factory=Counter)

    @property
    def duplicates(self) -> int:
        """Recipients who came again and got nothing again."""
        return max(0, self.recipients - self.messages - self.rejected)

    def reached(self, status: Status) -> int:
        """How many have come as far as this with Meta, or farther."""
        return sum(number for name, number in self.statuses.items() if _rank(name) >= _RANK[status])

    def add(self, origin: str, target: str, code: str, number: int) -> None:
        """Count so many moves of one kind."""
        match target:
            case "recipients":
                self.recipients += number
                return
            case "rejected":
                self.rejected += number
                self.rejections[code] += number
                return
        self.statuses[target] += number
        if origin:
            self.statuses[origin] -= number
        else:
            self.messages += number
        if target == Status.FAILED:
            self.failures[code] += number
        elif origin == Status.FAILED:
            self.failures[code] -= number


@dataclass(slots=True)
class Quarter:
    """What happened within a quarter of an hour: so many were accepted by us, were sent, arrived, were read, failed."""

    at: datetime
    accepted: int = 0
    sent: int = 0
    delivered: int = 0
    read: int = 0
    failed: int = 0

    def add(self, origin: str, target: str, number: int) -> None:
        """Count so many moves of one kind; who is told at once that a message was read has been told that it was sent."""
        if target in {REJECTED, RECIPIENTS}:
            return
        before, after = _rank(origin), _rank(target)
        self.accepted += 0 if origin else number
        self.sent += number if before < 2 <= after else 0
        self.delivered += number if before < 3 <= after else 0
        self.read += number if before < 4 <= after else 0
        self.failed += number if target == Status.FAILED else 0


def _rank(status: str) -> int:
    return next((rank for known, rank in _RANK.items() if known == status), 0)


def waits(connection: Connection) -> bool:
    """Whether there is anything to fold."""
    return connection.execute(select(_moves.c.id).limit(1)).first() is not None


def fold(connection: Connection, at_most: int = FOLDED_AT_ONCE) -> int:
    """Add up the oldest moves and take them away. How many rows; several may do so at once, each with rows of its own."""
    oldest = select(_moves).order_by(_moves.c.id).limit(at_most).with_for_update(skip_locked=True)
    rows = connection.execute(oldest).all()
    if not rows:
        return 0
    sums: Counter[tuple[Any, ...]] = Counter()
    for row in rows:
        sums[tuple(getattr(row, name) for name in _KEY)] += row.number
    _add_tallies(connection, sums)
    _add_campaigns(connection, sums)
    connection.execute(delete(_moves).where(_moves.c.id.in_([row.id for row in rows])))
    return len(rows)


def _add_tallies(connection: Connection, sums: Mapping[tuple[Any, ...], int]) -> None:
    insertion = upsert(connection, _tallies)
    statement = insertion.on_conflict_do_update(
        index_elements=list(_KEY), set_={"number": _tallies.c.number + insertion.excluded.number}
    )
    ordered = sorted(sums.items())  # one order for all, as with any lock
    connection.execute(statement, [dict(zip(_KEY, key, strict=True)) | {"number": number} for key, number in ordered])


def _add_campaigns(connection: Connection, sums: Iterable[tuple[Any, ...]]) -> None:
    moments: dict[str, list[datetime]] = {}
    for campaign_id, quarter, *_ in sums:
        if campaign_id:
            moments.setdefault(campaign_id, []).append(quarter)
    if not moments:
        return
    known = tables.campaigns.c
    insertion = upsert(connection, tables.campaigns)
    first, last = insertion.excluded.first_at, insertion.excluded.last_at
    earliest, latest = (func.least, func.greatest) if connection.dialect.name == "postgresql" else (func.min, func.max)
    statement = insertion.on_conflict_do_update(
        index_elements=["campaign_id"],
        set_={"first_at": earliest(known.first_at, first), "last_at": latest(known.last_at, last)},
    )
    rows = [{"campaign_id": name, "first_at": min(of), "last_at": max(of)} for name, of in sorted(moments.items())]
    connection.execute(statement, rows)


def by_campaign(connection: Connection, campaign_ids: Collection[str]) -> dict[str, Tally]:
    """What each of these campaigns has come to; nothing for one that nothing was counted of."""
    found: dict[str, Tally] = {}
    for row in _sums(connection, ("campaign_id", "origin", "target", "code"), lambda of: of.in_(sorted(campaign_ids))):
        found.setdefault(row.campaign_id, Tally()).add(row.origin, row.target, row.code, row.number)
    return found


def received(connection: Connection, campaign_id: str) -> tuple[datetime, datetime] | None:
    """The quarters of an hour in which the first and the last event of a campaign came; None where none has."""
    parts = []
    for table in (_tallies, _moves):
        of_events = table.c.campaign_id == campaign_id, table.c.target == RECIPIENTS
        parts.append(select(table.c.quarter).where(*of_events))
    both = union_all(*parts).subquery().c
    row = connection.execute(select(func.min(both.quarter).label("first"), func.max(both.quarter).label("last"))).one()
    return (row.first, row.last) if campaign_id and row.first else None


def quarters(connection: Connection, since: datetime, campaign_id: str | None = None) -> list[Quarter]:
    """What happened since a moment, the earliest quarter first; those in which nothing happened are left out."""
    found: dict[datetime, Quarter] = {}
    which: Which | None = None if campaign_id is None else (lambda of: of == campaign_id)
    for row in _sums(connection, ("quarter", "origin", "target"), which, since):
        found.setdefault(row.quarter, Quarter(row.quarter)).add(row.origin, row.target, row.number)
    return [found[at] for at in sorted(found)]


def _sums(
    connection: Connection, names: Sequence[str], which: Which | None = None, since: datetime | None = None
) -> list[Any]:
    """Numbers of moves by these columns, folded or not, in one statement: a fold in between would count twice or not at all."""
    parts = []
    for table in (_tallies, _moves):
        conditions: list[ColumnElement[bool]] = [] if since is None else [table.c.quarter >= since]
        if which is not None:
            conditions.append(which(table.c.campaign_id))
        columns = [table.c[name] for name in names]
        parts.append(select(*columns, table.c.number).where(*conditions))
    both = union_all(*parts).subquery().c
    number = cast(func.sum(both.number), BigInteger).label("number")  # PostgreSQL sums up to a decimal
    chosen = [both[name] for name in names]
    return [*connection.execute(select(*chosen, number).group_by(*chosen))]

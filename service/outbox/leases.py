"""Who serves a phone number: one dispatcher at a time, until its lease runs out (G6). And who could: the live dispatchers.

Times are seconds of the database's own clock, so that dispatchers need not agree on theirs.
"""

from dataclasses import dataclass, field
from functools import lru_cache

from sqlalchemy import Connection, Engine, Float, bindparam, delete, func, literal_column, select, update
from sqlalchemy.sql.dml import Update
from sqlalchemy.sql.elements import ColumnElement

from service.outbox import tables
from service.outbox.database import upsert

LEASE_SECONDS = 12.0
"""With what it takes to notice, a number is served again within 15 s of its dispatcher's death."""


LIVE_SECONDS = 4.0
"""A dispatcher that has told nothing for so long is not counted upon; its leases last as long as they last."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to send for a number. `epoch` is its fencing token: what was claimed under a lower one is in doubt.

    `rate` is what the holder before found the number to carry, in messages a second, where it found anything.
    """

    phone_number_id: str
    holder: str
    epoch: int
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Shares:
    """How the numbers are shared out: how many each live dispatcher serves, and which numbers somebody serves.

    `seconds` is the database's clock at the look, since 1970.
    """

    served_by: dict[str, int]
    served: frozenset[str]
    seconds: float = field(default=0.0, compare=False)


def database_now(connection: Connection | Engine) -> ColumnElement[float]:
    """The database's clock as seconds, read at the statement, not at the transaction's start."""
    if connection.dialect.name == "sqlite":
        return literal_column("((julianday('now') - 2440587.5) * 86400.0)", Float)
    return literal_column("extract(epoch FROM clock_timestamp())::float8", Float)


def acquire(connection: Connection, phone_number_id: str, holder: str) -> Lease | None:
    """Take the number if nobody serves it; one statement, so that of two who try one gets it."""
    table, now = tables.leases, database_now(connection)
    statement = upsert(connection, table).values(
        phone_number_id=phone_number_id, holder=holder, epoch=1, expires_at=now + LEASE_SECONDS
    )
    taken = connection.execute(
        statement.on_conflict_do_update(
            index_elements=[table.c.phone_number_id],
            set_={"holder": holder, "epoch": table.c.epoch + 1, "expires_at": now + LEASE_SECONDS},
            where=table.c.expires_at <= now,
        ).returning(table.c.epoch, table.c.rate)
    ).first()
    return Lease(phone_number_id, holder, taken.epoch, taken.rate) if taken else None


def renew(connection: Connection, lease: Lease, rate: float | None = None) -> bool:
    """Prolong a lease that has not run out, and keep the rate for whoever comes next; False: it is lost."""
    return connection.execute(_renewal(connection.engine, lease), {"found": rate}).rowcount == 1


@lru_cache(maxsize=1024)
def _renewal(engine: Engine, lease: Lease) -> Update:
    """Built once for as long as the lease is held: building it takes longer than running it."""
    facts = {"expires_at": database_now(engine) + LEASE_SECONDS, "rate": bindparam("found", type_=Float())}
    return update(tables.leases).where(held(engine, lease)).values(facts)


def release(connection: Connection, lease: Lease) -> None:
    """Give the number back, so that the next dispatcher need not wait for the lease to run out."""
    connection.execute(update(tables.leases).where(held(connection, lease)).values(expires_at=0.0))


def report(connection: Connection, holder: str) -> Shares:
    """Tell that this dispatcher lives, and see how the numbers are shared out."""
    table, now = tables.dispatchers, database_now(connection)
    facts = {"expires_at": now + LIVE_SECONDS}
    statement = upsert(connection, table).values(holder=holder, **facts)
    connection.execute(statement.on_conflict_do_update(index_elements=[table.c.holder], set_=facts))
    connection.execute(delete(table).where(table.c.expires_at <= now))
    leases = tables.leases.c
    held_by = (table.c.holder == leases.holder) & (leases.expires_at > now)
    counted = func.count(leases.phone_number_id).label("numbers")
    shares = select(table.c.holder, counted).select_from(table.outerjoin(tables.leases, held_by))
    rows = connection.execute(shares.group_by(table.c.holder))
    served = connection.execute(select(leases.phone_number_id).where(leases.expires_at > now)).scalars()
    return Shares({row.holder: row.numbers for row in rows}, frozenset(served), _seconds(connection))


def _seconds(connection: Connection) -> float:
    return float(connection.execute(select(database_now(connection))).scalar_one())


def leave(connection: Connection, holder: str) -> None:
    """Tell that this dispatcher ends."""
    connection.execute(delete(tables.dispatchers).where(tables.dispatchers.c.holder == holder))


def held(connection: Connection | Engine, lease: Lease) -> ColumnElement[bool]:
    """The condition that `lease` still stands."""
    table = tables.leases
    return (
        (table.c.phone_number_id == lease.phone_number_id)
        & (table.c.holder == lease.holder)
        & (table.c.epoch == lease.epoch)
        & (table.c.expires_at > database_now(connection))
    )


def stands(connection: Connection | Engine, lease: Lease) -> ColumnElement[bool]:
    """`held` as part of another statement's condition."""
    return select(tables.leases.c.epoch).where(held(connection, lease)).exists()

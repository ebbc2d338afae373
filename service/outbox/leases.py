"""Who serves a phone number: one dispatcher at a time, until its lease runs out (G6).

Times are seconds of the database's own clock, so that dispatchers need not agree on theirs.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, Float, literal_column, select, update
from sqlalchemy.sql.elements import ColumnElement

from service.outbox import tables
from service.outbox.database import upsert

LEASE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to send for a number. `epoch` is its fencing token: what was claimed under a lower one is in doubt."""

    phone_number_id: str
    holder: str
    epoch: int


def database_now(connection: Connection) -> ColumnElement[float]:
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
        ).returning(table.c.epoch)
    ).first()
    return Lease(phone_number_id, holder, taken.epoch) if taken else None


def renew(connection: Connection, lease: Lease) -> bool:
    """Prolong a lease that has not run out; False: it is lost, whoever has it now."""
    now = database_now(connection)
    statement = update(tables.leases).where(held(connection, lease)).values(expires_at=now + LEASE_SECONDS)
    return connection.execute(statement).rowcount == 1


def release(connection: Connection, lease: Lease) -> None:
    """Give the number back, so that the next dispatcher need not wait for the lease to run out."""
    connection.execute(update(tables.leases).where(held(connection, lease)).values(expires_at=0.0))


def held(connection: Connection, lease: Lease) -> ColumnElement[bool]:
    """The condition that `lease` still stands."""
    table = tables.leases
    return (
        (table.c.phone_number_id == lease.phone_number_id)
        & (table.c.holder == lease.holder)
        & (table.c.epoch == lease.epoch)
        & (table.c.expires_at > database_now(connection))
    )


def stands(connection: Connection, lease: Lease) -> ColumnElement[bool]:
    """`held` as part of another statement's condition."""
    return select(tables.leases.c.epoch).where(held(connection, lease)).exists()

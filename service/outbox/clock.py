"""The database's own clock, which times the leases."""

from datetime import UTC, datetime

from sqlalchemy import Engine, select

from service.outbox.database import reading
from service.outbox.leases import database_now


def read_clock(engine: Engine) -> datetime:
    """What time it is for the database; raise StoreUnavailable."""
    with reading(engine) as connection:
        return datetime.fromtimestamp(connection.execute(select(database_now(connection))).scalar_one(), UTC)

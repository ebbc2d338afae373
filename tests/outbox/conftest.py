"""What the outbox's suite shares: a desk on an empty database of each kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from service.outbox.database import open_engine
from service.outbox.outbox import Outbox
from service.outbox.report import Report
from tests.conftest import MAX_TRIES, Store
from tests.outbox.making import NUMBER, Desk
from tests.outbox.recounting import check_counts


@pytest.fixture
def desk(store: Store) -> Iterator[Desk]:
    """An empty outbox and a lease on its number. Whatever a test does with it, its counts are true in the end."""
    lease = store.outbox.acquire_lease(NUMBER, "the first")
    assert lease is not None
    yield Desk(store, lease)
    check_counts(store.engine)


@pytest.fixture
def publishing(database_url: str) -> Iterator[Desk]:
    """The same, where outcomes are published."""
    engine = open_engine(database_url, keeps_outcomes=True)
    outbox = Outbox(engine, max_tries=MAX_TRIES)
    lease = outbox.acquire_lease(NUMBER, "the first")
    assert lease is not None
    yield Desk(Store(database_url, engine, outbox, Report(engine)), lease)
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database without any schema."""
    if request.param == "sqlite":
        engine = open_engine(f"sqlite:///{tmp_path}/channel.db")
        yield engine
        engine.dispose()
        return
    server = request.getfixturevalue("postgres")
    admin = open_engine(server)
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS channel_empty WITH (FORCE)")
        connection.exec_driver_sql("CREATE DATABASE channel_empty")
    admin.dispose()
    engine = open_engine(server.replace("/postgres?", "/channel_empty?"))
    yield engine
    engine.dispose()

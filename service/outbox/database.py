"""An engine for SQLite or PostgreSQL, set up so that a commit means "on disk", and one error for "the store is down"."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.pool import ConnectionPoolEntry

from service.outbox import silence

Insert = sqlite.Insert | postgresql.Insert

_WAIT_SECONDS = 4
"""How long a call waits for the database before it gives up: less than the shim's 6 s read time-out."""

_TURN_SECONDS = 1.5
"""How long before that a writer waits for others of its process where only one can write; both together are less than 6 s."""

_STATEMENT_SECONDS = 30
"""How long PostgreSQL works on a statement of ours."""

_SILENT_SECONDS = _STATEMENT_SECONDS + 5
"""Who has not said even then that it gave up is gone: frozen, or replaced by another machine."""

_IDLE_SECONDS = 8
"""How long PostgreSQL keeps a transaction for a process that does nothing in it, such as a frozen one: less than a lease, so
that whoever takes its numbers over does not wait for what it has locked."""


class StoreUnavailable(Exception):
    """The database did not take it: nothing was stored, the same call may be made again."""


KEEPS_OUTCOMES = "keeps_outcomes"
"""The execution option of an engine whose transactions keep what is to be published (`outcomes.py`)."""


CONNECTIONS = 20
"""How many a process opens to PostgreSQL at most: as it needs them, and it keeps them."""


def open_engine(url: str, *, keeps_outcomes: bool = False) -> Engine:
    """Connect lazily to `url`; raise ValueError for a database that is neither SQLite nor PostgreSQL."""
    options = {KEEPS_OUTCOMES: keeps_outcomes}
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):  # their words quote the URL, which may hold a password
        hint = "postgresql://user:password@host:5432/name, with special characters of the password percent-encoded"
        raise ValueError(f"it is no database URL; write {hint}") from None
    match parsed.get_backend_name():
        case "sqlite":
            return _open_sqlite(url, parsed.database, options)
        case "postgresql":
            return _open_postgresql(parsed, options)
    raise ValueError(f"it must begin with sqlite:/// or postgresql://, not {parsed.get_backend_name()}://")


def _open_postgresql(url: URL, options: dict[str, Any]) -> Engine:
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=_WAIT_SECONDS,
        hide_parameters=True,
        execution_options=options,
        connect_args={
            "connect_timeout": _WAIT_SECONDS,
            "options": f"-c timezone=UTC -c lock_timeout={_WAIT_SECONDS}s -c statement_timeout={_STATEMENT_SECONDS}s "
            f"-c idle_in_transaction_session_timeout={_IDLE_SECONDS}s",
        },
    )
    silence.hear(engine, statement_seconds=_SILENT_SECONDS, idle_seconds=_WAIT_SECONDS)
    return engine


def _open_sqlite(url: str, path: str | None, options: dict[str, Any]) -> Engine:
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        hide_parameters=True,
        execution_options=options,
        connect_args={"timeout": _WAIT_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself; _begin does
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get("read_only", False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def discard_sqlite(url: str) -> None:
    """Remove the SQLite database of this URL, if there is one; raise ValueError for a database of another kind."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        raise ValueError("only a SQLite database can be thrown away; empty this one yourself")
    for ending in ("", "-wal", "-shm"):
        Path(f"{parsed.database}{ending}").unlink(missing_ok=True)


_turns: WeakKeyDictionary[Engine, threading.Lock] = WeakKeyDictionary()


@contextmanager
def _turn(engine: Engine, seconds: float) -> Iterator[None]:
    """Where writers wait for each other, so long at most; then StoreUnavailable is raised.

    SQLite has one. Threads of one process queue here, in order and at once; its own busy handler only sleeps and retries, and
    would let some of them starve. Where another process keeps the file locked, the last in the queue must not wait for the sum
    of what all before it have waited.
    """
    if engine.dialect.name != "sqlite":
        yield
        return
    turn = _turns.setdefault(engine, threading.Lock())
    if not turn.acquire(timeout=seconds):
        raise StoreUnavailable("the database is locked, and others of this process wait for it already")
    try:
        yield
    finally:
        turn.release()


@contextmanager
def transaction(engine: Engine, turn_seconds: float = _TURN_SECONDS) -> Iterator[Connection]:
    """Commit at the end, or nothing at all. Raise StoreUnavailable where the database is the reason.

    On SQLite nobody waits longer than `turn_seconds` for the other writers of this process.
    """
    with _turn(engine, turn_seconds), _translated(), engine.begin() as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One moment's look, however many statements it takes; it takes no lock. Raise StoreUnavailable."""
    options: dict[str, Any] = {"read_only": True}
    if engine.dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"  # SQLite reads one snapshot anyway
    with _translated(), engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


@contextmanager
def without_transaction(engine: Engine) -> Iterator[Connection]:
    """Each statement for itself, in one round trip; for PostgreSQL. Raise StoreUnavailable."""
    with _translated(), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError) as error:
        raise StoreUnavailable(_reason(error)) from error
    except exc.DBAPIError as error:
        if error.connection_invalidated:
            raise StoreUnavailable(_reason(error)) from error
        raise


def _reason(error: exc.SQLAlchemyError) -> str:
    """The database's own words, without the statement and its parameters: those hold people's numbers."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    return f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else 'no answer'}"


def upsert(connection: Connection, table: Any) -> Insert:
    """An INSERT that knows ON CONFLICT, in the connection's dialect."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)

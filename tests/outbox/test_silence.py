"""A PostgreSQL that goes silent is given up for lost, in a statement and between two; one that works is waited for."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, create_engine, exc, text

from service.outbox.database import StoreUnavailable, transaction
from service.outbox.silence import hear, however_long


@pytest.fixture
def impatient(postgres: str) -> Iterator[Engine]:
    engine = create_engine(postgres, pool_size=2)
    hear(engine, statement_seconds=0.5, idle_seconds=0.5, ask_after=0.0)
    yield engine
    engine.dispose()


def backend(connection: Connection) -> int:
    return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


@contextmanager
def silent(pid: int) -> Iterator[None]:
    """The process that serves a connection is stopped; the connection stays open."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_who_was_idle_while_the_server_went_silent_is_connected_anew(impatient: Engine) -> None:
    with transaction(impatient) as connection:
        before = backend(connection)
    with silent(before), transaction(impatient) as connection:
        assert backend(connection) != before


def test_a_statement_that_the_server_never_answers_is_unavailable(impatient: Engine) -> None:
    with (
        pytest.raises(StoreUnavailable, match="silent"),
        transaction(impatient) as connection,
        silent(backend(connection)),
    ):
        connection.execute(text("SELECT 1"))
    with transaction(impatient) as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_a_migration_takes_as_long_as_it_takes(impatient: Engine) -> None:
    with transaction(impatient) as connection, however_long(connection):
        connection.execute(text("SELECT pg_sleep(1)"))
    with pytest.raises(exc.OperationalError), impatient.connect() as connection:
        connection.execute(text("SELECT pg_sleep(5)"))

"""PostgreSQL connections that do not wait for ever for a server which has gone silent.

A machine that froze, or a failover that took the old one away, closes nothing: by itself TCP gives up after a quarter of an
hour. Whoever says nothing for longer than a statement may take is given up for lost, and whoever was idle must answer first.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Connection, Engine, event, exc
from sqlalchemy.pool import ConnectionPoolEntry

T = TypeVar("T")

_SINCE = "idle since"

_LOOK_SECONDS = 0.1
ASK_AFTER_SECONDS = 1.0
"""Who was used less long ago is not asked first: it would cost each transaction a round trip."""


class Hearing(psycopg.Connection[Any]):
    """Raises OperationalError, and is closed, once the server has been silent for `patience` seconds in a call."""

    patience = float("inf")

    def wait(self, gen: Generator[Any, Any, T], *_limits: Any, **more: Any) -> T:
        """As psycopg's, which tells each _LOOK_SECONDS that there is nothing new."""
        return super().wait(self._while_heard(gen), _LOOK_SECONDS, **more)

    def _while_heard(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        silent = 0.0
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                silent = 0.0 if ready else silent + _LOOK_SECONDS
                if silent > self.patience:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"the database has been silent for {self.patience:.0f} s")
                wanted = gen.send(ready)
        except StopIteration as end:
            result: T = end.value
            return result


def hear(
    engine: Engine, *, statement_seconds: float, idle_seconds: float, ask_after: float = ASK_AFTER_SECONDS
) -> None:
    """Have connections of this engine give a silent server up: in a statement, and before use when idle for `ask_after`."""

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, arguments: Any, named: Any) -> Hearing:
        connection = Hearing.connect(*arguments, **named)
        connection.patience = statement_seconds
        return connection

    @event.listens_for(engine, "checkin")
    def _rest(_connection: Hearing, record: ConnectionPoolEntry) -> None:
        record.info[_SINCE] = monotonic()

    @event.listens_for(engine, "checkout")
    def _prove(connection: Hearing, record: ConnectionPoolEntry, _proxy: Any) -> None:
        now = monotonic()
        if now - record.info.get(_SINCE, now) < ask_after:
            return
        try:
            with _patience(connection, idle_seconds):
                connection.execute("SELECT 1")
                connection.rollback()
        except psycopg.Error as error:
            raise exc.InvalidatePoolError from error  # the others have lost the same server; this one is made anew


@contextmanager
def however_long(connection: Connection) -> Iterator[None]:
    """Within, a statement may take as long as it takes, also for the server until the transaction ends: for a migration."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, Hearing):
        yield
        return
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    with _patience(driver, float("inf")):
        yield


@contextmanager
def _patience(connection: Hearing, seconds: float) -> Iterator[None]:
    before, connection.patience = connection.patience, seconds
    try:
        yield
    finally:
        connection.patience = before

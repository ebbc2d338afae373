"""How a dispatcher learns of new work. Behind both ways the dispatcher looks for all its numbers twice a second.

PostgreSQL tells by NOTIFY whose it is (`outbox/announce.py`). SQLite has no such thing, but its `data_version` changes with
every commit of another connection; asking for it costs microseconds.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable

import psycopg

from service.outbox.announce import CHANNEL, EVERYBODY, Work, read

SQLITE_POLL_SECONDS = 0.004
RECONNECT_SECONDS = 1.0

log = logging.getLogger(__name__)

Wake = Callable[[Work], None]


async def watch_sqlite(path: str, wake: Wake) -> None:
    """Call `wake` after each commit to the file."""
    connection = sqlite3.connect(path)
    try:
        seen = None
        while True:
            with contextlib.suppress(sqlite3.OperationalError):  # busy for a moment; asked again soon
                (version,) = connection.execute("PRAGMA data_version").fetchone()
                if version != seen:
                    seen = version
                    wake(EVERYBODY)
            await asyncio.sleep(SQLITE_POLL_SECONDS)
    finally:
        connection.close()


async def listen_postgres(conninfo: str, wake: Wake) -> None:
    """Call `wake` for each announcement, and once after each (re)connection, since some may have been missed."""
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                conninfo, autocommit=True, connect_timeout=4
            ) as connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                wake(EVERYBODY)
                async for announcement in connection.notifies():
                    wake(read(announcement.payload))
        except psycopg.Error as error:
            log.warning("wakeup.reconnects reason=%s", type(error).__name__)
        await asyncio.sleep(RECONNECT_SECONDS)

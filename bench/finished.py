"""Finished messages by the million, in PostgreSQL: what a service holds that has been at work for a month.

A few messages really go all the way: accepted, sent, delivered, read. The database then copies their rows of every table that
grows, with ids, keys, people and moments of their own; what is new of the schema is copied along.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Engine, Table

from bench import stage
from bench.databases import unhurried
from service.message import Status, StatusUpdate
from service.outbox import tables
from service.outbox.outbox import Outbox

MODELS = 50
"""Messages of one event, and so many are copied at a time, with their event."""
DAYS = 30
AT_ONCE = 10_000
"""Copies in a transaction, each of all the models."""

_AGO = f"interval '{DAYS} days' * (:total - n) / :total"
_TIME = f"lpad(to_hex((extract(epoch FROM now() - {_AGO}) * 1000)::bigint), 12, '0')"
_ID = f"{_TIME} || substr(md5({{0}} || ':' || n), 1, 20)"
"""Sorts by time, as the service's ids do."""
_LONG = "md5({0} || ':' || n) || md5(n || ':' || {0})"
_OTHER: Mapping[str, str] = {
    "message_id": _ID.format("message_id"),
    "event_id": _ID.format("event_id"),
    "receipt_id": f"'evt_' || {_LONG.format('event_id')}",
    "key": _LONG.format("key"),
    "wamid": f"'wamid.' || {_LONG.format('wamid')}",
    "recipient": "recipient || '-' || n",
    "to": "'+8613' || lpad((abs(hashtextextended(\"to\", n)) % 1000000000)::text, 9, '0')",
    "campaign_id": "campaign_id || '-' || n * 200 / :total",
}
"""What is a copy's own. Moments are as long ago; all else is the model's."""
_GROW = tables.events, tables.keys, tables.messages, tables.attempts


def fill(database: stage.Database, total: int, phone_number_id: str) -> None:
    """Put so many finished messages of a number into an empty database."""
    outbox = Outbox(database.engine, max_tries=8)
    _finish(outbox, database.engine, phone_number_id)
    copies, engine = total // MODELS - 1, unhurried(database.url)
    with engine.connect() as connection:
        for table in _GROW:
            connection.exec_driver_sql(f"CREATE TEMPORARY TABLE model_{table.name} AS TABLE {table.name}")
        connection.exec_driver_sql("SET synchronous_commit = off")
        connection.commit()
        for first in range(1, copies + 1, AT_ONCE):
            bounds = {"total": copies, "first": first, "last": min(first + AT_ONCE - 1, copies)}
            for table in _GROW:
                connection.exec_driver_sql(_copying(table, bounds))
            connection.commit()
    outbox.fold_moves()
    _settle_down(engine)


def _finish(outbox: Outbox, engine: Engine, phone_number_id: str) -> None:
    """The models."""
    stage.fill(engine, MODELS, [phone_number_id])
    taken, now = stage.take(engine, phone_number_id), datetime.now(UTC)
    for status in (Status.SENT, Status.DELIVERED, Status.READ):
        outbox.apply_statuses([StatusUpdate(status, now, f"wamid.{one}", one) for one in taken], now)


def _copying(table: Table, bounds: Mapping[str, int]) -> str:
    """In one transaction the same copy has the same ids in all tables: `now()` is its beginning."""
    made = {column.name: _OTHER.get(column.name, _aged(column)) for column in table.columns if column.computed is None}
    names = ", ".join(f'"{name}"' for name in made)
    copied = f"SELECT {', '.join(made.values())} FROM model_{table.name}, generate_series(:first, :last) AS n"
    statement = f"INSERT INTO {table.name} ({names}) {copied}"
    for name, value in bounds.items():
        statement = statement.replace(f":{name}", str(value))
    return statement.replace("%", "%%")


def _aged(column: Column[Any]) -> str:
    return f'"{column.name}" - {_AGO}' if isinstance(column.type, tables.UtcMoment) else f'"{column.name}"'


def _settle_down(engine: Engine) -> None:
    """Nothing is left to be tidied while something is measured."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
        connection.exec_driver_sql("CHECKPOINT")

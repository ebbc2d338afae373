"""What every migration owes the version before it (expand, then contract), worked out from the schema alone.

A step goes from one revision to the next. `judge` puts rows into every table of the schema before it, whatever they are, reads
the same columns again afterwards, and writes, changes, reads and deletes a row of each table as the version before would, which
knows only the columns that were there. A new migration needs no code here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, DateTime, Engine, Float, Integer, MetaData, Numeric, String, Table, select

from service.message import Status
from service.outbox import migrations
from service.outbox.database import transaction

SCRIPTS = Path(migrations.__file__).parent
ROWS = 20
AT = datetime(2026, 11, 1, 9, tzinfo=UTC)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One migration: from `before` to `after`, in a folder of scripts."""

    before: str
    after: str
    scripts: Path = SCRIPTS

    def __str__(self) -> str:
        return f"{self.before} to {self.after}"


def steps(scripts: Path = SCRIPTS) -> list[Step]:
    """All of them, the oldest first; the first schema is no step."""
    found = ScriptDirectory(str(scripts)).walk_revisions()
    return [Step(str(one.down_revision), one.revision, scripts) for one in found if one.down_revision][::-1]


def go_to(engine: Engine, step: Step, revision: str) -> None:
    """Migrate as `whatsapp-channel migrate` does, to this revision."""
    config = Config()
    config.set_main_option("script_location", str(step.scripts))
    with transaction(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def look(engine: Engine) -> list[Table]:
    """The tables as they are just now, without Alembic's own."""
    schema = MetaData()
    schema.reflect(engine)
    return [table for table in schema.sorted_tables if table.name != "alembic_version"]


def fill(engine: Engine, tables: Sequence[Table]) -> None:
    """Rows for every table; those of one number belong together by the names of their columns."""
    with transaction(engine) as connection:
        for table in tables:
            connection.execute(table.insert(), [a_row(table, n) for n in range(1, ROWS + 1)])


def read(engine: Engine, tables: Sequence[Table]) -> dict[str, list[Row]]:
    """What stands in the columns that these tables have, by the table's name."""
    found = {}
    with engine.connect() as connection:
        for table in tables:
            rows = connection.execute(select(*table.c).order_by(*table.primary_key.columns)).mappings()
            found[table.name] = [dict(row) for row in rows]
    return found


def judge(step: Step, engine: Engine) -> None:
    """Do the step on an empty database of it; AssertionError, or what the database raised, where it takes something away."""
    go_to(engine, step, step.before)
    tables = look(engine)
    fill(engine, tables)
    before = read(engine, tables)
    assert all(len(rows) >= ROWS for rows in before.values()), "every table had something to lose"
    go_to(engine, step, step.after)
    assert read(engine, tables) == before
    _use(engine, tables)


def _use(engine: Engine, tables: Sequence[Table], n: int = 1_000) -> None:
    """Insert, change, read and delete a row of each, by the columns that it had."""
    with transaction(engine) as connection:
        keys = [connection.execute(table.insert(), a_row(table, n)).inserted_primary_key for table in tables]
        for table, key in zip(tables, keys, strict=True):
            assert key is not None
            at = [column == value for column, value in zip(table.primary_key.columns, key, strict=True)]
            changed = {name: value for name, value in a_row(table, n + 1).items() if not table.c[name].primary_key}
            if changed:
                connection.execute(table.update().where(*at).values(changed))
            stored = connection.execute(select(*table.c).where(*at)).mappings().one()
            assert stored.items() >= (a_row(table, n) | changed).items()
            assert connection.execute(table.delete().where(*at)).rowcount == 1


def write_meanwhile(connection: Connection, table: Table, n: int) -> None:
    """One row of the version before."""
    connection.execute(table.insert(), a_row(table, n))


def a_row(table: Table, n: int) -> Row:
    """The n-th: every value is its own, and what names a thing elsewhere names the n-th there.

    The database numbers rows, and works out what is computed.
    """
    worked_out = {
        column for column in table.columns if column is table.autoincrement_column or column.computed is not None
    }
    given = [column for column in table.columns if column not in worked_out]
    return {column.name: _value(table, column, n) for column in given}


def _value(table: Table, column: Column[Any], n: int) -> Any:
    if (table.name, column.name) == ("messages", "status"):
        return list(Status)[n % len(Status)].value
    match column.type:
        case DateTime():
            moment = AT + timedelta(minutes=n)
            return moment if column.type.timezone else moment.replace(tzinfo=None)
        case Integer():
            return n
        case Float() | Numeric():
            return float(n)
        case String():
            return f"{column.name}-{n}"[-(column.type.length or 1_000) :]
    raise NotImplementedError(f"{table.name}.{column.name}: say here what a {column.type!r} holds")

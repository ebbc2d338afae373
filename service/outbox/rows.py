"""Many rows in one call: what a batch writes costs the database one statement, not one a row.

PostgreSQL gets the rows as one JSON text and makes a table of it, since there each statement costs a round trip, a plan and a
call of each trigger. SQLite, where it costs none of these, is given the rows one after the other.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import (
    JSON,
    Connection,
    Integer,
    Result,
    Table,
    Text,
    any_,
    bindparam,
    cast,
    column,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.dml import Update
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import TypeEngine

from service.outbox.database import Insert, upsert

Row: TypeAlias = Mapping[str, Any]
Given: TypeAlias = Callable[[str], ColumnElement[Any]]
"""A row's value, by its name."""

_ROWS, _COUNT = "rows", "row_count"
"""The second, as a limit, tells PostgreSQL how few there are, so that it looks each up instead of reading the table."""


class Change:
    """An UPDATE that is done for each of many rows. `build` makes it of a row's values, whose names and types are `types`."""

    def __init__(self, build: Callable[[Given], Update], **types: TypeEngine[Any]) -> None:
        all_of_them = select(_recordset(types)).limit(bindparam(_COUNT, type_=Integer()))
        given = all_of_them.subquery("given").c
        self._for_one = build(lambda name: bindparam(name, type_=types[name]))
        self._for_all = build(lambda name: given[name])

    def execute(self, connection: Connection, rows: Sequence[Row], **same: Any) -> None:
        """Do it. `same` is what the statement asks for besides, for all rows; no two of them may change the same row."""
        if not rows:
            return
        if connection.dialect.name == "sqlite":
            connection.execute(self._for_one, [{**row, **same} for row in rows])
        else:
            connection.execute(self._for_all, {_ROWS: _as_json(rows), _COUNT: len(rows), **same})


def insert(
    connection: Connection, table: Table, rows: Sequence[Row], so: Callable[[Insert], Any] = lambda plain: plain
) -> Result[Any]:
    """Insert rows, at least one and all with the same names, in their order. `so` adds to the INSERT, such as ON CONFLICT."""
    if connection.dialect.name == "sqlite":
        return connection.execute(so(upsert(connection, table)), rows)
    types = {name: table.c[name].type for name in rows[0]}
    given = _recordset(types).c
    statement = upsert(connection, table).from_select(list(types), select(*(given[name] for name in types)))
    return connection.execute(so(statement), {_ROWS: _as_json(rows)})


def among(connection: Connection, value: ColumnElement[str], wanted: Iterable[str]) -> ColumnElement[bool]:
    """Whether a value is one of these: `IN`, with one parameter however many they are where that can be had."""
    ordered = sorted(set(wanted))
    if connection.dialect.name == "sqlite":
        return value.in_(ordered)
    return value == any_(literal(ordered, ARRAY(Text())))


def _recordset(types: Mapping[str, TypeEngine[Any]]) -> TableValuedAlias:
    """The rows as a table, in their order (https://www.postgresql.org/docs/current/functions-json.html)."""
    columns = (column(name, type_) for name, type_ in types.items())
    text = cast(bindparam(_ROWS, type_=Text()), JSON())
    return func.json_to_recordset(text).table_valued(*columns, name="given").render_derived(with_types=True)


def _as_json(rows: Sequence[Row]) -> str:
    return json.dumps(rows, default=_as_text, separators=(",", ":"))


def _as_text(moment: datetime) -> str:
    """The one thing in our rows that JSON does not know."""
    if moment.tzinfo is None:
        raise ValueError(f"a moment needs its zone: {moment!r}")
    return moment.isoformat()

"""Many rows in one call: what a batch writes costs the database one statement, not one a row.

PostgreSQL gets the rows as one JSON text and makes a table of it, since there each statement costs a round trip, a plan and a
call of each trigger. SQLite, where it costs none of these, is given the rows one after the other.

Statements are made once and kept: to make one costs this process several times what it costs to have it executed.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias

from sqlalchemy import (
    JSON,
    Connection,
    Integer,
    Result,
    Select,
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
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.dml import Insert as Insertion
from sqlalchemy.sql.dml import Update
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import TypeEngine

from service.outbox.database import Insert

Row: TypeAlias = Mapping[str, Any]
Given: TypeAlias = Callable[[str], ColumnElement[Any]]
"""A row's value, by its name."""
Among: TypeAlias = Callable[[ColumnElement[str]], ColumnElement[bool]]
"""Whether a value is one of those that are asked for."""

_ROWS, _COUNT = "rows", "row_count"
"""The second, as a limit, tells PostgreSQL how few there are, so that it looks each up instead of reading the table."""
_WANTED = "wanted"


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


class Lookup:
    """A SELECT, or an INSERT of one, about many ids. `build` makes it of the condition that a value is one of them."""

    def __init__(self, build: Callable[[Among], Select[Any] | Insertion]) -> None:
        in_a_list = bindparam(_WANTED, type_=Text(), expanding=True)
        in_an_array = any_(bindparam(_WANTED, type_=ARRAY(Text())))  # one parameter, however many they are
        self._of_a_list = build(lambda value: value.in_(in_a_list))
        self._of_an_array = build(lambda value: value == in_an_array)

    def execute(self, connection: Connection, wanted: Iterable[str], **same: Any) -> Result[Any]:
        """Ask. `same` is what the statement asks for besides."""
        statement = self._of_a_list if connection.dialect.name == "sqlite" else self._of_an_array
        return connection.execute(statement, {_WANTED: sorted(set(wanted)), **same})


def _plain(insertion: Insert) -> Insert:
    return insertion


def insert(
    connection: Connection, table: Table, rows: Sequence[Row], so: Callable[[Insert], Any] = _plain, **same: Any
) -> Result[Any]:
    """Insert rows, at least one and all with the same names, in their order.

    `so`, which is called once and for all, adds to the INSERT, such as ON CONFLICT; `same` is what that asks for besides.
    """
    statement = _insertion(connection.dialect.name, table, tuple(rows[0]), so)
    if connection.dialect.name == "sqlite":
        return connection.execute(statement, [{**row, **same} for row in rows])
    return connection.execute(statement, {_ROWS: _as_json(rows), **same})


@lru_cache
def _insertion(dialect: str, table: Table, names: tuple[str, ...], so: Callable[[Insert], Any]) -> Any:
    if dialect == "sqlite":
        return so(sqlite.insert(table))
    given = _recordset({name: table.c[name].type for name in names}).c
    return so(postgresql.insert(table).from_select(names, select(*(given[name] for name in names))))


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

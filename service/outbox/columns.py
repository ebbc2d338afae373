"""What the tables are made of: their registry, a moment, and the columns that many of them have."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Dialect, Integer, MetaData, String, TypeDecorator

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"}
)


class UtcMoment(TypeDecorator[datetime]):
    """An aware UTC datetime: `timestamptz` in PostgreSQL, sortable text in SQLite, which knows no zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive moment: nobody could tell what it means."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a moment needs its zone: {value!r}")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give UTC back, whatever zone the session has."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


def an_id(name: str, **options: Any) -> Column[str]:
    """An id of ours or of Meta's, or a word of a vocabulary."""
    return Column(name, String(64), **options)


def a_name(name: str, **options: Any) -> Column[str]:
    """What somebody else has named."""
    return Column(name, String(512), **options)


def a_pause_key(name: str, **options: Any) -> Column[str]:
    """A template's name (512) with its language and its account, or a scope before a key."""
    return Column(name, String(700), **options)


def row_id() -> Column[int]:
    """A number that grows with each row."""
    return Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)

"""The schema's history leads to the tables of the code."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect

from service.outbox import migrations, tables
from service.outbox.database import open_engine
from tests.conftest import Store
from tests.outbox.making import at_once


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database without any schema."""
    if request.param == "sqlite":
        engine = open_engine(f"sqlite:///{tmp_path}/channel.db")
        yield engine
        engine.dispose()
        return
    server = request.getfixturevalue("postgres")
    admin = open_engine(server)
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS channel_empty WITH (FORCE)")
        connection.exec_driver_sql("CREATE DATABASE channel_empty")
    admin.dispose()
    engine = open_engine(server.replace("/postgres?", "/channel_empty?"))
    yield engine
    engine.dispose()


def test_what_is_pending_before_and_after(empty: Engine) -> None:
    assert migrations.pending(empty) == ["0001"]
    migrations.migrate(empty)
    assert migrations.pending(empty) == []


def test_migrating_twice_is_fine(empty: Engine) -> None:
    migrations.migrate(empty)
    migrations.migrate(empty)
    assert set(inspect(empty).get_table_names()) == {*tables.metadata.tables, "alembic_version"}


def test_containers_that_start_together_take_turns(empty: Engine) -> None:
    at_once([partial(migrations.migrate, empty)] * 4)
    assert migrations.pending(empty) == []


def test_the_migrations_make_exactly_the_tables_of_the_code(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, tables.metadata) == []


def test_the_partial_indexes_are_the_same_in_the_migrations_and_the_code(store: Store) -> None:
    """Alembic does not compare an index's condition."""
    with store.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql LIKE '%WHERE%'").all()
        else:
            found = connection.exec_driver_sql(
                "SELECT indexname, indexdef FROM pg_indexes WHERE indexdef LIKE '%%WHERE%%'"
            ).all()
    conditions = {name: "queued" in sql.partition("WHERE")[2] for name, sql in found}
    assert conditions == {"ix_messages_queue": True, "ix_messages_expiry": True, "ix_messages_doubt": False}

"""The schema's history leads to the tables of the code."""

from functools import partial
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, event, inspect, select, text

from service.message import Outcome, Pause, PauseReason, Scope, Settlement, Status
from service.outbox import migrations, tables
from service.outbox.database import transaction
from service.outbox.outbox import Lease, Outbox
from service.outbox.report import Report
from tests.conftest import MAX_TRIES, Store
from tests.outbox.making import NOW, NUMBER, Desk, at_once, later, message, pause_of
from tests.outbox.operated import set_message
from tests.outbox.recounting import check_counts


def test_what_is_pending_before_and_after(empty: Engine) -> None:
    assert migrations.pending(empty) == ["0001", "0002", "0003", "0004", "0005", "0006", "0007"]
    migrations.migrate(empty)
    assert migrations.pending(empty) == []


def test_migrating_twice_is_fine(empty: Engine) -> None:
    migrations.migrate(empty)
    migrations.migrate(empty)
    assert set(inspect(empty).get_table_names()) == {*tables.metadata.tables, "alembic_version"}


def test_containers_that_start_together_take_turns(empty: Engine) -> None:
    at_once([partial(migrations.migrate, empty)] * 4)
    assert migrations.pending(empty) == []


def test_a_migration_of_a_large_store_may_take_its_time(empty: Engine) -> None:
    if empty.dialect.name == "sqlite":
        pytest.skip("SQLite gives up no statement")
    limits = []

    @event.listens_for(empty, "before_cursor_execute")
    def look(connection: Connection, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.startswith("ALTER TABLE"):
            limits.append(connection.exec_driver_sql("SHOW statement_timeout").scalar_one())

    migrations.migrate(empty)
    assert set(limits) == {"0"}
    with empty.connect() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar_one() == "30s", "and nobody after it"


@pytest.mark.filterwarnings("ignore:Computed default on")
def test_the_migrations_make_exactly_the_tables_of_the_code(store: Store) -> None:
    """Each database says in words of its own how a column is computed; the next test compares what comes out."""
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, tables.metadata) == []


@pytest.mark.parametrize("status", Status)
def test_the_status_that_an_index_knows_is_that_of_the_row_while_it_is_looked_for(desk: Desk, status: Status) -> None:
    desk.add(message())
    set_message(desk, status=status.value)
    columns = tables.messages.c
    with desk.store.engine.connect() as connection:
        found = connection.execute(select(columns.indexed_status, columns.doubt_at, columns.status_at)).one()
    assert found.indexed_status == (status.value if status.value in tables.INDEXED else None)
    assert found.doubt_at == (found.status_at if status in {Status.SENDING, Status.UNANSWERED} else None)


def test_the_partial_indexes_are_the_same_in_the_migrations_and_the_code(store: Store) -> None:
    """Alembic does not compare an index's condition."""
    with store.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql LIKE '%WHERE%'").all()
        else:
            found = connection.exec_driver_sql(
                "SELECT indexname, indexdef FROM pg_indexes WHERE indexdef LIKE '%%WHERE%%'"
            ).all()
    conditions = {name: sql.partition("WHERE")[2] for name, sql in found}
    assert {name for name, condition in conditions.items() if "queued" in condition} == {
        "ix_messages_ready",
        "ix_messages_shelved",
        "ix_messages_expiry",
    }
    shelves = {name: "NOT NULL" in condition for name, condition in conditions.items() if "shelf" in condition}
    assert shelves == {"ix_messages_ready": False, "ix_messages_shelved": True}
    assert "unanswered" in conditions["ix_messages_doubt"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_pages_have_the_same_room_in_the_migrations_and_the_code(store: Store) -> None:
    """Alembic does not compare how a table is stored."""
    with store.engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT relname, reloptions FROM pg_class WHERE relkind = 'r' AND reloptions IS NOT NULL"
        ).all()
    wanted = {name: table.dialect_options["postgresql"]["with"] for name, table in tables.metadata.tables.items()}
    assert dict(found) == {
        name: [f"{option}={value}" for option, value in given.items()] for name, given in wanted.items() if given
    }


# --- from the first schema on, with what is in it ---------------------------------------------------------------------

STATES = {1: "queued", 2: "queued", 3: "sending", 4: "unanswered", 5: "failed", 6: "read", 7: "expired"}
AT, TOMORROW = "2026-11-01 09:00:00.123456", "2026-11-02 09:00:00.123456"

OLD_MESSAGE = f"""
    INSERT INTO messages (message_id, event_id, recipient, "to", phone_number_id, template_name, language, components,
        priority, key, created_at, due_at, expires_at, status, status_at, attempts, tries, lease_epoch)
    VALUES (:name, 'e', 'endpoint', '+8613800000001', '{NUMBER}', 'order_update', 'en_US', '',
        1, :name, '{AT}', '{AT}', '{TOMORROW}', :status, '{AT}', :attempts, 0, 3)
"""
OLD_ATTEMPT = f"""
    INSERT INTO attempts (message_id, attempt, phone_number_id, started_at) VALUES (:name, 1, '{NUMBER}', '{AT}')
"""
OLD_REST = (
    f"INSERT INTO leases (phone_number_id, holder, epoch, expires_at) VALUES ('{NUMBER}', 'old', 3, 0)",
    f"""INSERT INTO pauses (scope, key, reason, detail, since, until)
        VALUES ('number', 'another', 'refused', 'the token', '{AT}', '{TOMORROW}')""",
    f"""INSERT INTO unmatched_statuses (wamid, status, at, code, retry, expires_at)
        VALUES ('wamid.m00003.1', 'failed', '{AT}', 131016, 1, '{TOMORROW}')""",
)
OLD_CLAIM = f"""
    WITH candidates AS (SELECT message_id, priority, due_at FROM (
        SELECT message_id, priority, due_at FROM messages
        WHERE phone_number_id = '{NUMBER}' AND status = 'queued' AND priority = 1 AND due_at <= '{AT}' AND expires_at > '{AT}'
        ORDER BY due_at, message_id LIMIT 10 /* skip locked */) AS first)
    UPDATE messages SET status = 'sending', status_at = '{AT}', attempts = attempts + 1, lease_epoch = 3
    WHERE message_id IN (SELECT message_id FROM candidates ORDER BY priority, due_at, message_id LIMIT 10)
        AND status = 'queued'
        AND EXISTS (SELECT epoch FROM leases WHERE phone_number_id = '{NUMBER}' AND holder = 'old' AND epoch = 3)
        AND NOT EXISTS (SELECT key FROM pauses WHERE scope = 'number' AND key = '{NUMBER}')
    RETURNING message_id
"""


def put_old(connection: Connection, n: int, status: str) -> None:
    facts = {"name": f"m{n:05}", "status": status, "attempts": int(status != "queued")}
    connection.execute(text(OLD_MESSAGE), facts)
    if status != "queued":
        connection.execute(text(OLD_ATTEMPT), facts)


@pytest.fixture
def old(empty: Engine) -> Engine:
    """A database of the first version with messages in several states, a pause and a status that waits for its attempt."""
    config = migrations._config()
    with transaction(empty) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for n, status in STATES.items():
            put_old(connection, n, status)
        for statement in OLD_REST:
            connection.execute(text(statement))
    return empty


@pytest.fixture
def brought_up(old: Engine) -> Desk:
    """The same database with the newest schema, and the next holder of its number."""
    assert migrations.pending(old) == ["0002", "0003", "0004", "0005", "0006", "0007"]
    migrations.migrate(old)
    store = Store(str(old.url), old, Outbox(old, max_tries=MAX_TRIES), Report(old))
    lease = store.outbox.acquire_lease(NUMBER, "new")
    assert lease == Lease(NUMBER, "new", epoch=4)
    return Desk(store, lease)


def test_what_the_first_version_stored_is_kept(brought_up: Desk) -> None:
    desk = brought_up
    assert {n: desk.status(f"m{n:05}") for n in STATES} == STATES
    assert desk.row().items() >= {"due_at": NOW, "expires_at": later(days=1), "country": None, "shelf": None}.items()
    facts = desk.store.report.message("m00003")
    assert facts is not None
    assert [(one["started_at"], one["door"]) for one in facts.attempts] == [(NOW, None)]
    pause = Pause(Scope.NUMBER, "another", PauseReason.REFUSED, "the token", NOW, until=later(days=1))
    assert desk.store.report.pauses(NOW) == [pause]
    check_counts(desk.store.engine)


def test_what_the_first_version_queued_is_claimed_and_what_it_was_sending_is_rescued(brought_up: Desk) -> None:
    desk = brought_up
    assert desk.store.outbox.rescue(desk.lease, NOW) == 1
    assert [one.callback_data for one in desk.claim()] == ["m00001.1", "m00002.1"]
    desk.allow(10)
    assert desk.used() == 1


def test_a_failure_that_the_first_version_kept_for_its_attempt_may_still_be_tried_again(brought_up: Desk) -> None:
    """It kept that the message may go again, and not yet how long to wait."""
    brought_up.settle(Settlement("m00003", 1, Outcome.ACCEPTED, Status.ACCEPTED, wamid="wamid.m00003.1"))
    assert brought_up.status("m00003") == "queued"


def test_the_version_before_goes_on_working_beside_this_one(brought_up: Desk) -> None:
    desk = brought_up
    desk.pause(pause_of(Scope.TEMPLATE, "order_update/en_US"))
    assert (desk.shelve(), desk.claim()) == (2, [])
    skipping = "" if desk.store.engine.dialect.name == "sqlite" else "FOR UPDATE SKIP LOCKED"
    with desk.store.engine.begin() as connection:
        connection.execute(text("UPDATE leases SET holder = 'old', epoch = 3"))
        put_old(connection, 8, "queued")
        claimed = connection.execute(text(OLD_CLAIM.replace("/* skip locked */", skipping))).scalars()
        assert sorted(claimed) == ["m00001", "m00002", "m00008"]
        put_old(connection, 9, "queued")
    desk.take_over()
    assert desk.store.outbox.rescue(desk.lease, NOW) == 4
    desk.store.outbox.resume([(Scope.TEMPLATE, "order_update/en_US")])
    assert [one.callback_data for one in desk.claim()] == ["m00009.1"]

"""The store cannot take it: one error, nothing stored, and no word of what was to be stored (G1, G10)."""

import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.exc import SQLAlchemyError

from service.message import Door, Fault, Outcome, Pause, PauseReason, Refusal, Scope, Settlement, Status, Template
from service.outbox.database import open_engine, transaction
from service.outbox.outbox import Demand, Lease, Outbox, Portfolio, StoreUnavailable
from service.outbox.report import Report
from tests.conftest import MAX_TRIES, Store
from tests.outbox.making import NOW, NUMBER, Desk, event, message, news

LEASE = Lease(NUMBER, "one", 1)
KEY = (Scope.NUMBER, NUMBER)
CANARY = "+8613800138000"

CALLS: dict[str, Callable[[Outbox], object]] = {
    "add": lambda outbox: outbox.add(event(message(to=CANARY)), NOW),
    "refuse": lambda outbox: outbox.refuse(Refusal(event().event, [Fault("", "x", "y")]), 422, "{}", CANARY, NOW),
    "claim": lambda outbox: outbox.claim(Demand(LEASE, 1), NOW),
    "settle": lambda outbox: outbox.settle([Settlement("m", 1, Outcome.HELD, Status.HELD, details=CANARY)], NOW),
    "rescue": lambda outbox: outbox.rescue(LEASE, NOW),
    "expire": lambda outbox: outbox.expire(LEASE, NOW),
    "judge_unanswered": lambda outbox: outbox.judge_unanswered(LEASE, NOW, timedelta(minutes=5)),
    "apply_statuses": lambda outbox: outbox.apply_statuses([news("m1.1", Status.SENT)], NOW),
    "forget_unmatched": lambda outbox: outbox.forget_unmatched(NOW),
    "acquire_lease": lambda outbox: outbox.acquire_lease(NUMBER, "one"),
    "renew_lease": lambda outbox: outbox.renew_lease(LEASE),
    "release_lease": lambda outbox: outbox.release_lease(LEASE),
    "report_for_work": lambda outbox: outbox.report_for_work("one"),
    "leave_work": lambda outbox: outbox.leave_work("one"),
    "pause": lambda outbox: outbox.pause(Pause(*KEY, PauseReason.REFUSED, CANARY, since=NOW)),
    "resume": lambda outbox: outbox.resume([KEY]),
    "find_pauses": lambda outbox: outbox.find_pauses([KEY], NOW),
    "shelve": lambda outbox: outbox.shelve(LEASE, None, NOW),
    "set_daily_limit": lambda outbox: outbox.set_daily_limit(Portfolio("default", (NUMBER,)), 250, NOW),
    "learn_door": lambda outbox: outbox.learn_door(NUMBER, Template("x", "en"), Door.MARKETING, NOW),
    "learned_doors": lambda outbox: outbox.learned_doors(NUMBER, NOW),
    "recent_sends": lambda outbox: outbox.recent_sends(NUMBER, NOW),
    "prove_writable": lambda outbox: outbox.prove_writable(NOW),
}
READS = {"judge_unanswered", "find_pauses", "learned_doors", "recent_sends"}


def without_waiting(engine: Engine) -> Engine:
    @sqlalchemy_event.listens_for(engine, "connect")
    def impatient(connection: Any, _entry: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA busy_timeout=20")

    return engine


@pytest.fixture(
    params=["sqlite in a folder that is gone", "postgresql on a closed port", "postgresql without a socket"]
)
def gone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An engine whose database cannot be reached."""
    match request.param.split():
        case ["sqlite", *_]:
            url = f"sqlite:///{tmp_path}/sub/channel.db"
            engine = open_engine(url)
            (tmp_path / "sub").rmdir()
        case [*_, "port"]:
            engine = open_engine("postgresql://somebody:a-password@127.0.0.1:1/channel")
        case _:
            engine = open_engine(f"postgresql://somebody:a-password@/channel?host={tmp_path}")
    yield engine
    engine.dispose()


def assert_says_nothing(error: BaseException) -> None:
    """Neither the error nor anything in its traceback holds parameters, statements or passwords."""
    assert "\n" not in str(error)
    assert "INSERT" not in str(error)
    whole = "".join(traceback.format_exception(error))
    assert CANARY not in whole
    assert "a-password" not in whole


@pytest.mark.parametrize("name", CALLS)
def test_every_call_says_that_the_store_is_unavailable(gone: Engine, name: str) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        CALLS[name](Outbox(gone, max_tries=MAX_TRIES))
    assert str(caught.value)
    assert_says_nothing(caught.value)


def test_every_report_says_that_the_store_is_unavailable(gone: Engine) -> None:
    report = Report(gone)
    for read in (report.queues, lambda: report.message("m"), lambda: report.event("e")):
        with pytest.raises(StoreUnavailable):
            read()


@pytest.mark.parametrize("name", sorted(set(CALLS) - READS))
def test_a_write_lock_that_does_not_come_free_is_unavailable_and_stores_nothing(tmp_path: Path, name: str) -> None:
    path = tmp_path / "channel.db"
    engine = without_waiting(open_engine(f"sqlite:///{path}"))
    engine.connect().close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked") as caught:
            CALLS[name](Outbox(engine, max_tries=MAX_TRIES))
        assert_says_nothing(caught.value)
    engine.dispose()


def test_a_commit_waits_for_the_disk(database_url: str) -> None:
    """What was accepted survives a machine that loses its power (G1)."""
    engine = open_engine(database_url)
    asked, wanted = {
        "sqlite": ("PRAGMA synchronous", 2),  # FULL
        "postgresql": ("SHOW synchronous_commit", "on"),
    }[engine.dialect.name]
    with engine.connect() as connection:
        assert connection.exec_driver_sql(asked).scalar_one() == wanted
    engine.dispose()


def test_the_store_is_proven_by_writing(store: Store) -> None:
    store.outbox.prove_writable(NOW)
    store.outbox.prove_writable(NOW)


def test_a_table_lock_that_does_not_come_free_is_unavailable_and_stores_nothing(desk: Desk) -> None:
    """As above, in PostgreSQL's way."""
    if desk.store.engine.dialect.name == "sqlite":
        return
    impatient = open_engine(desk.store.url)

    @sqlalchemy_event.listens_for(impatient, "begin")
    def _prepare(connection: Connection) -> None:
        connection.exec_driver_sql("SET LOCAL lock_timeout = 20")

    with desk.store.engine.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE keys, readiness")
        for name in ("add", "prove_writable"):
            with pytest.raises(StoreUnavailable) as caught:
                CALLS[name](Outbox(impatient, max_tries=MAX_TRIES))
            assert_says_nothing(caught.value)
    impatient.dispose()
    assert desk.is_empty()


def test_a_connection_that_breaks_is_unavailable_and_the_next_call_has_a_new_one(desk: Desk) -> None:
    if desk.store.engine.dialect.name == "sqlite":
        return
    with pytest.raises(StoreUnavailable):
        break_the_connection(desk.store.engine)
    desk.store.outbox.prove_writable(NOW)


def break_the_connection(engine: Engine) -> None:
    with engine.connect() as other, transaction(engine) as connection:
        mine = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        other.exec_driver_sql("SELECT pg_terminate_backend(%s)", (mine,))
        connection.exec_driver_sql("SELECT 1")


def test_a_mistake_of_ours_is_not_taken_for_a_store_that_is_down_and_tells_no_parameters(desk: Desk) -> None:
    desk.add(message(to=CANARY))
    with pytest.raises(SQLAlchemyError) as caught:
        desk.add(message(to=CANARY, key="another"))  # the same message id
    assert not isinstance(caught.value, StoreUnavailable)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("url", ["mysql://u:p@h/d", "oracle://h/d"])
def test_another_kind_of_database_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(ValueError, match="must begin with sqlite:/// or postgresql://"):
        open_engine(url)

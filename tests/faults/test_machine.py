"""Our own processes and rows go wrong under load: workers are killed, leases are taken away, rows cannot be read.

Each is made several times. Nothing is lost, nothing goes twice, and a row that cannot be sent fails alone, with a reason.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, text

from service.outbox.database import open_engine, transaction
from tests.faults import windows
from tests.faults.own_postgres import children
from tests.faults.rows import Row
from tests.faults.test_database import NAMES, SETTINGS, under_load, until_all_read, until_sending_goes_on
from tests.faults.traffic import Traffic
from tests.running import NUMBER, System, running

KILLS = 6
PHANTOM_SECONDS = 3.0
"""How long somebody who never sends holds the number."""

Record = Callable[[Row], None]


@pytest.mark.proof
def test_killed_workers_are_replaced_and_what_they_had_begun_comes_again(
    database_url: str, tmp_path: Path, sample: dict[str, Any], record: Record
) -> None:
    rng = Random(7)
    with under_load(database_url, tmp_path, sample) as (system, traffic):
        workers = children(system.pid("web"))
        for _ in range(KILLS):
            victim = rng.choice(workers)
            os.kill(victim, signal.SIGKILL)
            workers = until_replaced(system, victim, len(workers))
            until_sending_goes_on(system, system.accepted())
        recovered = until_all_read(system, traffic, time.monotonic())
        seen = (
            windows.log(system, "web", r"Worker \(pid:\d+\) was sent SIGKILL"),
            windows.metric(system, "web", "channel_recipients_total", result="accepted", above=traffic.total // 2),
        )
        record(traffic.judge("web workers killed", tried=KILLS, recovered=recovered, seen=seen))


def until_replaced(system: System, victim: int, many: int) -> list[int]:
    """The workers, once there are as many as before without this one."""

    def are_all_there() -> bool:
        return len(set(children(system.pid("web"))) - {victim}) == many

    system.until(are_all_there, "the worker to be replaced", 30)
    return children(system.pid("web"))


@pytest.mark.parametrize(
    ("database_url", "tried"),
    [
        ("postgresql", 4),
        pytest.param("postgresql", 12, marks=pytest.mark.proof),
        pytest.param("sqlite", 12, marks=pytest.mark.proof),
    ],
    indirect=["database_url"],
)
def test_a_lease_that_is_taken_away_lets_nobody_send_twice(
    database_url: str, tmp_path: Path, sample: dict[str, Any], record: Record, tried: int
) -> None:
    with under_load(database_url, tmp_path, sample, events=5 * tried) as (system, traffic):
        engine = open_engine(database_url)
        for n in range(tried):
            assert system.accepted() < traffic.total, "this run proved nothing: all had been sent"
            (take_away if n % 2 else give_to_a_phantom)(engine)
            until_sending_goes_on(system, system.accepted())
        engine.dispose()
        recovered = until_all_read(system, traffic, time.monotonic())
        holder = system.served()[NUMBER]
        seen = (
            windows.log(system, name_of_a_loser(system), r"lease\.lost phone_number_id=\d+ epoch="),
            windows.log(system, holder, rf"lease\.acquired phone_number_id={NUMBER} epoch=\d+"),
            windows.metric(system, holder, "channel_rate_per_second", phone_number_id=NUMBER),
        )
        record(traffic.judge("lease given to another", tried=tried, recovered=recovered, seen=seen))


def take_away(engine: Engine) -> None:
    """The lease has run out, while its holder relies upon it for seconds."""
    with transaction(engine) as connection:
        connection.execute(text("UPDATE leases SET expires_at = 0"))


def give_to_a_phantom(engine: Engine) -> None:
    """Somebody else has the number, and is lost at once."""
    clock = "extract(epoch FROM clock_timestamp())"
    if engine.dialect.name == "sqlite":
        clock = "(julianday('now') - 2440587.5) * 86400.0"
    with transaction(engine) as connection:
        phantom = "holder = 'nobody-0-0', epoch = epoch + 1"
        connection.execute(text(f"UPDATE leases SET {phantom}, expires_at = {clock} + {PHANTOM_SECONDS}"))


def name_of_a_loser(system: System) -> str:
    return next(name for name in NAMES if "lease.lost" in system.log(name))


POISON: Mapping[str, Mapping[str, str]] = {
    "components that are no JSON": {"components": "'{not json'"},
    "components that go on in the request": {"components": """'[]},"to":"+8613800138000","template":{'"""},
    "a category that Meta has not": {"category": "'NEVERHEARDOF'"},
    "no address": {'"to"': "''"},
    "no template": {"template_name": "''", "language": "''"},
}
"""What a row may have come to, by a mistake of ours, of an operator's, or by a version that knows more."""
OF_ONE_KIND: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "sqlite": {
        "a moment that is none": {"due_at": "'0000-99-99 25:00:00'"},
        "an end that is none": {"expires_at": "'never'"},
    },
    "postgresql": {
        "a moment before all others": {"due_at": "'-infinity'"},
        "an end after all others": {"expires_at": "'infinity'"},
        "more attempts than a number holds": {"attempts": "2147483647"},
    },
}


def test_a_row_that_cannot_be_sent_fails_alone(
    database_url: str, tmp_path: Path, sample: dict[str, Any], record: Record
) -> None:
    with running(database_url, tmp_path, **SETTINGS) as system:
        system.start_sandbox("--answer-after", "0.03")
        system.start_web()
        with Traffic(system, sample, events=4, size=50, per_second=20) as traffic:
            traffic.until_accepted()
        engine = open_engine(database_url)
        poisoned = poison(engine, {**POISON, **OF_ONE_KIND[engine.dialect.name]})
        engine.dispose()
        for name in NAMES:
            system.start_dispatcher(name)
        others = traffic.total - len(poisoned)
        since = time.monotonic()
        system.until(lambda: system.counts()["read"] >= others, lambda: f"all others: {system.counts()}", 60)
        recovered = time.monotonic() - since
        what = {how: system.report(message_id) for message_id, how in poisoned.items()}
        assert {how: (one["status"], bool(one.get("failure"))) for how, one in what.items()} == dict.fromkeys(
            what, ("failed", True)
        )
        server = next(name for name in NAMES if "message.unreadable" in system.log(name))
        seen = (
            windows.log(system, server, r"message\.unreadable message_id=[0-9a-f]{32} error="),
            windows.metric(system, server, "channel_attempts_total", outcome="refused"),
            windows.console_says(system, "/console/messages?status=failed", "The stored message cannot be read"),
        )
        record(traffic.judge("rows that cannot be sent", tried=len(poisoned), recovered=recovered, seen=seen))


def poison(engine: Engine, how: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Spoil one queued message in each of these ways; what was done to which."""
    with transaction(engine) as connection:
        ids = connection.execute(text("SELECT message_id FROM messages ORDER BY message_id LIMIT 60")).scalars().all()
        chosen = dict(zip(ids[5::5], how, strict=False))
        for message_id, name in chosen.items():
            values = ", ".join(f"{column} = {value}" for column, value in how[name].items())
            connection.execute(text(f"UPDATE messages SET {values} WHERE message_id = :id"), {"id": message_id})
    assert len(chosen) == len(how)
    return chosen

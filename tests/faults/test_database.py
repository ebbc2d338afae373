"""The database goes away for a while, under load: restarted, crashed, frozen, locked. Nothing is lost, nothing goes twice.

Web and two dispatchers run all the time. Meanwhile events are answered 503 or not at all, and come again.
"""

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.faults import windows
from tests.faults.own_postgres import OwnPostgres, own_postgres
from tests.faults.rows import Row
from tests.faults.traffic import Traffic
from tests.running import System, running

SETTINGS = {"MESSAGES_PER_SECOND": "200", "UNANSWERED_GRACE_SECONDS": "4", "LOG_LEVEL": "INFO", **windows.SETTINGS}
NAMES = ("one", "other")
EVENTS, SIZE = 20, 50
AWAY_SECONDS = 5.0
"""Longer than a call waits for the database, shorter than a lease."""
FROZEN_SECONDS = 20.0
"""Longer than a lease."""
ANSWER_SECONDS = 10.0
"""By then the web service has answered somebody whom the database keeps waiting."""
ALARM_SECONDS = 300.0
FINISH_SECONDS = 60.0

Record = Callable[[Row], None]


@pytest.fixture(scope="module")
def server() -> Iterator[OwnPostgres]:
    with own_postgres() as started:
        yield started


@contextmanager
def under_load(
    database_url: str, folder: Path, sample: dict[str, Any], events: int = EVENTS
) -> Iterator[tuple[System, Traffic]]:
    """Web, two dispatchers and a campaign that comes, of which a tenth has been sent."""
    with running(database_url, folder, **SETTINGS) as system:
        system.start_sandbox("--answer-after", "0.03")
        system.start_web()
        for name in NAMES:
            system.start_dispatcher(name)
        with Traffic(system, sample, events=events, size=SIZE) as traffic:
            traffic.until_part_sent(0.1)
            yield system, traffic


def until_all_read(system: System, traffic: Traffic, since: float) -> float:
    """Until every recipient has read it; seconds from `since`."""
    traffic.until_accepted(FINISH_SECONDS)
    system.until_counts({"read": traffic.total}, FINISH_SECONDS)
    return time.monotonic() - since


def pause(seconds: float, since: float) -> None:
    """Let the fault last for so long from `since` on."""
    threading.Event().wait(max(0.0, seconds - (time.monotonic() - since)))


def until_sending_goes_on(system: System, before: int) -> None:
    """Until more than `before` have reached the Cloud API."""
    system.until(lambda: system.accepted() > before, "sending to go on", 30)


def until_unready(system: System) -> str:
    """Until `/readyz` answers 503 and when to come again, which takes the task out of the load balancer."""
    seen: list[requests.Response] = []

    def is_unready() -> bool:
        seen[:] = [requests.get(f"{system.url}/readyz", timeout=ANSWER_SECONDS)]
        return seen[0].status_code == 503

    system.until(is_unready, "the web service to be unready", 30)
    assert seen[0].headers["Retry-After"] == "5"
    return "web: /readyz 503 with Retry-After"


def errors_alarm(system: System, seconds: float) -> str:
    """The alarm on answers of 5xx, if it goes on for the alarm's period as it has gone for so many seconds."""
    refused = system.log("web").count("request.refused ")
    return windows.alarm("server-errors", service=refused * ALARM_SECONDS / seconds)


@pytest.mark.parametrize(
    ("mode", "tried"),
    [
        ("immediate", 1),
        pytest.param("immediate", 3, marks=pytest.mark.proof),
        pytest.param("fast", 3, marks=pytest.mark.proof),
    ],
)
def test_a_database_that_is_restarted_loses_nothing(
    server: OwnPostgres, tmp_path: Path, sample: dict[str, Any], record: Record, mode: str, tried: int
) -> None:
    server.empty()
    with under_load(server.url, tmp_path, sample) as (system, traffic):
        for _ in range(tried):
            before, away_at = system.accepted(), time.monotonic()
            server.stop(mode)
            seen = (
                until_unready(system),
                windows.log(system, "web", r"request\.refused route=\S+ reason="),
                windows.log(system, "one", r"(lane|settler|roster|lease)\.waits .*reason="),
                windows.no_metric(system, "web"),
                windows.alarm("dispatchers-silent", value=None),
            )
            pause(AWAY_SECONDS, away_at)
            server.start()
            since = time.monotonic()
            until_sending_goes_on(system, before)
        recovered = until_all_read(system, traffic, since)
        assert traffic.answers["503"] > 0
        record(
            traffic.judge(f"database stopped ({mode}) and started", tried=tried, recovered=recovered, seen=tuple(seen))
        )


@pytest.mark.proof
def test_a_database_that_is_frozen_loses_nothing_and_keeps_nobody_waiting_for_ever(
    server: OwnPostgres, tmp_path: Path, sample: dict[str, Any], record: Record
) -> None:
    server.empty()
    with under_load(server.url, tmp_path, sample) as (system, traffic):
        server.freeze()
        away_at = time.monotonic()
        try:
            seen = (
                until_unready(system),
                windows.log(system, "web", r"request\.refused route=\S+ reason="),
                windows.log(system, "one", r"(lane|settler|roster|lease)\.waits .*reason="),
                windows.alarm("dispatchers-silent", value=None),
            )
            pause(FROZEN_SECONDS, away_at)
        finally:
            server.thaw()
        recovered = until_all_read(system, traffic, time.monotonic())
        record(traffic.judge("database frozen", tried=1, recovered=recovered, seen=tuple(seen)))


@pytest.mark.proof
@pytest.mark.parametrize("seconds", [6.0, 15.0])
def test_a_file_that_somebody_keeps_locked_loses_nothing(
    migrated: Path, tmp_path: Path, sample: dict[str, Any], record: Record, seconds: float
) -> None:
    path = Path(shutil.copy(migrated, tmp_path))
    with under_load(f"sqlite:///{path}", tmp_path, sample) as (system, traffic):
        with closing(sqlite3.connect(path, isolation_level=None, timeout=5)) as other:
            other.execute("BEGIN IMMEDIATE")
            locked_at = time.monotonic()
            seen = [
                until_unready(system),
                windows.log(system, "web", r"request\.refused route=\S+ reason=.*locked"),
                windows.log(system, "one", r"(lane|settler|roster|lease)\.waits .*reason=.*locked"),
            ]
            pause(seconds, locked_at)
            seen.append(errors_alarm(system, time.monotonic() - locked_at))
            other.execute("ROLLBACK")
        recovered = until_all_read(system, traffic, time.monotonic())
        record(traffic.judge(f"file locked for {seconds:.0f} s", tried=1, recovered=recovered, seen=tuple(seen)))

"""Meta floods the webhook in mid-campaign: everything several times, in any order, a thousand at once, with garbage in it.

All of it is applied once, no status goes back, events are taken meanwhile, and the web service's memory stays bounded.
What Meta has not signed is not even read.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from tests.faults import windows
from tests.faults.flood import BATCH, GARBAGE, Flood, forge, late_failures, notification, pour, watched
from tests.faults.rows import Row
from tests.faults.test_database import NAMES, SETTINGS, until_all_read
from tests.faults.traffic import Traffic
from tests.running import System, running

EVENTS, SIZE = 20, 50
PADDING = 3 * 1024 * 1024
UNREADABLE = 8
"""Of the garbage, what is not even the shape of a status; the rest is one of a message that nobody knows."""
GROWTH_MEGABYTES = 200
"""More than all threads of two workers hold at once of such bodies; what is kept for good would be more by far."""

Record = Callable[[Row], None]


@pytest.mark.parametrize(
    ("database_url", "times", "events"),
    [
        ("postgresql", 2, 10),
        pytest.param("postgresql", 10, 20, marks=pytest.mark.proof),
        pytest.param("sqlite", 10, 20, marks=pytest.mark.proof),
    ],
    indirect=["database_url"],
)
def test_a_flood_of_notifications_is_applied_once_and_keeps_nobody_else_out(
    database_url: str, tmp_path: Path, sample: dict[str, Any], record: Record, times: int, events: int
) -> None:
    """The sandbox tells nothing: all that is known of the messages comes out of the flood."""
    rng = Random(9)
    with running(database_url, tmp_path, **SETTINGS) as system:
        system.start_sandbox("--answer-after", "0.03", "--no-notifications")
        system.start_web()
        for name in NAMES:
            system.start_dispatcher(name)
        with Traffic(system, sample, events=events, size=SIZE) as traffic, watched(system) as megabytes:
            traffic.until_part_sent(0.3)
            assert traffic.accepted < traffic.total, "this run proved nothing: all had been taken"
            answers = pour(system, of_all_kinds(Flood(system.journal(), rng, times)))
            halfway = moments(system)
            system.until(lambda: system.accepted() == traffic.total, "all to be sent", 60)
            since = time.monotonic()
            answers += pour(system, of_all_kinds(Flood(system.journal(), rng, times)))
            recovered = until_all_read(system, traffic, since)
            at_the_end = moments(system)
            assert new_statuses(system) == 3 * traffic.total
            answers += pour(system, in_batches(2 * late_failures(system.journal())))
            assert (system.counts(), moments(system)) == ({"read": traffic.total}, at_the_end), "what was read failed"
            assert new_statuses(system) == 4 * traffic.total, "each attempt keeps what was told of it, once"
        assert set(answers) == {"200"}, answers
        assert set(traffic.answers) == {"202"}, traffic.answers
        assert {one: at_the_end[one] for one in halfway} == halfway, "what was told first did not stay"
        print(f"web held {megabytes[0]} MB before, {max(megabytes)} MB at most, {megabytes[-1]} MB after")
        assert max(megabytes) - megabytes[0] < GROWTH_MEGABYTES
        seen = (
            windows.metric(
                system, "web", "channel_statuses_total", kind="known", above=3 * traffic.total * (times - 1)
            ),
            windows.metric(system, "web", "channel_statuses_total", kind="unreadable", above=UNREADABLE - 1),
            windows.metric(system, "web", "channel_statuses_total", kind="unmatched"),
        )
        record(traffic.judge("webhook flood", tried=answers.total(), recovered=recovered, seen=seen))


def of_all_kinds(flood: Flood) -> Iterator[bytes]:
    """By the thousand, by the thousand in 3 MB, and one by one."""
    return chain(flood.batches(), flood.batches(PADDING), flood.singles(100))


def in_batches(items: list[Any]) -> Iterator[bytes]:
    """All of them, as many in one as Meta sends at most."""
    return (notification(items[begin : begin + BATCH]) for begin in range(0, len(items), BATCH))


def new_statuses(system: System) -> int:
    """How many updates told something new, by the web service's own count."""
    return int(windows.read(system, "web", "channel_statuses_total", kind="new"))


def moments(system: System) -> dict[str, tuple[Any, ...]]:
    """When each attempt was sent, delivered and read, of those of which anything is known."""
    query = "SELECT message_id, attempt, sent_at, delivered_at, read_at FROM attempts WHERE read_at IS NOT NULL"
    with system.engine.connect() as connection:
        return {f"{row.message_id}.{row.attempt}": tuple(row[2:]) for row in connection.execute(text(query))}


@pytest.mark.proof
def test_notifications_that_nobody_can_read_change_nothing(
    database_url: str, tmp_path: Path, sample: dict[str, Any], record: Record
) -> None:
    """Only garbage, by the thousand: Meta is answered 200, for it would only come again."""
    with running(database_url, tmp_path, **SETTINGS) as system:
        system.start_sandbox("--answer-after", "0.03")
        system.start_web()
        system.start_dispatcher()
        with Traffic(system, sample, events=EVENTS, size=SIZE) as traffic:
            traffic.until_part_sent(0.1)
            flood = Flood([], Random(9))
            flood.items = [*GARBAGE] * 1000
            answers = pour(system, chain(flood.batches(), flood.batches(PADDING)))
            recovered = until_all_read(system, traffic, time.monotonic())
        assert set(answers) == {"200"}, answers
        assert set(traffic.answers) == {"202"}, traffic.answers
        seen = (windows.metric(system, "web", "channel_statuses_total", kind="unreadable", above=UNREADABLE * 1000),)
        record(traffic.judge("webhook garbage", tried=answers.total(), recovered=recovered, seen=seen))


@pytest.mark.proof
def test_notifications_that_meta_did_not_sign_change_nothing(
    database_url: str, tmp_path: Path, sample: dict[str, Any], record: Record
) -> None:
    """They tell the truth, and that all has failed: neither is believed before it comes signed."""
    with running(database_url, tmp_path, **SETTINGS) as system:
        system.start_sandbox("--answer-after", "0.03", "--no-notifications")
        system.start_web()
        system.start_dispatcher()
        with Traffic(system, sample, events=EVENTS, size=SIZE) as traffic:
            traffic.until_part_sent(0.1)
            answers = Counter[str]()
            for _ in range(5):
                lines = system.journal()
                true = Flood(lines, Random(9), times=1)
                for body in chain(true.batches(PADDING), true.singles(10), in_batches(late_failures(lines))):
                    answers += forge(system, body)
            system.until(lambda: system.accepted() == traffic.total, "all to be sent", 60)
            system.until_counts({"accepted": traffic.total}, 30)
            assert new_statuses(system) == 0
            since = time.monotonic()
            pour(system, Flood(system.journal(), Random(9), times=1).batches())
            recovered = until_all_read(system, traffic, since)
        assert set(answers) == {"401"}, answers
        assert set(traffic.answers) == {"202"}, traffic.answers
        refused = windows.read(system, "web", "channel_unverified_calls_total", call="notification")
        assert refused == answers.total()
        seen = (
            windows.metric(system, "web", "channel_unverified_calls_total", call="notification"),
            windows.alarm("bad-signatures", notifications=refused),
        )
        record(traffic.judge("webhook forged", tried=answers.total(), recovered=recovered, seen=seen))

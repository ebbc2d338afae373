"""The dispatcher erases what is old enough, beside the sending, and says how much."""

import asyncio
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from service import metrics
from service.config import Settings
from service.dispatch import eraser
from service.dispatch.eraser import Eraser
from service.outbox.outbox import StoreUnavailable
from service.outbox.retention import Erased, Retention
from service.wiring.dispatcher import build_dispatcher
from tests.dispatch.stage import SteppedClock


class Steps(Retention):
    """What erases, as a test says."""

    def __init__(self, *steps: Erased | Exception) -> None:
        self.left = list(steps)

    def steps(self, _now: Any) -> Iterator[Erased]:
        while self.left:
            step = self.left.pop(0)
            if isinstance(step, Exception):
                raise step
            yield step


@pytest.fixture(autouse=True)
def without_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eraser, "REST_SECONDS", 0.0)


def counted(what: str) -> float:
    return float(metrics.ERASED.labels(what)._value.get())


def test_a_round_counts_what_it_erased_and_says_so_in_one_line(
    clock: SteppedClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    before = counted("messages")
    steps = Steps(Erased("messages", 500), Erased("messages", 20), Erased("replies", 3), Erased("events", 0))
    assert asyncio.run(Eraser(steps, now=lambda: clock.time).round()) == {"messages": 520, "replies": 3, "events": 0}
    assert counted("messages") == before + 520
    assert [record.getMessage() for record in caplog.records if "retention" in record.message] == [
        "retention.erased events=0 messages=520 replies=3"
    ]


def test_a_round_that_erased_nothing_says_nothing(clock: SteppedClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    asyncio.run(Eraser(Steps(Erased("messages", 0)), now=lambda: clock.time).round())
    assert "retention" not in caplog.text


def test_a_store_that_is_down_is_tried_again_in_the_next_round(
    clock: SteppedClock, caplog: pytest.LogCaptureFixture
) -> None:
    steps = Steps(Erased("messages", 1), StoreUnavailable("gone"), Erased("messages", 2))
    one = Eraser(steps, now=lambda: clock.time)
    assert asyncio.run(one.round()) == {"messages": 1}
    assert "retention.waits reason=gone" in caplog.text
    assert asyncio.run(one.round()) == {"messages": 2}


def test_a_long_round_ends_in_time_and_the_next_goes_on(clock: SteppedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eraser, "ROUND_SECONDS", 0.0)
    steps = Steps(*[Erased("messages", 1)] * 3)
    assert asyncio.run(Eraser(steps, now=lambda: clock.time).round()) == {}
    monkeypatch.setattr(eraser, "ROUND_SECONDS", 60.0)
    assert asyncio.run(Eraser(steps, now=lambda: clock.time).round()) == {"messages": 3}


def test_every_dispatcher_has_one_that_keeps_as_long_as_the_settings_say(database_url: str) -> None:
    dispatcher = build_dispatcher(Settings.from_environment({"DATABASE_URL": database_url, "RETENTION_DAYS": "7"}))
    (own,) = [run.__self__ for run in dispatcher._beside if isinstance(getattr(run, "__self__", None), Eraser)]  # type: ignore[attr-defined]
    assert own._retention._keep == timedelta(days=7)

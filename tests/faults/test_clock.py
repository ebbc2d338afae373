"""Wall clocks are wrong by an hour, under load: the dispatchers' are set back and forward, the web service's is not the shim's.

Nothing is lost and nothing goes twice. While a dispatcher's clock is behind, what was dated by a right one is not due yet.
"""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from standardwebhooks import Webhook

from tests.crash import judging
from tests.faults import windows
from tests.faults.rows import Row
from tests.faults.test_database import NAMES, SETTINGS, pause, until_all_read
from tests.faults.traffic import Traffic
from tests.running import System, campaign, free_port, receipt_id, running

HOUR = 3600
WRONG_SECONDS = 8.0
PACED = 200
"""Messages in a second at most: pacing goes by a clock that nobody sets."""

pytestmark = pytest.mark.proof

Record = Callable[[Row], None]


def start_dispatcher(system: System, name: str, clock: Path) -> None:
    """One whose clock is wrong by what stands in the file."""
    port = free_port()
    system._metrics[name] = f"http://127.0.0.1:{port}/metrics"
    system._start(name, ["-m", "tests.faults.stepping", str(clock)], DISPATCHER_PORT=str(port))
    system.until(lambda: system._answers(f"http://127.0.0.1:{port}/healthz"), f"{name} to be alive")


def set_clock(clock: Path, seconds: int) -> None:
    """At once: whoever reads it finds the one or the other."""
    new = clock.with_suffix(".new")
    new.write_text(str(seconds))
    new.replace(clock)


def what_is_shown(system: System, wrong: int) -> tuple[str, ...]:
    serving = next(iter(system.served().values()))
    logged = (
        windows.log(system, serving, rf"clock\.stepped .*seconds={wrong}"),
        windows.log(system, serving, rf"clock\.differs .*={wrong}"),
    )
    if wrong > 0:
        return logged
    return (
        *logged,
        windows.console_says(system, "/console/", r"Idle .* Waiting [\d,]+ about [^O]*Oldest due since \d+ s"),
        windows.metric(system, "web", "channel_oldest_waiting_seconds", status="queued", above=5),
        windows.alarm("backlog", value=HOUR),
    )


@pytest.mark.parametrize("wrong", [-HOUR, HOUR], ids=["back", "forward"])
def test_a_dispatchers_clock_that_is_set_loses_nothing_and_sends_nothing_twice(
    database_url: str, tmp_path: Path, sample: dict[str, Any], record: Record, wrong: int
) -> None:
    clock = tmp_path / "clock"
    set_clock(clock, 0)
    with running(database_url, tmp_path, **SETTINGS) as system:
        system.start_sandbox("--answer-after", "0.03")
        system.start_web()
        system.fault(kind="drop", accepted=True, every=50)
        for name in NAMES:
            start_dispatcher(system, name, clock)
        with Traffic(system, sample, events=24, size=50) as traffic:
            traffic.until_part_sent(0.2)
            set_clock(clock, wrong)
            pause(WRONG_SECONDS, time.monotonic())
            seen = what_is_shown(system, wrong)
            set_clock(clock, 0)
            recovered = until_all_read(system, traffic, time.monotonic())
            sent = judging.read(system.journal())
            assert judging.most_in_a_second([one.at for one in sent]) <= PACED
            fault = f"dispatchers' clock {'back' if wrong < 0 else 'forward'} an hour"
            record(traffic.judge(fault, tried=2, recovered=recovered, seen=seen))


def test_an_event_that_was_signed_by_another_clock_is_refused_and_taken_once_it_is_signed_anew(
    database_url: str, tmp_path: Path, sample: dict[str, Any], record: Record
) -> None:
    with running(database_url, tmp_path, **SETTINGS) as system:
        system.start_sandbox("--answer-after", "0.03")
        system.start_web()
        system.start_dispatcher(NAMES[0])
        names = [(number, receipt_id()) for number in range(900, 925)]
        for ahead in (HOUR, -HOUR):
            for number, name in names:
                assert post_signed(system, campaign(sample, number, 2), name, ahead) == 401
        seen = (
            windows.metric(system, "web", "channel_unverified_calls_total", call="event"),
            windows.alarm("bad-signatures", events=windows.read(system, "web", "channel_unverified_calls_total")),
        )
        since = time.monotonic()
        traffic = Traffic(system, sample, events=4, size=50)
        for number, name in names:
            taken = system.post_event(campaign(sample, number, 2), name).json()["accepted"]
            traffic.accepted, traffic.total = traffic.accepted + taken, traffic.total + 2
        with traffic:
            recovered = until_all_read(system, traffic, since)
        record(traffic.judge("web's clock an hour off", tried=2 * len(names), recovered=recovered, seen=seen))


def post_signed(system: System, event: dict[str, Any], name: str, ahead: int) -> int:
    """The status for an event whose signer's clock is so many seconds ahead."""
    body, at = json.dumps(event), datetime.now(UTC) + timedelta(seconds=ahead)
    headers = {
        "webhook-id": name,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(system._key).sign(name, at, body),
        "content-type": "application/json",
    }
    url = f"{system.url}/v1/events/pinpoint"
    return requests.post(url, data=body.encode(), headers=headers, timeout=30).status_code

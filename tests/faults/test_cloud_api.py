"""The Cloud API goes wrong in mid-campaign, and is whole again: slow, silent, resetting, talking nonsense, not there.

What Meta took is told by its notifications, what it did not take goes again on evidence; nothing is lost, nothing goes
twice. Without notifications nothing is decided: what is unanswered stays so, and is shown.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.faults import windows
from tests.faults.rows import Row
from tests.faults.test_database import NAMES, SETTINGS, pause, until_all_read
from tests.faults.traffic import Traffic
from tests.faults.wire import Wire, wire
from tests.running import NUMBER, System, running

EVENTS, SIZE = 20, 50
HOUR = 3600.0
REFUSED_SECONDS = 15.0
TRIED_AGAIN_SECONDS = 60.0
"""The longest that a message waits which could not be connected."""
UNANSWERED = r"outcome=unanswered .*http_status="
PAGE = "<!doctype html><title>Sorry, something went wrong.</title>"

Record = Callable[[Row], None]


@dataclass(frozen=True)
class Trouble:
    """A fault of the sandbox that is on for so many seconds, and the log line that tells of it; `silent` where nobody is
    answered any more, `again` where Meta took none of them."""

    name: str
    fault: dict[str, Any] = field(default_factory=dict)
    line: str = UNANSWERED
    silent: bool = True
    again: bool = False
    seconds: float = 4.0
    events: int = EVENTS

    def shown(self, system: System, serving: str) -> Iterator[str]:
        """What is seen while it lasts."""
        yield windows.log(system, serving, self.line, seconds=45)
        if self.silent:
            yield windows.log(system, serving, rf"number\.unanswered phone_number_id={NUMBER} in_a_row=10", seconds=45)
            yield windows.metric(system, serving, "channel_slowed_total", phone_number_id=NUMBER)
            yield windows.metric(system, serving, "channel_attempts_total", outcome="unanswered")


TROUBLES = (
    Trouble(
        "slow (2 s)",
        {"kind": "latency", "seconds": 2},
        r"outcome=accepted .*duration_ms=2\d\d\d",
        silent=False,
        seconds=6,
    ),
    Trouble("hangs, took it", {"kind": "hang", "accepted": True}),
    Trouble("hangs, took nothing", {"kind": "hang", "accepted": False}, again=True),
    Trouble("resets, took it", {"kind": "drop", "accepted": True}),
    Trouble("resets, took nothing", {"kind": "drop", "accepted": False}, again=True),
    Trouble("502 page, took it", {"kind": "raw", "http_status": 502, "body": PAGE, "accepted": True}),
    Trouble("502 page, took nothing", {"kind": "raw", "http_status": 502, "body": PAGE, "accepted": False}, again=True),
    Trouble("200 page, took it", {"kind": "raw", "http_status": 200, "body": PAGE, "accepted": True}),
    Trouble("200 page, took nothing", {"kind": "raw", "http_status": 200, "body": PAGE, "accepted": False}, again=True),
    Trouble("200 without wamid", {"kind": "no_wamid"}),
)
BRIEFLY = Trouble("resets, took it, briefly", {"kind": "drop", "accepted": True}, seconds=1.0, events=8)
CASES = [
    pytest.param("sqlite", BRIEFLY, id="briefly"),
    *(
        pytest.param(database, one, id=f"{one.name}-{database}", marks=pytest.mark.proof)
        for one in TROUBLES
        for database in ("sqlite", "postgresql")
    ),
]
"""The first runs with all other tests."""


@contextmanager
def sending(
    database_url: str, folder: Path, sample: dict[str, Any], *options: str, events: int = EVENTS, **more: str
) -> Iterator[tuple[System, Traffic, Wire]]:
    """Web, two dispatchers that reach the Cloud API by a wire, and a campaign of which a tenth has been sent."""
    with running(database_url, folder, **{**SETTINGS, **more}) as system, wire(system.sandbox) as to_meta:
        system.settings["WHATSAPP_API_URL"] = to_meta.url
        system.start_sandbox("--answer-after", "0.03", *options)
        system.start_web()
        for name in NAMES:
            system.start_dispatcher(name)
        with Traffic(system, sample, events=events, size=SIZE) as traffic:
            traffic.until_part_sent(0.1)
            yield system, traffic, to_meta


@pytest.mark.parametrize(("database_url", "trouble"), CASES, indirect=["database_url"])
def test_whatever_the_cloud_api_answers_nothing_is_lost_or_sent_twice(
    database_url: str, tmp_path: Path, sample: dict[str, Any], record: Record, trouble: Trouble
) -> None:
    with sending(database_url, tmp_path, sample, events=trouble.events) as (system, traffic, _):
        serving = system.served()[NUMBER]
        system.fault(**trouble.fault)
        began = time.monotonic()
        seen = list(trouble.shown(system, serving))
        pause(trouble.seconds, began)
        tried = hits(system)
        system.mend()
        recovered = until_all_read(system, traffic, time.monotonic())
        if trouble.again:
            seen.append(windows.metric(system, serving, "channel_resent_on_evidence_total"))
        assert tried > 0, "this run proved nothing: no request met the fault"
        record(traffic.judge(f"Cloud API {trouble.name}", tried=tried, recovered=recovered, seen=tuple(seen)))


def attempts(system: System, serving: str) -> dict[str, float]:
    """What they came to since the campaign began, which is less than an alarm looks back: once refused ones prevail."""
    figures = dict[str, float]()

    def prevail() -> bool:
        for outcome in ("accepted", "unavailable"):
            figures[outcome] = windows.read(system, serving, "channel_attempts_total", outcome=outcome)
        return figures["unavailable"] > figures["accepted"]

    system.until(prevail, lambda: f"more to be refused than were taken: {figures}", REFUSED_SECONDS)
    return figures


def hits(system: System) -> int:
    """Requests that the faults were done to."""
    faults = requests.get(f"{system.sandbox}/sandbox/faults", timeout=10).json()
    return sum(fault["hits"] for fault in faults)


@pytest.mark.proof
def test_a_cloud_api_that_is_not_there_is_tried_again_until_it_is(
    database_url: str, tmp_path: Path, sample: dict[str, Any], record: Record
) -> None:
    """Whose connection broke before an answer is doubtful; who got none was not sent, which uses up no try."""
    with sending(database_url, tmp_path, sample, MAX_ATTEMPTS="2") as (system, traffic, to_meta):
        serving = system.served()[NUMBER]
        to_meta.refuse()
        began = time.monotonic()
        seen = (
            windows.log(
                system, serving, rf"number\.unreached phone_number_id={NUMBER} in_a_row=10 reason=Could not connect"
            ),
            windows.log(system, serving, r"outcome=unavailable status=queued http_status=None"),
            windows.metric(system, serving, "channel_attempts_total", outcome="unavailable", above=20),
            windows.alarm("meta-unavailable", **attempts(system, serving)),
            windows.console_says(system, "/console/", rf"Meta could not be asked about number {NUMBER}: [^;]+"),
        )
        pause(REFUSED_SECONDS, began)
        tried = int(windows.read(system, serving, "channel_attempts_total", outcome="unavailable"))
        to_meta.mend()
        since = time.monotonic()
        system.until_counts({"read": traffic.total}, TRIED_AGAIN_SECONDS + 30)
        recovered = time.monotonic() - since
        system.until(
            lambda: "could not be asked" not in windows.console(system, "/console/"), "that to be said no more", 30
        )
        record(traffic.judge("Cloud API refuses connections", tried=tried, recovered=recovered, seen=seen))


@pytest.mark.proof
def test_what_is_unanswered_stays_so_and_is_shown_where_no_notification_tells(
    database_url: str, tmp_path: Path, sample: dict[str, Any], record: Record
) -> None:
    with sending(database_url, tmp_path, sample, "--no-notifications") as (system, traffic, _):
        serving = system.served()[NUMBER]
        system.fault(kind="drop", accepted=True, every=25)
        traffic.until_accepted()
        system.until(lambda: system.counts()["queued"] + system.counts()["sending"] == 0, "all to be sent", 60)
        tried, since = hits(system), time.monotonic()
        system.mend()
        pause(3 * float(SETTINGS["UNANSWERED_GRACE_SECONDS"]), since)
        assert system.counts() == {"accepted": traffic.total - tried, "unanswered": tried}
        seen = (
            windows.log(system, serving, UNANSWERED),
            windows.metric(system, serving, "channel_attempts_total", outcome="unanswered", above=tried - 1),
            windows.metric(system, "web", "channel_messages_waiting", status="unanswered", above=tried - 1),
            windows.alarm("unanswered", value=HOUR + 1),
            windows.console_says(
                system, "/console/", rf"{tried} messages? got no answer from Meta; somebody has to decide"
            ),
        )
        assert windows.read(system, serving, "channel_resent_on_evidence_total") == 0
        record(traffic.judge("Cloud API resets, tells nothing", tried=tried, recovered=0.0, seen=seen))

"""From the 202 to the POST at the Cloud API, while nothing else is going on.

One event with one recipient at a time, at uneven distance; the moment of the 202 is taken by the caller, the moment of the POST
by the sandbox when it writes its journal, so the figure holds the request's way and the sandbox's judgement too.
"""

import json
import random
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

from bench.databases import databases
from bench.rows import Row
from tests.running import System, campaign, running

SAMPLE = Path(__file__).parent.parent / "tests/samples/pinpoint_campaign_article.json"


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds."""

    count: int
    p50: float
    p99: float


def measure(database_url: str, count: int = 300) -> Latency:
    """Send `count` events and compare the two moments of each."""
    with tempfile.TemporaryDirectory() as folder, running(database_url, Path(folder)) as system:
        system.start_sandbox()
        system.start_web()
        system.start_dispatcher()
        return post(system, count, (0.03, 0.08))


def post(system: System, count: int, distance: tuple[float, float], **data: Any) -> Latency:
    """Post `count` events, so many seconds apart, to a system that runs; `data` adds to what each says."""
    sample = json.loads(SAMPLE.read_text())
    answered: dict[str, float] = {}
    pause = threading.Event()
    for number in range(count):
        answer = system.post_event(campaign(sample, number, size=1, **data))
        answered[answer.json()["results"][0]["message_id"]] = time.time()
        pause.wait(random.uniform(*distance))  # noqa: S311 - uneven distance, not a secret
    system.until(lambda: answered.keys() <= _arrived(system).keys(), "all messages to arrive")
    arrived = _arrived(system)
    cuts = quantiles([max(0.0, arrived[one] - answered[one]) for one in answered], n=100)
    return Latency(count, cuts[49], cuts[98])


def _arrived(system: System) -> dict[str, float]:
    """When the Cloud API took each message."""
    return {
        line["callback_data"].partition(".")[0]: datetime.fromisoformat(line["at"]).timestamp()
        for line in system.journal()
    }


def rows(count: int = 300) -> list[Row]:
    """On both databases."""
    found = []
    with databases() as urls:
        for kind, url in urls.items():
            one = measure(url, count)
            what, beside = f"202 to POST, idle, {kind}", f"{one.count} events"
            found.append(Row("latency", f"{what}, half within", one.p50 * 1000, "ms", 10, beside, at_most=True))
            found.append(Row("latency", f"{what}, 99 of 100 within", one.p99 * 1000, "ms", 50, beside, at_most=True))
    return found

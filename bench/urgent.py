"""From the 202 to the POST of what is urgent, while a campaign of the same number waits: it goes before it, at the next token.

The campaign is queued as the web service would have; from then on all is as in latency.py. The number's pace is just Meta's 80
messages a second, one each 12.5 ms, and what is claimed is claimed 50 ms ahead: the goal is both.
"""

import tempfile
from pathlib import Path

from bench import latency, stage
from bench.latency import Latency
from bench.rows import Row
from tests.running import NUMBER, running

PER_SECOND = 80
AHEAD_MS = 50
DISTANCE = 0.1, 0.3
"""Seconds from one urgent message to the next: none waits for the token of the one before."""


def measure(count: int, backlog: int) -> Latency:
    """Queue `backlog` messages, and once they are under way post `count` urgent ones."""
    pace = {"MESSAGES_PER_SECOND": str(PER_SECOND), "RATE_SHARE": "1", "LOG_LEVEL": "WARNING"}
    with (
        stage.postgresql() as database,
        tempfile.TemporaryDirectory() as folder,
        running(database.url, Path(folder), **pace) as system,
    ):
        stage.fill(database.engine, backlog, [NUMBER])
        system.start_sandbox()
        system.start_web()
        system.start_dispatcher()
        system.until(lambda: system.accepted() > PER_SECOND, "the campaign to be under way")
        found = latency.post(system, count, DISTANCE, priority="high")
        assert system.counts()["queued"] > 0, "the campaign was over before the urgent messages were"
        system.kill("dispatcher")  # which would be at the campaign for a while
        return found


def rows(count: int = 200, backlog: int = 100_000) -> list[Row]:
    """The one row."""
    found = measure(count, backlog)
    what = f"202 to POST, urgent behind {backlog:,} of a number at {PER_SECOND}/s, 99 of 100 within"
    beside = f"half within {found.p50 * 1000:.0f} ms, {count} events"
    goal = 1000 / PER_SECOND + AHEAD_MS
    return [Row("urgent", what, found.p99 * 1000, "ms", goal, beside, at_most=True)]

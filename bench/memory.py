"""What the web service with one worker and the dispatcher hold in memory after a million messages, and whether it still grows.

Events of 50 are posted a quarter at a time, and a dispatcher sends them meanwhile. Once all of a quarter are sent, it is read
what is resident of the dispatcher and of the one worker. Beside it stands what the whole web service takes, gunicorn's own
process too, where a page that both have counts once.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from bench import stage, web
from bench.rows import Row
from tests.running import until

QUARTERS = 4
AT_ONCE = 1_000
"""Events that are made before they are posted."""
GOAL_MB = 120
FLAT = 1.1
"""How much more than after the first quarter it may be at the end."""


@dataclass(frozen=True, slots=True)
class Held:
    """Megabytes after each quarter; `service` is the whole web service."""

    worker: list[float]
    service: list[float]
    dispatcher: list[float]


def measure(number: int) -> Held:
    """Accept and send so many messages."""
    held = Held([], [], [])
    with stage.postgresql() as database, stage.cloud_api() as (api, trust):
        given = stage.dispatcher_settings(database.url, api, trust)
        with (
            web.service(database, WEB_WORKERS="1") as (url, service),
            stage.process("-m", "service", "dispatcher", **given) as dispatcher,
        ):
            for _ in range(QUARTERS):
                _send(database, url, number // QUARTERS)
                [worker] = stage.children(service)
                held.worker.append(_megabytes("Rss", worker))
                held.service.append(_megabytes("Pss", service, worker))
                held.dispatcher.append(_megabytes("Rss", dispatcher.pid))
    return held


def _send(database: stage.Database, url: str, number: int) -> None:
    """Post them, and wait until the dispatcher is through."""
    events = number // 50
    for start in range(0, events, AT_ONCE):
        web.load(url, web.events(min(AT_ONCE, events - start)), 202)

    def are_sent() -> bool:
        with database.engine.connect() as connection:
            open_ones = text("SELECT count(*) FROM messages WHERE status = 'queued' OR status = 'sending'")
            return not connection.execute(open_ones).scalar_one()

    until(are_sent, "all to be sent", 60 + number / 50)


def _megabytes(what: str, *pids: int) -> float:
    """As Linux counts: Rss is what is resident, Pss divides a page among those that have it."""
    found = [re.search(rf"^{what}: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M) for pid in pids]
    return sum(int(one[1]) for one in found if one) * 1024 / 1e6


def rows(number: int = 1_000_000) -> list[Row]:
    """For each of the two how much it is, and how much more than after a quarter."""
    held = measure(number)
    together = f"; with gunicorn's own {held.service[-1]:,.0f} MB"
    return [
        *_rows("memory-web", f"a web worker, after {number:,} messages", held.worker, together),
        *_rows("memory-dispatcher", f"the dispatcher, after {number:,} messages", held.dispatcher, ""),
    ]


def _rows(name: str, what: str, quarters: list[float], beside: str) -> list[Row]:
    after = f"after each quarter {', '.join(f'{one:,.0f}' for one in quarters)} MB{beside}"
    grown = quarters[-1] / quarters[0]
    return [
        Row(name, f"memory of {what}", quarters[-1], "MB", GOAL_MB, after, at_most=True),
        Row(f"{name}-flat", "the same ÷ after a quarter of them", grown, "", FLAT, "", at_most=True),
    ]

"""Claim to settle, one dispatcher, PostgreSQL, TLS: messages a second, and what each costs.

Compared to a bare aiohttp loop that posts the same bodies to the same stand-in in the same run, and keeps nothing.
"""

import asyncio
import os
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
from sqlalchemy import Engine, text

from bench import stage
from bench.rows import Row
from service.whatsapp import payload

NUMBER = "106540352242922"
IN_FLIGHT = 32


@dataclass(frozen=True, slots=True)
class Sent:
    """What a dispatcher did."""

    messages: int
    seconds: float
    dispatcher: float
    database: float
    """Seconds of CPU of both."""

    @property
    def per_second(self) -> float:
        """Messages."""
        return self.messages / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of CPU for a message."""
        return 1e6 * (self.dispatcher + self.database) / self.messages


def measure(answer_seconds: float, number: int, **settings: str) -> Sent:
    """Queue so many, start one dispatcher, wait until all are settled."""
    with stage.postgresql() as database, stage.cloud_api(answer_seconds) as (api, trust):
        stage.fill(database.engine, number, [NUMBER])
        before = stage.cpu(database.master)
        given = stage.dispatcher_settings(database.url, api, trust, **settings)
        with stage.process("-m", "service", "dispatcher", **given) as dispatcher:
            started = _until(database.engine, "SELECT count(*) > 0 FROM attempts", 30) and stage.cpu(dispatcher.pid)
            _until(database.engine, "SELECT count(*) = 0 FROM messages WHERE status IN ('queued', 'sending')", 120)
            used = stage.cpu(dispatcher.pid) - started, stage.cpu(database.master) - before
        seconds = _seconds(database.engine)
    return Sent(number, seconds, *used)


def _until(engine: Engine, question: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with engine.connect() as connection:
            if connection.execute(text(question)).scalar_one():
                return True
        time.sleep(0.1)
    raise TimeoutError(question)


def _seconds(engine: Engine) -> float:
    """From the first claim to the last settlement."""
    span = "SELECT extract(epoch FROM max(finished_at) - min(started_at)) FROM attempts WHERE outcome = 'accepted'"
    with engine.connect() as connection:
        return float(connection.execute(text(span)).scalar_one())


async def post_bare(url: str, number: int) -> float:
    """Messages a second of a loop that only posts."""
    now = datetime.now(UTC)
    bodies = [payload.build(one, f"{one.message_id}.1") for one in stage.messages(number, [NUMBER], now)]
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT, ssl=ssl.create_default_context())
    waiting = iter(bodies)
    async with aiohttp.ClientSession(connector=connector, headers={"Content-Type": "application/json"}) as session:

        async def post() -> None:
            for body in waiting:
                headers = {"Authorization": "Bearer a-token"}
                async with session.post(f"{url}/v25.0/{NUMBER}/messages", data=body, headers=headers) as answer:
                    assert (await answer.json())["messages"]

        began = time.perf_counter()
        await asyncio.gather(*(post() for _ in range(IN_FLIGHT)))
        return number / (time.perf_counter() - began)


def bare(number: int) -> float:
    """The same, in a process of its own."""
    with stage.cloud_api() as (api, trust):
        command = [sys.executable, "-m", "bench.dispatch", api, str(number)]
        ended = subprocess.run(command, env={**os.environ, **trust}, capture_output=True, check=True)  # noqa: S603 - ours
        return float(ended.stdout)


def rows(number: int = 30_000) -> list[Row]:
    """Dispatch with answers at once and in 100 ms, and the cost."""
    at_once, loop = measure(0.0, number), bare(number)
    later = measure(0.1, number)
    beside = f"{at_once.per_second:,.0f}/s; bare aiohttp loop {loop:,.0f}/s"
    parts = (
        f"dispatcher {1e6 * at_once.dispatcher / number:.0f} µs, PostgreSQL {1e6 * at_once.database / number:.0f} µs"
    )
    return [
        Row(
            "dispatch", "claim to settle, TLS, answer at once ÷ a bare loop", at_once.per_second / loop, "", 0.6, beside
        ),
        Row(
            "dispatch-100ms",
            "the same, answer in 100 ms",
            later.per_second,
            "messages/s",
            2_500,
            f"{number:,} messages",
        ),
        Row("cost", "CPU of dispatcher and database for a message", at_once.cost, "µs", 350, parts, at_most=True),
    ]


if __name__ == "__main__":
    print(asyncio.run(post_bare(sys.argv[1], int(sys.argv[2]))))

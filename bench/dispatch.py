"""Claim to settle, one dispatcher, PostgreSQL, TLS: messages a second, and what each costs.

Compared to a bare aiohttp loop that posts the same bodies to the same stand-in in the same run, and keeps nothing.
"""

import asyncio
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import aiohttp
from sqlalchemy import Engine, text

from bench import stage
from bench.rows import Row
from service.whatsapp import payload

NUMBER = "106540352242922"
IN_FLIGHT = 32
TURNS = 3
FILLED_PER_SECOND = 2_500
"""Slower than any machine; nothing is due before all are queued."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What dispatchers did, from the first claim to the last settlement."""

    messages: int
    seconds: float
    dispatcher: float
    database: float
    beside: float
    """Seconds of CPU: of the dispatchers, of PostgreSQL, of the stand-in and this process, which looks on."""

    @property
    def per_second(self) -> float:
        """Messages."""
        return self.messages / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of CPU for a message."""
        return 1e6 * (self.dispatcher + self.database) / self.messages


def measure(answer_seconds: float, number: int) -> Sent:
    """`send`, in a database of its own."""
    with stage.postgresql() as database:
        return send(database, answer_seconds, number)


def send(
    database: stage.Database,
    answer_seconds: float,
    number: int,
    numbers: Sequence[str] = (NUMBER,),
    dispatchers: int = 1,
) -> Sent:
    """Start the dispatchers, queue so many messages that are due at the same moment, wait until all are settled.

    `numbers` send nothing else and have nothing left to send.
    """
    listed = "\n".join(f"[numbers.{one}]" for one in numbers)
    with stage.cloud_api(answer_seconds) as (api, trust), ExitStack() as stack:
        pids = []
        for _ in range(dispatchers):
            more = {"FB_BUSINESS_PHONE_ID": numbers[0], "CHANNEL_SETTINGS": listed}
            given = stage.dispatcher_settings(database.url, api, trust, **more)
            pids.append(stack.enter_context(stage.process("-m", "service", "dispatcher", **given)).pid)
        asked = {"numbers": list(numbers), "each": len(numbers) // dispatchers, "dispatchers": dispatchers}
        _until(database.engine, _ALL_SERVED, asked, 60)
        asked["since"] = _queue(database.engine, number, numbers)
        before = _spent(database, pids)
        _until(database.engine, _ALL_SETTLED, asked, 60 + number / 100)
        dispatcher, store, beside = (now - then for now, then in zip(_spent(database, pids), before, strict=True))
        seconds = _span(database.engine, asked, number)
    return Sent(number, seconds, dispatcher, store, beside)


def _queue(engine: Engine, number: int, numbers: Sequence[str]) -> datetime:
    """Queue them, and wait until they are due; when that is."""
    due_at = datetime.now(UTC) + timedelta(seconds=2 + number / FILLED_PER_SECOND)
    stage.fill(engine, number, numbers, due_at)
    left = (due_at - datetime.now(UTC)).total_seconds()
    if left < 0:
        raise TimeoutError("this machine has too much to do: messages were due before all were queued")
    time.sleep(left)
    return due_at


_ALL_SERVED = """
    SELECT count(*) = :dispatchers FROM (
        SELECT FROM leases WHERE phone_number_id = ANY(:numbers) AND expires_at > extract(epoch FROM clock_timestamp())
        GROUP BY holder HAVING count(*) = :each
    ) AS holders
"""
_ALL_SETTLED = """
    SELECT NOT EXISTS (SELECT FROM messages WHERE status = 'queued' AND phone_number_id = ANY(:numbers))
        AND NOT EXISTS (SELECT FROM messages WHERE status = 'sending' AND phone_number_id = ANY(:numbers))
"""
_SPAN = """
    SELECT extract(epoch FROM max(finished_at) - min(started_at)), count(*) FROM attempts
    WHERE outcome = 'accepted' AND started_at >= :since AND phone_number_id = ANY(:numbers)
"""


def _until(engine: Engine, question: str, asked: Mapping[str, object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with engine.connect() as connection:
            if connection.execute(text(question), asked).scalar_one():
                return
        time.sleep(0.1)
    raise TimeoutError(question)


def _spent(database: stage.Database, pids: Sequence[int]) -> tuple[float, float, float]:
    """Seconds of CPU, as in Sent."""
    dispatchers = stage.cpu(*pids)
    return dispatchers, stage.cpu(database.master), stage.cpu(os.getpid()) - dispatchers


def _span(engine: Engine, asked: Mapping[str, object], number: int) -> float:
    with engine.connect() as connection:
        seconds, accepted = connection.execute(text(_SPAN), asked).one()
    assert accepted == number, f"{accepted} of {number} were accepted"
    return float(seconds)


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
    """Dispatch with answers at once and in 100 ms, and the cost: of the turn in the middle."""
    turns = [(measure(0.0, number), bare(number)) for _ in range(TURNS)]
    at_once, loop = sorted(turns, key=lambda turn: turn[0].per_second / turn[1])[TURNS // 2]
    typical = sorted((one for one, _ in turns), key=lambda one: one.cost)[TURNS // 2]
    later = measure(0.1, number)
    ratio = at_once.per_second / loop
    beside = f"{at_once.per_second:,.0f}/s; bare aiohttp loop {loop:,.0f}/s; {TURNS} turns"
    each = 1e6 / typical.messages
    parts = f"dispatcher {each * typical.dispatcher:.0f} µs, PostgreSQL {each * typical.database:.0f} µs"
    return [
        Row("dispatch", "claim to settle, TLS, answer at once ÷ a bare loop", ratio, "", 0.6, beside),
        Row(
            "dispatch-100ms",
            "the same, answer in 100 ms",
            later.per_second,
            "messages/s",
            2_500,
            f"{number:,} messages",
        ),
        Row("cost", "CPU of dispatcher and database for a message", typical.cost, "µs", 350, parts, at_most=True),
    ]


if __name__ == "__main__":
    print(asyncio.run(post_bare(sys.argv[1], int(sys.argv[2]))))

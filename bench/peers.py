"""Beside what people would use instead (`ways.py`): the same messages to the same stand-in over TLS, one way after the other.

Ours is one dispatcher, from the first claim to the last settlement. It alone keeps what it does: each message is taken from
PostgreSQL, its attempt is written there before the request, and what came of it after. The others only post. CPU is that of the
process that sends; PostgreSQL's stands beside it.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from bench import dispatch, stage
from bench.rows import Row
from bench.ways import Took


@dataclass(frozen=True, slots=True)
class Peer:
    """A way of sending, how many requests it has under way, and the messages that it sends: some seconds' worth."""

    way: str
    at_once: int
    messages: int

    @property
    def what(self) -> str:
        """In a table."""
        return {
            "article": "`requests.post`, one after the other",
            "threads": f"{self.at_once} threads, a `requests.Session` each",
            "pywa": f"pywa, {self.at_once} threads",
            "pywa-async": f"pywa's asynchronous client, {self.at_once} tasks",
        }[self.way]


AT_ONCE = Peer("article", 1, 1_000), Peer("threads", 32, 5_000), Peer("pywa", 32, 4_000), Peer("pywa-async", 32, 2_000)
LATER = (
    Peer("article", 1, 50),
    Peer("threads", 32, 2_000),
    Peer("threads", 256, 3_000),
    Peer("pywa", 32, 2_000),
    Peer("pywa-async", 32, 1_000),
)
"""More threads are of use only where answers take long; httpx, beneath pywa, becomes slower with more connections."""


def send(peer: Peer, api: str, trust: dict[str, str]) -> Took:
    """In a process of its own."""
    command = [sys.executable, "-m", "bench.ways", peer.way, api, str(peer.messages), str(peer.at_once)]
    environment = {**os.environ, **trust, "REQUESTS_CA_BUNDLE": trust["SSL_CERT_FILE"], "PYTHONWARNINGS": "ignore"}
    ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)  # noqa: S603 - ours
    return Took(**json.loads(ended.stdout))


def compare(answer_seconds: float, peers: Iterable[Peer], number: int) -> list[Row]:
    """Ours, and each of these after it."""
    ours = dispatch.measure(answer_seconds, number)
    cpu, store = (1e6 * used / number for used in (ours.dispatcher, ours.database))
    later = f"-{answer_seconds * 1000:.0f}ms" if answer_seconds else ""
    found = []
    with stage.cloud_api(answer_seconds) as (api, trust):
        for peer in peers:
            its = send(peer, api, trust)
            name = f"peer-{peer.way}{f'-{peer.at_once}' if peer.at_once > 32 else ''}{later}"
            figures = (
                f"ours, all of it kept: {ours.per_second:,.0f}/s, CPU {cpu:,.0f} µs and PostgreSQL {store:,.0f} µs a message; "
                f"nothing kept: {its.per_second:,.0f}/s, CPU {its.cost:,.0f} µs ({its.cost / cpu:.1f} times ours)"
            )
            answered = f"answer in {answer_seconds * 1000:.0f} ms" if answer_seconds else "answer at once"
            found.append(
                Row(name, f"ours ÷ {peer.what}, {answered}", ours.per_second / its.per_second, "×", None, figures)
            )
    return found


def rows(number: int = 10_000) -> list[Row]:
    """Answers at once, and in 100 ms."""
    if not importlib.util.find_spec("pywa"):
        sys.exit("pywa is not here; make bench installs it")
    return compare(0.0, AT_ONCE, number) + compare(0.1, LATER, number)

"""What the rows share: processes that are started and stopped, what they cost, and messages to send."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from sqlalchemy import Engine

from bench import meta
from bench.databases import postgresql_server
from service.message import Event, Message, Outcome, ParsedEvent, Settlement, Status, Template
from service.outbox import migrations
from service.outbox.database import open_engine
from service.outbox.outbox import Demand, Outbox
from tests.running import free_port

COMPONENTS = (
    '[{"type":"body","parameters":[{"type":"text","text":"Tuohumai"},{"type":"text","text":" Champion T Shirt"}]},'
    '{"type":"button","sub_type":"quick_reply","index":"0","parameters":[{"type":"payload","payload":"button 0 clicked"}]}]'
)
"""The article's."""

TICKS = os.sysconf("SC_CLK_TCK")
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Database:
    """An empty PostgreSQL database with the newest schema."""

    url: str
    engine: Engine
    master: int
    """The server's first process."""


@contextmanager
def postgresql() -> Iterator[Database]:
    """A server of its own, as durable as in production."""
    with postgresql_server() as (folder, url):
        engine = open_engine(url)
        try:
            migrations.migrate(engine)
            yield Database(url, engine, int((folder / "postmaster.pid").read_text().split()[0]))
        finally:
            engine.dispose()


@contextmanager
def process(*arguments: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python` with these arguments; what it says is kept from the table, and shown where it ends by itself."""
    with tempfile.TemporaryFile() as said:
        environment = {**os.environ, "LOG_LEVEL": "WARNING", **settings}
        command = [sys.executable, *arguments]
        running = subprocess.Popen(command, env=environment, stdout=said, stderr=said)  # noqa: S603 - ours
        try:
            yield running
            if running.poll() is not None:
                said.seek(0)
                raise RuntimeError(f"{arguments} has ended:\n{said.read().decode()[-2000:]}")
        finally:
            running.terminate()
            running.wait(40)


@contextmanager
def cloud_api(seconds: float = 0.0) -> Iterator[tuple[str, dict[str, str]]]:
    """The stand-in over TLS: where it is, and the environment of whoever is to trust it."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        files = [str(file) for file in meta.certificate(Path(folder))]
        with process("-m", "bench.meta", str(port), str(seconds), *files):
            until_open(port)
            yield f"https://127.0.0.1:{port}", {"SSL_CERT_FILE": files[0]}


def until_open(port: int, seconds: float = 30) -> None:
    """Until somebody listens."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return


def cpu(*pids: int) -> float:
    """Seconds that these processes and all below them have used."""
    return sum(_cpu_of_family(pid) for pid in pids)


def _cpu_of_family(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        below = children(pid)
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS + sum(map(_cpu_of_family, below))


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def messages(number: int, phone_number_ids: Sequence[str], due_at: datetime) -> list[Message]:
    """So many, each to somebody else, of the numbers in turn."""
    return [
        Message(
            message_id=f"{n:026}",
            recipient=f"ep{n}",
            to=f"+86139{n:08}",
            phone_number_id=phone_number_ids[n % len(phone_number_ids)],
            template=Template("ordertimeoutnotification", "en_US", COMPONENTS),
            due_at=due_at,
            expires_at=due_at + timedelta(days=1),
            key=f"{n:064x}",
            campaign_id="bench",
        )
        for n in (next(_numbers) for _ in range(number))
    ]


def fill(engine: Engine, number: int, phone_number_ids: Sequence[str], due_at: datetime | None = None) -> None:
    """Queue so many messages, due at once or then."""
    outbox, now = Outbox(engine, max_tries=8), datetime.now(UTC)
    for start in range(0, number, 500):
        some = messages(min(500, number - start), phone_number_ids, due_at or now)
        event = Event(f"e{some[0].message_id}", "pinpoint", now, now + timedelta(days=1), campaign_id="bench")
        outbox.add(ParsedEvent(event, list(some)), now)


def take(engine: Engine, phone_number_id: str) -> list[str]:
    """Claim all that a number has, as if Meta had accepted it; the attempts, by their callback data."""
    outbox, found, now = Outbox(engine, max_tries=8), [], datetime.now(UTC)
    lease = outbox.acquire_lease(phone_number_id, "bench")
    assert lease is not None
    while claimed := outbox.claim(Demand(lease, 500), now):
        names = [(one.message.message_id, one.number, one.callback_data) for one in claimed]
        outbox.settle(
            [Settlement(name, n, Outcome.ACCEPTED, Status.ACCEPTED, wamid=f"wamid.{of}") for name, n, of in names], now
        )
        found += [of for _, _, of in names]
    outbox.release_lease(lease)
    return found


def dispatcher_settings(url: str, api: str, trust: Mapping[str, str], **more: str) -> dict[str, str]:
    """A number without limit."""
    return {
        **trust,
        "DATABASE_URL": url,
        "FB_BUSINESS_PHONE_ID": "106540352242922",
        "FB_APP_TOKEN": "a-token",
        "WHATSAPP_API_URL": api,
        "MESSAGES_PER_SECOND": "20000",
        "RATE_SHARE": "1",
        "DISPATCHER_PORT": str(free_port()),
        **more,
    }

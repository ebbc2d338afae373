"""A Cloud API that answers as told, over a real socket, and a dispatcher that is stepped round by round."""

import asyncio
import itertools
import json
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

import pytest

from service.dispatch.dispatcher import Dispatcher
from service.dispatch.lane import Clock, Lane, Number, Policy
from service.dispatch.tenure import Tenure
from service.message import Event, Message, ParsedEvent, Priority, Settlement, Template
from service.secrets import Credentials, Source
from service.whatsapp.client import Client
from tests.conftest import MAX_TRIES, Store

NUMBER = "106540352242922"

Reply = Callable[["_Handler"], None]


def ok(handler: "_Handler") -> None:
    """Accepted, as Meta says it."""
    handler.reply(200, {"messages": [{"id": f"wamid.{next(handler.server.numbers)}", "message_status": "accepted"}]})


def refuse(code: int, http_status: int = 400, headers: dict[str, str] | None = None) -> Reply:
    """Meta's error with this code."""
    error = {"message": f"(#{code})", "code": code, "error_data": {"details": "why"}, "fbtrace_id": "AbC"}
    return lambda handler: handler.reply(http_status, {"error": error}, headers or {})


def text(http_status: int, body: str) -> Reply:
    """An answer that is not Meta's JSON."""
    return lambda handler: handler.reply(http_status, body)


def drop(handler: "_Handler") -> None:
    """Read the request, then reset the connection."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def silence(handler: "_Handler") -> None:
    """Read the request and say nothing until the test is over."""
    handler.server.over.wait(30)
    handler.close_connection = True


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived."""

    path: str
    token: str
    body: dict[str, Any]
    client: tuple[str, int]


class CloudApi(ThreadingHTTPServer):
    """Answers POSTs from a script; what is not scripted is accepted."""

    daemon_threads = True
    request_queue_size = 128  # a round opens 51 connections at once

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"{'https' if tls else 'http'}://localhost:{self.server_address[1]}"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.requests: list[Request] = []
        self.numbers = itertools.count(1)
        self.arrived = threading.Event()
        self.over = threading.Event()
        self._script: deque[Reply] = deque()
        self._then: Reply = ok

    def answers(self, *replies: Reply, then: Reply = ok) -> None:
        """Answer so, one reply a request, and then always `then`."""
        self._script = deque(replies)
        self._then = then

    def next_reply(self) -> Reply:
        return self._script.popleft() if self._script else self._then

    def handle_error(self, *_: object) -> None:
        """A connection that the client or the script broke is part of the test."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CloudApi

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        token = self.headers["Authorization"].removeprefix("Bearer ")
        self.server.requests.append(Request(self.path, token, json.loads(body), self.client_address))
        self.server.arrived.set()
        self.server.next_reply()(self)

    def reply(self, status: int, document: object, headers: dict[str, str] | None = None) -> None:
        body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def serving(server: CloudApi) -> Iterator[CloudApi]:
    """Answer in a thread of its own, until the end of the context."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def cloud_api() -> Iterator[CloudApi]:
    """A Cloud API over plain HTTP."""
    with serving(CloudApi()) as server:
        yield server


class SteppedClock:
    """Both clocks of a dispatcher, moved by hand."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
        self.seconds = 1000.0

    def step(self, **span: float) -> None:
        """Let time pass."""
        passed = timedelta(**span)
        self.time += passed
        self.seconds += passed.total_seconds()


class Secret:
    """A secret somewhere else, that somebody can change."""

    def __init__(self, token: str = "token-1") -> None:
        self.token = token
        self.reads = 0

    def read(self) -> Credentials:
        self.reads += 1
        return Credentials(self.token)


class Stage:
    """One dispatcher over a real store and a real socket, stepped by `run_once`."""

    def __init__(
        self,
        store: Store,
        cloud_api: CloudApi,
        clock: SteppedClock,
        secret: Secret,
        name: str = "first",
        client: Client | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        client = client or Client(cloud_api.url, "v25.0", answer_seconds=3.0)
        parts = Clock(lambda: clock.time, lambda: clock.seconds)
        policy = Policy(MAX_TRIES, grace=timedelta(minutes=5))

        def make_lane(number: Number, settle: Callable[[Settlement], None]) -> Lane:
            return Lane(
                number,
                outbox=store.outbox,
                client=client,
                tenure=Tenure(store.outbox, number.phone_number_id, name, parts.monotonic),
                settle=settle,
                clock=parts,
                policy=policy,
                rng=Random(7),
            )

        self.client = client
        number = Number(NUMBER, 1000.0, Source(secret.read, lambda: clock.seconds))
        self.dispatcher = Dispatcher([number], outbox=store.outbox, client=client, clock=parts, make_lane=make_lane)
        self.lane = self.dispatcher.lanes[0]

    def run_once(self) -> int:
        """One round; how many messages were attempted."""

        async def once() -> int:
            async with self.client:
                return await self.dispatcher.run_once()

        return asyncio.run(once())

    def add(self, count: int = 1, **changes: Any) -> list[str]:
        """Put messages into the outbox; their ids."""
        now = self.clock.time
        event = Event(f"e{next(_ids)}", "pinpoint", now, now + timedelta(days=1))
        messages = [_message(now, **changes) for _ in range(count)]
        self.store.outbox.add(ParsedEvent(event, list(messages)), now)
        return [message.message_id for message in messages]

    def status(self, message_id: str) -> str:
        return str(self.facts(message_id).message["status"])

    def facts(self, message_id: str) -> Any:
        facts = self.store.report.message(message_id)
        assert facts is not None
        return facts


_ids = itertools.count(1)


def _message(now: datetime, **changes: Any) -> Message:
    number = next(_ids)
    facts: dict[str, Any] = {
        "message_id": f"m{number:06}",
        "recipient": f"ep{number}",
        "to": f"+86139{number:08}",
        "phone_number_id": NUMBER,
        "template": Template("hello", "en_US"),
        "due_at": now,
        "expires_at": now + timedelta(days=1),
        "key": f"k{number}",
        "priority": Priority.NORMAL,
    }
    return Message(**{**facts, **changes})


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def secret() -> Secret:
    return Secret()


@pytest.fixture
def stage(store: Store, cloud_api: CloudApi, clock: SteppedClock, secret: Secret) -> Stage:
    return Stage(store, cloud_api, clock, secret)

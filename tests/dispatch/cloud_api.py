"""A Cloud API that answers as told, over a real socket."""

import itertools
import json
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Reply = Callable[["Handler"], None]


def ok(handler: "Handler") -> None:
    """Accepted, as Meta says it."""
    handler.reply(200, {"messages": [{"id": f"wamid.{next(handler.server.numbers)}", "message_status": "accepted"}]})


def refuse(
    code: int, http_status: int = 400, headers: dict[str, str] | None = None, subcode: int | None = None
) -> Reply:
    """Meta's error with this code."""
    error: dict[str, object] = {"message": f"(#{code})", "code": code, "fbtrace_id": "AbC"}
    error["error_data"] = {"details": "why"}
    if subcode is not None:
        error["error_subcode"] = subcode
    return lambda handler: handler.reply(http_status, {"error": error}, headers or {})


def text(http_status: int, body: str) -> Reply:
    """An answer that is not Meta's JSON."""
    return lambda handler: handler.reply(http_status, body)


def limits(level: str | None = None, tier: str | None = None, **more: object) -> Reply:
    """What Meta says of a number: its throughput, its portfolio's daily limit, and more."""
    facts: dict[str, object] = {"id": "106540352242922", **more}
    if level:
        facts["throughput"] = {"level": level}
    if tier:
        facts["whatsapp_business_manager_messaging_limit"] = tier
    return lambda handler: handler.reply(200, facts)


def pages(*listed: Sequence[object]) -> Reply:
    """Templates as Meta lists them, a page for each list; a cursor is the number of its page."""

    def reply(handler: "Handler") -> None:
        query = parse_qs(urlsplit(handler.path).query)
        number = int(query.get("after", ["0"])[0])
        paging: dict[str, object] = {"cursors": {"before": str(number), "after": str(number + 1)}}
        if number + 1 < len(listed):
            paging["next"] = "https://elsewhere.example/v25.0/not-to-be-followed"
        handler.reply(200, {"data": list(listed[number]), "paging": paging})

    return reply


def drop(handler: "Handler") -> None:
    """Read the request, then reset the connection."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def silence(handler: "Handler") -> None:
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

    @property
    def attempt(self) -> str:
        return str(self.body["biz_opaque_callback_data"])

    @property
    def message_id(self) -> str:
        return self.attempt.partition(".")[0]

    @property
    def door(self) -> str:
        return self.path.rpartition("/")[2]


class CloudApi(ThreadingHTTPServer):
    """Answers POSTs from a script; what is not scripted is accepted. Asked about a number, it says `limits`, for templates
    `lists`.
    """

    daemon_threads = True
    request_queue_size = 128  # a round opens 51 connections at once

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"{'https' if tls else 'http'}://localhost:{self.server_address[1]}"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.requests: list[Request] = []
        self.questions: list[str] = []
        self.limits: Reply = refuse(100)
        self.lists: Reply = refuse(100)
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


class Handler(BaseHTTPRequestHandler):
    """One connection; `asked` is its newest request."""

    protocol_version = "HTTP/1.1"
    server: CloudApi
    asked: Request

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        token = self.headers["Authorization"].removeprefix("Bearer ")
        self.asked = Request(self.path, token, json.loads(body), self.client_address)
        self.server.requests.append(self.asked)
        self.server.arrived.set()
        self.server.next_reply()(self)

    def do_GET(self) -> None:
        self.server.questions.append(self.path)
        is_list = "/message_templates" in self.path
        (self.server.lists if is_list else self.server.limits)(self)

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

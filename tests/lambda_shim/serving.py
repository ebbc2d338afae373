"""A stand-in for the service: a real HTTP server on this machine that records requests and answers as told."""

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

SAMPLES = Path(__file__).parents[1] / "samples"
KEY, OTHER_KEY = "whsec_c2lnbmluZy1rZXktb2YtdGhlLXRlc3Rz", "whsec_dGhlLWtleS1vZi1sYXN0LXllYXI="
ACCEPTED = {"test123": {"EventAttributes": {"whatsapp_status": "accepted", "whatsapp_message_id": "m-test123"}}}
REASON = "Data: give the campaign a CustomMessage"
PRIVATE = "8613800138000|Tuohumai|Champion|whsec|c2lnbmluZy1rZX|hunter2"
"""A pattern of what is in the samples, the keys and the URLs of these tests and may be in no line and no error."""


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_bytes())


def article() -> Any:
    return sample("pinpoint_campaign_article")


def as_bytes(event: object) -> bytes:
    """An event as the shim posts and parks it."""
    return json.dumps(event, separators=(",", ":")).encode()


def result(recipient: str, status: str = "accepted", **more: object) -> dict[str, object]:
    return {"recipient": recipient, "status": status, **({"message_id": f"m-{recipient}"} | more)}


def receipt(results: list[dict[str, object]]) -> bytes:
    """The service's 202."""
    return json.dumps({"event_id": "e", "accepted": len(results), "results": results}).encode()


def problem(status: int, detail: object = REASON, **more: object) -> bytes:
    """The service's problem+json."""
    title = "Event refused"
    return json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail, **more}).encode()


@dataclass(frozen=True)
class Answer:
    """What the service says to one request; without a body what the real one would. `way` is how it says it."""

    status: int = 202
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    way: str = "answers"


HANGS_UP = Answer(way="hangs up")  # reads the request and closes
SILENT = Answer(way="is silent")  # until the test is over
TRICKLES = Answer(way="trickles")  # header after header, without an end
CLOSES = Answer(way="closes")  # answers, and closes the connection without having said so


@dataclass(frozen=True)
class Request:
    """One request as it reached the service; `target` is path and query, untouched."""

    method: str
    target: str
    headers: Message
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def webhook_id(self) -> str:
        return str(self.headers["webhook-id"])

    def verified(self, key: str = KEY) -> Any:
        """The body, which raises where headers and body are not signed with the key, now."""
        return Webhook(key).verify(self.body, dict(self.headers.items()))


class Service(ThreadingHTTPServer):
    """Accepts every recipient of an event, or answers what it was told, one answer for each request.

    With `keys` it answers 401, with an empty body, to what none of them has signed.
    """

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.requests: list[Request] = []
        self.told: list[Answer] = []
        self.keys: list[str] = []
        self.over = threading.Event()
        self._connections: list[socket.socket] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def bodies(self) -> list[bytes]:
        return [request.body for request in self.requests]

    def answers(self, *answers: Answer | int) -> None:
        self.told = [each if isinstance(each, Answer) else Answer(each) for each in answers]

    def answer_to(self, request: Request) -> Answer:
        if self.keys and not any(_signed(request, key) for key in self.keys):
            return Answer(401)
        return self.told.pop(0) if self.told else Answer()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.append(request)
        super().process_request(request, client_address)

    def close_connections(self) -> None:
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is no news."""


def _signed(request: Request, key: str) -> bool:
    try:
        request.verified(key)
    except (WebhookVerificationError, ValueError):
        return False
    return True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    raw_requestline: bytes
    disable_nagle_algorithm = True
    server: Service

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        target = str(self.raw_requestline, "latin-1").split()[1]
        request = Request(self.command, target, self.headers, body, self.client_address[1])
        self.server.requests.append(request)
        answer = self.server.answer_to(request)
        self.close_connection = self.close_connection or answer.way != "answers"
        if answer.way == "is silent":
            self.server.over.wait(30)
        if answer.way == "trickles":
            self._trickle()
        if answer.way in {"answers", "closes"}:
            self._answer(answer, _usual(request, answer.status) if answer.body is None else answer.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - the base class's

    def _answer(self, answer: Answer, body: bytes) -> None:
        self.send_response(answer.status, "As told")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _trickle(self) -> None:
        self.wfile.write(b"HTTP/1.1 202 Accepted\r\n")
        for number in range(10_000):
            self.wfile.write(b"X-%d: on\r\n" % number)
            if self.server.over.wait(0.05):
                return

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Quiet."""


def _usual(request: Request, status: int) -> bytes:
    """The real service's body, where there is one."""
    if status in {400, 413, 422}:
        return problem(status)
    if status != 202:
        return b""
    event = json.loads(request.body)
    items, endpoints = event.get("Items"), event.get("Endpoints")
    names = list(endpoints) if isinstance(endpoints, dict) else []
    if isinstance(items, dict) and isinstance(items.get("CustomerProfiles"), list):
        names = [each.get("ProfileId") if isinstance(each, dict) else None for each in items["CustomerProfiles"]]
    return receipt([result(str(name)) for name in names])


@contextmanager
def serving(port: int = 0) -> Iterator[Service]:
    with Service(port) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            server.close_connections()
            thread.join()


class Context:
    """What the shim reads of Lambda's context; its time runs."""

    def __init__(self, aws_request_id: str = "8f5b7f1e-0000-4000-8000-2f4f0d2c9b11", seconds: float = 15.0) -> None:
        self.aws_request_id = aws_request_id
        self._ends = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return max(0, round((self._ends - time.monotonic()) * 1000))


def settings(url: str, keys: str = KEY, **more: str) -> dict[str, str]:
    return {"SERVICE_URL": url, "SIGNING_KEYS": keys, **more}


class Log:
    """What was printed since the last look: one JSON object for each line, and each line the shim's."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def lines(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]
        assert all(line.pop("log") == "shim.invoked" for line in lines)
        return lines

    def line(self) -> dict[str, Any]:
        (line,) = self.lines()
        return line

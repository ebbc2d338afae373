"""The handler against a real HTTP server on this machine that records requests and answers as told."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from lambda_shim import handler as shim
from lambda_shim.adapters import NotTaken, Refused
from lambda_shim.forward import Forwarder

SAMPLES = Path(__file__).parents[1] / "samples"
ARTICLE = SAMPLES / "pinpoint_campaign_article.json"
KEY, OLD_KEY = "whsec_c2lnbmluZy1rZXktb2YtdGhlLXRlc3Rz", "whsec_dGhlLWtleS1vZi1sYXN0LXllYXI="
ADDRESS = "8613800138000"


@dataclass
class Request:
    """One POST as it reached the service."""

    path: str
    headers: Message
    body: bytes
    connection: tuple[str, int]

    def verified(self, key: str = KEY) -> Any:
        return Webhook(key).verify(self.body, dict(self.headers.items()))


class Service(ThreadingHTTPServer):
    """Accepts every endpoint of an event, or answers what it was told, one answer for each request."""

    daemon_threads = True
    silent, hangs_up = 0, -1

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[Request] = []
        self.told: list[int] = []
        self.location = ""
        self.let_go = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answers(self, *statuses: int) -> None:
        self.told = list(statuses)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        port = self.client_address[1]
        self.server.requests.append(Request(self.path, self.headers, body, (self.client_address[0], port)))
        status = self.server.told.pop(0) if self.server.told else 202
        if status == Service.silent:
            self.server.let_go.wait(30)
        if status in {Service.silent, Service.hangs_up}:
            self.close_connection = True
            return
        answer = b""
        if status == 202:
            recipients = json.loads(body).get("Endpoints", {})
            results = [{"recipient": name, "status": "accepted", "message_id": f"m-{name}"} for name in recipients]
            answer = json.dumps({"event_id": "e", "results": results}).encode()
        self.send_response(status)
        if status in {301, 307}:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Quiet."""


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.let_go.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def forwarder(service: Service) -> Forwarder:
    return Forwarder(settings(service.url))


@dataclass
class Context:
    """What the shim reads of Lambda's context."""

    aws_request_id: str = "8f5b7f1e-0000-4000-8000-2f4f0d2c9b11"
    milliseconds: int = 15_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


def settings(url: str, keys: str = KEY) -> dict[str, str]:
    return {"SERVICE_URL": url, "SIGNING_KEYS": keys}


def article() -> Any:
    return json.loads(ARTICLE.read_bytes())


@pytest.mark.parametrize("name", ["pinpoint_campaign_article", "pinpoint_journey"])
def test_an_event_reaches_the_service_as_it_is_and_signed(name: str, service: Service, forwarder: Forwarder) -> None:
    event = json.loads((SAMPLES / f"{name}.json").read_bytes())
    answer = shim.handler(event, Context(), forwarder)
    assert answer == {
        "test123": {"EventAttributes": {"whatsapp_status": "accepted", "whatsapp_message_id": "m-test123"}}
    }
    (request,) = service.requests
    assert request.path == "/v1/events/pinpoint"
    assert request.headers["content-type"] == "application/json"
    assert event == request.verified()


def test_the_event_id_is_receipt_time_and_request_id(service: Service, forwarder: Forwarder) -> None:
    before = time.time_ns() // 1_000_000
    shim.handler(article(), Context("request-1"), forwarder)
    shim.handler(article(), None, forwarder)
    received, request_id = re.fullmatch(r"evt_(\d+)_(.+)", service.requests[0].headers["webhook-id"]).groups()  # type: ignore[union-attr]
    assert before <= int(received) <= time.time_ns() // 1_000_000
    assert request_id == "request-1"
    assert re.fullmatch(r"evt_\d+_[0-9a-f]{32}", service.requests[1].headers["webhook-id"])


def test_the_first_of_several_keys_signs(service: Service) -> None:
    shim.handler(article(), None, Forwarder(settings(service.url + "/", f" {KEY} , {OLD_KEY}")))
    assert service.requests[0].verified(KEY)


def test_the_connection_is_kept_from_one_invocation_to_the_next(service: Service, forwarder: Forwarder) -> None:
    for _ in range(3):
        shim.handler(article(), None, forwarder)
    assert len({request.connection for request in service.requests}) == 1


@pytest.mark.parametrize("first", [502, 503, 504, Service.hangs_up])
def test_one_retry_keeps_the_event_id_and_signs_anew(first: int, service: Service, forwarder: Forwarder) -> None:
    service.answers(first, 202)
    assert shim.handler(article(), Context(), forwarder)
    one, two = service.requests
    assert one.headers["webhook-id"] == two.headers["webhook-id"]
    assert one.verified() == two.verified() == article()
    assert int(one.headers["webhook-timestamp"]) <= int(two.headers["webhook-timestamp"])


def test_there_is_no_second_retry(service: Service, forwarder: Forwarder) -> None:
    service.answers(503, 503, 202)
    with pytest.raises(NotTaken, match=r"\(503\)"):
        shim.handler(article(), Context(), forwarder)
    assert len(service.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 422, 429, 500])
def test_an_answer_that_would_come_again_is_not_asked_for_twice(
    status: int, service: Service, forwarder: Forwarder
) -> None:
    service.answers(status)
    with pytest.raises(Refused if status in {400, 413, 422} else NotTaken, match=rf"\({status}\)"):
        shim.handler(article(), Context(), forwarder)
    assert len(service.requests) == 1


@pytest.mark.parametrize("status", [301, 307])
def test_a_redirect_is_not_followed(status: int, service: Service, forwarder: Forwarder) -> None:
    service.location = service.url + "/elsewhere"
    service.answers(status)
    with pytest.raises(NotTaken, match="SERVICE_URL"):
        shim.handler(article(), Context(), forwarder)
    assert len(service.requests) == 1


def test_a_read_time_out_is_tried_again(service: Service) -> None:
    service.answers(Service.silent, 202)
    assert shim.handler(article(), Context(), Forwarder(settings(service.url), read=0.1))
    assert len(service.requests) == 2


def test_no_answer_in_time_says_that_the_event_may_have_been_taken(service: Service) -> None:
    service.answers(Service.silent, Service.silent)
    with pytest.raises(NotTaken, match="may have taken"):
        shim.handler(article(), Context(), Forwarder(settings(service.url), read=0.1))


@pytest.mark.parametrize(("total", "milliseconds"), [(0.9, 15_000), (12.0, 2_900)])
def test_a_retry_needs_time_left_of_the_budget_and_of_the_invocation(
    total: float, milliseconds: int, service: Service
) -> None:
    service.answers(Service.silent, 202)
    started = time.monotonic()
    with pytest.raises(NotTaken):
        shim.handler(article(), Context(milliseconds=milliseconds), Forwarder(settings(service.url), total=total))
    assert time.monotonic() - started < 2
    assert len(service.requests) == 1


def test_without_time_left_nothing_is_sent(service: Service, forwarder: Forwarder) -> None:
    with pytest.raises(NotTaken, match="set its time-out to 15 s"):
        shim.handler(article(), Context(milliseconds=2_400), forwarder)
    assert not service.requests


def test_a_refused_connection_is_named_without_the_urls_secrets() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: refuses
        url = f"http://user:hunter2@127.0.0.1:{unused.getsockname()[1]}/s3cret"
        forwarder = Forwarder(settings(url))
        with pytest.raises(NotTaken) as not_taken:
            shim.handler(article(), Context(), forwarder)
    assert "No answer (ConnectionError): check SERVICE_URL" in str(not_taken.value)
    assert not re.search(f"hunter2|s3cret|{ADDRESS}|Tuohumai|whsec", str(not_taken.value))
    assert not re.search("hunter2|whsec", repr(forwarder))


@pytest.mark.parametrize("url", ["http://", "https://:x", "http://" + "a" * 70 + ".invalid"])
def test_a_url_that_leads_nowhere_is_named(url: str) -> None:
    with pytest.raises(NotTaken, match="SERVICE_URL"):
        shim.handler(article(), Context(), Forwarder(settings(url)))


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({"SIGNING_KEYS": KEY}, "SERVICE_URL"),
        ({"SIGNING_KEYS": KEY, "SERVICE_URL": "service.internal"}, "SERVICE_URL"),
        ({"SERVICE_URL": "http://127.0.0.1:1"}, "SIGNING_KEYS"),
        (settings("http://127.0.0.1:1", "whsec_"), "SIGNING_KEYS"),
        (settings("http://127.0.0.1:1", "whsec_hunter2hunter"), "SIGNING_KEYS"),
        (settings("http://127.0.0.1:1", f",{KEY}"), "SIGNING_KEYS"),
    ],
)
def test_a_missing_setting_is_named_when_invoked(environment: dict[str, str], names: str) -> None:
    with pytest.raises(NotTaken, match=f"{names} is not set or") as not_taken:
        shim.handler(article(), Context(), Forwarder(environment))
    assert "hunter2" not in str(not_taken.value)


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "text",
        7,
        {},
        {"key1": "value1"},
        *(
            json.loads((SAMPLES / f"{name}.json").read_bytes())
            for name in ("lambda_function_url_webhook", "lambda_sqs_event", "connect_journey_action")
        ),
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_unknown_shape_is_refused_with_the_known_ones(event: Any, service: Service, forwarder: Forwarder) -> None:
    with pytest.raises(Refused, match="This function takes a Pinpoint campaign or journey event"):
        shim.handler(event, Context(), forwarder)
    assert not service.requests


def test_an_event_without_endpoints_gets_the_services_answer(service: Service, forwarder: Forwarder) -> None:
    service.answers(422)
    with pytest.raises(Refused, match=r"\(422\)"):
        shim.handler({"ApplicationId": "a"}, Context(), forwarder)
    assert service.requests[0].verified() == {"ApplicationId": "a"}


def test_five_threads_at_once_each_get_their_answer(
    service: Service, forwarder: Forwarder, capsys: pytest.CaptureFixture[str]
) -> None:
    barrier = threading.Barrier(5)

    def invoke() -> dict[str, Any]:
        barrier.wait()
        return shim.handler(article(), None, forwarder)

    with ThreadPoolExecutor(5) as pool:
        answers = [invocation.result() for invocation in [pool.submit(invoke) for _ in range(5)]]
    assert 5 == len(answers) == len({request.headers["webhook-id"] for request in service.requests})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["accepted"] for line in lines] == [1] * 5
    assert ADDRESS not in json.dumps(lines)


def command(environment: dict[str, str], *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    call = [sys.executable, "-W", "error", "-m", "lambda_shim", *arguments]
    return subprocess.run(call, input=stdin, env=os.environ | environment, capture_output=True, check=False)


@pytest.mark.parametrize(("arguments", "stdin"), [([str(ARTICLE)], b""), ([], ARTICLE.read_bytes())])
def test_the_command_invokes_once_and_prints_the_answer(arguments: list[str], stdin: bytes, service: Service) -> None:
    done = command(settings(service.url), *arguments, stdin=stdin)
    assert done.returncode == 0
    assert json.loads(done.stdout)["test123"]["EventAttributes"]["whatsapp_status"] == "accepted"
    assert json.loads(done.stderr)["accepted"] == 1
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("stdin", "sentence"),
    [(b"{}", "Refused: The event has no known shape"), (b"{", "JSONDecodeError: "), (b'{"Data": ""}', "SERVICE_URL")],
)
def test_the_command_fails_with_a_sentence(stdin: bytes, sentence: str) -> None:
    done = command({"SERVICE_URL": ""}, stdin=stdin)
    assert (done.returncode, done.stdout) == (1, b"")
    assert sentence in done.stderr.decode().splitlines()[-1]

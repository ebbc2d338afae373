"""Clients that send a byte now and then keep nobody else out. With the real gunicorn."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from service.web import MAX_BODY_BYTES
from tests.running import System, running, until

READ_SECONDS = 2.0
WEB = f"import service.cli.web_worker as w; w.READ_SECONDS = {READ_SECONDS}; from service.__main__ import main; main()"
THREADS = 8
BEGINNINGS = {
    "a head": b"POST /v1/events/pinpoint HTTP/1.1\r\nHost: x\r\nX: ",
    "a body": b"POST /webhooks/whatsapp HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{",
    "a body in pieces": b"POST /webhooks/whatsapp HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{",
    "a request line": b"GET /",
}


@pytest.fixture
def system(migrated: Path, tmp_path: Path) -> Iterator[System]:
    """A web service of one process, which waits for two seconds instead of fifteen."""
    url = f"sqlite:///{tmp_path}/channel.db"
    (tmp_path / "channel.db").write_bytes(migrated.read_bytes())
    with running(url, tmp_path, WEB_WORKERS="1") as system:
        system._start("web", ["-c", WEB, "web"])
        system.until(lambda: system._answers(f"{system.url}/readyz"), "the web service to be ready")
        yield system


@contextlib.contextmanager
def dripping(system: System, beginning: bytes, clients: int) -> Iterator[None]:
    """So many clients that begin like this and go on with a byte every quarter of a second, for ever."""
    port = int(system.url.rpartition(":")[2])
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(clients)]
    for connection in connections:
        connection.sendall(beginning)
    ended = threading.Event()

    def drip() -> None:
        while not ended.wait(0.25):
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.send(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        for connection in connections:
            connection.close()


@pytest.mark.parametrize("name", BEGINNINGS)
def test_as_many_slow_clients_as_there_are_threads_keep_nobody_out_for_long(system: System, name: str) -> None:
    with dripping(system, BEGINNINGS[name], 2 * THREADS):
        answer = requests.get(f"{system.url}/healthz", timeout=30)
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() < 4 * READ_SECONDS + 10


def test_fewer_slow_clients_than_threads_delay_nobody(system: System) -> None:
    with dripping(system, BEGINNINGS["a body"], THREADS - 1):
        for _ in range(5):
            assert requests.get(f"{system.url}/healthz", timeout=READ_SECONDS).status_code == 200


def test_clients_that_were_answered_and_do_not_close_keep_nobody_out(system: System) -> None:
    """gunicorn waits up to two seconds for each to close: in the loop that serves all, one after the other."""
    with dripping(system, b"GET /healthz HTTP/1.0\r\n\r\n", 2 * THREADS):
        answer = requests.get(f"{system.url}/healthz", timeout=60)
    assert answer.elapsed.total_seconds() < 10


def test_a_body_that_says_it_is_too_long_is_refused_before_it_is_sent(system: System) -> None:
    port = int(system.url.rpartition(":")[2])
    for call in ("/v1/events/pinpoint", "/v1/events/connect", "/webhooks/whatsapp"):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            head = f"POST {call} HTTP/1.1\r\nHost: x\r\nContent-Length: {MAX_BODY_BYTES + 1}\r\nX-A: b\r\n\r\n"
            connection.sendall(head.encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_body_in_pieces_that_never_ends_is_refused_where_it_becomes_too_long(system: System) -> None:
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    port = int(system.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"POST /webhooks/whatsapp HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 20 * MAX_BODY_BYTES:
                connection.sendall(piece)
                sent += len(piece)
        assert sent < 20 * MAX_BODY_BYTES
    until(lambda: system._answers(f"{system.url}/healthz"), "the service to answer", seconds=20)

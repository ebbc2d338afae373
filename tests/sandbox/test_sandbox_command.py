"""`python -m sandbox` as a process."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Start = Callable[..., "subprocess.Popen[str]"]
COMMAND = [sys.executable, "-m", "sandbox", "--webhook-url", "http://127.0.0.1:9/nobody"]
READY = "sandbox listening on "


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the command; what still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def run(*options: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def ready_url(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith(READY), line
    return line.removeprefix(READY).strip()


def post(url: str, body: Any) -> Any:
    headers = {"Authorization": "Bearer sandbox-token", "Content-Type": "application/json"}
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(start: Start, number: signal.Signals) -> None:
    process = start("--port", "0")
    ready_url(process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")


def test_a_taken_port_is_one_sentence_and_exit_1(start: Start) -> None:
    port = ready_url(start("--port", "0")).rpartition(":")[2]
    process = start("--port", port)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 1
    assert errors.count("\n") == 1
    assert f"Port {port} is taken" in errors
    assert "--port" in errors


@pytest.mark.parametrize(("option", "waiting"), [("--notifications", 3), ("--no-notifications", 0)])
def test_notifications_can_be_left_out(start: Start, option: str, waiting: int, message: Callable[..., Any]) -> None:
    in_an_hour = [f"--{status}-after=3600" for status in ("sent", "delivered", "read")]
    url = ready_url(start("--port", "0", option, *in_an_hour))
    post(url + "/v25.0/106540352242922/messages", message())
    with urllib.request.urlopen(url + "/sandbox/healthz", timeout=10) as answer:
        assert json.load(answer)["updates"]["waiting"] == waiting


def test_the_journal_outlives_a_kill(start: Start, tmp_path: Path, message: Callable[..., Any]) -> None:
    journal = tmp_path / "accepted.ndjson"
    process = start("--port", "0", "--journal", str(journal))
    answer = post(ready_url(process) + "/v25.0/106540352242922/messages", message())
    process.kill()
    process.wait(timeout=10)
    (line,) = journal.read_text().splitlines()
    assert json.loads(line)["wamid"] == answer["messages"][0]["id"]


def test_a_journal_that_cannot_be_written_is_explained(start: Start, tmp_path: Path) -> None:
    process = start("--port", "0", "--journal", str(tmp_path / "missing" / "accepted.ndjson"))
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "The sandbox cannot start" in errors

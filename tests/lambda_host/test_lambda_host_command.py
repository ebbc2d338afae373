"""`python -m sandbox.lambda_host` as a process: how it starts and how it ends."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from sandbox.lambda_host.__main__ import main
from tests.lambda_host.hosting import Host, is_alive
from tests.running import until

Start = Callable[..., Host]
WITHOUT = """
import runpy, sys
sys.modules["awslambdaric"] = None
runpy.run_module("sandbox.lambda_host", run_name="__main__")
"""


def hang(child: Path) -> bytes:
    """An event that keeps the function busy for ever, with a process that it started."""
    return json.dumps({"do": "hang", "file": str(child)}).encode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_and_what_runs_is_an_error_of_the_function(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    host, child = start(), tmp_path / "child"
    answers: list[requests.Response] = []
    caller = threading.Thread(target=lambda: answers.append(host.post(hang(child))))
    caller.start()
    until(lambda: bool(child.exists() and child.read_text()), "the function to run")
    idle = host.invoke("count")["pid"]
    host.process.send_signal(number)
    host.process.communicate(timeout=10)
    caller.join(10)
    assert host.process.returncode == 0
    assert answers[0].json()["errorType"] == "Runtime.ExitError"
    assert not is_alive(idle)
    until(lambda: not is_alive(int(child.read_text())), "what the function had started to end")


def test_nothing_outlives_a_host_that_is_killed(start: Start, tmp_path: Path) -> None:
    host = start()
    child = tmp_path / "child"
    idle = host.invoke("count")["pid"]
    host.post(hang(child), Invocation_Type="Event")
    until(lambda: bool(child.exists() and child.read_text()), "the function to run")
    busy, idle = idle, host.invoke("count")["pid"]
    pids = [busy, idle, int(child.read_text())]
    assert [is_alive(pid) for pid in pids] == [True] * 3
    host.process.kill()
    until(lambda: not any(is_alive(pid) for pid in pids), "the processes to end", 10)


def test_a_taken_port_is_one_sentence_and_exit_1(host: Host) -> None:
    port = host.url.rpartition(":")[2]
    command = [sys.executable, "-m", "sandbox.lambda_host", "--port", port]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert f"Port {port} is taken" in ended.stderr
    assert "--port" in ended.stderr


def test_a_missing_runtime_client_is_one_sentence_and_exit_1() -> None:
    command = [sys.executable, "-c", WITHOUT]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "pip install awslambdaric" in ended.stderr


def test_the_help_has_the_commands_for_the_aws_cli() -> None:
    text = CliRunner().invoke(main, ["--help"]).output
    assert "--cli-binary-format raw-in-base64-out" in text
    assert "AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x AWS_DEFAULT_REGION=us-east-1" in text


def test_the_function_may_have_another_name(start: Start) -> None:
    host = start("--function-name", "door", AWS_REGION="eu-west-1")
    told = host.post(b'{"do": "tell"}', function="door").json()
    assert (told["arn"], told["name"]) == ("arn:aws:lambda:eu-west-1:123456789012:function:door", "door")
    assert told["group"] == "/aws/lambda/door"
    assert "This host serves door" in host.post(b"{}").json()["Message"]

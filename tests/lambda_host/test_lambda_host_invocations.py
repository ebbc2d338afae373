"""What becomes of an invocation: answers, errors, time-outs, exits, cold and warm environments, the log."""

import json
import os
import re
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.lambda_host.hosting import Host, is_alive
from tests.running import until

Start = Callable[..., Host]
MISSING = "function.handler_that_is_missing"


def work(do: str, **event: Any) -> bytes:
    return json.dumps({"do": do, **event}).encode()


@pytest.mark.parametrize("value", [None, 1.5, "Grüße 🎉", [], {"a": [True]}], ids=str)
def test_the_answer_is_the_functions_json(host: Host, value: object) -> None:
    answer = host.post(work("echo", value=value))
    assert (answer.status_code, answer.json()) == (200, value)
    assert answer.headers["X-Amz-Executed-Version"] == "$LATEST"
    assert "X-Amz-Function-Error" not in answer.headers
    assert "X-Amz-Log-Result" not in answer.headers


def test_the_context_is_lambdas(host: Host) -> None:
    answer = host.post(work("tell"), Client_Context="eyJjdXN0b20iOiB7Im5hbWUiOiAiw7wifX0=")
    told = answer.json()
    assert told.pop("left") in range(14_000, 15_001)
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Sampled=0", told.pop("trace"))
    assert told == {
        "id": answer.headers["x-amzn-RequestId"],
        "arn": "arn:aws:lambda:us-east-1:123456789012:function:lambda_shim",
        "name": "lambda_shim",
        "version": "$LATEST",
        "memory": "256",
        "group": "/aws/lambda/lambda_shim",
        "custom": {"name": "ü"},
    }


def test_the_variables_are_lambdas_over_the_hosts(host: Host) -> None:
    environ = host.invoke("environ")
    assert environ["OWN_SETTING"] == "kept"
    assert environ["_HANDLER"] == "function.handler"
    assert environ["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"
    assert environ["AWS_REGION"] == environ["AWS_DEFAULT_REGION"]
    assert environ["AWS_EXECUTION_ENV"].startswith("AWS_Lambda_python3.")
    assert environ["AWS_LAMBDA_RUNTIME_API"].startswith("127.0.0.1:")
    assert environ["TZ"] == ":UTC"


@pytest.mark.parametrize("length", [10, 100_000], ids=["short", "long, as is what X-Ray is told in a header"])
def test_an_exception_is_the_functions_error(host: Host, length: int) -> None:
    answer = host.post(work("fail", message="x" * length))
    assert (answer.status_code, answer.headers["X-Amz-Function-Error"]) == (200, "Unhandled")
    error = answer.json()
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "x" * length)
    assert error["requestId"] == answer.headers["x-amzn-RequestId"]
    assert "in fail" in error["stackTrace"][-1]


def test_an_environment_is_used_again_after_an_error(host: Host) -> None:
    first = host.invoke("count")
    host.invoke("fail")
    second = host.invoke("count")
    assert (second["pid"], second["calls"]) == (first["pid"], first["calls"] + 1)
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST][0-9a-f]{32}", second["stream"])


@pytest.mark.parametrize(
    ("do", "words"),
    [
        ({"do": "leave", "status": 3}, "exit status 3"),
        ({"do": "die", "signal": signal.SIGKILL}, "signal: killed"),
    ],
    ids=["an exit", "a signal"],
)
def test_a_process_that_ends_is_an_error_and_the_next_start_is_cold(host: Host, do: dict[str, Any], words: str) -> None:
    before = host.invoke("count")
    answer = host.post(json.dumps(do).encode())
    assert answer.headers["X-Amz-Function-Error"] == "Unhandled"
    assert answer.json() == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {answer.headers['x-amzn-RequestId']} Error: Runtime exited with error: {words}",
    }
    after = host.invoke("count")
    assert after["calls"] == 1
    assert after["pid"] != before["pid"]


def test_an_environment_whose_process_died_idle_is_not_used(host: Host) -> None:
    pid = host.invoke("count")["pid"]
    idle = host.health()["environments"]["idle"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: host.health()["environments"]["idle"] < idle, "the host to notice")
    assert host.invoke("count")["pid"] != pid


def test_an_answer_over_6_mb_is_an_error(host: Host) -> None:
    most = 6_291_556 - len('""')
    assert len(host.invoke("large", size=most)) == most
    answer = host.post(work("large", size=most + 1))
    assert answer.headers["X-Amz-Function-Error"] == "Unhandled"
    assert answer.json() == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    }


def test_a_time_out_kills_all_of_it_and_the_next_start_is_cold(start: Start, tmp_path: Path) -> None:
    host = start("--timeout", "1")
    child = tmp_path / "child"
    before = host.invoke("count")
    answer = host.post(work("hang", file=str(child)))
    assert (answer.status_code, answer.headers["X-Amz-Function-Error"]) == (200, "Unhandled")
    assert answer.json() == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {answer.headers['x-amzn-RequestId']} Error: Task timed out after 1.00 seconds",
    }
    assert not is_alive(before["pid"])
    until(lambda: not is_alive(int(child.read_text())), "what the function had started to end")
    assert host.invoke("count")["calls"] == 1
    assert "\tStatus: timeout\n" in host.log()


def test_a_handler_that_is_missing_is_the_runtimes_error(start: Start) -> None:
    host = start("--handler", MISSING)
    answer = host.post(b"{}", Log_Type="Tail")
    assert answer.headers["X-Amz-Function-Error"] == "Unhandled"
    assert answer.json()["errorType"] == "Runtime.HandlerNotFound"
    reports = [line for line in host.log().splitlines() if line.startswith("INIT_REPORT")]
    assert ["Phase: init" in reports[0], "Phase: invoke" in reports[1], len(reports)] == [True, True, 2]
    assert reports[0].endswith("\tStatus: error\tError Type: Runtime.HandlerNotFound")


def test_a_start_that_takes_too_long_is_tried_again_within_the_invocation(start: Start, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(600)\n")
    host = start("--handler", "slow.handler", "--init-timeout", "0.3", "--timeout", "0.5")
    answer = host.post(b"{}")
    assert answer.json()["errorType"] == "Sandbox.Timedout"
    assert "INIT_REPORT Init Duration: 300.00 ms\tPhase: init\tStatus: timeout\n" in host.log()
    assert "INIT_REPORT Init Duration: 500.00 ms\tPhase: invoke\tStatus: timeout\n" in host.log()


def test_a_start_that_failed_once_leaves_the_rest_of_the_time_out(start: Start, tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(
        "import os, time\n"
        "if not os.path.exists(os.environ['MARK']):\n"
        "    open(os.environ['MARK'], 'w').close()\n"
        "    os._exit(1)\n"
        "def handler(event, context): return context.get_remaining_time_in_millis()\n"
    )
    host = start("--handler", "late.handler", "--timeout", "20", MARK=str(tmp_path / "mark"))
    answer = host.post(b"{}")
    assert 10_000 < answer.json() < 20_000
    assert "Error Type: Runtime.ExitError" in host.log()
    assert "\tInit Duration" not in host.log()


def test_one_invocation_at_a_time_in_each_environment_and_no_more_of_them_than_allowed(
    start: Start, tmp_path: Path
) -> None:
    host = start("--concurrency", "2")
    go = tmp_path / "go"
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(host.invoke, "wait_for", file=str(go)) for _ in range(2)]
        until(lambda: host.health()["environments"]["busy"] == 2, "both to run")
        answer = host.post(work("echo", value=1))
        go.touch()
        pids = {one.result() for one in running}
    assert answer.status_code == 429
    assert answer.headers["x-amzn-ErrorType"] == "TooManyRequestsException"
    assert answer.json() == {
        "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
        "Type": "User",
        "message": "Rate Exceeded.",
    }
    assert len(pids) == 2
    assert host.health() == {
        "status": "ok",
        "function": "lambda_shim",
        "environments": {"busy": 0, "idle": 2, "at_most": 2},
        "invocations": {"done": 2, "failed": 0, "throttled": 1},
        "events": {"waiting": 0, "dropped": 0},
    }
    last = host.invoke("count")["pid"]
    assert [host.invoke("count")["pid"] for _ in range(3)] == [last] * 3


def test_the_tail_is_the_log_of_the_invocation(start: Start) -> None:
    host = start()
    cold, warm = host.tail("say").splitlines(), host.tail("say").splitlines()
    request_id = warm[0].split()[2]
    assert cold[0] == "loaded"
    assert cold[1].startswith("START RequestId: ")
    assert "\tInit Duration: " in cold[-1]
    assert warm[:3] == [f"START RequestId: {request_id} Version: $LATEST", "to stdout", "to stderr"]
    assert re.fullmatch(rf"\[WARNING]\t[-0-9T:.]+Z\t{request_id}\tto the log", warm[3])
    assert warm[4:6] == ["without an end", f"END RequestId: {request_id}"]
    facts = r"\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: [1-9]\d* MB"
    assert re.fullmatch(rf"REPORT RequestId: {request_id}{facts}", warm[6])
    assert host.log().splitlines() == cold + warm


def test_a_long_log_is_shown_whole_and_its_tail_is_4_kb(host: Host) -> None:
    tail = host.tail("say_much")
    assert len(tail) == 4096
    assert "\nline 19999\nEND RequestId: " in tail
    assert {f"line {number}" for number in range(20_000)} <= set(host.log().splitlines())


def test_an_exception_is_logged_with_its_lines(host: Host) -> None:
    assert "\n[ERROR] ValueError: no such luck\nTraceback (most recent call last):\n" in "\n" + host.tail("fail")

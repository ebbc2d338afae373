"""Lambda's wording."""

import json
from datetime import UTC, datetime

import pytest

from sandbox.lambda_host import report

NOW = datetime(2026, 11, 1, 9, 0, 5, 123456, tzinfo=UTC)


def test_a_cold_report_has_and_bills_the_init_phase() -> None:
    line = report.report_line("r1", seconds=0.01234, init_seconds=0.23012, memory=128, memory_used=40)
    assert line.split("\t") == [
        "REPORT RequestId: r1",
        "Duration: 12.34 ms",
        "Billed Duration: 243 ms",
        "Memory Size: 128 MB",
        "Max Memory Used: 40 MB",
        "Init Duration: 230.12 ms",
    ]


def test_a_warm_report_has_no_init_phase() -> None:
    line = report.report_line(
        "r1", seconds=3.0, init_seconds=None, memory=128, memory_used=40, status="Status: timeout"
    )
    assert line.endswith("Billed Duration: 3000 ms\tMemory Size: 128 MB\tMax Memory Used: 40 MB\tStatus: timeout")


def test_a_time_out_is_told_to_the_caller_and_to_the_log() -> None:
    ending = report.timed_out("r1", 15, NOW)
    assert ending.body == (
        b'{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: r1 Error: Task timed out after 15.00 seconds"}'
    )
    assert ending.line == "2026-11-01T09:00:05.123Z r1 Task timed out after 15.00 seconds"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "Runtime exited without providing a reason"),
        (3, "Runtime exited with error: exit status 3"),
        (-9, "Runtime exited with error: signal: killed"),
        (-11, "Runtime exited with error: signal: segmentation fault"),
    ],
)
def test_an_exit_is_worded_as_lambda_words_it(status: int, words: str) -> None:
    ending = report.exited("r1", status)
    assert json.loads(ending.body) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: r1 Error: {words}",
    }
    assert ending.failed


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"errorType": ""}', b"\xff"])
def test_an_init_error_without_a_type_is_unknown_and_stays_as_it_is(body: bytes) -> None:
    ending = report.init_failed(body)
    assert (ending.body, ending.status) == (body, "Status: error\tError Type: Runtime.Unknown")

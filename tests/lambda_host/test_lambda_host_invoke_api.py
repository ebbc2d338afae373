"""The Invoke API's own answers: names, payloads, events, dry runs."""

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from tests.lambda_host.hosting import Host
from tests.running import until

Start = Callable[..., Host]
ARN = "arn:aws:lambda:us-east-1:123456789012:function:lambda_shim"
SYNC, EVENT = 6_291_456, 1_048_576


@pytest.mark.parametrize(
    "name",
    [
        "lambda_shim",
        "lambda_shim:$LATEST",
        "function:lambda_shim",
        "123456789012:function:lambda_shim",
        ARN,
        ARN + ":$LATEST",
        "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:lambda_shim",
    ],
)
@pytest.mark.parametrize("query", ["", "?Qualifier=$LATEST", "?Qualifier=%24LATEST"])
def test_the_function_has_many_names(host: Host, name: str, query: str) -> None:
    path = f"/2015-03-31/functions/{quote(name, safe='')}/invocations{query}"
    answer = requests.post(host.url + path, b'{"do": "tell"}', timeout=10)
    assert answer.json()["arn"] == (ARN + ":$LATEST" if "LATEST" in name + query else ARN)


@pytest.mark.parametrize("name", ["other", "lambda_shim:prod", "lambda_shim:3", ARN.replace("shim", "other")])
def test_another_name_or_version_is_not_found_and_says_what_is(host: Host, name: str) -> None:
    answer = host.post(b"{}", function=quote(name, safe=""))
    assert (answer.status_code, answer.headers["x-amzn-ErrorType"]) == (404, "ResourceNotFoundException")
    error = answer.json()
    assert error["Type"] == "User"
    assert error["Message"].startswith("Function not found: arn:aws:lambda:us-east-1:123456789012:function:")
    assert error["Message"].endswith("This host serves lambda_shim, version $LATEST.")


@pytest.mark.parametrize(
    ("path", "error_type"),
    [
        ("/functions/lambda_shim:3/invocations?Qualifier=4", "InvalidParameterValueException"),
        ("/functions/a%20b/invocations", "ValidationException"),
    ],
)
def test_a_name_that_is_none_is_refused(host: Host, path: str, error_type: str) -> None:
    answer = requests.post(f"{host.url}/2015-03-31{path}", b"{}", timeout=10)
    assert (answer.status_code, answer.headers["x-amzn-ErrorType"]) == (400, error_type)


@pytest.mark.parametrize("body", [b"", None, b"{}"])
def test_no_payload_is_an_empty_object(host: Host, body: bytes | None) -> None:
    assert host.post(body).json() == {}


@pytest.mark.parametrize("body", [b"{", b" ", b"NaN", b"\xff\xfe", b"[" * 100_000, '{"a": "ü"}'.encode("utf-16")])
@pytest.mark.parametrize("kind", ["RequestResponse", "Event"])
def test_a_payload_that_is_no_json_is_refused(host: Host, body: bytes, kind: str) -> None:
    answer = host.post(body, Invocation_Type=kind)
    assert (answer.status_code, answer.headers["x-amzn-ErrorType"]) == (400, "InvalidRequestContentException")
    assert answer.json()["Type"] == "User"
    assert answer.json()["message"].startswith("Could not parse request body into json: ")


@pytest.mark.parametrize(("kind", "limit"), [("RequestResponse", SYNC), ("Event", EVENT)])
def test_a_payload_over_the_limit_is_refused(host: Host, kind: str, limit: int) -> None:
    frame = len(json.dumps({"do": "echo", "value": 1, "more": ""}))
    body = json.dumps({"do": "echo", "value": 1, "more": "a" * (limit - frame)}).encode()
    assert host.post(body, Invocation_Type=kind).ok
    until(lambda: host.health()["events"]["waiting"] == 0, "the event to be done")
    for more in (1, 3_000_000):
        answer = host.post(body + b" " * more, Invocation_Type=kind)
        assert (answer.status_code, answer.headers["x-amzn-ErrorType"]) == (413, "RequestTooLargeException")
        assert f"smaller than {limit} bytes" in answer.json()["message"]


@pytest.mark.parametrize("context", ["%%%", "bm8ganNvbg=="])
def test_a_client_context_must_be_json_in_base64(host: Host, context: str) -> None:
    answer = host.post(b"{}", Client_Context=context)
    assert (answer.status_code, answer.headers["x-amzn-ErrorType"]) == (400, "InvalidRequestContentException")


def test_an_invocation_type_that_is_none_is_refused(host: Host) -> None:
    answer = host.post(b"{}", Invocation_Type="Later")
    assert (answer.status_code, answer.headers["x-amzn-ErrorType"]) == (400, "InvalidParameterValueException")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/2015-03-31/functions/lambda_shim/invocations"), ("POST", "/healthz")]
)
def test_another_path_or_method_names_the_one_there_is(host: Host, method: str, path: str) -> None:
    answer = requests.request(method, host.url + path, timeout=10)
    assert answer.status_code == 404
    assert "POST /2015-03-31/functions/lambda_shim/invocations" in answer.json()["Message"]
    assert answer.headers["x-amzn-RequestId"]


def test_a_dry_run_runs_nothing(host: Host) -> None:
    before = host.health()["invocations"]
    answer = host.post(b"{}", Invocation_Type="DryRun")
    assert (answer.status_code, answer.content) == (204, b"")
    assert host.post(b"{}", function="other", Invocation_Type="DryRun").status_code == 404
    assert host.health()["invocations"] == before


def test_an_event_is_answered_at_once_and_run_when_there_is_room(start: Start, tmp_path: Path) -> None:
    host = start("--concurrency", "1")
    go = tmp_path / "go"
    for _ in range(2):
        event = json.dumps({"do": "wait_for", "file": str(go)}).encode()
        answer = host.post(event, Invocation_Type="Event")
        assert (answer.status_code, answer.content) == (202, b"")
    until(lambda: host.health()["invocations"]["throttled"] == 1, "the second to find no room")
    assert host.health()["events"] == {"waiting": 2, "dropped": 0}
    go.touch()
    until(lambda: host.health()["events"]["waiting"] == 0, "both to be done")
    assert host.health()["invocations"] == {"done": 2, "failed": 0, "throttled": 1}


def test_an_event_that_fails_is_tried_twice_more_under_its_id(start: Start, tmp_path: Path) -> None:
    host = start("--retry-after", "0.01", "0.02")
    for times, name in ((2, "taken"), (9, "dropped")):
        event = {"do": "fail_times", "times": times, "file": str(tmp_path / name)}
        request_id = host.post(json.dumps(event).encode(), Invocation_Type="Event").headers["x-amzn-RequestId"]
        until(lambda: host.health()["events"]["waiting"] == 0, "the event to be done")
        assert (tmp_path / name).read_text().splitlines() == [request_id] * 3
    assert host.health()["invocations"] == {"done": 6, "failed": 5, "throttled": 0}
    assert host.health()["events"] == {"waiting": 0, "dropped": 1}
    assert f"Event {request_id} failed 3 times and is dropped." in host.log()

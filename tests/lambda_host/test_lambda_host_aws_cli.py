"""The unmodified AWS CLI against the host; and the real shim under it."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.lambda_host.hosting import Host
from tests.running import until

AWS = Path(sys.executable).with_name("aws")
SAMPLE = Path(__file__).parents[1] / "samples" / "pinpoint_campaign_article.json"
KEY = "whsec_c2lnbmluZy1rZXktb2YtdGhlLXRlc3Rz"
DUMMIES = {
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_MAX_ATTEMPTS": "1",
}
Aws = Callable[..., Any]
Start = Callable[..., Host]


@pytest.fixture
def aws(tmp_path: Path) -> Aws:
    """`aws lambda invoke` with an event and options: what it printed, and what the function answered."""

    def invoke(host: Host, event: object, *options: str) -> tuple[str, str]:
        (tmp_path / "event.json").write_text(json.dumps(event))
        payload, out = f"fileb://{tmp_path / 'event.json'}", tmp_path / "out.json"
        command = [str(AWS), "lambda", "invoke", "--endpoint-url", host.url, "--payload", payload]
        named = [] if "--function-name" in options else ["--function-name", "lambda_shim"]
        ended = subprocess.run(
            [*command, *named, *options, str(out)],
            env=os.environ | DUMMIES,
            capture_output=True,
            text=True,
            check=False,
        )
        return ended.stdout + ended.stderr, out.read_text() if out.exists() else ""

    return invoke


def test_the_answer_is_in_the_file(host: Host, aws: Aws) -> None:
    arn = "arn:aws:lambda:us-east-1:123456789012:function:lambda_shim"
    printed, answer = aws(host, {"do": "tell"}, "--function-name", arn, "--qualifier", "$LATEST")
    assert json.loads(printed) == {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
    assert json.loads(answer)["arn"] == arn + ":$LATEST"


def test_the_log_tail_is_printed(host: Host, aws: Aws) -> None:
    printed, _ = aws(host, {"do": "say"}, "--log-type", "Tail", "--query", "LogResult", "--output", "text")
    log = base64.b64decode(printed).decode()
    assert "\nto stdout\n" in log
    assert log.splitlines()[-1].startswith("REPORT RequestId: ")


def test_an_error_of_the_function_is_shown(host: Host, aws: Aws) -> None:
    printed, answer = aws(host, {"do": "fail"})
    assert json.loads(printed) == {"StatusCode": 200, "FunctionError": "Unhandled", "ExecutedVersion": "$LATEST"}
    assert json.loads(answer)["errorType"] == "ValueError"


@pytest.mark.parametrize(("kind", "status"), [("Event", 202), ("DryRun", 204)])
def test_an_event_and_a_dry_run_have_their_status(host: Host, aws: Aws, kind: str, status: int) -> None:
    printed, answer = aws(host, {"do": "echo", "value": 1}, "--invocation-type", kind)
    assert (json.loads(printed), answer) == ({"StatusCode": status}, "")
    until(lambda: host.health()["events"]["waiting"] == 0, "the event to be done")


def test_an_error_of_the_api_is_named(host: Host, aws: Aws) -> None:
    printed, _ = aws(host, {}, "--function-name", "other")
    assert "(ResourceNotFoundException)" in printed
    assert "This host serves lambda_shim" in printed


class Service(HTTPServer):
    """Accepts every endpoint of an event that is signed with KEY."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.events: list[Any] = []


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        event = Webhook(KEY).verify(body, dict(self.headers.items()))
        self.server.events.append(event)
        results = [{"recipient": name, "status": "accepted", "message_id": f"m-{name}"} for name in event["Endpoints"]]
        self.send_response(202)
        self.end_headers()
        self.wfile.write(json.dumps({"event_id": "e", "results": results}).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Quiet."""


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_shim_hands_a_campaign_over(start: Start, service: Service, aws: Aws) -> None:
    url = f"http://127.0.0.1:{service.server_port}"
    host = start("--handler", "lambda_shim.handler.handler", SERVICE_URL=url, SIGNING_KEYS=KEY)
    event = json.loads(SAMPLE.read_text())
    printed, answer = aws(host, event)
    assert json.loads(printed) == {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
    assert service.events == [event]
    assert json.loads(answer) == {
        name: {"EventAttributes": {"whatsapp_status": "accepted", "whatsapp_message_id": f"m-{name}"}}
        for name in event["Endpoints"]
    }
    assert '{"log": "shim.invoked", "status": 202,' in host.log()

"""Every event shape, invoked for real: the unmodified AWS CLI → Lambda host → AWS's runtime client → shim → service."""

import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SAMPLES
from tests.running import System, running

SETTINGS = """
[messages.ordertimeoutnotification]
template = "ordertimeoutnotification"
params = ["{{firstName|friend}}", "{{attributes.LastProduct}}"]
"""


@dataclass
class Function:
    """The function in its host, for the AWS CLI."""

    system: System
    url: str
    folder: Path

    def invoke(self, event: Any) -> Any:
        """What the function answers."""
        payload, out = self.folder / "event.json", self.folder / "out.json"
        payload.write_text(json.dumps(event))
        command = [str(Path(sys.executable).with_name("aws")), "lambda", "invoke", "--endpoint-url", self.url]
        command += ["--function-name", "lambda_shim", "--payload", f"fileb://{payload}", str(out)]
        dummies = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **dummies}
        answer = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
        assert answer == {"StatusCode": 200, "ExecutedVersion": "$LATEST"}, out.read_text()
        return json.loads(out.read_bytes())


@pytest.fixture(scope="module")
def function(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    folder = tmp_path_factory.mktemp("invoked")
    url = f"sqlite:///{shutil.copy(migrated, folder)}"
    with running(url, folder, CHANNEL_SETTINGS=SETTINGS, WEB_WORKERS="1") as system:
        system.start_web()
        host = system.start_lambda_host()
        yield Function(system, host.partition("/2015")[0], folder)


def _sample(name: str) -> Any:
    return json.loads((SAMPLES / name).read_bytes())


def _signed_webhook() -> dict[str, Any]:
    event: dict[str, Any] = _sample("lambda_function_url_webhook.json")
    digest = hmac.new(b"sandbox-app-secret", event["body"].encode(), hashlib.sha256).hexdigest()
    event["headers"]["x-hub-signature-256"] = f"sha256={digest}"
    return event


@pytest.mark.parametrize("name", ["pinpoint_campaign_article.json", "pinpoint_journey.json"])
def test_pinpoint(function: Function, name: str) -> None:
    answer = function.invoke(_sample(name))
    assert answer["test123"]["EventAttributes"]["whatsapp_status"] == "accepted"


def test_connect_gets_an_item_for_each_profile(function: Function) -> None:
    event = _sample("connect_journey_action.json")
    items = function.invoke(event)["Items"]["CustomerProfiles"]
    assert [item["Id"] for item in items] == [one["ProfileId"] for one in event["Items"]["CustomerProfiles"]]
    first, second = (item["ResultData"] for item in items)
    assert first["whatsapp_status"] == "accepted"
    assert function.system.report(first["whatsapp_message_id"])["template"]["name"] == "ordertimeoutnotification"
    assert second["whatsapp_status"] == "rejected"
    assert second["whatsapp_reason"].startswith("invalid_address: ")


def test_a_parked_record(function: Function) -> None:
    assert function.invoke(_sample("lambda_sqs_event.json")) == {"batchItemFailures": []}


def test_metas_notification_through_the_door(function: Function) -> None:
    assert function.invoke(_signed_webhook())["statusCode"] == 200
    forged = _signed_webhook()
    forged["body"] += " "
    assert function.invoke(forged)["statusCode"] == 401


def test_metas_challenge_through_the_door(function: Function) -> None:
    event = _sample("lambda_function_url_webhook.json") | {"body": None}
    event["requestContext"]["http"]["method"] = "GET"
    event["rawQueryString"] = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=sandbox-verify-token"
    answer = function.invoke(event)
    assert (answer["statusCode"], answer["body"]) == (200, "1158201444")


def test_a_report_through_a_load_balancer(function: Function) -> None:
    message_id = function.invoke(_sample("pinpoint_campaign_fifty.json"))["ep000"]["EventAttributes"][
        "whatsapp_message_id"
    ]
    event = {
        "requestContext": {
            "elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/x/1"}
        },
        "httpMethod": "GET",
        "path": f"/v1/messages/{message_id}",
        "queryStringParameters": {},
        "headers": {"authorization": f"Bearer {function.system.api_key}", "host": "door.example.com"},
        "body": "",
        "isBase64Encoded": False,
    }
    answer = function.invoke(event)
    assert (answer["statusCode"], json.loads(answer["body"])["message_id"]) == (200, message_id)
    assert function.invoke(event | {"path": "/metrics"})["statusCode"] == 404

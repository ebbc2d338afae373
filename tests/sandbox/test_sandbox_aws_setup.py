"""`python -m sandbox.aws_setup` against moto: what it makes, and what a second run leaves as it is."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import requests
from click.testing import CliRunner, Result
from moto.server import ThreadedMotoServer

from sandbox.aws_setup import main
from service.secrets import SecretsManager
from service.web.auth import ApiKeys, Signatures, fixed
from service.web.console.people import People

REGION = "us-east-1"
ARN = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:whatsapp-channel"


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    requests.post(f"http://{host}:{port}/moto-api/reset", timeout=5).raise_for_status()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def account(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    settings = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return settings


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["--api-key", "wck_local", "--console-password", "console_local", *arguments])


def _text(name: str) -> str:
    """As the service reads it: by the ARN without the six letters that Secrets Manager adds."""
    return SecretsManager().text(f"{ARN}/{name}")


def test_the_service_can_use_what_it_makes(account: dict[str, str]) -> None:
    assert _run().exit_code == 0
    credentials = SecretsManager(None, account["AWS_ENDPOINT_URL"]).credentials(f"{ARN}/meta")
    assert (credentials.token, credentials.app_secrets) == ("sandbox-token", ("sandbox-app-secret",))
    assert credentials.verify_token == "sandbox-verify-token"
    Signatures(fixed(_text("signing-keys")))  # raises where the key is none
    key = ApiKeys(fixed(_text("api-keys"))).find("Bearer wck_local")
    assert key is not None
    assert key.scopes == {"send", "read", "operate", "pii"}
    people = People(fixed(_text("console-users")))
    person = people.check("operator", "console_local")
    assert person is not None
    assert person.role == "operate"
    assert people.check("operator", "console_other") is None


def test_the_queue_has_a_dead_letter_queue_and_the_numbers_of_the_real_one(account: dict[str, str]) -> None:
    url = _run("--visibility", "7").output.strip()
    with_endpoint: Any = boto3.client("sqs", endpoint_url=account["AWS_ENDPOINT_URL"])
    found = with_endpoint.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (found["VisibilityTimeout"], found["MessageRetentionPeriod"]) == ("7", "1209600")
    redrive = json.loads(found["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"].endswith(":whatsapp-channel-parking-dlq")
    assert int(redrive["maxReceiveCount"]) == 500
    with_endpoint.close()


def test_a_second_run_keeps_the_signing_key_and_takes_another_key_password_and_number_over(
    account: dict[str, str],
) -> None:
    assert account
    first = _run().output
    signing_key = _text("signing-keys")
    given = {"API_KEY": "wck_other", "CONSOLE_PASSWORD": "pässword_other"}
    again = CliRunner().invoke(main, ["--visibility", "5"], env=given)
    assert (again.exit_code, again.output) == (0, first)
    assert _text("signing-keys") == signing_key
    assert ApiKeys(fixed(_text("api-keys"))).find("Bearer wck_other")
    assert People(fixed(_text("console-users"))).check("operator", "pässword_other")


def test_a_second_run_with_the_same_password_ends_no_session_of_the_console(account: dict[str, str]) -> None:
    assert account
    _run()
    entry = _text("console-users")
    _run()
    assert _text("console-users") == entry


def test_no_account_of_aws_is_ever_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    refused = _run()
    assert refused.exit_code == 1
    assert "AWS_ENDPOINT_URL is not set" in refused.output


def test_a_stand_in_that_is_not_there_is_told_in_one_sentence(
    account: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert account
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    refused = _run()
    assert refused.exit_code == 1
    assert refused.output.startswith("The stand-in for AWS does not do it:")

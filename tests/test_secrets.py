"""Secrets from AWS Secrets Manager, spoken to over HTTP (moto in server mode), and the cache before it."""

import json
import logging
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
import requests
from boto3.session import Session
from moto.server import ThreadedMotoServer

from service.secrets import (
    REMEMBERED_SECONDS,
    Credentials,
    SecretProblem,
    SecretsManager,
    Source,
    credentials_of,
    fingerprint,
)

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

REGION = "eu-central-1"
MISSING = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:connect/none-AbCdEf"
TOKEN = "EAAGcanaryZC"
WHOLE: dict[str, object] = {
    "FB_APP_TOKEN": TOKEN,
    "FB_APP_SECRET": "canary-app",
    "WEBHOOK_VERIFY_TOKEN": "canary-verify",
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """AWS on this machine."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that open nothing; no profile of this machine's user is looked at."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def account(endpoint: str) -> "Iterator[SecretsManagerClient]":
    """The account's own client, to make and change secrets with."""
    session = Session("testing", "testing", region_name=REGION)
    with closing(session.client("secretsmanager", endpoint_url=endpoint)) as client:
        yield client


@pytest.fixture
def aws(account: "SecretsManagerClient", endpoint: str) -> "SecretsManagerClient":
    """The same, with nothing stored."""
    requests.post(f"{endpoint}/moto-api/reset", timeout=5).raise_for_status()
    return account


@pytest.fixture(scope="module")
def manager(endpoint: str) -> SecretsManager:
    """The code under test; the region is read from the secret's ARN."""
    return SecretsManager(endpoint_url=endpoint)


def store(aws: "SecretsManagerClient", value: object) -> str:
    """Make a secret; return its ARN."""
    text = value if isinstance(value, str) else json.dumps(value)
    return aws.create_secret(Name="connect/whatsapp", SecretString=text)["ARN"]


def shown(error: BaseException) -> str:
    """All that anyone could see of an error, causes included."""
    return f"{error!r} {error} {''.join(traceback.format_exception(error))}"


# --- what is in a secret ----------------------------------------------------------------------------------------------


def test_the_articles_secret_holds_a_token_only(aws: "SecretsManagerClient", manager: SecretsManager) -> None:
    assert manager.credentials(store(aws, {"FB_APP_TOKEN": TOKEN})) == Credentials(TOKEN)


def test_a_whole_secret(aws: "SecretsManagerClient", manager: SecretsManager) -> None:
    assert manager.credentials(store(aws, WHOLE)) == Credentials(TOKEN, ("canary-app",), "canary-verify")


def test_an_app_secret_may_be_a_list_while_it_is_rotated(aws: "SecretsManagerClient", manager: SecretsManager) -> None:
    arn = store(aws, WHOLE | {"FB_APP_SECRET": ["new", "old"]})
    assert manager.credentials(arn).app_secrets == ("new", "old")


def test_a_secret_is_found_by_its_name_in_the_set_region(aws: "SecretsManagerClient", endpoint: str) -> None:
    store(aws, WHOLE)
    assert SecretsManager(REGION, endpoint).credentials("connect/whatsapp").token == TOKEN


def test_the_region_in_the_arn_goes_before_the_set_one(aws: "SecretsManagerClient", endpoint: str) -> None:
    assert SecretsManager("us-west-2", endpoint).credentials(store(aws, WHOLE)).token == TOKEN


def test_the_endpoint_of_the_environment_works_too(
    aws: "SecretsManagerClient", endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert SecretsManager().credentials(store(aws, WHOLE)).token == TOKEN


def test_text_is_given_as_it_is(aws: "SecretsManagerClient", manager: SecretsManager) -> None:
    assert manager.text(store(aws, "whsec_a, whsec_b")) == "whsec_a, whsec_b"


@pytest.mark.parametrize(
    ("document", "credentials"),
    [
        ({"FB_APP_TOKEN": f" {TOKEN}\n"}, Credentials(TOKEN)),
        ({"FB_APP_TOKEN": TOKEN, "FB_APP_SECRET": " s\n"}, Credentials(TOKEN, ("s",))),
        ({"FB_APP_TOKEN": TOKEN, "FB_APP_SECRET": ""}, Credentials(TOKEN)),
        ({"FB_APP_TOKEN": TOKEN, "FB_APP_SECRET": None, "WEBHOOK_VERIFY_TOKEN": None}, Credentials(TOKEN)),
        ({"FB_APP_TOKEN": TOKEN, "FB_APP_SECRET": [], "WEBHOOK_VERIFY_TOKEN": " "}, Credentials(TOKEN)),
        ({"FB_APP_TOKEN": TOKEN, "WEBHOOK_VERIFY_TOKEN": "two words "}, Credentials(TOKEN, (), "two words")),
        ({"FB_APP_TOKEN": TOKEN, "username": "canary"}, Credentials(TOKEN)),
    ],
)
def test_what_counts_as_given(document: dict[str, object], credentials: Credentials) -> None:
    assert credentials_of(document, "here") == credentials


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"FB_APP_TOKEN": None}, "no FB_APP_TOKEN"),
        ({"FB_APP_TOKEN": ""}, "no FB_APP_TOKEN"),
        ({"FB_APP_TOKEN": "  "}, "no FB_APP_TOKEN"),
        ({"FB_APP_TOKEN": [TOKEN]}, "no FB_APP_TOKEN"),
        ({"FB_APP_TOKEN": f"Bearer {TOKEN}"}, "FB_APP_TOKEN is no access token"),
        ({"FB_APP_TOKEN": f"{TOKEN}\r\nX-Other: {TOKEN}"}, "FB_APP_TOKEN is no access token"),
        ({"FB_APP_TOKEN": f"{TOKEN}ä"}, "FB_APP_TOKEN is no access token"),
        ({"FB_APP_TOKEN": f"{TOKEN}\ud800"}, "FB_APP_TOKEN is no access token"),
        ({"FB_APP_SECRET": "  "}, "FB_APP_SECRET"),
        ({"FB_APP_SECRET": {"canary": "canary"}}, "FB_APP_SECRET"),
        ({"FB_APP_SECRET": ["canary", ""]}, "FB_APP_SECRET"),
        ({"FB_APP_SECRET": ["canary", 5]}, "FB_APP_SECRET"),
        ({"FB_APP_SECRET": 5}, "FB_APP_SECRET"),
        ({"FB_APP_SECRET": "canary\ud800"}, "FB_APP_SECRET"),
        ({"WEBHOOK_VERIFY_TOKEN": 12345}, "WEBHOOK_VERIFY_TOKEN"),
        ({"WEBHOOK_VERIFY_TOKEN": "canary\ud800"}, "WEBHOOK_VERIFY_TOKEN"),
    ],
)
def test_what_cannot_be_used_is_named_and_not_shown(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(SecretProblem) as caught:
        credentials_of(WHOLE | wrong, "secret here")
    assert str(caught.value).startswith("secret here")
    assert says in str(caught.value)
    assert "canary" not in str(caught.value)


# --- secrets that cannot be read --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{TOKEN} is not JSON", "is not a JSON object"),
        (f'{{"FB_APP_TOKEN": "{TOKEN}"', "is not a JSON object"),
        (f'["{TOKEN}"]', "is not a JSON object"),
        (f'"{TOKEN}"', "is not a JSON object"),
        ("[" * 60_000, "is not a JSON object"),
        (f'{{"token": "{TOKEN}"}}', "has no FB_APP_TOKEN"),
    ],
)
def test_a_secret_of_another_form_is_named_and_not_shown(
    text: str, says: str, aws: "SecretsManagerClient", manager: SecretsManager
) -> None:
    arn = store(aws, text)
    with pytest.raises(SecretProblem) as caught:
        manager.credentials(arn)
    assert str(caught.value).startswith(f"secret {arn} {says}")
    assert "canary" not in shown(caught.value)
    assert caught.value.__context__ is None  # JSONDecodeError carries the whole text


def test_a_binary_secret_is_refused(aws: "SecretsManagerClient", manager: SecretsManager) -> None:
    arn = aws.create_secret(Name="binary", SecretBinary=json.dumps(WHOLE).encode())["ARN"]
    with pytest.raises(SecretProblem, match="store it as text, not as binary"):
        manager.credentials(arn)


@pytest.mark.usefixtures("aws")
def test_a_missing_secret_says_where_to_look(manager: SecretsManager) -> None:
    with pytest.raises(SecretProblem, match=f"secret {MISSING} does not exist; check FB_SECRET_ARN"):
        manager.credentials(MISSING)


def test_a_deleted_secret_cannot_be_read(aws: "SecretsManagerClient", manager: SecretsManager) -> None:
    arn = store(aws, WHOLE)
    aws.delete_secret(SecretId=arn)
    with pytest.raises(SecretProblem, match="InvalidRequestException"):
        manager.credentials(arn)


class Refusing(ThreadingHTTPServer):
    """AWS when it refuses, in the form of its JSON protocol; `body` is what it says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Refusal)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.body = b""
        self.http_status = 400


class _Refusal(BaseHTTPRequestHandler):
    server: Refusing

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.http_status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def refusing() -> Iterator[Refusing]:
    with Refusing() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("AccessDeniedException", "allow secretsmanager:GetSecretValue on it to the task's role"),
        ("UnrecognizedClientException", "allow secretsmanager:GetSecretValue on it to the task's role"),
        ("ExpiredTokenException", "allow secretsmanager:GetSecretValue on it to the task's role"),
        ("ResourceNotFoundException", "does not exist; check FB_SECRET_ARN"),
        ("DecryptionFailure", "could not be read (DecryptionFailure)"),
    ],
)
def test_what_aws_refuses_says_what_to_do(code: str, says: str, refusing: Refusing) -> None:
    refusing.body = json.dumps({"__type": code, "Message": "no"}).encode()
    with pytest.raises(SecretProblem) as caught:
        SecretsManager(endpoint_url=refusing.url).credentials(MISSING)
    assert str(caught.value).startswith(f"secret {MISSING} ")
    assert says in str(caught.value)


@pytest.mark.parametrize("http_status", [400, 403, 404, 502])
def test_an_endpoint_that_is_not_aws_is_a_problem_like_any_other(http_status: int, refusing: Refusing) -> None:
    refusing.http_status, refusing.body = http_status, b"<html>A proxy was here</html>"
    with pytest.raises(SecretProblem, match=f"secret {MISSING} could not be read"):
        SecretsManager(endpoint_url=refusing.url).credentials(MISSING)


def test_a_success_without_a_secret_is_a_problem_too(refusing: Refusing) -> None:
    refusing.http_status, refusing.body = 200, b"<html>A proxy was here</html>"
    with pytest.raises(SecretProblem, match=f"secret {MISSING} has no text"):
        SecretsManager(endpoint_url=refusing.url).credentials(MISSING)


def test_without_aws_credentials_it_says_so(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SecretProblem, match=r"could not be read \(NoCredentialsError\).*the task's role"):
        SecretsManager(endpoint_url=endpoint).credentials(MISSING)


def test_without_a_region_it_says_so(endpoint: str) -> None:
    with pytest.raises(SecretProblem, match=r"could not be read \(NoRegionError\); check AWS_REGION"):
        SecretsManager(endpoint_url=endpoint).credentials("connect/whatsapp")


@pytest.mark.parametrize("url", ["nonsense", "http://", "http:///x"])
def test_an_endpoint_that_is_no_url_is_a_problem_like_any_other(url: str) -> None:
    with pytest.raises(SecretProblem, match="check AWS_REGION, AWS_ENDPOINT_URL"):
        SecretsManager(endpoint_url=url).credentials(MISSING)


def test_where_nothing_listens_the_answer_comes_soon() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(SecretProblem, match="could not be read"):
        SecretsManager(endpoint_url=f"http://127.0.0.1:{port}").credentials(MISSING)
    assert time.monotonic() - started < 8


# --- the cache --------------------------------------------------------------------------------------------------------


class Shelf:
    """A secret that can be changed, and counts how often it is read."""

    def __init__(self, *answers: Credentials | SecretProblem) -> None:
        self.answers = list(answers)
        self.reads = 0

    def read(self) -> Credentials:
        self.reads += 1
        answer = self.answers[min(self.reads, len(self.answers)) - 1]
        if isinstance(answer, SecretProblem):
            raise answer
        return answer


OLD, NEW = Credentials("old"), Credentials("new")
AT_ONCE = float  # a clock that stands still: `float()` is 0.0


def test_a_rotated_secret_is_seen_after_a_refresh_only(aws: "SecretsManagerClient", manager: SecretsManager) -> None:
    arn = store(aws, WHOLE)
    source = Source(lambda: manager.credentials(arn), AT_ONCE)
    first = source.get()
    aws.put_secret_value(SecretId=arn, SecretString=json.dumps({"FB_APP_TOKEN": "rotated"}))
    assert source.get() is first
    assert source.refresh(first) == Credentials("rotated")
    assert source.get() == Credentials("rotated")


def test_it_is_read_once_and_kept() -> None:
    shelf = Shelf(OLD, NEW)
    source = Source(shelf.read, AT_ONCE)
    assert [source.get() for _ in range(3)] == [OLD, OLD, OLD]
    assert shelf.reads == 1


def test_the_same_token_again_is_new_all_the_same() -> None:
    """Only who was handed the refused credentials reads again: equal ones that were read since are not theirs."""
    shelf = Shelf(Credentials("old"), Credentials("old"), Credentials("old"))
    source = Source(shelf.read, AT_ONCE)
    refused = source.get()
    assert source.refresh(refused) == refused
    assert source.refresh(refused) == refused
    assert shelf.reads == 2


def test_of_many_who_were_refused_one_reads() -> None:
    shelf = Shelf(OLD, NEW, Credentials("never read"))
    source = Source(shelf.read, AT_ONCE)
    refused = source.get()
    together = threading.Barrier(16)

    def refresh(_: int) -> Credentials:
        together.wait(10)
        return source.refresh(refused)

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(refresh, range(16))) == [NEW] * 16
    assert shelf.reads == 2


def test_of_many_who_come_first_one_reads() -> None:
    shelf = Shelf(OLD, NEW)
    source = Source(shelf.read, AT_ONCE)
    together = threading.Barrier(16)

    def get(_: int) -> Credentials:
        together.wait(10)
        return source.get()

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(get, range(16))) == [OLD] * 16
    assert shelf.reads == 1


def test_who_has_no_patience_does_not_wait_for_another_one_who_reads() -> None:
    reading, answered = threading.Event(), threading.Event()

    def read() -> Credentials:
        reading.set()
        answered.wait(10)
        return OLD

    source = Source(read, AT_ONCE, "arn:x")
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(source.get)
        assert reading.wait(10)
        for ask in (source.get, partial(source.refresh, None)):
            with pytest.raises(SecretProblem, match="secret arn:x is being read"):
                ask(patience=0.01)
        answered.set()
        assert other.result(10) is OLD
    assert source.get(patience=0.01) is OLD


def test_what_was_read_is_kept_where_a_refresh_fails() -> None:
    source = Source(Shelf(OLD, SecretProblem("away"), NEW).read, count(0, 60).__next__)
    refused = source.get()
    with pytest.raises(SecretProblem, match="away"):
        source.refresh(refused)
    assert source.get() is refused
    assert source.refresh(refused) is NEW


def test_a_first_read_that_failed_is_tried_again_after_a_while_only() -> None:
    seconds = [0.0]
    shelf = Shelf(SecretProblem("away"), OLD)
    source = Source(shelf.read, lambda: seconds[0])
    for _ in range(3):
        with pytest.raises(SecretProblem, match="away"):
            source.get()
    assert (shelf.reads, source.cached) == (1, None)
    seconds[0] = REMEMBERED_SECONDS
    assert source.get() is OLD


def test_two_secrets_can_be_read_at_the_same_time(aws: "SecretsManagerClient", manager: SecretsManager) -> None:
    arns = [
        aws.create_secret(Name=f"number-{n}", SecretString=json.dumps({"FB_APP_TOKEN": f"token-{n}"}))["ARN"]
        for n in range(4)
    ]
    with ThreadPoolExecutor(4) as threads:
        assert [one.token for one in threads.map(manager.credentials, arns)] == [f"token-{n}" for n in range(4)]


# --- nothing private leaks (G10) --------------------------------------------------------------------------------------


def test_no_part_of_a_secret_stands_in_a_repr(aws: "SecretsManagerClient", manager: SecretsManager) -> None:
    arn = store(aws, WHOLE)
    source = Source(lambda: manager.credentials(arn), AT_ONCE)
    everything: list[Any] = [source.get(), source, manager, [source.get()], {"credentials": source.get()}]
    assert "canary" not in " ".join(f"{thing!r} {thing}" for thing in everything)


def test_a_fingerprint_tells_tokens_apart_and_nothing_else() -> None:
    assert fingerprint(TOKEN) == fingerprint(TOKEN) != fingerprint(f"{TOKEN}1")
    assert TOKEN not in fingerprint(TOKEN)
    assert len(fingerprint("x" * 500)) == 16

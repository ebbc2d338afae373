"""Keys in a secret are taken over while the service runs: API keys and signing keys alike."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest
import requests
from boto3.session import Session
from click.testing import CliRunner
from moto.server import ThreadedMotoServer

from service import wiring
from service.cli import cli
from service.config import Settings
from service.secrets import KeyEntries, SecretProblem
from service.web.auth import ApiKeys, BadKeys, Signatures, api_key_entry, fixed
from tests.web.serving import OTHER_KEY, SIGNING_KEY, signed

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:channel/api-keys-AbCdEf"
OLD, NEW = "wck_canary-old", "wck_canary-new"


class Shelf:
    """A secret with keys in it, which can be changed and counts how often it is read; and a clock moved by hand."""

    def __init__(self, *entries: str) -> None:
        self.entries: Sequence[str] | SecretProblem = entries
        self.seconds = 1000.0
        self.reads = 0
        self.before_reading: Callable[[], None] = lambda: None

    def read(self) -> Sequence[str]:
        self.reads += 1
        self.before_reading()
        if isinstance(self.entries, SecretProblem):
            raise self.entries
        return self.entries

    def api_keys(self) -> ApiKeys:
        return ApiKeys(KeyEntries(self.read, ARN), lambda: self.seconds)

    def signatures(self) -> Signatures:
        return Signatures(KeyEntries(self.read, ARN), lambda: self.seconds)


def entry(key: str, name: str = "billing", scopes: str = "read") -> str:
    return api_key_entry(name, scopes, key)


def knows(keys: ApiKeys, key: str) -> bool:
    return keys.find(f"Bearer {key}") is not None


def test_a_new_key_works_within_ten_seconds() -> None:
    shelf = Shelf(entry(OLD))
    keys = shelf.api_keys()
    shelf.entries = [entry(OLD), entry(NEW)]
    shelf.seconds += 9
    assert (knows(keys, NEW), shelf.reads) == (False, 1)
    shelf.seconds += 1
    assert (knows(keys, NEW), knows(keys, OLD), shelf.reads) == (True, True, 2)


def test_a_revoked_key_stops_working_within_a_minute() -> None:
    shelf = Shelf(entry(OLD))
    keys = shelf.api_keys()
    shelf.entries = [entry(NEW)]
    shelf.seconds += 59
    assert knows(keys, OLD)
    shelf.seconds += 1
    assert (knows(keys, OLD), knows(keys, NEW), shelf.reads) == (False, True, 2)


def test_known_keys_ask_for_the_secret_once_a_minute_and_unknown_ones_every_ten_seconds() -> None:
    shelf = Shelf(entry(OLD))
    keys = shelf.api_keys()
    for _ in range(600):
        shelf.seconds += 1
        knows(keys, OLD)
    assert shelf.reads == 1 + 10
    for _ in range(600):
        shelf.seconds += 1
        knows(keys, NEW)
    assert shelf.reads == 11 + 60


def test_a_secret_that_cannot_be_read_keeps_the_keys_and_is_said_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shelf = Shelf(entry(OLD))
    keys = shelf.api_keys()
    shelf.entries = SecretProblem("secret may not be read (AccessDeniedException)")
    for _ in range(90):
        shelf.seconds += 1
        assert knows(keys, OLD)
    assert [record.getMessage() for record in caplog.records] == [
        f"keys.not_renewed secret={ARN} reason=secret may not be read (AccessDeniedException)"
    ]
    shelf.entries = [entry(NEW)]
    shelf.seconds += 60
    assert not knows(keys, OLD)


@pytest.mark.parametrize("bad", ["billing:read", NEW, f"billing:fly:{'0' * 64}"])
def test_entries_that_cannot_be_used_keep_the_keys_and_do_not_stand_in_the_log(
    bad: str, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = Shelf(entry(OLD))
    keys = shelf.api_keys()
    shelf.entries = [entry(NEW), bad]
    shelf.seconds += 60
    assert (knows(keys, OLD), knows(keys, NEW)) == (True, False)
    assert "API_KEYS: entry 2 is not name:scope+scope:sha256" in caplog.text
    assert "canary" not in caplog.text


def test_a_secret_that_is_emptied_revokes_every_key() -> None:
    shelf = Shelf(entry(OLD))
    keys = shelf.api_keys()
    shelf.entries = []
    shelf.seconds += 60
    assert not knows(keys, OLD)


def test_at_the_start_a_secret_that_cannot_be_used_is_an_error() -> None:
    with pytest.raises(SecretProblem, match=f"^secret {ARN}: API_KEYS: entry 1 is not "):
        Shelf("nonsense").api_keys()
    with pytest.raises(BadKeys):
        ApiKeys(fixed("nonsense"))
    shelf = Shelf()
    shelf.entries = SecretProblem("away")
    with pytest.raises(SecretProblem):
        shelf.api_keys()


def test_keys_of_the_environment_never_change_and_ask_no_clock() -> None:
    def no_clock() -> float:
        raise AssertionError("asked for the time")

    keys = ApiKeys(fixed(entry(OLD)))
    assert (knows(keys, OLD), knows(keys, NEW)) == (True, False)
    with pytest.raises(AssertionError):
        ApiKeys(KeyEntries(lambda: [entry(OLD)], ARN), no_clock)


def test_two_keys_may_have_one_name_while_one_is_rotated() -> None:
    keys = ApiKeys(fixed(entry(OLD, scopes="read"), entry(NEW, scopes="read+pii")))
    old, new = keys.find(f"Bearer {OLD}"), keys.find(f"Bearer {NEW}")
    assert old is not None
    assert new is not None
    assert (old.name, new.name) == ("billing", "billing")
    assert (old.scopes, new.scopes) == (frozenset({"read"}), frozenset({"read", "pii"}))


def test_while_one_call_reads_the_secret_the_others_go_on() -> None:
    shelf = Shelf(entry(OLD))
    keys = shelf.api_keys()
    reading, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        reading.set()
        assert go_on.wait(10)

    shelf.before_reading = hang
    shelf.seconds += 60
    shelf.entries = [entry(NEW)]
    first: list[bool] = []
    thread = threading.Thread(target=lambda: first.append(knows(keys, OLD)))
    thread.start()
    assert reading.wait(10)
    assert (knows(keys, OLD), knows(keys, NEW), shelf.reads) == (True, False, 2)
    go_on.set()
    thread.join()
    assert first == [False]
    assert knows(keys, NEW)


def test_a_signing_key_is_taken_over_and_the_old_one_let_go() -> None:
    shelf = Shelf(SIGNING_KEY)
    signatures = shelf.signatures()
    body = b"{}"
    shelf.entries = [OTHER_KEY]
    assert signatures.are_genuine(body, signed(body, "r1"))
    shelf.seconds += 10
    assert signatures.are_genuine(body, signed(body, "r1"))
    assert signatures.are_genuine(body, signed(body, "r1", OTHER_KEY))
    assert not signatures.are_genuine(body, signed(body, "r1"))
    assert shelf.reads == 2


def test_forged_signatures_ask_for_the_secret_every_ten_seconds_at_most() -> None:
    shelf = Shelf(SIGNING_KEY)
    signatures = shelf.signatures()
    body = b"{}"
    for _ in range(30):
        shelf.seconds += 1
        assert not signatures.are_genuine(body, signed(body, "r1", OTHER_KEY))
    assert shelf.reads == 4


def test_an_unusable_signing_key_does_not_stand_in_its_error() -> None:
    with pytest.raises(BadKeys, match="SIGNING_KEYS: each key is whsec_ followed by base64") as caught:
        Signatures(fixed(SIGNING_KEY, "whsec_canarykey"))
    assert "canary" not in repr((caught.value, caught.value.__cause__, caught.value.__context__))


@pytest.mark.parametrize("scopes", ["send+read", "send,read", "send, read"])
def test_a_new_key_and_its_entry_fit(scopes: str) -> None:
    result = CliRunner().invoke(cli, ["keys", "new", "billing", "--scopes", scopes])
    key, made = (line.rpartition(" ")[2] for line in result.output.splitlines())
    found = ApiKeys(fixed(made)).find(f"Bearer {key}")
    assert found is not None
    assert (found.name, found.scopes, made.count(key)) == ("billing", frozenset({"send", "read"}), 0)


@pytest.mark.parametrize(("name", "scopes"), [("billing", "fly"), ("billing", ""), ("two words", "read")])
def test_no_key_is_made_for_what_cannot_be_used(name: str, scopes: str) -> None:
    result = CliRunner().invoke(cli, ["keys", "new", name, "--scopes", scopes])
    assert str(result.exception).startswith("API_KEYS: entry 1 is not name:scope+scope:sha256")
    assert "wck_" not in result.output


# --- as the service is built ------------------------------------------------------------------------------------------


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Secrets Manager on this machine."""
    given_to_boto = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    for name, value in {**given_to_boto, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(name, value)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    requests.post(f"{url}/moto-api/reset", timeout=5).raise_for_status()
    with closing(Session().client("secretsmanager", region_name="eu-central-1", endpoint_url=url)) as client:
        yield client
    server.stop()


def test_the_service_takes_keys_over_from_secrets_manager(manager: Any) -> None:
    api, signing = [
        manager.create_secret(Name=name, SecretString=text)["ARN"]
        for name, text in (("api", entry(OLD)), ("signing", SIGNING_KEY))
    ]
    endpoint = manager.meta.endpoint_url
    settings = Settings.from_environment({"API_KEYS": api, "SIGNING_KEYS": signing, "AWS_ENDPOINT_URL": endpoint})
    seconds = [0.0]
    keys = ApiKeys(wiring.keys(settings, settings.api_keys), lambda: seconds[0])
    signatures = Signatures(wiring.keys(settings, settings.signing_keys), lambda: seconds[0])
    manager.put_secret_value(SecretId=api, SecretString=f"{entry(NEW)},\n {entry('wck_third')}\n")
    manager.put_secret_value(SecretId=signing, SecretString=OTHER_KEY)
    assert [knows(keys, key) for key in (OLD, NEW, "wck_third")] == [True, False, False]
    assert [signatures.are_genuine(b"", signed(b"", "r", key)) for key in (SIGNING_KEY, OTHER_KEY)] == [True, False]
    seconds[0] += 60
    assert [knows(keys, key) for key in (OLD, NEW, "wck_third")] == [False, True, True]
    assert [signatures.are_genuine(b"", signed(b"", "r", key)) for key in (SIGNING_KEY, OTHER_KEY)] == [False, True]
    seconds[0] += 60
    manager.delete_secret(SecretId=api, ForceDeleteWithoutRecovery=True)
    assert knows(keys, NEW)


def test_keys_that_stand_in_the_settings_are_in_no_secret() -> None:
    settings = Settings.from_environment({"API_KEYS": f"{entry(OLD)}, {entry(NEW)}"})
    assert wiring.keys(settings, settings.api_keys).secret is None
    assert wiring.key_entries(settings, settings.api_keys) == [entry(OLD), entry(NEW)]
    assert "canary" not in repr(wiring.keys(settings, settings.api_keys))

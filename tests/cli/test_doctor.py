"""`doctor` as its user runs it: over a sandbox in Meta's place, and over what answers oddly. One test for each finding."""

import asyncio
import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from click.testing import CliRunner
from sqlalchemy import insert

from sandbox.app import Running, serve
from sandbox.state import Settings as SandboxSettings
from service import wiring
from service.cli import cli
from service.config import Settings
from service.doctor.at_home import catalogue_findings, clock_findings
from service.doctor.finding import Findings, Level
from service.doctor.meta import number_findings, skew_findings, token_findings
from service.outbox import tables
from service.outbox.catalogue import Catalogues, Standing
from service.outbox.database import transaction
from service.settings_file import NumberSettings
from service.whatsapp.account import Number, Token
from service.whatsapp.limits import Limits
from tests.conftest import Store
from tests.running import free_port

NOW = datetime.now(UTC)
NUMBER, WABA = "106540352242922", "102290129340398"
SENDS, MANAGES = "whatsapp_business_messaging", "whatsapp_business_management"
GOOD = {
    "SIGNING_KEYS": "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ=",
    "API_KEYS": f"ops:read:{'0' * 64}",
    "FB_BUSINESS_PHONE_ID": NUMBER,
    "FB_APP_TOKEN": "canary-token",
    "FB_APP_SECRET": "canary-secret",
    "WEBHOOK_VERIFY_TOKEN": "canary-verify",
    "WHATSAPP_BUSINESS_ACCOUNT_ID": WABA,
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    """A sandbox in a thread of its own; where it answers."""
    url: Future[str] = Future()
    stop = asyncio.Event()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        settings = SandboxSettings(port=0, token="canary-token", webhook_url="http://127.0.0.1:9/")
        running: Running
        async with serve(settings, now=lambda: datetime.now(UTC), rng=random.Random(7)) as running:
            url.set_result(running.url)
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    yield url.result(10)
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


@dataclass(slots=True)
class Doctor:
    """Somebody who runs it in a place that is in order, but for what a test changes."""

    store: Store
    sandbox: str
    settings: dict[str, str] = field(default_factory=dict)
    exit_code: int = -1

    def __call__(self, *arguments: str, without: str = "", **changes: str) -> list[str]:
        """The lines it prints."""
        clean = dict.fromkeys(os.environ.keys() - {"PATH", "HOME", "LANG"})
        given = {**self.environment(), **changes}
        given.pop(without, None)
        result = CliRunner().invoke(cli, ["doctor", *arguments], env={**clean, **given})
        assert "canary" not in result.output
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        self.exit_code = result.exit_code
        return result.output.splitlines()

    def environment(self) -> dict[str, str]:
        """What is set."""
        return {"DATABASE_URL": self.store.url, "WHATSAPP_API_URL": self.sandbox, **GOOD, **self.settings}

    def at_meta(self, path: str, **body: Any) -> None:
        """Change what the sandbox tells."""
        requests.post(f"{self.sandbox}/sandbox/{path}", json=body, timeout=5).raise_for_status()

    def offline(self, **changes: str) -> list[str]:
        return self("--offline", **changes)


@pytest.fixture
def doctor(store: Store, sandbox: str) -> Iterator[Doctor]:
    Catalogues(store.engine).replace(WABA, [template("order", "APPROVED")], NOW)
    yield Doctor(store, sandbox)
    for path in ("account", "numbers"):
        requests.delete(f"{sandbox}/sandbox/{path}", timeout=5).raise_for_status()
    requests.post(f"{sandbox}/sandbox/token", json={"token": "canary-token"}, timeout=5).raise_for_status()


def template(name: str, status: str) -> dict[str, str]:
    return {"name": name, "language": "en_US", "status": status}


def said(lines: list[str], level: Level, words: str) -> bool:
    return any(line.startswith(f"{level} ") and words in line for line in lines)


def texts(findings: Findings, level: Level) -> list[str]:
    return [one.text for one in findings if one.level is level]


def test_where_all_is_in_order_it_says_so_and_exits_with_0(doctor: Doctor) -> None:
    assert doctor() == [
        "✓ 1 phone number(s), their secrets, the keys and the database are in order",
        "✓ the token in the environment is valid",
        f"✓ the app is subscribed to account {WABA}",
        "note: CONSOLE_USERS: none; nobody can sign in to /console; make one with: whatsapp-channel users new NAME",
        "note: no named messages; a Connect journey's action needs one: [messages.<name>] in CHANNEL_SETTINGS",
        f"note: number {NUMBER} (Sandbox): quality GREEN, 80 messages a second, any number of people in 24 h",
        "note: the webhook was not asked whether it takes the verify token; give its public URL with --webhook-url",
    ]
    assert doctor.exit_code == 0


def test_offline_asks_meta_nothing(doctor: Doctor) -> None:
    lines = doctor.offline(WHATSAPP_API_URL=f"http://127.0.0.1:{free_port()}")
    assert (doctor.exit_code, lines[0][0]) == (0, "✓")
    assert "note: Meta was not asked (--offline)" in lines


def test_who_has_the_database_open_finds_the_same_with_it_each_time(doctor: Doctor) -> None:
    settings = Settings.from_environment(doctor.environment())
    store = wiring.open_store(settings, announce=False)
    look = wiring.examiner(settings, store)
    assert [str(one) for one in look()] == doctor()
    doctor.at_meta("numbers", phone_number_id=NUMBER, quality_rating="RED")
    assert [str(one) for one in look()] == doctor()
    assert doctor()[0].startswith("! ")
    store.report.outcomes_waiting()  # nobody has closed it
    store.engine.dispose()


# --- settings, credentials, keys


@pytest.mark.parametrize(
    ("missing", "changed", "sentence"),
    [
        ("FB_BUSINESS_PHONE_ID", {}, "FB_BUSINESS_PHONE_ID: no phone number is set up"),
        ("FB_APP_TOKEN", {}, "set FB_SECRET_ARN"),
        ("FB_APP_SECRET", {}, "no FB_APP_SECRET"),
        ("WEBHOOK_VERIFY_TOKEN", {}, "no WEBHOOK_VERIFY_TOKEN"),
        ("SIGNING_KEYS", {}, "SIGNING_KEYS: none"),
        ("API_KEYS", {}, "API_KEYS: none"),
        ("", {"API_KEYS": "canary:everything:00"}, "API_KEYS: entry 1 is not"),
        ("", {"SIGNING_KEYS": "whsec_***"}, "SIGNING_KEYS: each key"),
        ("", {"FB_APP_TOKEN": "Bearer canary"}, "FB_APP_TOKEN is no access token"),
        ("", {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}, "DATABASE_URL: the database cannot be used"),
    ],
)
def test_what_is_missing_is_a_problem(doctor: Doctor, missing: str, changed: dict[str, str], sentence: str) -> None:
    lines = doctor("--offline", without=missing, **changed)
    assert said(lines, Level.PROBLEM, sentence)
    assert (doctor.exit_code, said(lines, Level.FINE, "in order")) == (1, False)


def test_both_kinds_of_keys_are_looked_at(doctor: Doctor) -> None:
    lines = doctor.offline(SIGNING_KEYS="whsec_***", API_KEYS="canary")
    assert [line.partition(":")[0] for line in lines[:2]] == ["✗ SIGNING_KEYS", "✗ API_KEYS"]


def test_a_secret_with_keys_that_cannot_be_read_says_what_goes_on(doctor: Doctor, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:keys-AbCdEf"
    aws = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t"}
    lines = doctor.offline(API_KEYS=arn, **aws)
    assert said(lines, Level.PROBLEM, f"secret {arn} could not be read")
    assert said(lines, Level.PROBLEM, "a service that runs goes on with the keys it has")


def test_settings_that_are_not_used_are_named(doctor: Doctor, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:channel-AbCdEf"
    aws = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t"}
    lines = doctor("--offline", without="WEBHOOK_VERIFY_TOKEN", FB_SECRET_ARN=arn, EVENT_BUS_PII="true", **aws)
    named = [line.split()[1] for line in lines if line.startswith("! ")]
    assert named == ["FB_APP_TOKEN", "FB_APP_SECRET", "EVENT_BUS_PII"]


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("", "note: no named messages; a Connect journey's action needs one"),
        ('[messages."My order"]\ntemplate = "t"\n[messages.two]\ntemplate = "t"', "2 named message(s): My order, two"),
        ('[numbers.1]\n[numbers.2]\n[messages.m]\ntemplate = "t"', "! no number is the default, so Connect's events"),
    ],
)
def test_the_named_messages_are_told(doctor: Doctor, toml: str, sentence: str) -> None:
    without = "FB_BUSINESS_PHONE_ID" if "numbers" in toml else ""
    assert any(sentence in line for line in doctor("--offline", without=without, CHANNEL_SETTINGS=toml))


# --- the database


def test_migrations_that_are_pending_are_a_problem(doctor: Doctor, tmp_path: Path) -> None:
    lines = doctor.offline(DATABASE_URL=f"sqlite:///{tmp_path}/new.db")
    assert said(lines, Level.PROBLEM, "migration(s); run: whatsapp-channel migrate")


@pytest.mark.parametrize(("seconds", "words"), [(-61, "61 s behind"), (3600, "3600 s ahead of"), (59, ""), (-59, "")])
def test_a_database_whose_clock_is_another_is_a_warning(seconds: float, words: str) -> None:
    found = texts(clock_findings(NOW, NOW + timedelta(seconds=seconds)), Level.WARNING)
    assert [f"clock is {words} the database's" in one for one in found] == [True] * bool(words)


def test_outcomes_that_nobody_publishes_are_a_warning(doctor: Doctor) -> None:
    with transaction(doctor.store.engine) as connection:
        connection.execute(insert(tables.outcomes), [{"kind": "reply", "subject": "wamid.1", "at": NOW}])
    assert said(doctor.offline(), Level.WARNING, "1 outcome(s) wait to be published, but EVENT_BUS is not set")
    assert not said(doctor.offline(EVENT_BUS="b"), Level.WARNING, "outcome(s)")
    with transaction(doctor.store.engine) as connection:
        rows = [{"kind": "reply", "subject": f"wamid.{n}", "at": NOW} for n in range(2, 1002)]
        connection.execute(insert(tables.outcomes), rows)
    assert said(doctor.offline(EVENT_BUS="b"), Level.WARNING, "1001 outcome(s) wait to be published on b")


# --- templates


def test_an_account_whose_templates_nobody_reads_is_a_warning(doctor: Doctor) -> None:
    assert said(doctor.offline(WHATSAPP_BUSINESS_ACCOUNT_ID="77"), Level.WARNING, "account 77 were not read yet")


def test_a_number_without_an_account_is_noted(doctor: Doctor) -> None:
    lines = doctor("--offline", without="WHATSAPP_BUSINESS_ACCOUNT_ID")
    assert said(lines, Level.NOTE, f"templates of number {NUMBER} are not checked before they are sent")


def test_templates_that_could_not_be_read_say_why(doctor: Doctor) -> None:
    Catalogues(doctor.store.engine).failed(WABA, "Meta refuses to list the templates")
    since = f"could not be read since {NOW:%Y-%m-%dT%H:%M:%SZ}: Meta refuses to list the templates"
    assert said(doctor.offline(), Level.WARNING, since)


@pytest.mark.parametrize(("age", "stale"), [(timedelta(minutes=59), False), (timedelta(hours=2), True)])
def test_templates_that_were_read_long_ago_are_a_warning(age: timedelta, *, stale: bool) -> None:
    found = texts(catalogue_findings(Standing("77", read_at=NOW - age), NOW), Level.WARNING)
    assert ["were read 2.0 h ago" in one for one in found] == [True] * stale


@pytest.mark.parametrize("status", ["PAUSED", "DISABLED", "REJECTED"])
def test_templates_that_cannot_be_sent_are_named(doctor: Doctor, status: str) -> None:
    listings = [template("order", "APPROVED"), *(template(f"t{n:02}", status) for n in range(12))]
    Catalogues(doctor.store.engine).replace(WABA, listings, NOW)
    lines = doctor.offline()
    assert said(lines, Level.WARNING, f"12 template(s) of account {WABA} are {status}: t00/en_US, t01/en_US")
    assert said(lines, Level.WARNING, "t09/en_US and 2 more; ")
    assert doctor.exit_code == 0


def test_an_account_without_an_approved_template_is_a_warning(doctor: Doctor) -> None:
    Catalogues(doctor.store.engine).replace(WABA, [template("order", "PENDING")], NOW)
    assert said(doctor.offline(), Level.WARNING, "has no approved template")


# --- the token


def test_a_token_that_meta_refuses_is_a_problem_and_said_once(doctor: Doctor) -> None:
    doctor.at_meta("token", token="another")
    lines = doctor()
    assert [line for line in lines if line.startswith("✗")] == [
        (
            "✗ the token in the environment is refused: Access token refused (code 190). The access token has expired"
            " (subcode 463) or is not valid (subcode 467). Put a valid system-user token into the secret; sending goes on by"
            " itself within a minute, or after a restart where the token stands in the environment."
        )
    ]
    assert doctor.exit_code == 1


def test_a_token_that_lacks_a_permission_says_which(doctor: Doctor) -> None:
    doctor.at_meta("account", scopes=[MANAGES])
    assert said(doctor(), Level.PROBLEM, f"lacks the permission {SENDS}, so nothing can be sent")
    doctor.at_meta("account", scopes=[SENDS])
    assert said(doctor(), Level.WARNING, f"lacks the permission {MANAGES}, so templates cannot be read")
    assert doctor.exit_code == 0


def test_a_token_that_ends_soon_is_a_warning_seven_days_before(doctor: Doctor) -> None:
    ends = NOW + timedelta(days=6)
    doctor.at_meta("account", expires_at=int(ends.timestamp()))
    assert said(doctor(), Level.WARNING, f"the token in the environment ends at {ends:%Y-%m-%dT%H:%M:%SZ}")
    ends = NOW + timedelta(days=8)
    doctor.at_meta("account", expires_at=int(ends.timestamp()))
    assert said(doctor(), Level.FINE, f"is valid until {ends:%Y-%m-%dT%H:%M:%SZ}")


def test_a_token_that_has_ended_is_a_problem() -> None:
    ended = Token(is_valid=True, expires_at=NOW)
    assert "ended at" in texts(token_findings("it", ended, NOW), Level.PROBLEM)[0]
    invalid = Token(is_valid=False, code=190, subcode=463)
    assert (
        "is not valid: Access token refused (code 190)" in texts(token_findings("it", invalid, NOW), Level.PROBLEM)[0]
    )


# --- the number, the account, the clock


def test_how_meta_rates_a_number_is_told(doctor: Doctor) -> None:
    doctor.at_meta("numbers", phone_number_id=NUMBER, quality_rating="RED", messaging_limit="TIER_2K")
    lines = doctor()
    assert said(lines, Level.WARNING, f"number {NUMBER} has the quality rating RED")
    assert said(lines, Level.NOTE, "quality RED, 80 messages a second, 2,000 people in 24 h")


def test_a_number_that_is_not_connected_is_a_problem(doctor: Doctor) -> None:
    doctor.at_meta("numbers", phone_number_id=NUMBER, status="BANNED")
    assert said(doctor(), Level.PROBLEM, f"number {NUMBER} is BANNED, not CONNECTED")


def test_a_number_that_cannot_send_says_why(doctor: Doctor) -> None:
    doctor.at_meta("numbers", phone_number_id=NUMBER, can_send_message="BLOCKED")
    assert said(doctor(), Level.PROBLEM, "cannot send: PHONE_NUMBER: The number cannot send. Register it.")
    doctor.at_meta("numbers", phone_number_id=NUMBER, can_send_message="LIMITED")
    assert said(doctor(), Level.WARNING, "with limits only: PHONE_NUMBER: The display name was not approved yet.")


def test_a_rate_above_metas_limit_is_a_warning(doctor: Doctor) -> None:
    lines = doctor(MESSAGES_PER_SECOND="500")
    assert said(lines, Level.WARNING, "is set to 500 messages a second, but Meta takes 80")
    assert not said(doctor(MESSAGES_PER_SECOND="80"), Level.WARNING, "messages a second")
    unknown = Number(limits=Limits())
    assert texts(number_findings("1", NumberSettings(messages_per_second=500), unknown), Level.WARNING) == []


def test_an_account_that_no_app_is_subscribed_to_is_a_problem(doctor: Doctor) -> None:
    doctor.at_meta("account", subscribed_apps=[])
    assert said(doctor(), Level.PROBLEM, f"no app is subscribed to account {WABA}")
    doctor.at_meta("account", subscribed_apps=["1"])
    assert said(doctor(), Level.WARNING, f"the token's app is not subscribed to account {WABA}, another one is")


@pytest.mark.parametrize(
    ("seconds", "level"),
    [
        (None, None),
        (0.0, None),
        (60.0, None),
        (61.0, Level.WARNING),
        (-61.0, Level.WARNING),
        (241.0, Level.PROBLEM),
        (-900.0, Level.PROBLEM),
    ],
)
def test_a_clock_that_is_wrong_is_a_warning_and_from_four_minutes_on_a_problem(
    seconds: float | None, level: Level | None
) -> None:
    assert [one.level for one in skew_findings(seconds)] == ([level] if level else [])


# --- answers that are not Meta's


class Odd(ThreadingHTTPServer):
    """What answers in Meta's place, or the webhook's: `answers` says what, by the last part of the path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Oddly)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.answers: Callable[[str, Mapping[str, str]], tuple[int, str]] = lambda _path, _query: (200, "{}")
        self.date: str | None = None


class _Oddly(BaseHTTPRequestHandler):
    server: Odd

    def do_HEAD(self) -> None:
        self.send_response_only(400)
        if self.server.date:
            self.send_header("Date", self.server.date)
        self.end_headers()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        status, text = self.server.answers(parts.path.rpartition("/")[2], query)
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def _serving(server: Odd) -> Iterator[Odd]:
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def odd() -> Iterator[Odd]:
    with _serving(Odd()) as server:
        yield server


def refusal(code: int, subcode: int | None = None, message: str = "canary-token is no good") -> str:
    more = f', "error_subcode": {subcode}' if subcode else ""
    return f'{{"error": {{"message": "{message}", "code": {code}{more}}}}}'


TOKEN = '{"data": {"is_valid": true, "app_id": "1", "scopes": ["whatsapp_business_messaging"], "expires_at": 0}}'


@pytest.mark.parametrize("body", ["", "<html>", "[]", "{}", '{"data": []}', '{"data": {"is_valid": "canary"}}'])
def test_answers_that_make_no_sense_are_problems_and_no_crash(doctor: Doctor, odd: Odd, body: str) -> None:
    odd.answers = lambda _path, _query: (200, body)
    lines = doctor(WHATSAPP_API_URL=odd.url)
    assert doctor.exit_code == 1
    assert any(line.startswith("✗ ") for line in lines)


def test_where_meta_does_not_answer_it_is_said_once(doctor: Doctor) -> None:
    lines = doctor(WHATSAPP_API_URL=f"http://127.0.0.1:{free_port()}")
    assert [line for line in lines if line.startswith("✗")] == [
        "✗ Meta could not be asked: No answer (ConnectionError); check WHATSAPP_API_URL and the network path, and try again"
    ]


def test_a_token_that_is_refused_with_400_is_refused(doctor: Doctor, odd: Odd) -> None:
    odd.answers = lambda _path, _query: (400, refusal(190, 463, "Malformed access token canary-token"))
    assert [line[:41] for line in doctor(WHATSAPP_API_URL=odd.url) if line.startswith("✗")] == [
        "✗ the token in the environment is refused"
    ]


def test_a_number_that_the_token_does_not_know_is_a_problem(doctor: Doctor, odd: Odd) -> None:
    odd.answers = lambda path, _: (200, TOKEN) if path == "debug_token" else (400, refusal(100, 33))
    lines = doctor(WHATSAPP_API_URL=odd.url)
    assert said(
        lines, Level.PROBLEM, f"number {NUMBER} cannot be looked at: Number's id unknown to the token (code 100)"
    )
    assert said(lines, Level.WARNING, f"who gets the notifications of account {WABA} cannot be seen")


def test_a_number_that_may_only_be_sent_with_is_a_warning(doctor: Doctor, odd: Odd) -> None:
    odd.answers = lambda path, _: (200, TOKEN) if path == "debug_token" else (403, refusal(200))
    lines = doctor(WHATSAPP_API_URL=odd.url)
    assert said(lines, Level.WARNING, f"number {NUMBER} cannot be looked at: Permission missing (code 200)")
    assert doctor.exit_code == 0


def test_where_meta_does_not_tell_of_the_token_the_rest_is_looked_at(doctor: Doctor, odd: Odd) -> None:
    node = '{"status": "CONNECTED", "data": [{"whatsapp_business_api_data": {"id": "1"}}]}'
    odd.answers = lambda path, _: (400, refusal(100)) if path == "debug_token" else (200, node)
    lines = doctor(WHATSAPP_API_URL=odd.url)
    assert said(
        lines,
        Level.NOTE,
        "Meta does not tell until when the token in the environment is valid: Meta refuses to tell it",
    )
    assert said(lines, Level.FINE, f"the app is subscribed to account {WABA}")
    assert doctor.exit_code == 0


def test_a_version_without_the_newer_fields_is_asked_for_the_others(doctor: Doctor, odd: Odd) -> None:
    def answers(path: str, query: Mapping[str, str]) -> tuple[int, str]:
        if path == "debug_token":
            return 200, TOKEN
        is_new = "health_status" in query.get("fields", "")
        return (400, refusal(100)) if is_new else (200, '{"quality_rating": "YELLOW"}')

    odd.answers = answers
    assert said(doctor(WHATSAPP_API_URL=odd.url), Level.WARNING, "quality rating YELLOW")


def test_a_clock_apart_from_metas_is_seen(doctor: Doctor, odd: Odd) -> None:
    odd.date = "Sun, 01 Nov 2020 09:00:00 GMT"
    assert said(doctor(WHATSAPP_API_URL=odd.url), Level.PROBLEM, "s ahead of Meta's, so signed events are refused")
    odd.date = "Sun, 01 Nov 2093 09:00:00 GMT"
    assert said(doctor(WHATSAPP_API_URL=odd.url), Level.PROBLEM, "s behind Meta's")
    odd.date = "yesterday"
    assert not any("clock" in line for line in doctor(WHATSAPP_API_URL=odd.url))


# --- the webhook


def echo(path: str, query: Mapping[str, str]) -> tuple[int, str]:
    """As the service answers."""
    if path != "whatsapp" or query.get("hub.mode") != "subscribe":
        return 404, "nothing here"
    return (200, query["hub.challenge"]) if query["hub.verify_token"] == "canary-verify" else (403, "no")


def test_a_webhook_that_takes_our_verify_token_is_fine(doctor: Doctor, odd: Odd) -> None:
    odd.answers = echo
    url = f"{odd.url}/webhooks/whatsapp"
    assert said(
        doctor("--offline", "--webhook-url", f"{url}?canary=1"), Level.FINE, f"{url} takes the verify token in the env"
    )


def test_a_webhook_with_another_verify_token_is_a_problem(doctor: Doctor, odd: Odd) -> None:
    odd.answers = echo
    lines = doctor("--offline", "--webhook-url", f"{odd.url}/webhooks/whatsapp", WEBHOOK_VERIFY_TOKEN="canary-other")
    assert said(lines, Level.PROBLEM, "does not take the verify token in the environment")
    assert doctor.exit_code == 1


@pytest.mark.parametrize("answer", [(404, "no"), (200, "<html>canary</html>"), (302, ""), (500, "")])
def test_what_is_not_the_webhook_is_a_problem(doctor: Doctor, odd: Odd, answer: tuple[int, str]) -> None:
    odd.answers = lambda _path, _query: answer
    lines = doctor("--offline", "--webhook-url", f"{odd.url}/elsewhere")
    assert said(lines, Level.PROBLEM, f"answered {answer[0]} and not with the challenge")


def test_a_webhook_that_does_not_answer_is_a_problem(doctor: Doctor) -> None:
    lines = doctor("--offline", "--webhook-url", f"http://127.0.0.1:{free_port()}/webhooks/whatsapp")
    assert said(lines, Level.PROBLEM, "does not answer (ConnectionError)")


def test_a_verify_token_is_not_sent_in_the_clear(doctor: Doctor) -> None:
    lines = doctor("--offline", "--webhook-url", "http://channel.example.com/webhooks/whatsapp")
    assert said(lines, Level.PROBLEM, "is not https, which is all that Meta calls; it was not asked")


def test_what_is_no_url_is_one_sentence(store: Store) -> None:
    settings = {**GOOD, "DATABASE_URL": store.url}
    result = CliRunner().invoke(cli, ["doctor", "--offline", "--webhook-url", "channel.example.com"], env=settings)
    assert str(result.exception).startswith("--webhook-url: give the whole URL")

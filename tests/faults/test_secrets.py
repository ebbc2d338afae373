"""Secrets Manager is away, turns calls away, or holds what cannot be used: at start, later, and while a token is refused.

Events are taken as ever; messages wait and go by themselves within a minute of the mend. Nothing is lost, nothing goes twice.
"""

import hashlib
import hmac
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.faults import windows
from tests.faults.own_postgres import children
from tests.faults.rows import Row
from tests.faults.test_database import SETTINGS, until_all_read
from tests.faults.traffic import Traffic
from tests.faults.wire import Wire, wire
from tests.lambda_shim.account import Aws
from tests.running import System, campaign, running

TOKEN, NEW_TOKEN = "the-token-of-last-year", "the-token-of-this-year"
SECRET = {"FB_APP_TOKEN": TOKEN, "FB_APP_SECRET": "sandbox-app-secret", "WEBHOOK_VERIFY_TOKEN": "a-word"}
WELL = json.dumps(SECRET)
THROTTLED = b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'
NO_KEY = {"no key in it": "nothing that is a key", "a key in JSON": json.dumps({"SIGNING_KEYS": "whsec_AAAA"})}
"""What keys may be replaced with by mistake."""
EVENTS, SIZE = 20, 50
RECHECK_SECONDS = 60.0
"""How often a dispatcher looks at a secret that it could not use, and the web service at its keys."""
READ_SECONDS = 4.0
"""By then an event has its answer: after six the shim parks it."""
KNOCKERS = 20
"""More than there are threads in the web service."""

Record = Callable[[Row], None]
Setting = tuple[System, Wire, Aws, str]


@contextmanager
def with_secrets(database_url: str, folder: Path, aws: Aws, secret: str = WELL) -> Iterator[Setting]:
    """A system whose credentials are in this secret, read by a wire; nothing runs but the Cloud API."""
    arn = aws.new_secret(secret)
    environment = {"FB_APP_TOKEN": "", "FB_APP_SECRET": "", "WEBHOOK_VERIFY_TOKEN": "", "FB_SECRET_ARN": arn}
    with (
        running(database_url, folder, **{**SETTINGS, **aws.environment, **environment}) as system,
        wire(aws.environment["AWS_ENDPOINT_URL"]) as to_aws,
    ):
        system.settings["AWS_ENDPOINT_URL"] = to_aws.url
        system.start_sandbox("--answer-after", "0.03", "--token", TOKEN)
        yield system, to_aws, aws, arn


def paused(system: System, why: str) -> tuple[str, ...]:
    """A dispatcher that cannot read the secret says so everywhere."""
    return (
        windows.log(system, "dispatcher", rf"paused scope=token key=arn:\S+ reason=secret .*{why}", seconds=60),
        windows.metric(system, "dispatcher", "channel_pauses_total", scope="token", reason="secret"),
        windows.metric(system, "web", "channel_paused", scope="token", reason="secret"),
        windows.alarm("number-paused", token=windows.read(system, "web", "channel_paused", scope="token")),
        windows.console_says(system, "/console/", rf"Token paused since .*{why}"),
    )


AWAY: dict[str, tuple[Callable[[Wire], None], str]] = {
    "refuses": (Wire.refuse, "EndpointConnectionError"),
    "hangs": (Wire.hang, "ReadTimeoutError"),
    "throttles": (lambda to_aws: to_aws.answer(400, THROTTLED), "ThrottlingException"),
}
WITHOUT_TOKEN = {name: value for name, value in SECRET.items() if name != "FB_APP_TOKEN"}
UNUSABLE = {
    "without a token": (json.dumps(WITHOUT_TOKEN), "has no FB_APP_TOKEN"),
    "an empty token": (json.dumps({**SECRET, "FB_APP_TOKEN": ""}), "has no FB_APP_TOKEN"),
    "not JSON": (TOKEN, "is not a JSON object"),
}


@pytest.mark.proof
@pytest.mark.timeout(240)
@pytest.mark.parametrize("how", [*AWAY, *UNUSABLE])
def test_who_starts_without_a_secret_that_can_be_used_takes_events_and_sends_once_it_can(
    database_url: str, tmp_path: Path, sample: dict[str, Any], aws: Aws, record: Record, how: str
) -> None:
    secret, why = UNUSABLE.get(how) or (WELL, AWAY[how][1])
    with with_secrets(database_url, tmp_path, aws, secret) as (system, to_aws, _, arn):
        if how in AWAY:
            AWAY[how][0](to_aws)
        system.start_web()
        system.start_dispatcher()
        with Traffic(system, sample, events=EVENTS, size=SIZE) as traffic:
            seen = paused(system, why)
            traffic.until_accepted()
            assert system.accepted() == 0
            aws.change_secret(arn, WELL)
            to_aws.mend()
            since = time.monotonic()
            system.until(lambda: system.accepted() > 0, "sending to begin", RECHECK_SECONDS + 15)
            recovered = until_all_read(system, traffic, since)
        record(traffic.judge(f"secret at start: {how}", tried=1, recovered=recovered, seen=seen))


@pytest.mark.parametrize(
    ("database_url", "how"),
    [
        pytest.param("sqlite", "hangs", marks=pytest.mark.proof),
        pytest.param("sqlite", "throttles", marks=pytest.mark.proof),
        pytest.param("postgresql", "refuses", marks=pytest.mark.proof),
    ],
    indirect=["database_url"],
)
def test_a_web_service_that_cannot_read_its_keys_says_so_and_starts_once_it_can(
    database_url: str, tmp_path: Path, sample: dict[str, Any], aws: Aws, record: Record, how: str
) -> None:
    """Whoever runs it starts it again; until then the shim parks the events."""
    with with_secrets(database_url, tmp_path, aws) as (system, to_aws, _, _arn):
        system.settings["SIGNING_KEYS"] = aws.new_secret(system._key)
        AWAY[how][0](to_aws)
        with Traffic(system, sample, events=EVENTS, size=SIZE) as traffic:
            system._start("web", ["-m", "service", "web"])
            assert system._processes.pop("web").wait(60) == 1
            system._processes["web"] = system._processes["sandbox"]  # so that its log can be read
            seen = (
                windows.log(system, "web", rf"^secret arn:\S+ could not be read \({AWAY[how][1]}\)"),
                windows.alarm("no-healthy-web", value=0),
                windows.alarm("parking-age", value=1000),
            )
            to_aws.mend()
            since = time.monotonic()
            system.start_web()
            system.start_dispatcher()
            recovered = until_all_read(system, traffic, since)
        record(traffic.judge(f"keys at start: {how}", tried=1, recovered=recovered, seen=seen))


@pytest.mark.parametrize(
    ("database_url", "how"),
    [
        ("sqlite", "refuses"),
        pytest.param("postgresql", "refuses", marks=pytest.mark.proof),
        *(
            pytest.param(database, how, marks=pytest.mark.proof)
            for database in ("sqlite", "postgresql")
            for how in NO_KEY
        ),
    ],
    indirect=["database_url"],
)
def test_a_worker_that_is_lost_while_keys_cannot_be_used_takes_nobody_with_it(
    database_url: str, tmp_path: Path, sample: dict[str, Any], aws: Aws, record: Record, how: str
) -> None:
    with with_secrets(database_url, tmp_path, aws) as (system, to_aws, _, _arn):
        system.settings["SIGNING_KEYS"] = keys = aws.new_secret(system._key)
        why = ": SIGNING_KEYS: each key is whsec_" if how in NO_KEY else " could not be read"
        system.start_web()
        system.start_dispatcher()
        with Traffic(system, sample, events=EVENTS, size=SIZE, per_second=2.0) as traffic:
            traffic.until_part_sent(0.05)
            if how in NO_KEY:
                aws.change_secret(keys, NO_KEY[how])
            else:
                AWAY[how][0](to_aws)
            os.kill(children(system.pid("web"))[0], signal.SIGKILL)
            seen = (
                windows.log(system, "web", r"Worker \(pid:\d+\) was sent SIGKILL"),
                windows.log(system, "web", rf"worker\.waits reason=secret arn:\S+{why}"),
            )
            before = traffic.accepted
            assert before < traffic.total, "this run proved nothing: all had been taken"
            system.until(lambda: traffic.accepted > before, "the other worker to take an event", 30)
            aws.change_secret(keys, system._key)
            to_aws.mend()
            recovered = until_all_read(system, traffic, time.monotonic())
        assert windows.read(system, "web", "channel_recipients_total", result="accepted") >= traffic.total - SIZE
        record(traffic.judge(f"worker lost, keys: {how}", tried=1, recovered=recovered, seen=seen))


@pytest.mark.proof
def test_notifications_that_cannot_be_checked_keep_no_event_waiting(
    database_url: str, tmp_path: Path, sample: dict[str, Any], aws: Aws, record: Record
) -> None:
    """The app's secret cannot be read: Meta is refused and comes again. Meanwhile the shim is answered in time."""
    with with_secrets(database_url, tmp_path, aws) as (system, to_aws, _, _arn):
        to_aws.hang()
        system.start_web()
        system.settings |= {"FB_SECRET_ARN": "", "FB_APP_TOKEN": TOKEN}  # the dispatcher has a token
        system.start_dispatcher()
        with knocking(system) as refused, Traffic(system, sample, events=EVENTS, size=SIZE) as traffic:
            slowest = max(seconds_to_take(system, sample, number) for number in range(900, 930))
            seen = (
                windows.log(system, "web", r"secret\.unreadable reason=secret arn:\S+ could not be read"),
                windows.metric(system, "web", "channel_unverified_calls_total", call="notification", above=20),
                windows.alarm("bad-signatures", notifications=len(refused)),
            )
            to_aws.mend()
            traffic.total += 30
            traffic.accepted += 30
            recovered = until_all_read(system, traffic, time.monotonic())
        assert set(refused) <= {200, 401}
        record(traffic.judge("app secret hangs", tried=len(refused), recovered=recovered, seen=seen))
        print(f"an event was taken within {slowest:.1f} s")
        assert slowest < READ_SECONDS


@contextmanager
def knocking(system: System) -> Iterator[list[int]]:
    """Notifications without news, signed as Meta signs, from more callers than the service has threads; their answers."""
    body = b'{"object": "whatsapp_business_account", "entry": []}'
    signed = hmac.new(SECRET["FB_APP_SECRET"].encode(), body, hashlib.sha256).hexdigest()
    stop, answers = threading.Event(), list[int]()

    def knock() -> None:
        url, headers = f"{system.url}/webhooks/whatsapp", {"X-Hub-Signature-256": f"sha256={signed}"}
        while not stop.wait(0.2):
            answers.append(requests.post(url, data=body, headers=headers, timeout=60).status_code)

    threads = [threading.Thread(target=knock, daemon=True) for _ in range(KNOCKERS)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def seconds_to_take(system: System, sample: dict[str, Any], number: int) -> float:
    """How long an event of one recipient has to wait for its answer, which says that it was taken."""
    threading.Event().wait(0.4)
    began = time.monotonic()
    assert system.post_event(campaign(sample, number, 1)).status_code == 202
    return time.monotonic() - began


@pytest.mark.proof
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("database_url", "how"),
    [("sqlite", "refuses"), ("postgresql", "refuses"), ("sqlite", "throttles"), ("postgresql", "hangs")],
    indirect=["database_url"],
)
def test_a_token_that_is_refused_while_the_secret_cannot_be_read_is_replaced_once_it_can(
    database_url: str, tmp_path: Path, sample: dict[str, Any], aws: Aws, record: Record, how: str
) -> None:
    """As long as Meta takes the token that is known, nobody notices; the web service goes on with the keys it has."""
    with with_secrets(database_url, tmp_path, aws) as (system, to_aws, _, arn):
        system.settings["SIGNING_KEYS"] = aws.new_secret(system._key)
        system.start_web()
        system.start_dispatcher()
        with Traffic(system, sample, events=EVENTS, size=SIZE, per_second=0.25) as traffic:
            traffic.until_part_sent(0.05)
            AWAY[how][0](to_aws)
            kept = windows.log(system, "web", r"keys\.not_renewed secret=arn:\S+ reason=", seconds=RECHECK_SECONDS + 15)
            went = system.accepted()
            system.accept_only(NEW_TOKEN)
            seen = (kept, *paused(system, AWAY[how][1]))
            assert went >= traffic.total * 0.6, "it did not go on with the token that it knew"
            aws.change_secret(arn, json.dumps({**SECRET, "FB_APP_TOKEN": NEW_TOKEN}))
            to_aws.mend()
            since = time.monotonic()
            system.until(lambda: system.accepted() > went + SIZE, "sending to go on", RECHECK_SECONDS + 30)
            recovered = until_all_read(system, traffic, since)
        assert set(traffic.answers) == {"202"}
        record(traffic.judge(f"token refused, secret {how}", tried=1, recovered=recovered, seen=seen))

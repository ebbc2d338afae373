"""What an operator pauses and resumes, and a restored database that begins paused."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.message import Pause, PauseReason, Scope
from service.outbox.outbox import Demand
from tests.cli.operating import NOW, NUMBER, SECOND, TWO_NUMBERS, Console, moment

PAUSES: Mapping[str, tuple[str, str, int]] = {
    "a number": ("number", NUMBER, 1),
    "an account": ("waba", "77", 1),
    "a token": ("token", "environment", 2),
    "a template": ("template", "order_update/en_US", 2),
    "a template of one account": ("template", "order_update/en_US@77", 1),
    "a campaign": ("campaign", "c1", 2),
    "a country": ("country", "CN", 1),
}


@pytest.mark.parametrize("name", PAUSES)
def test_a_pause_is_made_shown_and_lifted(console: Console, name: str) -> None:
    scope, key, waiting = PAUSES[name]
    console.add("m1", country="CN")
    console.add("m2", phone_number_id=SECOND)
    made = console.run("pause", scope, key, "--reason", "wrong price", "--yes")
    assert (made.exit_code, made.output.splitlines()) == (
        0,
        [
            f"{waiting} queued message(s) will wait until an operator resumes it; what is being sent just now still goes",
            f"paused; to lift it: whatsapp-channel resume {scope} {key}",
        ],
    )
    [pause] = console.paused()
    assert (pause.scope, pause.key, pause.reason, pause.detail) == (scope, key, PauseReason.OPERATOR, "wrong price")
    line = rf"{scope} +{key}  since {moment(pause.since)}, until an operator resumes it  \(operator: wrong price\)\n"
    assert re.fullmatch(line, console.run("pauses").output)
    lifted = console.run("resume", scope, key, "--yes")
    assert (lifted.exit_code, lifted.output.splitlines()[1:]) == (0, [f"{waiting} queued message(s) go on", "resumed"])
    assert console.run("pauses").output == "nothing is paused\n"


def test_what_lifts_a_pause_can_be_typed_as_it_is_shown(console: Console) -> None:
    made = console.run("pause", "campaign", "spring sale; 2026", "--yes")
    command = made.output.splitlines()[-1].removeprefix("paused; to lift it: ")
    _, *arguments = shlex.split(command)
    assert console.run(*arguments, "--yes").exit_code == 0
    assert console.paused() == []


@pytest.mark.parametrize(
    ("span", "lasts"), [("30m", timedelta(minutes=30)), ("2h", timedelta(hours=2)), ("7d", timedelta(days=7))]
)
def test_a_pause_may_end_by_itself(console: Console, span: str, lasts: timedelta) -> None:
    made = console.run("pause", "campaign", "c1", "--for", span, "--yes")
    [pause] = console.paused()
    assert pause.until == pause.since + lasts
    assert f"will wait until {moment(pause.until)} or until an operator resumes it" in made.output


WRONG: Mapping[str, tuple[tuple[str, ...], str]] = {
    "a template without its language": (("pause", "template", "order_update"), "write name/language"),
    "a template with an odd account": (("pause", "template", "order_update/en_US@x"), "write name/language"),
    "a country by its name": (("pause", "country", "Germany"), "two capital letters, such as DE"),
    "a number as it is dialled": (("pause", "number", "+49151"), "digits only"),
    "a scope of one message": (("pause", "message", "m1"), "is not one of"),
    "a span without a unit": (("pause", "campaign", "c1", "--for", "2"), "such as 30m, 2h or 7d"),
    "a span of nothing": (("pause", "campaign", "c1", "--for", "0m"), "such as 30m, 2h or 7d"),
    "an empty key": (("pause", "campaign", ""), "write its id"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_is_exit_2_and_says_what_to_write(console: Console, name: str) -> None:
    arguments, sentence = WRONG[name]
    ran = console.run(*arguments, "--yes")
    assert ran.exit_code == 2
    assert sentence in ran.output
    assert console.paused() == []


@pytest.mark.parametrize(("scope", "key"), [("number", "999"), ("waba", "999"), ("token", "arn:none")])
def test_a_key_that_fits_no_number_of_the_settings_is_warned_of(console: Console, scope: str, key: str) -> None:
    made = console.run("pause", scope, key, "--yes")
    assert f"warning: no number of the settings belongs to {scope} {key}; check it" in made.output
    assert made.exit_code == 0
    assert len(console.paused()) == 1


def test_what_is_not_paused_is_said_with_what_is(console: Console) -> None:
    ran = console.run("resume", "campaign", "c1", "--yes")
    assert (ran.exit_code, ran.sentence) == (1, "campaign c1 is not paused; nothing is paused")
    console.pause_campaign("c2")
    first, second = console.run("resume", "campaign", "c1", "--yes").sentence.splitlines()
    assert first == "campaign c1 is not paused; these pauses stand:"
    assert second.startswith("campaign c2  since ")


FAR = datetime(2099, 1, 1, tzinfo=UTC)
LIFTED: Mapping[str, tuple[Pause, str]] = {
    "a refused token": (
        Pause(Scope.TOKEN, "environment", PauseReason.REFUSED, "renew it", NOW, token_fingerprint="f"),
        "until the secret holds another token or until an operator resumes it",
    ),
    "a template that Meta paused": (
        Pause(Scope.TEMPLATE, "order_update/en_US", PauseReason.NOTIFIED, "mend it", NOW, FAR),
        "until 2099-01-01T00:00:00Z or until Meta approves it again or until an operator resumes it",
    ),
    "a secret that cannot be read": (
        Pause(Scope.TOKEN, "environment", PauseReason.SECRET, "mend it", NOW, FAR),
        "until 2099-01-01T00:00:00Z or until an operator resumes it",
    ),
}


@pytest.mark.parametrize("name", LIFTED)
def test_a_pause_says_what_lifts_it_and_an_operator_always_can(console: Console, name: str) -> None:
    pause, ends = LIFTED[name]
    console.store.outbox.pause(pause)
    assert f", {ends}  ({pause.reason}: {pause.detail})" in console.run("pauses").output
    assert console.run("resume", pause.scope.value, pause.key, "--yes").exit_code == 0
    assert console.paused() == []


# --- migrate --paused


def migrate(folder: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": f"sqlite:///{folder}/channel.db", **settings}
    command = [sys.executable, "-m", "service", "migrate", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_restored_database_starts_with_every_number_paused(console: Console, tmp_path: Path) -> None:
    served = console.store.outbox.acquire_lease("1111", "test")
    assert served is not None
    settings = {"DATABASE_URL": console.store.url, "FB_BUSINESS_PHONE_ID": NUMBER, "CHANNEL_SETTINGS": TWO_NUMBERS}
    ran = migrate(tmp_path, "--paused", **settings)
    assert (ran.returncode, ran.stderr) == (0, "")
    numbers = [NUMBER, "1111", SECOND]
    assert ran.stdout.splitlines()[1:] == [
        f"number {number} is paused; to go on: whatsapp-channel resume number {number}" for number in numbers
    ]
    assert [(pause.scope, pause.key, pause.reason) for pause in console.paused()] == [
        (Scope.NUMBER, number, PauseReason.OPERATOR) for number in numbers
    ]
    assert "restored from a backup: look at what was sent since, then resume" in console.run("pauses").output
    assert console.store.outbox.claim(Demand(served, 1), NOW) == []


def test_where_no_number_is_known_none_is_paused(tmp_path: Path) -> None:
    ran = migrate(tmp_path, "--paused")
    assert ran.returncode == 0
    assert ran.stdout.splitlines()[1].startswith("no number is known, so none is paused; set FB_BUSINESS_PHONE_ID")
    assert len(migrate(tmp_path).stdout.splitlines()) == 1

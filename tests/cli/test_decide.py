"""The operator's decisions on messages: what is shown, what is asked, what is done then."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest
from sqlalchemy import update

from service.outbox import tables
from service.whatsapp.errors import NEVER, NOT_BEFORE
from tests.cli.operating import NOW, NUMBER, Console, Ran, moment

# --- unanswered, decide


def test_the_unanswered_are_listed_with_their_age_and_what_to_do(console: Console) -> None:
    console.unanswered("m1", "m2")
    with console.store.engine.begin() as connection:
        connection.execute(
            update(tables.attempts)
            .where(tables.attempts.c.message_id == "m2")
            .values(started_at=NOW - timedelta(days=8, hours=3, minutes=1))
        )
    ran = console.run("unanswered")
    older, younger, what, *commands = ran.output.splitlines()
    assert re.fullmatch(
        rf"m2  order_update/en_US to \+86••••••••000 from {NUMBER}, 8 d 3 h old, Meta tells no more", older
    )
    assert f", Meta may tell until {moment(NOW + timedelta(days=7))}" in younger
    assert re.search(r", \d+ min \d+ s old, ", younger)
    assert what.startswith("What to do: wait")
    assert [line.split()[1] for line in commands if line.startswith("  ")] == ["decide", "replay"]
    assert "raise --limit" in console.run("unanswered", "--limit", "2").output


def test_nothing_unanswered_is_said(console: Console) -> None:
    console.failed("m1")
    assert console.run("unanswered").output == "no message is unanswered\n"


@pytest.mark.parametrize(
    ("decision", "becomes", "warned"), [("sent", "sent", 0), ("failed", "failed", 0), ("resend", "queued", 1)]
)
def test_a_decision_is_shown_and_made(console: Console, decision: str, becomes: str, warned: int) -> None:
    console.unanswered("m1")
    ran = console.run("decide", "m1", decision, "--yes")
    lines = ran.output.splitlines()
    assert (ran.exit_code, lines[-1], console.status("m1")) == (0, f"m1 is {becomes} now", becomes)
    assert lines[0].startswith("m1  unanswered since ")
    assert lines[1] == "to +86••••••••000, template order_update en_US"
    assert ran.output.count("warning: Meta may have it already: the person may get the message twice") == warned


def test_what_cannot_be_decided_says_why_before_it_asks(console: Console) -> None:
    console.failed("m1")
    ran = console.run("decide", "m1", "sent")
    assert ran == Ran(
        1, "", "message m1 is failed: its outcome is known; send it again with replay if it still matters"
    )
    assert console.run("decide", "nobody", "sent").sentence == "no message nobody; ids are in the answer to its event"


# --- replay

REPLAYS: Mapping[str, tuple[tuple[str, ...], list[str]]] = {
    "a campaign": (("--campaign", "c1"), ["m1", "m2"]),
    "an event": (("--event", "e-m1"), ["m1", "m2"]),
    "a template": (("--template", "order_update"), ["m1", "m2"]),
    "a number": (("--number", NUMBER), ["m1", "m2"]),
    "a code": (("--code", "131026"), ["m1", "m2"]),
    "a reference": (("--reference", "order-17"), ["m2"]),
    "an address": (("--to", "86 138 0013-8017"), ["m2"]),
    "messages by their ids": (("m2",), ["m2"]),
    "what was not answered": (("--campaign", "c1", "--status", "unanswered"), ["m3"]),
    "all": (("--campaign", "c1", "--status", "unanswered", "--status", "failed"), ["m1", "m2", "m3"]),
}


def set_message(console: Console, message_id: str, **facts: str) -> None:
    with console.store.engine.begin() as connection:
        of = tables.messages.c.message_id == message_id
        connection.execute(update(tables.messages).where(of).values(**facts))


@pytest.mark.parametrize("name", REPLAYS)
def test_a_replay_is_shown_and_made(console: Console, name: str) -> None:
    arguments, ids = REPLAYS[name]
    console.failed("m1", "m2")
    console.unanswered("m3")
    set_message(console, "m2", reference="order-17", to="+8613800138017")
    ran = console.run("replay", *arguments, "--yes")
    number = len(ids)
    assert ran.exit_code == 0
    told = [line for line in ran.output.splitlines() if not line.startswith("warning: ")]
    assert told == [f"{number} message(s) will go again", f"{number} message(s) queued"]
    assert ("may get the message twice" in ran.output) is ("m3" in ids)
    assert [name for name in ("m1", "m2", "m3") if console.status(name) == "queued"] == ids


def test_a_replay_says_what_is_left_out_and_what_goes_later(console: Console) -> None:
    console.failed("m1", code=131049)
    console.failed("m2", code=131050)
    ran = console.run("replay", "m1", "m2", "m3", "--yes")
    assert ran.output.splitlines() == [
        "1 message(s) will go again, 1 of them later, after the wait that their code asks for",
        "1 left out: the recipient stopped such messages",
        "1 of the ids left out: unknown, not failed or expired, or not what else is given",
        "1 message(s) queued, 1 of them later, after the wait that their code asks for",
        "1 left out: the recipient stopped such messages",
    ]
    facts = console.store.report.message("m1")
    assert facts is not None
    assert facts.message["due_at"] == NOW + timedelta(hours=24)


def test_where_all_is_left_out_nothing_is_asked(console: Console) -> None:
    console.failed("m1", code=131050)
    ran = console.run("replay", "m1")
    assert (ran.exit_code, ran.output.splitlines()[0]) == (0, "0 message(s) will go again")
    assert console.status("m1") == "failed"


def test_where_nothing_fits_that_is_a_failure(console: Console) -> None:
    console.unanswered("m1")
    ran = console.run("replay", "--campaign", "c1", "--yes")
    assert ran == Ran(1, "", "no message that is failed or expired fits; check the ids and --status")


def test_what_the_table_of_codes_says_of_sending_again_is_heeded() -> None:
    assert NOT_BEFORE[131049] == timedelta(hours=24)
    assert 131050 in NEVER
    assert not NEVER & NOT_BEFORE.keys()


# --- cancel

CANCELS: Mapping[str, tuple[tuple[str, ...], list[str]]] = {
    "a campaign": (("--campaign", "c1"), ["m1", "m2"]),
    "a reference": (("--reference", "order-17"), ["m2"]),
    "a message by its id": (("m1",), ["m1"]),
}


@pytest.mark.parametrize("name", CANCELS)
def test_a_cancellation_is_shown_and_made(console: Console, name: str) -> None:
    arguments, ids = CANCELS[name]
    console.failed("m3")
    console.add("m1", "m2")
    set_message(console, "m2", reference="order-17")
    ran = console.run("cancel", *arguments, "--yes")
    assert (ran.exit_code, ran.output.splitlines()) == (
        0,
        [
            f"{len(ids)} queued message(s) will never go; what is being sent just now still goes",
            f"{len(ids)} message(s) cancelled",
        ],
    )
    assert [name for name in ("m1", "m2", "m3") if console.status(name) == "cancelled"] == ids


def test_ids_that_are_not_queued_are_told(console: Console) -> None:
    console.failed("m3")
    console.add("m1")
    told = console.run("cancel", "m1", "m3", "nobody", "--yes").output.splitlines()[1]
    assert told == "2 of the ids left out: unknown, not queued, or not what else is given"


def test_where_nothing_is_queued_that_is_a_failure(console: Console) -> None:
    console.failed("m1")
    assert console.run("cancel", "m1", "--yes") == Ran(1, "", "no message that is queued fits; check the ids")


# --- asking

WRONG: Mapping[str, tuple[tuple[str, ...], str]] = {
    "nothing to replay": (("replay",), "say which messages"),
    "everything to replay": (("replay", "--status", "expired"), "say which messages"),
    "a replay of what was read": (("replay", "m1", "--status", "read"), "is not one of"),
    "an address that is none": (("replay", "--to", "12345"), "write it in international form"),
    "everything to cancel": (("cancel",), "say which messages"),
    "an address to cancel that is none": (("cancel", "--to", "Ada"), "write it in international form"),
    "a decision that is none": (("decide", "m1", "read"), "is not one of"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_is_exit_2_and_says_what_to_write(console: Console, name: str) -> None:
    arguments, sentence = WRONG[name]
    ran = console.run(*arguments, "--yes")
    assert ran.exit_code == 2
    assert sentence in ran.output
    assert "12345" not in ran.output


CHANGES: Mapping[str, tuple[tuple[str, ...], Callable[[Console], object]]] = {
    "pause": (("pause", "campaign", "c9"), lambda _: None),
    "resume": (("resume", "campaign", "c1"), lambda _: None),
    "decide": (("decide", "m1", "resend"), lambda console: console.unanswered("m1")),
    "replay": (("replay", "m1"), lambda console: console.failed("m1")),
    "cancel": (("cancel", "m1"), lambda console: console.add("m1")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_without_a_terminal_and_without_yes_nothing_is_changed(console: Console, name: str) -> None:
    arguments, prepare = CHANGES[name]
    prepare(console)
    console.pause_campaign("c1")
    before = console.paused(), console.store.report.message("m1")
    ran = console.run(*arguments)
    assert ran.exit_code == 2
    assert "no terminal to ask at; look at what is shown and add --yes" in ran.output
    assert (console.paused(), console.store.report.message("m1")) == before


@pytest.mark.parametrize(
    ("answer", "exit_code", "status", "sentence"),
    [("y", 0, "queued", ""), ("n", 1, "failed", "nothing was changed\n"), ("", 1, "failed", "nothing was changed\n")],
)
def test_at_a_terminal_the_answer_decides(
    console: Console, answer: str, exit_code: int, status: str, sentence: str
) -> None:
    console.failed("m1")
    ours, theirs = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": console.store.url}
    os.write(ours, f"{answer}\n".encode())
    command = [sys.executable, "-m", "service", "replay", "m1"]
    ran = subprocess.run(
        command, stdin=theirs, capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    os.close(ours)
    os.close(theirs)
    assert "Send 1 message(s) again? [y/N]" in ran.stdout
    assert (ran.returncode, console.status("m1"), ran.stderr) == (exit_code, status, sentence)

"""What an operator does by command is written down with the user's name, before it is done."""

import getpass
from pathlib import Path

import pytest

from service.cli import decide
from service.outbox.audit import Audit
from tests.cli.operating import NUMBER, PHONE, Console

MASKED = "+86••••••••000"


def deeds(console: Console) -> list[tuple[str, str, str, str]]:
    """By which way, what, to what, and more; the oldest first. Every one is this user's."""
    found = [one for _, one in reversed(Audit(console.store.engine).page(100))]
    assert {one.who for one in found} <= {getpass.getuser()}
    return [(one.via, one.action, one.subject, one.detail) for one in found]


def test_decisions_are_written_down(console: Console) -> None:
    console.unanswered("m1")
    assert console.run("decide", "m1", "sent", "--yes").exit_code == 0
    assert deeds(console) == [("command", "decide", "message m1", "sent")]


def test_replays_and_cancellations_are_written_down(console: Console) -> None:
    console.failed("m1")
    assert console.run("replay", "--to", PHONE, "--code", "131026", "--yes").exit_code == 0
    assert console.run("cancel", "--campaign", "c1", "--yes").exit_code == 0
    assert console.status("m1") == "cancelled"
    assert deeds(console) == [
        ("command", "replay", f"statuses expired failed, to {MASKED}, code 131026", ""),
        ("command", "cancel", "statuses queued, campaign_id c1", ""),
    ]


def test_pauses_are_written_down(console: Console) -> None:
    assert console.run("pause", "campaign", "c1", "--reason", "wrong price", "--yes").exit_code == 0
    assert console.run("resume", "campaign", "c1", "--yes").exit_code == 0
    assert console.run("migrate", "--paused").exit_code == 0
    assert deeds(console)[:2] == [
        ("command", "pause", "campaign c1", "wrong price"),
        ("command", "resume", "campaign c1", ""),
    ]
    assert [subject for _, _, subject, _ in deeds(console)[2:]] == [f"number {NUMBER}", "number 222222222222222"]


def test_suppressions_are_written_down(console: Console, tmp_path: Path) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text(f"to\n{PHONE}\nnonsense\n")
    console.run("suppressions", "add", PHONE, "--category", "marketing", "--reason", "asked")
    console.run("suppressions", "remove", PHONE, "--yes")
    console.run("suppressions", "import", str(listed))
    assert deeds(console) == [
        ("command", "suppress", MASKED, "marketing, asked"),
        ("command", "lift", MASKED, ""),
        ("command", "import", "suppressions", "1 people, 1 bad lines"),
    ]


def test_what_was_not_agreed_to_or_is_only_looked_at_is_not(console: Console) -> None:
    console.failed("m1")
    for arguments in (
        ("replay", "--campaign", "c1"),
        ("pause", "campaign", "c1"),
        ("suppressions", "list"),
        ("pauses",),
    ):
        console.run(*arguments)
    assert deeds(console) == []


def test_a_user_without_a_name_is_called_by_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 10001")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert decide._user().startswith("uid ")

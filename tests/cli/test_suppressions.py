"""What an operator does about who must not get messages."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from service.outbox.consent import Consent, Wanted
from service.people import Blocked, Suppression, SuppressionSource
from tests.cli.operating import NOW, PHONE, Console, moment

MASKED = "+86••••••••000"


def standing(console: Console) -> list[Suppression]:
    found, _ = Consent(console.store.engine).search(Wanted(), 100)
    return found


def suppress(console: Console, source: SuppressionSource, blocked: Blocked = Blocked.ALL) -> None:
    since = NOW - timedelta(hours=1)
    Consent(console.store.engine).suppress([Suppression(PHONE, blocked, source, since)], NOW)


def test_a_person_is_suppressed_shown_and_lifted(console: Console) -> None:
    console.add("m1")
    added = console.run("suppressions", "add", "86 138 0013 8000", "--category", "marketing", "--reason", "by phone")
    assert (added.exit_code, added.output) == (0, f"{MASKED} is suppressed; 1 queued message(s) will not go\n")
    assert console.status("m1") == "suppressed"
    [one] = standing(console)
    assert (one.to, one.blocked, one.source) == (PHONE, Blocked.MARKETING, SuppressionSource.OPERATOR)
    line = f"{MASKED}  marketing  since {moment(one.since)}  (operator: by phone)\n"
    assert console.run("suppressions", "list").output == line
    lifted = console.run("suppressions", "remove", PHONE, "--yes")
    assert (lifted.exit_code, lifted.output) == (0, f"{line}1 lifted\n")
    assert console.run("suppressions", "list").output == "nobody is suppressed\n"


def test_lifting_what_the_person_said_is_warned_of(console: Console) -> None:
    suppress(console, SuppressionSource.STOP_REPLY)
    lifted = console.run("suppressions", "remove", PHONE, "--yes")
    assert "does the person agree?" in lifted.output
    assert standing(console) == []


def test_without_a_terminal_nothing_is_lifted_unasked(console: Console) -> None:
    suppress(console, SuppressionSource.OPERATOR)
    assert console.run("suppressions", "remove", PHONE).exit_code == 2
    assert len(standing(console)) == 1


def test_only_one_category_may_be_lifted(console: Console) -> None:
    suppress(console, SuppressionSource.OPERATOR)
    ran = console.run("suppressions", "remove", PHONE, "--category", "marketing", "--yes")
    assert (ran.exit_code, ran.sentence) == (1, f"{MASKED} is not suppressed so")
    assert console.run("suppressions", "remove", PHONE, "--category", "all", "--yes").exit_code == 0
    ran = console.run("suppressions", "remove", PHONE, "--yes")
    assert (ran.exit_code, ran.sentence) == (1, f"{MASKED} is not suppressed")


@pytest.mark.parametrize(
    ("options", "number"),
    [
        ((), 2),
        (("--to", PHONE), 2),
        (("--category", "marketing"), 1),
        (("--source", "stop_reply"), 1),
        (("--source", "import"), 0),
        (("--to", "+4915100000000"), 0),
    ],
)
def test_the_list_shows_what_fits(console: Console, options: tuple[str, ...], number: int) -> None:
    suppress(console, SuppressionSource.STOP_REPLY)
    suppress(console, SuppressionSource.OPERATOR, Blocked.MARKETING)
    output = console.run("suppressions", "list", *options).output
    assert output.count(MASKED) == number
    assert number or output == "nobody is suppressed so\n"


def test_a_longer_list_says_so(console: Console) -> None:
    suppress(console, SuppressionSource.STOP_REPLY)
    suppress(console, SuppressionSource.OPERATOR)
    assert console.run("suppressions", "list", "--limit", "1").output.splitlines()[1:] == [
        "there are more: raise --limit"
    ]


def test_a_list_is_imported_line_by_line(console: Console, tmp_path: Path) -> None:
    console.add("m1")
    file = tmp_path / "opted-out.csv"
    file.write_text(f"to,category,reason\n{PHONE},all,by phone\nnobody,all,\n+4915100000001,red,\n")
    ran = console.run("suppressions", "import", str(file))
    assert ran.exit_code == 1
    first, second, third = ran.output.splitlines()
    assert first == "1 line(s) taken; 1 queued message(s) will not go"
    assert second.startswith("line 3: to: this is no phone number")
    assert third == "line 4: category: write marketing or all, or leave it empty for all"
    assert [one.source for one in standing(console)] == [SuppressionSource.IMPORT]
    file.write_text(f"to\n{PHONE}\n")
    assert console.run("suppressions", "import", str(file)).exit_code == 0


WRONG: Mapping[str, tuple[tuple[str, ...], int, str]] = {
    "no number": (("add", "nobody"), 2, "is no phone number that WhatsApp could know"),
    "no category": (("add", PHONE, "--category", "utility"), 2, "is not one of"),
    "no source": (("list", "--source", "me"), 2, "is not one of"),
    "no file": (("import", "nowhere.csv"), 2, "does not exist"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_is_exit_2_and_says_what_to_write(console: Console, name: str) -> None:
    arguments, code, sentence = WRONG[name]
    ran = console.run("suppressions", *arguments)
    assert (ran.exit_code, standing(console)) == (code, [])
    assert sentence in ran.output


def test_a_file_without_a_header_is_exit_1_and_says_what_it_needs(console: Console, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"{PHONE}\n")
    ran = console.run("suppressions", "import", str(file))
    assert ran.exit_code == 1
    assert "the first line must name the columns" in ran.sentence
    assert PHONE not in ran.sentence + ran.output


@pytest.mark.parametrize("command", ["list", "add", "remove", "import"])
def test_every_command_has_an_example(console: Console, command: str) -> None:
    assert f"whatsapp-channel suppressions {command} " in console.run("suppressions", command, "--help").output

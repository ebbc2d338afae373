"""`whatsapp-channel errors`: the table of Meta's codes for a person at a terminal."""

import pytest
from click.testing import CliRunner

from service.cli.contract import errors
from service.whatsapp.errors import CODES, GROUPS, SUBCODES, UNKNOWN, what_we_do


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(errors, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_without_a_code_there_is_a_line_for_each() -> None:
    lines = printed().splitlines()
    assert len(lines) == len(CODES)
    for line, verdict in zip(lines, CODES.values(), strict=True):
        assert line.endswith(f"{verdict.title}: {what_we_do(verdict)}")
    assert lines[0].startswith("0  ")
    assert any(line.startswith("200–299  ") for line in lines)


def test_a_code_is_explained_in_words() -> None:
    assert printed("132015") == (
        "132015  Template is paused\n"
        "Meta has paused the template because of its low quality.\n"
        "What the service does: The message fails; the template waits for 3 h or until Meta or an operator lifts the pause.\n"
        "What to do: Improve the template or wait until Meta lifts its pause, then send again what failed.\n"
        "HTTP status: 400. Source: Meta's page of error codes, 2025-12-12.\n"
    )


def test_a_code_of_a_range_is_explained_by_its_row() -> None:
    assert printed("250").startswith(f"250  {CODES[200].title}\n")


def test_a_code_without_a_documented_status_says_so() -> None:
    assert "HTTP status: not documented. Source: the library pywa.\n" in printed("137000")


def test_a_code_with_subcodes_explains_them_too() -> None:
    code, subcode = printed("100").split("\n\n")
    assert code.startswith(f"100  {CODES[100].title}\n")
    assert subcode.startswith(f"100, subcode 33  {SUBCODES[100, 33].title}\n")


def test_an_unknown_code_says_what_happens_to_it() -> None:
    words = printed("131999")
    assert words.startswith("131999  Unknown error code\n")
    assert what_we_do(UNKNOWN) in words


def test_the_page_has_every_code_in_its_group() -> None:
    head, *sections = printed("--markdown").split("\n## ")
    assert head.startswith("# Meta's error codes\n")
    assert [section.partition("\n")[0] for section in sections] == [*GROUPS, "Every other code"]
    for section, rows in zip(sections, GROUPS.values(), strict=False):
        lines = [line for line in section.splitlines() if line.startswith("| ")][2:]
        assert len(lines) == len(rows) + sum(code in rows for code, _ in SUBCODES)
        assert all(line.count(" | ") == 6 for line in lines)


@pytest.mark.parametrize("arguments", [["many"], ["1.5"], ["190", "--markdown"], ["190", "10"]])
def test_a_wrong_use_is_refused(arguments: list[str]) -> None:
    assert CliRunner().invoke(errors, arguments).exit_code == 2

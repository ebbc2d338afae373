"""Entries for CONSOLE_USERS, as the command makes them."""

import pytest
from click.testing import CliRunner, Result

from service.cli import cli
from service.web.auth import fixed
from service.web.console.people import People

PASSWORD = "correct horse battery"


def run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(cli, ["users", "new", *arguments], input=typed)


def entry(result: Result) -> str:
    assert result.exit_code == 0
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("add to CONSOLE_USERS:")]
    return line.rpartition(" ")[2]


def test_a_password_is_asked_for_twice_and_not_shown() -> None:
    result = run("anna", "--role", "operate", typed=f"{PASSWORD}\n{PASSWORD}\n")
    person = People(fixed(entry(result))).check("anna", PASSWORD)
    assert person
    assert person.role == "operate"
    assert PASSWORD not in result.output


def test_another_word_the_second_time_or_a_short_one_is_asked_for_again() -> None:
    result = run("anna", typed=f"short\n{PASSWORD}\nanother password\n{PASSWORD}\n{PASSWORD}\n")
    assert "12 to 1024 characters" in result.output
    assert People(fixed(entry(result))).check("anna", PASSWORD)


def test_a_password_may_come_from_standard_input() -> None:
    made = entry(run("anna@example.com", "--password-stdin", typed=f"{PASSWORD}\n"))
    person = People(fixed(made)).check("anna@example.com", PASSWORD)
    assert person
    assert person.role == "look"


def test_a_random_password_is_shown_once_and_fits() -> None:
    result = run("anna", "--random")
    shown = result.stdout.splitlines()[0].rpartition(" ")[2]
    assert len(shown) >= 20
    assert People(fixed(entry(result))).check("anna", shown)
    assert result.output.count(shown) == 1
    assert run("anna", "--random").stdout.splitlines()[0].rpartition(" ")[2] != shown


def test_who_comes_through_the_load_balancer_has_no_password() -> None:
    result = run("anna@example.com", "--role", "operate", "--oidc")
    assert result.stdout == "add to CONSOLE_USERS:         anna@example.com:operate:oidc\n"
    assert "quotes" not in result.output


def test_the_same_password_makes_another_entry_each_time() -> None:
    first, second = (entry(run("anna", "--password-stdin", typed=PASSWORD)) for _ in range(2))
    assert first != second


@pytest.mark.parametrize("name", ["two words", "a:b", "a,b", "", "ä", "x" * 129])
def test_a_name_that_cannot_be_used_is_said_before_a_password_is_asked_for(name: str) -> None:
    result = run(name)
    assert str(result.exception).startswith("CONSOLE_USERS: entry 1 is not name:role:hash")
    assert "Password" not in result.output


@pytest.mark.parametrize("arguments", [["anna", "--role", "fly"], ["anna", "--password-stdin"], []])
def test_wrong_usage_is_exit_2(arguments: list[str]) -> None:
    assert run(*arguments, typed="short\n").exit_code == 2

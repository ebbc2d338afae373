"""Who is listed in CONSOLE_USERS, however the text is split, and who has which password."""

from collections.abc import Sequence

import pytest
from argon2 import PasswordHasher

from service import wiring
from service.config import Settings
from service.secrets import KeyEntries, SecretProblem
from service.web.auth import BadKeys, fixed
from service.web.console.people import LONGEST_PASSWORD, People, console_user_entry
from tests.web.console.visiting import ANNA, ANNAS, BORIS, BORISS, CARLA

STRONG = f"dora:look:{PasswordHasher().hash('another password', salt=b'0' * 16)}"
"""As argon2-cffi makes one that is not told how."""


def names(*pieces: str) -> list[str]:
    people = People(fixed(*pieces))
    return [name for name in ("anna", "boris", "carla@example.com", "dora") if people.find(name)]


# --- the text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f"{ANNA},{BORIS},{CARLA},{STRONG}",
        f" {ANNA} ,\n {BORIS},{CARLA},\n{STRONG}\n",
        f"{ANNA}\n{BORIS}\r\n{CARLA}\n\n{STRONG}",
        f"{CARLA},{STRONG},,{BORIS},{ANNA}",
    ],
    ids=["commas", "commas and lines", "lines", "another order"],
)
def test_entries_are_told_apart_though_a_hash_has_commas(text: str) -> None:
    everybody = ["anna", "boris", "carla@example.com", "dora"]
    assert names(text) == everybody
    assert names(*[part.strip() for part in text.split(",") if part.strip()]) == everybody
    settings = Settings.from_environment({"CONSOLE_USERS": text})
    people = People(wiring.keys(settings, settings.console_users))
    assert [name for name in everybody if people.find(name)] == everybody


@pytest.mark.parametrize("pieces", [(), ("",), (" ", "\n")])
def test_without_entries_there_is_nobody(pieces: Sequence[str]) -> None:
    people = People(fixed(*pieces))
    assert people.is_empty()
    assert people.find("") is None
    assert people.check("", "") is None


@pytest.mark.parametrize(
    ("pieces", "n"),
    [
        (["canary"], 1),
        (["canary:look:secret"], 1),
        ([ANNA, "canary:fly:oidc"], 2),
        ([ANNA, BORIS, "canary:look:"], 3),
        ([ANNA, "canary"], 1),
        (["canary name:look:oidc"], 1),
        (["canary" * 30 + ":look:oidc"], 1),
        (["cänary:look:oidc"], 1),
        (["canary:look:$argon2i$v=19$m=19456,t=2,p=1$MDAwMDAwMDAwMDAwMDAwMA$" + "A" * 43], 1),
        (["canary:look:$argon2id$v=19$m=19456,t=2,p=1$MDAw$" + "A" * 43], 1),
        (["canary:look:$argon2id$v=19$m=19456,t=2,p=1$MDAwMDAwMDAwMDAwMDAwMA$"], 1),
        (["canary:look:" + ANNA.rpartition(":")[2] + "="], 1),
    ],
)
def test_an_entry_that_cannot_be_used_is_counted_and_not_quoted(pieces: list[str], n: int) -> None:
    with pytest.raises(BadKeys, match=f"^CONSOLE_USERS: entry {n} is not name:role:hash") as caught:
        People(fixed(*pieces))
    assert "canary" not in repr((caught.value, caught.value.__cause__, caught.value.__context__))


def test_a_name_stands_once() -> None:
    with pytest.raises(BadKeys, match=r"^CONSOLE_USERS: entry 2 has a name that an earlier one has"):
        People(fixed(ANNA, "Anna:look:oidc"))


def test_no_hash_stands_in_a_repr() -> None:
    person = People(fixed(ANNA)).find("anna")
    assert "argon2" not in repr(person)


# --- who it is --------------------------------------------------------------------------------------------------------


def test_a_name_is_the_same_in_capital_letters_and_no_other_letter_counts_as_one_of_its() -> None:
    people = People(fixed("kim@example.com:look:oidc"))
    assert people.find("Kim@Example.com")
    assert people.find("\u212aim@example.com") is None, "the sign for kelvin becomes a k"


def test_operate_may_look_and_look_may_not_operate() -> None:
    people = People(fixed(ANNA, BORIS))
    anna, boris = people.find("anna"), people.find("boris")
    assert anna
    assert boris
    assert [anna.may("look"), anna.may("operate"), boris.may("look"), boris.may("operate")] == [True, True, True, False]


def test_a_password_fits_its_own_name_only() -> None:
    people = People(fixed(ANNA, BORIS, CARLA, STRONG))
    found = [people.check(*pair) for pair in (("anna", ANNAS), ("ANNA", ANNAS), ("boris", BORISS))]
    assert [person.name for person in found if person] == ["anna", "anna", "boris"]
    strong = people.check("dora", "another password")
    assert strong
    assert strong.name == "dora"
    for name, password in (("anna", BORISS), ("boris", ANNAS), ("nobody", ANNAS), ("anna", ""), ("", ANNAS)):
        assert people.check(name, password) is None


def test_who_comes_through_the_load_balancer_has_no_password() -> None:
    assert People(fixed(CARLA)).check("carla@example.com", "canary password") is None
    assert People(fixed(CARLA)).check("carla@example.com", "") is None


def test_a_password_of_any_text_can_be_used_and_none_of_any_length() -> None:
    odd = "café пароль 密码 \ud83d\0 and more"
    longest = "x" * LONGEST_PASSWORD
    given = (("anna", odd), ("boris", longest))
    people = People(fixed(*(console_user_entry(name, "look", password, b"1" * 16) for name, password in given)))
    assert people.check("anna", odd)
    assert people.check("anna", odd.replace("é", "e\u0301")), "as another keyboard makes it"
    assert people.check("boris", longest)
    assert people.check("boris", longest + "x") is None


def test_an_entry_with_an_impossible_hash_lets_nobody_in() -> None:
    impossible = "anna:look:$argon2id$v=19$m=1,t=0,p=999$MDAwMDAwMDAwMDAwMDAwMA$" + "A" * 43
    assert People(fixed(impossible)).check("anna", "canary password") is None


# --- while the service runs -------------------------------------------------------------------------------------------


class Shelf:
    """A secret whose text can be changed, and a clock moved by hand."""

    def __init__(self, *entries: str) -> None:
        self.entries: Sequence[str] | SecretProblem = entries
        self.seconds = 1000.0
        self.people = People(KeyEntries(self.read, "arn:aws:secretsmanager:x"), lambda: self.seconds)

    def read(self) -> Sequence[str]:
        if isinstance(self.entries, SecretProblem):
            raise self.entries
        return self.entries


def test_somebody_new_can_sign_in_within_ten_seconds() -> None:
    shelf = Shelf(ANNA)
    shelf.entries = [ANNA, BORIS]
    assert shelf.people.check("boris", BORISS) is None
    shelf.seconds += 10
    assert shelf.people.check("boris", BORISS)


def test_who_is_taken_off_the_list_is_gone_within_a_minute() -> None:
    shelf = Shelf(ANNA, BORIS)
    shelf.entries = [ANNA]
    shelf.seconds += 59
    assert shelf.people.find("boris")
    shelf.seconds += 1
    assert shelf.people.find("boris") is None
    assert shelf.people.find("anna")


def test_another_password_makes_another_entry_and_the_newer_is_found_by_its_hash() -> None:
    shelf = Shelf(ANNA)
    old = shelf.people.find("anna")
    assert old
    shelf.entries = [console_user_entry("anna", "operate", "a newer password", b"1" * 16)]
    newer = People(fixed(*shelf.entries)).find("anna")
    assert newer
    assert shelf.people.find("anna", newer.entry_sha256) is None
    shelf.seconds += 10
    assert shelf.people.find("anna", newer.entry_sha256) == newer
    assert shelf.people.find("anna", old.entry_sha256) is None


def test_a_secret_that_cannot_be_read_or_used_keeps_the_people_there_are() -> None:
    shelf = Shelf(ANNA)
    for entries in (SecretProblem("away"), ["anna:fly:oidc"]):
        shelf.entries = entries
        shelf.seconds += 60
        assert shelf.people.check("anna", ANNAS)

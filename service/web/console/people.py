"""The people of the console: entries of CONSOLE_USERS in, a Person out.

An entry is `name:role:` and an argon2id hash as `whatsapp-channel users new` prints it, or `oidc` for somebody whom the load
balancer signs in. Entries are separated by commas or line breaks. The hash has commas of its own, but no colon, and no entry is
without: what has no colon goes on with the entry before it. So it does not matter who has split the text already.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from service.secrets import KeyEntries, Renewed
from service.web.auth import BadKeys

Role = Literal["look", "operate"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Whoever may do something of a later one may do all of an earlier one."""
LONGEST_PASSWORD = 1024
OIDC = "oidc"

_NAME = r"(?P<name>[!-+\--9;-~]{1,128})"
_HASH = r"\$argon2id\$v=19\$m=[0-9]{1,7},t=[0-9]{1,3},p=[0-9]{1,3}\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}"
_ENTRY = re.compile(rf"{_NAME}:(?P<role>{'|'.join(ROLES)}):(?P<proof>{OIDC}|{_HASH})")

_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""OWASP's smallest for argon2id (Password Storage Cheat Sheet, read 2026-11-28): 19 MiB beside what a small task works with."""
_NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$MDAwMDAwMDAwMDAwMDAwMA$ArjmnSuabwdigiFWH7OfxTwYlcLeTmtjMKh6Aq91Wl4"
"""What a password is compared with where there is no hash, so that it takes as long. Whether it fits is not looked at."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may use the console. `entry_sha256` changes with their password and their role."""

    name: str
    role: Role
    entry_sha256: str
    password_hash: str | None = field(default=None, repr=False)

    @property
    def is_oidc(self) -> bool:
        """Whether they come through the load balancer, and have no password here."""
        return self.password_hash is None

    def may(self, role: Role) -> bool:
        """Whether their role is this one or a higher one."""
        return ROLES.index(self.role) >= ROLES.index(role)


class People:
    """Finds who somebody is, as the settings have it now. Names are the same in capital and small letters."""

    def __init__(self, entries: KeyEntries, monotonic: Callable[[], float] = float) -> None:
        """Raise BadKeys or SecretProblem. `monotonic` is asked only where the entries may change."""
        self._people = Renewed(entries, _parse, monotonic)

    def is_empty(self) -> bool:
        """Whether nobody is listed, so that nobody can sign in."""
        return not self._people.get()

    def find(self, name: str, entry_sha256: str | None = None) -> Person | None:
        """Who is listed under this name; with `entry_sha256`, only with the very entry that has this hash."""
        return _find(self._people.get(), name, entry_sha256) or _find(self._people.get_newer(), name, entry_sha256)

    def check(self, name: str, password: str) -> Person | None:
        """Who has this password. It takes as long for somebody who is not listed. Uses a core for a while, and memory."""
        person = _find(self._people.get_newer(), name, None)
        fits = _fits(person.password_hash if person and person.password_hash else _NOBODYS, password)
        return person if person and not person.is_oidc and fits else None


def console_user_entry(name: str, role: str, password: str | None, salt: bytes) -> str:
    """What CONSOLE_USERS holds of somebody: without a password the load balancer vouches for them. Raise BadKeys."""
    entry = f"{name}:{role}:{OIDC if password is None else _hasher.hash(_bytes(password), salt=salt)}"
    _parse_one(1, entry)
    return entry


def _find(people: Mapping[str, Person], name: str, entry_sha256: str | None) -> Person | None:
    person = (
        people.get(name.lower()) if name.isascii() else None
    )  # there are letters whose small one is an ASCII letter
    return person if person and entry_sha256 in {None, person.entry_sha256} else None


def _fits(password_hash: str, password: str) -> bool:
    if len(password) > LONGEST_PASSWORD:
        return False
    try:
        return _hasher.verify(password_hash, _bytes(password))
    except (VerificationError, InvalidHashError):
        return False


def _bytes(password: str) -> bytes:
    """The same for a letter with its accent, whether a keyboard makes one character of it or two."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "backslashreplace")


def _parse(pieces: Sequence[str]) -> Mapping[str, Person]:
    people: dict[str, Person] = {}
    for n, entry in enumerate(_entries(pieces), start=1):
        person = _parse_one(n, entry)
        if people.setdefault(person.name.lower(), person) is not person:
            raise BadKeys(f"CONSOLE_USERS: entry {n} has a name that an earlier one has; keep one of them")
    return people


def _entries(pieces: Sequence[str]) -> list[str]:
    entries: list[str] = []
    for piece in re.split(r"[,\r\n]", ",".join(pieces)):
        if ":" in piece or not entries:
            entries.append(piece.strip())
        elif piece.strip():
            entries[-1] += f",{piece.strip()}"
    return [entry for entry in entries if entry]


def _parse_one(n: int, entry: str) -> Person:
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise BadKeys(
            f"CONSOLE_USERS: entry {n} is not name:role:hash with a role of {', '.join(ROLES)} and an argon2id hash, or {OIDC} "
            "in its place; make one with: whatsapp-channel users new NAME"
        )
    proof = match["proof"]
    role: Role = "operate" if match["role"] == "operate" else "look"
    digest = hashlib.sha256(entry.encode()).hexdigest()
    return Person(match["name"], role, digest, None if proof == OIDC else proof)

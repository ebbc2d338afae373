"""The body of a read or of an operator's action: a JSON object whose fields are all known, each read with its type.

Nothing raises for one field: every fault is kept, and `check` refuses them together. A field that is null counts as a fault and
not as absent, since a caller that lost a value would mean everything.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from flask import Blueprint, Response, request

from service.message import Fault, printable
from service.web.problems import problem
from service.web.receipts import NotJson, in_words, read_json


class BadBody(Exception):
    """Nothing in the body can be used; the caller is told why."""

    def __init__(self, status: int, title: str, faults: Sequence[Fault]) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.faults = faults


def answer_bad_bodies(routes: Blueprint) -> None:
    """Let the routes of a blueprint raise BadBody."""
    routes.register_error_handler(BadBody, _refused)


def _refused(error: BadBody) -> Response:
    return problem(error.status, error.title, in_words(error.faults), error.faults)


def unusable(path: str, code: str, detail: str) -> BadBody:
    """One fault of a body that was read."""
    return BadBody(422, "Call refused", [Fault(path, code, detail)])


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a body, and what is wrong with them so far."""

    given: Mapping[str, object]
    faults: list[Fault] = field(default_factory=list)

    def check(self) -> None:
        """Raise BadBody where anything was wrong."""
        if self.faults:
            raise BadBody(422, "Call refused", self.faults)

    def fault(self, path: str, code: str, detail: str) -> None:
        """Keep a fault."""
        self.faults.append(Fault(path, code, detail))

    def text(self, name: str) -> str | None:
        """A text that is not empty, or None where the field is absent or wrong."""
        if name not in self.given:
            return None
        value = self.given[name]
        if isinstance(value, str) and value:
            return value
        code = "empty" if value == "" else "not_a_string"
        self.fault(name, code, "give a text that is not empty, or leave the field out")
        return None

    def texts(self, name: str, at_most: int) -> list[str]:
        """A list of texts, at least one; nothing where the field is absent or wrong."""
        if name not in self.given:
            return []
        value = self.given[name]
        if not isinstance(value, list):
            self.fault(name, "not_a_list", "give a list of texts, or leave the field out")
        elif not value:
            self.fault(name, "empty", "give at least one, or leave the field out")
        elif len(value) > at_most:
            self.fault(name, "too_many", f"give {at_most:,} at most")
        else:
            return [item for n, item in enumerate(value) if self._is_text(f"{name}[{n}]", item)]
        return []

    def _is_text(self, path: str, item: object) -> bool:
        if not isinstance(item, str):
            self.fault(path, "not_a_string", "give a text")
        return isinstance(item, str)

    def whole(self, name: str, lowest: int, highest: int) -> int | None:
        """A whole number within bounds, or None where the field is absent or wrong."""
        if name not in self.given:
            return None
        value = self.given[name]
        if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest:
            return value
        self.fault(name, "invalid_value", f"give a whole number from {lowest} to {highest}, or leave the field out")
        return None

    def flag(self, name: str) -> bool:
        """True or false; false where the field is absent or wrong."""
        value = self.given.get(name, False)
        if isinstance(value, bool):
            return value
        self.fault(name, "invalid_value", "give true or false, or leave the field out")
        return False

    def moment(self, name: str) -> datetime | None:
        """A moment of RFC 3339 with its zone, or None where the field is absent or wrong."""
        written = self.text(name)
        if written is None:
            return None
        try:
            moment = datetime.fromisoformat(written)
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # told below, as a moment without its zone is
        self.fault(name, "invalid_value", "give a moment with its zone, such as 2026-11-01T09:00:00Z")
        return None


def read_fields(known: Collection[str], *, may_be_empty: bool = False) -> Fields:
    """The fields of the request's body; raise BadBody: 400 where it is no JSON, 422 where no object or a field is not known.

    A field that nobody knows is refused because a misspelt one would mean more than the caller does. `may_be_empty`: the call
    needs no body at all.
    """
    body = request.get_data(cache=False)
    if may_be_empty and not body:
        return Fields({})
    try:
        document = read_json(body)
    except NotJson as error:
        raise BadBody(400, "Not JSON", [Fault("", "invalid_json", str(error))]) from error
    if not isinstance(document, dict):
        raise unusable("", "not_an_object", "the body must be a JSON object")
    fields = Fields(document)
    for name in document.keys() - set(known):
        fields.fault(printable(name)[:128], "unknown_field", f"there is no such field; known are {', '.join(known)}")
    fields.check()
    return fields

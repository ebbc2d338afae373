"""The values a message puts into a template: their number, names, characters and length. Pure.

A `Part` is one component of the message, a `Misfit` one thing that Meta would refuse about it. Source: Meta's pages on template
components and error codes (132018), read in November 2026.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from service.whatsapp.templates import Text, reach, upper, value_of, values_of

VALUE_LENGTH = 32_768
CODE_LENGTH = 15

_TEXT_TYPES = {"TEXT", "CURRENCY", "DATE_TIME"}
_UNFIT = re.compile(r"[\n\r\t]| {5}")
_NOTHING: Mapping[str, object] = {}


@dataclass(frozen=True, slots=True)
class Misfit:
    """One thing wrong: where in the components ("" is the whole), and what it is and what to do, without any value."""

    code: Literal["template_not_approved", "template_mismatch"]
    path: str
    detail: str


@dataclass(frozen=True, slots=True)
class Part:
    """One component of a message. One that is not there has no fields, and the path of what should have it."""

    path: str
    kind: str
    fields: Mapping[str, object] = field(default_factory=lambda: _NOTHING)
    parameters: Sequence[Mapping[str, object]] = ()

    @property
    def given(self) -> bool:
        """Whether the message has it."""
        return bool(self.fields)

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.kind.lower().replace("_", " ")

    def at(self, key: str) -> str:
        """The path of this field, or of the component when it has none."""
        return self.path + (f".{key}" if key in self.fields else "")


@dataclass(frozen=True, slots=True)
class Scope:
    """What holds for all of a message, or of one card: its path, how parameters are told apart, how long its body may be."""

    path: str
    named: bool
    body_length: int
    of_code: bool = False


def mismatch(path: str, detail: str) -> Misfit:
    """A misfit of the components, not of the template."""
    return Misfit("template_mismatch", path, detail)


def counted(number: int, thing: str) -> str:
    """`1 parameter`, `2 parameters`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def sole(part: Part, where: str, kind: str) -> tuple[str, Mapping[str, object]] | Misfit:
    """The one parameter that must be there, with its path, when it is of this type."""
    if len(part.parameters) != 1:
        detail = f"{where} takes one parameter of type {kind} and gets {len(part.parameters)}: give one"
        return mismatch(part.at("parameters"), detail)
    path, parameter = f"{part.path}.parameters[0]", part.parameters[0]
    if upper(parameter.get("type")) != kind.upper():
        return mismatch(path + reach(parameter, "type")[0], f"the parameter of {where} must be of type {kind}")
    return path, parameter


def check_text(text: Text, part: Part, scope: Scope, length: int) -> Iterator[Misfit]:
    """The parameters of a header or body against its placeholders, and how long they make it."""
    names = ", ".join(f"{{{{{name}}}}}" for name in text.placeholders)
    given, expected = len(part.parameters), len(text.placeholders)
    if given != expected:
        advice = f"give one for each of {names}" if names else "it is fixed, so give none"
        detail = f"the {part.name} takes {counted(expected, 'parameter')} and gets {given}: {advice}"
        yield mismatch(part.at("parameters"), detail)
    for number, parameter in enumerate(part.parameters):
        yield from check_value(f"{part.path}.parameters[{number}]", parameter, part.name)
    if scope.named and expected:
        yield from _check_names(text, part)
    values = values_of(text, part.parameters, named=scope.named)
    if values and len(text.filled(values)) > length:
        detail = f"the {part.name} is longer than {length} characters with its values filled in: shorten them"
        yield mismatch(part.at("parameters"), detail)


def _check_names(text: Text, part: Part) -> Iterator[Misfit]:
    names = ", ".join(text.placeholders)
    seen: set[str] = set()
    for number, parameter in enumerate(part.parameters):
        where, name = reach(parameter, "parameter_name")
        path = f"{part.path}.parameters[{number}]{where}"
        if not isinstance(name, str) or name not in text.placeholders:
            yield mismatch(
                path, f"each parameter of the {part.name} needs the parameter_name of a placeholder: {names}"
            )
        elif name in seen:
            yield mismatch(path, f"the placeholder {name} of the {part.name} is filled twice: fill it once")
        else:
            seen.add(name)


def check_value(path: str, parameter: Mapping[str, object], place: str) -> Iterator[Misfit]:
    """One parameter that is filled into a text: its type, and the characters of its value."""
    if upper(parameter.get("type")) not in _TEXT_TYPES:
        detail = f"a parameter of the {place} is of type text, currency or date_time"
        yield mismatch(path + reach(parameter, "type")[0], detail)
        return
    where, value = value_of(parameter)
    if fault := _unfit(value):
        yield mismatch(path + where, f"a value of the {place} {fault}")


def _unfit(value: object) -> str:
    """What is wrong with a value, or ""."""
    if value is None or value == "":
        return "is missing or empty: give a text, or send a template without this placeholder"
    if not isinstance(value, str):
        return "is no text: give a string"
    if len(value) > VALUE_LENGTH:
        return f"is longer than {VALUE_LENGTH} characters: shorten it"
    if _UNFIT.search(value):
        return "has a line break, a tab or more than 4 spaces in a row: take them out"
    return ""


def check_code(body: Part, buttons: Sequence[tuple[str, object]]) -> Iterator[Misfit]:
    """A one-time password: short enough, and the same in the body and in each button (the path and value of each)."""
    in_body = [
        (f"{body.path}.parameters[{number}]{where}", value)
        for number, (where, value) in enumerate(value_of(parameter) for parameter in body.parameters)
    ]
    for path, value in (*in_body, *buttons):
        if isinstance(value, str) and len(value) > CODE_LENGTH:
            yield mismatch(path, f"a one-time password has at most {CODE_LENGTH} characters: shorten it")
    for path, value in buttons:
        if len(in_body) == 1 and value != in_body[0][1]:
            yield mismatch(path, "the one-time password of the button is not that of the body: give the same in both")

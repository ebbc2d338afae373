"""The buttons of a message against those of its template, each found by its index among all of them. Pure.

Source: Meta's pages on template components, coupon code and authentication templates, read in November 2026.
"""

import re
from collections.abc import Iterator, Sequence

from service.whatsapp.template_values import Misfit, Part, Scope, check_value, counted, mismatch, sole
from service.whatsapp.templates import Button, position_of, reach, upper, value_of

URL_LENGTH = 2000
PAYLOAD_LENGTH = 256

_COUPON = re.compile(r"[0-9A-Za-z]{1,15}")
_ACTIONS = {"FLOW", "CATALOG", "MPM"}
_SUB_TYPES = {
    "OTP": "url",
    **{kind: kind.lower() for kind in ("URL", "PHONE_NUMBER", "QUICK_REPLY", "COPY_CODE", *_ACTIONS)},
}
"""The buttons that are judged, with the sub_type of a message's component for it."""


def check_buttons(buttons: Sequence[Button], parts: Sequence[Part], scope: Scope) -> Iterator[Misfit]:
    """Each button component against the button at its index, and each button that cannot do without one."""
    placed: dict[int, Part] = {}
    for part in parts:
        position = position_of(part.fields.get("index"))
        if position is None:
            yield mismatch(part.at("index"), "a button needs its index: 0 for the first of all buttons of the template")
        elif position >= len(buttons):
            detail = f"the template has no button there: it has {counted(len(buttons), 'button')}, counted from 0"
            yield mismatch(part.at("index"), detail)
        elif position in placed:
            yield mismatch(part.at("index"), f"the button at index {position} is given twice: give it once")
        else:
            placed[position] = part
    for position, button in enumerate(buttons):
        part = placed.get(position, Part(scope.path, "BUTTON"))
        yield from _check_button(f"the button at index {position}", button, part)


def codes(buttons: Sequence[Button], parts: Sequence[Part]) -> list[tuple[str, object]]:
    """The path and value of each one-time password; Meta lists its button as OTP, or as the URL it becomes."""
    found = []
    for part in parts:
        position = position_of(part.fields.get("index"))
        button = buttons[position] if position is not None and position < len(buttons) else None
        if button and part.parameters and (button.kind == "OTP" or button.url.placeholders):
            where, value = value_of(part.parameters[0])
            found.append((f"{part.path}.parameters[0]{where}", value))
    return found


def _check_button(name: str, button: Button, part: Part) -> Iterator[Misfit]:
    kind = button.kind
    if kind not in _SUB_TYPES:
        return
    if part.given and upper(part.fields.get("sub_type")) != _SUB_TYPES[kind].upper():
        yield mismatch(part.at("sub_type"), f"{name} of the template needs the sub_type {_SUB_TYPES[kind]}")
    elif kind == "OTP" or button.url.placeholders:
        yield from _check_suffix(name, button, part)
    elif kind == "COPY_CODE":
        yield from _check_coupon(name, part)
    elif part.parameters and kind in {"URL", "PHONE_NUMBER"}:
        yield mismatch(part.at("parameters"), f"{name} is fixed in the template: give it no parameters")
    elif part.parameters:
        yield from _check_optional(name, kind, part)


def _check_suffix(name: str, button: Button, part: Part) -> Iterator[Misfit]:
    found = sole(part, name, "text")
    if isinstance(found, Misfit):
        yield found
        return
    path, parameter = found
    yield from check_value(path, parameter, name.removeprefix("the "))
    where, value = value_of(parameter)
    if isinstance(value, str) and len(button.url.filled(dict.fromkeys(button.url.placeholders, value))) > URL_LENGTH:
        yield mismatch(path + where, f"the URL of {name} is longer than {URL_LENGTH} characters: shorten its parameter")


def _check_coupon(name: str, part: Part) -> Iterator[Misfit]:
    found = sole(part, name, "coupon_code")
    if isinstance(found, Misfit):
        yield found
        return
    path, parameter = found
    where, value = reach(parameter, "coupon_code")
    if not isinstance(value, str) or not _COUPON.fullmatch(value):
        yield mismatch(path + where, f"the coupon_code of {name} must be 1 to 15 letters and digits")


def _check_optional(name: str, kind: str, part: Part) -> Iterator[Misfit]:
    """What a quick reply answers, or what opens: Meta has a default for each."""
    key = "action" if kind in _ACTIONS else "payload"
    found = sole(part, name, key)
    if isinstance(found, Misfit):
        yield found
        return
    path, parameter = found
    where, value = reach(parameter, key)
    if key == "action" and not isinstance(value, dict):
        yield mismatch(path + where, f"the action of {name} must be an object")
    if key == "payload" and not (isinstance(value, str) and 0 < len(value) <= PAYLOAD_LENGTH):
        yield mismatch(path + where, f"the payload of {name} must be a text of 1 to {PAYLOAD_LENGTH} characters")

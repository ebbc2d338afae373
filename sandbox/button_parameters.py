"""The parameters of a message's buttons, as Meta judges them. Pure.

Source: Meta's pages on template components, coupon codes and authentication templates, read in November 2026.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.errors import GraphError
from sandbox.templates import PLACEHOLDER, Button
from sandbox.text_parameters import Parameters, check_value, shown, upper, wrong_count

URL_LIMIT = 2000
PAYLOAD_LIMIT = 256
PASSWORD_LIMIT = 15
INDEX = re.compile(r"[0-9]{1,2}")
COUPON_CODE = re.compile(r"[0-9A-Za-z]{1,15}")


def numbered(index: object) -> int | None:
    """The index as a number, which Meta takes as a string too; None for what is no index."""
    written = str(index) if isinstance(index, str) or (type(index) is int and index < 100) else ""
    return int(written) if INDEX.fullmatch(written) else None


def check_buttons(buttons: Sequence[Button], given: Parameters) -> GraphError | None:
    """The first button whose component does not fit, is missing, or is one too many."""
    placed: dict[int, Mapping[str, Any]] = {}
    for component in given:
        index = numbered(component.get("index"))
        if index is None:
            return GraphError(131008, "buttons: a button component needs its index: 0 for the first button")
        if index in placed:
            return GraphError(100, f"buttons: index {index} is given more than once")
        placed[index] = component
    for position, button in enumerate(buttons):
        if fault := _check_button(position, button, placed.pop(position, None)):
            return fault
    if placed:
        return GraphError(132000, f"buttons: the template has no button at index {min(placed)}")
    return None


def check_passwords(body: Parameters, buttons: Parameters) -> GraphError | None:
    """A one-time password stands in the body and in the button: one and the same, of at most 15 characters."""
    passwords = [shown(one) for one in (*body, *(one for button in buttons for one in button.get("parameters", ())))]
    if any(len(password) > PASSWORD_LIMIT for password in passwords):
        return GraphError(132018, f"body: a one-time password can have {PASSWORD_LIMIT} characters at most")
    if len(body) == 1 and len(set(passwords)) > 1:
        return GraphError(132018, "buttons: the one-time password is not the one in the body")
    return None


def _check_button(position: int, button: Button, given: Mapping[str, Any] | None) -> GraphError | None:
    where = f"buttons: Button at index {position} of type {button.kind.title().replace('_', '')}"
    if given is None:
        return GraphError(131008, f"{where} requires a parameter") if button.needs else None
    if not (button.needs or button.takes or button.fixed):
        return None
    if upper(given.get("sub_type")) != button.kind:
        return GraphError(132012, f"{where} does not fit its sub_type")
    parameters = given.get("parameters", [])
    if button.fixed:
        return wrong_count(where, len(parameters), 0) if parameters else None
    return _check_only(where, button, parameters) if button.needs or parameters else None


def _check_only(where: str, button: Button, parameters: Parameters) -> GraphError | None:
    """The one parameter of a button: of its type, with what that type calls for."""
    wanted = button.needs or button.takes or ""
    if len(parameters) > 1:
        return wrong_count(where, len(parameters), 1)
    value = parameters[0].get(wanted) if parameters else None
    if value is None or value == "":
        return GraphError(131008, f"{where} requires a parameter")
    received = upper(parameters[0].get("type"))
    if fault := check_value(where, parameters[0]) if wanted == "text" else _unfit(where, wanted, value):
        return fault
    if received != wanted.upper():
        return GraphError(132012, f"{where}: Format mismatch, expected {wanted.upper()}, received {received}")
    return _check_address(where, button, str(value)) if wanted == "text" else None


def _unfit(where: str, wanted: str, value: object) -> GraphError | None:
    match wanted:
        case "coupon_code" if not (isinstance(value, str) and COUPON_CODE.fullmatch(value)):
            return GraphError(132018, f"{where}: coupon_code must be 1 to 15 letters and digits")
        case "payload" if not (isinstance(value, str) and len(value) <= PAYLOAD_LIMIT):
            return GraphError(132018, f"{where}: payload must be a string of at most {PAYLOAD_LIMIT} characters")
        case "action" if not isinstance(value, dict):
            return GraphError(100, f"{where}: action must be a JSON object")
    return None


def _check_address(where: str, button: Button, suffix: str) -> GraphError | None:
    fixed = sum(map(len, PLACEHOLDER.split(button.url)[::2]))
    if fixed + len(suffix) > URL_LIMIT:
        return GraphError(132005, f"{where}: the URL is longer than {URL_LIMIT} characters")
    return None

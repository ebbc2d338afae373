"""Whether the parameters of a message fit its template, as Meta judges it. Pure.

`check` takes a Template and the `components` of a message and hands on the first GraphError, or None when they fit.
Header, body and buttons are looked at. Carousels, limited-time offers, flows, catalogues and payments pass as they are.

Source: Meta's pages on template components and error codes, read in November 2026; `details` follow Meta's wording where a
sample of it is known.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sandbox.errors import GraphError
from sandbox.templates import Button, Template

Parameters: TypeAlias = Sequence[Mapping[str, Any]]

LOCALIZABLE = frozenset({"TEXT", "CURRENCY", "DATE_TIME"})
MEDIA = frozenset({"IMAGE", "VIDEO", "GIF", "DOCUMENT"})
LOCATION_FIELDS = ("latitude", "longitude", "name", "address")
UNCHECKED = frozenset({"CAROUSEL", "LIMITED_TIME_OFFER", "ORDER_STATUS", "TAP_TARGET_CONFIGURATION"})
KNOWN = ("HEADER", "BODY", "BUTTON", *sorted(UNCHECKED))

BUTTON_INDEX = re.compile(r"[0-9]{1,2}")
UNFIT_TEXT = re.compile(r"[\n\r\t]| {5,}")
COUPON_CODE = re.compile(r"[0-9A-Za-z]{1,15}")
UNFIT_DETAILS = "Param text cannot have new-line/tab characters or more than 4 consecutive spaces"


@dataclass(slots=True)
class Given:
    """The parameters of a message by their place in the template; buttons as whole components, for their index."""

    header: Parameters = ()
    body: Parameters = ()
    buttons: list[Mapping[str, Any]] = field(default_factory=list)


def check(template: Template, components: object) -> GraphError | None:
    """The first thing Meta would refuse about these components; None when they fit."""
    given = _by_place(components)
    if isinstance(given, GraphError):
        return given
    return (
        _check_header(template, given.header)
        or _check_text("body", template.body, given.body, named=template.named)
        or _check_buttons(template.buttons, given.buttons)
    )


def _by_place(components: object) -> Given | GraphError:
    """Components must be a list of objects of known types, header and body once; parameters a list of objects."""
    if not isinstance(components, list):
        return GraphError(100, "Param template['components'] must be an array.")
    given = Given()
    for position, component in enumerate(components):
        fault = _place(component, given)
        if fault:
            return GraphError(100, f"Param template['components'][{position}]{fault}.")
    return given


def _place(component: object, given: Given) -> str:
    """Add one component to what is given; what is wrong with it, or ""."""
    if not isinstance(component, dict):
        return " must be a JSON object"
    parameters = component.get("parameters", [])
    if not isinstance(parameters, list) or not all(isinstance(parameter, dict) for parameter in parameters):
        return "['parameters'] must be an array of JSON objects"
    match _upper(component.get("type")):
        case "HEADER" if not given.header:
            given.header = parameters
        case "BODY" if not given.body:
            given.body = parameters
        case "BUTTON":
            given.buttons.append(component)
        case kind if kind not in UNCHECKED:
            return f"['type'] must be one of {{{', '.join(KNOWN)}}}, header and body once"
    return ""


def _check_header(template: Template, parameters: Parameters) -> GraphError | None:
    expected = template.header_format
    if expected in {"", "TEXT"}:
        return _check_text("header", template.header, parameters, named=template.named)
    if len(parameters) > 1:
        return _wrong_count("header", len(parameters), 1)
    received = _upper(parameters[0].get("type")) if parameters else "UNKNOWN"
    if received != expected:
        return GraphError(132012, f"header: Format mismatch, expected {expected}, received {received}")
    content = parameters[0].get(expected.lower())
    if expected in MEDIA and not (isinstance(content, dict) and (content.get("id") or content.get("link"))):
        return GraphError(131008, f"header: {expected.lower()} needs an id or a link")
    if expected == "LOCATION" and not (isinstance(content, dict) and all(content.get(key) for key in LOCATION_FIELDS)):
        return GraphError(131008, f"header: location needs {', '.join(LOCATION_FIELDS)}")
    return None


def _check_text(where: str, names: Sequence[str], parameters: Parameters, *, named: bool) -> GraphError | None:
    if len(parameters) != len(names):
        return _wrong_count(where, len(parameters), len(names))
    for parameter in parameters:
        if fault := _check_value(where, parameter):
            return fault
    return _check_names(where, names, parameters) if named else None


def _check_names(where: str, names: Sequence[str], parameters: Parameters) -> GraphError | None:
    given = [parameter.get("parameter_name") for parameter in parameters]
    if not all(isinstance(name, str) and name for name in given):
        title = "Parameter name is missing or empty"
        return GraphError(100, f"{where}: {title}", title=title)
    if set(given) != set(names):
        return GraphError(
            100, f"{where}: the names of the parameters are not those of the template: {', '.join(names)}"
        )
    return None


def _check_value(where: str, parameter: Mapping[str, Any]) -> GraphError | None:
    kind = _upper(parameter.get("type"))
    if kind not in LOCALIZABLE:
        return GraphError(132012, f"{where}: Format mismatch, expected TEXT, received {kind or 'UNKNOWN'}")
    value = parameter.get(kind.lower())
    if kind != "TEXT":
        value = value.get("fallback_value") if isinstance(value, dict) else None
    if value is None or value == "":
        return GraphError(131008, f"{where}: Parameter of type {kind.lower()} is missing its text value")
    if not isinstance(value, str):
        return GraphError(100, f"{where}: the text of a parameter must be a string.")
    return GraphError(132018, f"{where}: {UNFIT_DETAILS}") if UNFIT_TEXT.search(value) else None


def _check_buttons(buttons: Sequence[Button], given: Parameters) -> GraphError | None:
    placed: dict[int, Mapping[str, Any]] = {}
    for component in given:
        index = str(component.get("index", ""))
        if not BUTTON_INDEX.fullmatch(index):
            return GraphError(131008, "buttons: a button component needs its index: 0 for the first button")
        placed[int(index)] = component
    for position, button in enumerate(buttons):
        if fault := _check_button(position, button, placed.pop(position, None)):
            return fault
    if placed:
        return GraphError(132000, f"buttons: the template has no button at index {min(placed)}")
    return None


def _check_button(position: int, button: Button, given: Mapping[str, Any] | None) -> GraphError | None:
    where = f"buttons: Button at index {position} of type {button.kind.title().replace('_', '')}"
    if given is None:
        return GraphError(131008, f"{where} requires a parameter") if button.needs else None
    if _upper(given.get("sub_type")) != button.kind:
        return GraphError(132012, f"{where} does not fit its sub_type")
    parameters = given.get("parameters", [])
    if button.fixed and parameters:
        return _wrong_count(where, len(parameters), 0)
    return _check_needed(where, button.needs, parameters) if button.needs else None


def _check_needed(where: str, needs: str, parameters: Parameters) -> GraphError | None:
    """The one parameter a button cannot do without."""
    if len(parameters) > 1:
        return _wrong_count(where, len(parameters), 1)
    if not parameters or not parameters[0].get(needs):
        return GraphError(131008, f"{where} requires a parameter")
    if needs != "coupon_code":
        return _check_value(where, parameters[0])
    if COUPON_CODE.fullmatch(str(parameters[0][needs])):
        return None
    return GraphError(132018, f"{where}: coupon_code must be 1 to 15 letters and digits")


def _wrong_count(where: str, given: int, expected: int) -> GraphError:
    return GraphError(
        132000,
        f"{where}: number of localizable_params ({given}) does not match the expected number of params ({expected})",
    )


def _upper(value: object) -> str:
    """Meta takes types in any case; what is no string is no type."""
    return value.upper() if isinstance(value, str) else ""

"""The parameters of a header or body, as Meta judges them. Pure.

Source: Meta's pages on template components and error codes, read in November 2026. Whether Meta counts the text with its values
(132005) is not documented in so many words; here it does.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from sandbox.errors import GraphError
from sandbox.templates import PLACEHOLDER

Parameters: TypeAlias = Sequence[Mapping[str, Any]]

LOCALIZABLE = frozenset({"TEXT", "CURRENCY", "DATE_TIME"})
TEXT_LIMIT = 32768
UNFIT_TEXT = re.compile(r"[\n\r\t]| {5,}")
UNFIT_DETAILS = "Param text cannot have new-line/tab characters or more than 4 consecutive spaces"


def check_text(where: str, names: Sequence[str], parameters: Parameters, *, named: bool) -> GraphError | None:
    """One parameter for each placeholder, each with a value Meta takes; with names, the template's own."""
    if len(parameters) != len(names):
        return wrong_count(where, len(parameters), len(names))
    for parameter in parameters:
        if fault := check_value(where, parameter):
            return fault
    return _check_names(where, names, parameters) if named else None


def check_length(where: str, text: str, parameters: Parameters, limit: int, *, named: bool) -> GraphError | None:
    """The text with its values; without parameters it is as Meta approved it."""
    values = {str(number): shown(one) for number, one in enumerate(parameters, start=1)}
    values |= {name: shown(one) for one in parameters if isinstance(name := one.get("parameter_name"), str) and named}
    pieces = PLACEHOLDER.split(text)  # every second one is the name of a placeholder
    length = sum(len(values.get(piece, "") if place % 2 else piece) for place, piece in enumerate(pieces))
    if parameters and length > limit:
        return GraphError(132005, f"{where}: the text with its parameters is longer than {limit} characters")
    return None


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


def check_value(where: str, parameter: Mapping[str, Any]) -> GraphError | None:
    """What Meta refuses about one parameter of type text, currency or date_time."""
    kind = upper(parameter.get("type"))
    if kind not in LOCALIZABLE:
        return GraphError(132012, f"{where}: Format mismatch, expected TEXT, received {kind or 'UNKNOWN'}")
    value = parameter.get(kind.lower())
    if kind != "TEXT":
        value = value.get("fallback_value") if isinstance(value, dict) else None
    if value is None or value == "":
        return GraphError(131008, f"{where}: Parameter of type {kind.lower()} is missing its text value")
    if not isinstance(value, str) or len(value) > TEXT_LIMIT:
        return GraphError(100, f"{where}: the text of a parameter must be a string of at most {TEXT_LIMIT} characters.")
    return GraphError(132018, f"{where}: {UNFIT_DETAILS}") if UNFIT_TEXT.search(value) else None


def shown(parameter: Mapping[str, Any]) -> str:
    """What stands in the message for a parameter: its text, or what Meta falls back to; "" for none."""
    value = parameter.get(upper(parameter.get("type")).lower())
    if isinstance(value, dict):
        value = value.get("fallback_value")
    return value if isinstance(value, str) else ""


def wrong_count(where: str, given: int, expected: int) -> GraphError:
    """Meta's answer to too many or too few parameters."""
    return GraphError(
        132000,
        f"{where}: number of localizable_params ({given}) does not match the expected number of params ({expected})",
    )


def upper(value: object) -> str:
    """Meta takes types in any case; what is no string is no type."""
    return value.upper() if isinstance(value, str) else ""

"""The content of a message: the caller's `params` → the Cloud API's `components`, with placeholders filled per recipient.

A placeholder is a path into the recipient's own data, in Pinpoint's notation: `{{Attributes.City}}`, with a default
`{{User.UserAttributes.FirstName|friend}}`. It is looked up, never evaluated; what was filled in is not looked at again.
"""

import json
import math
import re
from collections.abc import Callable, Mapping

MAX_DEPTH = 24
"""Deeper than any component of the Cloud API goes (a carousel's button parameters are at nine)."""

MAX_LENGTH = 65_536
"""Characters of components as JSON: far over what a template takes (1,024 of text and a few buttons), and little enough that
one event cannot fill the store."""

_PLACEHOLDER = re.compile(r"\{\{([^{}|]*)(?:\|([^{}]*))?\}\}")
"""No part of it can match what its neighbour matches, so that its time grows with the text and no faster."""

Lookup = Callable[[str], str | None]


class InvalidParams(ValueError):
    """`params` cannot become components. `path` is relative to `params` ("" is params itself)."""

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(detail)
        self.path = path
        self.detail = detail


class PlaceholderMissing(LookupError):
    """Nothing fills this placeholder and it has no default."""

    def __init__(self, placeholder: str) -> None:
        super().__init__(placeholder)
        self.placeholder = placeholder


class TooLarge(ValueError):
    """Filled with this recipient's data, the components are longer than MAX_LENGTH."""


class Content:
    """A message's components, the same for every recipient of an event or different for each."""

    def __init__(self, params: object) -> None:
        """Raise InvalidParams where `params` is not a list of components, a list of strings, or an object of strings."""
        components = _components(params)
        try:
            self._text = _compact(components) if components else ""
        except ValueError as error:
            raise InvalidParams("", "there is a number in it that JSON cannot carry; write it as a string") from error
        if len(self._text) > MAX_LENGTH:
            raise InvalidParams("", f"longer than {MAX_LENGTH:,} characters; no template takes that")
        self._components = components if "{{" in self._text else None

    def components_for(self, lookup: Lookup) -> str:
        """The components as compact JSON text for the recipient behind `lookup`.

        Raise PlaceholderMissing or TooLarge.
        """
        if self._components is None:
            return self._text
        text = _compact(_filled(self._components, lookup))
        if len(text) > MAX_LENGTH:
            raise TooLarge
        return text


def _components(params: object) -> list[object]:
    match params:
        case None | list() | dict() if not params:
            return []
        case list() if all(isinstance(item, dict) for item in params):
            _check_components(params)
            return params
        case list():
            return [_body([{"type": "text", "text": _text(item, f"[{n}]")} for n, item in enumerate(params)])]
        case dict():
            return [
                _body(
                    [
                        {"type": "text", "parameter_name": str(name), "text": _text(value, f".{name}")}
                        for name, value in params.items()
                    ]
                )
            ]
    raise InvalidParams("", "give a list of components, a list of strings, or an object of named strings")


def _body(parameters: list[dict[str, str]]) -> dict[str, object]:
    return {"type": "body", "parameters": parameters}


def _text(value: object, path: str) -> str:
    text = as_text(value)
    if text is None:
        raise InvalidParams(path, "give a string here; components, strings and names cannot be mixed")
    return text


def _check_components(components: list[object]) -> None:
    for n, component in enumerate(components):
        assert isinstance(component, dict)
        if not isinstance(component.get("type"), str):
            raise InvalidParams(f"[{n}].type", "each component needs its type, such as body, header or button")
        parameters = component.get("parameters", [])
        if not isinstance(parameters, list) or not all(isinstance(item, dict) for item in parameters):
            raise InvalidParams(f"[{n}].parameters", "give a list of objects, each with its type")
    if _depth(components) > MAX_DEPTH:
        raise InvalidParams("", f"nested deeper than {MAX_DEPTH} levels; no template has that")


def _depth(value: object) -> int:
    """How deep lists and objects are nested, without recursion: the input decides how deep it goes."""
    depth = 0
    level = [value]
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return depth


def _filled(value: object, lookup: Lookup) -> object:
    match value:
        case str():
            return _PLACEHOLDER.sub(lambda found: _value_of(found, lookup), value)
        case list():
            return [_filled(item, lookup) for item in value]
        case dict():
            return {name: _filled(item, lookup) for name, item in value.items()}
    return value


def _value_of(found: re.Match[str], lookup: Lookup) -> str:
    path, default = found[1].strip(), found[2]
    value = lookup(path)
    if value:
        return value
    if default is None:
        raise PlaceholderMissing(path)
    return default


def _compact(components: object) -> str:
    """Escaped to ASCII, so that whatever characters came in, any store and any HTTP client can carry them.

    Raise ValueError for NaN, infinity (`1e400` is read as one) and an integer too long to be written.
    """
    return json.dumps(components, separators=(",", ":"), allow_nan=False)


def look_up(data: Mapping[str, object], path: str) -> str | None:
    """The value at a dotted path in a recipient's data as text, or None. A list gives its first value.

    A name may itself hold dots: at each level the whole rest of the path is tried before its first part.
    """
    value: object = data
    rest = path
    while rest:
        if not isinstance(value, Mapping):
            return None
        if rest in value:
            value = value[rest]
            break
        name, _, rest = rest.partition(".")
        value = value.get(name)
    if isinstance(value, list):
        value = value[0] if value else None
    return as_text(value)


def as_text(value: object) -> str | None:
    """A string, number or truth value as a person would write it (9.0 is `9`); None for anything else."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() if value.bit_length() <= 1024:  # what a float can hold; Python refuses to write much longer ones
            return str(value)
        case float() if math.isfinite(value):
            return str(int(value)) if value.is_integer() else repr(value)
    return None

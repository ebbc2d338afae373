"""Faults as JSON: what `POST /sandbox/faults` takes and `GET /sandbox/faults` shows. Pure.

The fields of a kind are those of its effect in faults.py; a field without default is needed.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, fields
from typing import Any

from sandbox.cloud_api import BSUID, PHONE_NUMBER
from sandbox.errors import InputError
from sandbox.faults import (
    Drop,
    Effect,
    Error,
    Fails,
    Fault,
    Hang,
    Held,
    Late,
    Latency,
    NoWamid,
    Raw,
    Selection,
    Silent,
    WebhookDown,
)

KINDS: Mapping[str, type[Effect]] = {
    "error": Error,
    "latency": Latency,
    "drop": Drop,
    "hang": Hang,
    "raw": Raw,
    "no_wamid": NoWamid,
    "held": Held,
    "fails": Fails,
    "late": Late,
    "silent": Silent,
    "webhook_down": WebhookDown,
}
KIND_OF = {effect: kind for kind, effect in KINDS.items()}
LONGEST = 7 * 24 * 3600  # seconds; as long as Meta tries to deliver a notification


def is_whole(value: object, least: int, most: int) -> bool:
    """Whether it is a whole number within these bounds; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_headers(value: object) -> bool:
    """Names and values that can stand in an HTTP message."""
    return isinstance(value, dict) and all(
        isinstance(text, str) and re.fullmatch(r"[\x20-\x7e]+", text) for pair in value.items() for text in pair
    )


def _is_recipient(value: object) -> bool:
    return isinstance(value, str) and bool(PHONE_NUMBER.fullmatch(value) or BSUID.fullmatch(value))


# field: (whether a value is allowed, what is allowed)
RULES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "code": (lambda value: is_whole(value, 0, 10**9), "a whole number, such as 130429"),
    "http_status": (lambda value: is_whole(value, 200, 599), "a whole number from 200 to 599"),
    "seconds": (
        lambda value: isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LONGEST,
        f"a number of seconds from 0 to {LONGEST}",
    ),
    "accepted": (lambda value: isinstance(value, bool), "true or false"),
    "headers": (_is_headers, 'an object of strings, such as {"Retry-After": "3"}'),
    "details": (lambda value: isinstance(value, str), "a string"),
    "title": (lambda value: isinstance(value, str), "a string"),
    "body": (lambda value: isinstance(value, str), "a string"),
    "next": (lambda value: is_whole(value, 1, 10**9), "a whole number from 1: the next so many matching requests"),
    "every": (lambda value: is_whole(value, 1, 10**9), "a whole number from 1: each so-manieth matching request"),
    "to": (_is_recipient, "a number in E.164 with +, such as +8613800138000, or a business-scoped user id"),
    "phone_number_id": (lambda value: isinstance(value, str) and value != "", "a string that is not empty"),
}


def parse_fault(given: object) -> tuple[Effect, Selection]:
    """Read one fault.

    Raises:
        InputError: the text names the field and what is allowed.
    """
    if not isinstance(given, dict):
        raise InputError('A fault must be a JSON object, such as {"kind": "error", "code": 130429, "next": 3}.')
    kind = given.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise InputError(f"kind must be one of {', '.join(KINDS)}.")
    of_effect = fields(KINDS[kind])
    of_selection = () if kind == "webhook_down" else fields(Selection)
    allowed = [one.name for one in (*of_effect, *of_selection)]
    for name, value in given.items():
        _check_field(kind, name, value, allowed)
    for one in of_effect:
        if one.default is MISSING and one.default_factory is MISSING and one.name not in given:
            raise InputError(f"{one.name} is needed for kind {kind}: {RULES[one.name][1]}.")
    effect: Effect = KINDS[kind](**{one.name: given[one.name] for one in of_effect if one.name in given})
    return effect, Selection(**{one.name: given[one.name] for one in of_selection if one.name in given})


def _check_field(kind: str, name: str, value: object, allowed: list[str]) -> None:
    if name == "kind":
        return
    if name not in allowed:
        raise InputError(f"{name} is no field of kind {kind}; it has {', '.join(allowed) or 'none'}.")
    is_allowed, what = RULES[name]
    if not is_allowed(value):
        raise InputError(f"{name} must be {what}.")


def fault_as_json(fault: Fault) -> dict[str, Any]:
    """The fault with all its fields, and how many requests it has seen and met."""
    selection = {name: value for name, value in asdict(fault.selection).items() if value is not None}
    own = {name: value for name, value in asdict(fault.effect).items() if value is not None}
    counts = {"seen": fault.seen, "hits": fault.hits}
    return {"fault_id": fault.fault_id, "kind": KIND_OF[type(fault.effect)], **own, **selection, **counts}

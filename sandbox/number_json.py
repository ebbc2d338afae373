"""Numbers as JSON: what `POST /sandbox/numbers` takes, what `GET /sandbox/numbers` and Meta's number node show. Pure.

Source: Meta's references of the number node and of its fields `throughput` and `whatsapp_business_manager_messaging_limit`,
read in November 2026.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from sandbox.errors import GraphError, InputError
from sandbox.fault_json import is_whole
from sandbox.numbers import Number, NumberSettings

THROUGHPUTS = ("STANDARD", "HIGH", "NOT_APPLICABLE")
MESSAGING_LIMITS = ("TIER_250", "TIER_2K", "TIER_10K", "TIER_100K", "TIER_UNLIMITED")
MARKETING_DOORS = ("either", "only", "never")
QUALITY_RATINGS = ("GREEN", "YELLOW", "RED", "UNKNOWN")
STATUSES = ("CONNECTED", "PENDING", "DISCONNECTED", "FLAGGED", "RESTRICTED", "BANNED")
HEALTH = ("AVAILABLE", "LIMITED", "BLOCKED")
MOST_PER_SECOND = 10_000
UNASKED = "verified_name,display_phone_number,quality_rating"  # what Meta tells when no fields are named


def _one_of(allowed: tuple[str, ...]) -> tuple[Callable[[object], bool], str]:
    return lambda value: value in allowed, f"one of {', '.join(allowed)}"


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


# field: (whether a value is allowed, what is allowed)
RULES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "phone_number_id": (_is_text, "a string that is not empty"),
    "throughput": _one_of(THROUGHPUTS),
    "messaging_limit": _one_of(MESSAGING_LIMITS),
    "messages_per_second": (
        lambda value: is_whole(value, 1, MOST_PER_SECOND),
        f"a whole number from 1 to {MOST_PER_SECOND}",
    ),
    "pair_limit": (lambda value: isinstance(value, bool), "true or false"),
    "marketing_door": _one_of(MARKETING_DOORS),
    "waba_id": (_is_text, "a string that is not empty"),
    "quality_rating": _one_of(QUALITY_RATINGS),
    "status": _one_of(STATUSES),
    "can_send_message": _one_of(HEALTH),
}


def _health(settings: NumberSettings) -> dict[str, Any]:
    """Of the nodes that a message passes Meta names each; here only the number can be unwell."""
    number: dict[str, Any] = {"entity_type": "PHONE_NUMBER", "id": settings.phone_number_id}
    number["can_send_message"] = settings.can_send_message
    if settings.can_send_message == "BLOCKED":
        error = {
            "error_code": 141000,
            "error_description": "The number cannot send.",
            "possible_solution": "Register it.",
        }
        number["errors"] = [error]
    if settings.can_send_message == "LIMITED":
        number["additional_info"] = ["The display name was not approved yet."]
    account = {"entity_type": "WABA", "id": settings.waba_id, "can_send_message": "AVAILABLE"}
    return {"can_send_message": settings.can_send_message, "entities": [number, account]}


# field of the node: its value
NODE: Mapping[str, Callable[[NumberSettings], object]] = {
    "verified_name": lambda _: "Sandbox",
    "display_phone_number": lambda _: "+1 555-078-3881",
    "quality_rating": lambda settings: settings.quality_rating,
    "status": lambda settings: settings.status,
    "health_status": _health,
    "throughput": lambda settings: {"level": settings.throughput},
    "whatsapp_business_manager_messaging_limit": lambda settings: settings.messaging_limit,
    "id": lambda settings: settings.phone_number_id,
}


def parse_number(given: object) -> NumberSettings:
    """Read the settings of one number; a field that is not given is as if nobody had set it.

    Raises:
        InputError: the text names the field and what is allowed.
    """
    if not isinstance(given, dict):
        raise InputError('A number must be a JSON object, such as {"phone_number_id": "1", "messages_per_second": 80}.')
    for name, value in {"phone_number_id": None, **given}.items():
        if name not in RULES:
            raise InputError(f"{name} is no field of a number; it has {', '.join(RULES)}.")
        is_allowed, what = RULES[name]
        if not is_allowed(value):
            raise InputError(f"{name} must be {what}.")
    return NumberSettings(**given)


def number_as_json(number: Number) -> dict[str, Any]:
    """The number with all its fields, and how often it was refused something, by code."""
    own = {name: value for name, value in asdict(number.settings).items() if value is not None}
    return {**own, "refusals": dict(sorted(number.refusals.items()))}


def node(settings: NumberSettings, asked: str) -> dict[str, Any] | GraphError:
    """What Meta tells of a number when these `fields` are asked for, comma between them; the id in any case."""
    names = [name.strip() for name in (asked or UNASKED).split(",")]
    for name in names:
        if name not in NODE:
            return GraphError(100, title=f"Tried accessing nonexisting field ({name})")
    return {name: NODE[name](settings) for name in [*names, "id"]}

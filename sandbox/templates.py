"""What a message template asks of the messages sent with it. Pure.

`parse_template` takes one template object as Meta lists it and hands on a `Template`; `parameters.py` holds the
parameters of a message against it. Source: Meta's template reference, read in November 2026.
"""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.errors import InputError

PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
TEMPLATE_ID = re.compile(r"[0-9]{1,20}")
STATUSES = ("APPROVED", "PENDING", "REJECTED", "PAUSED", "DISABLED", "ARCHIVED")
CATEGORIES = ("MARKETING", "UTILITY", "AUTHENTICATION")
MAY_TAKE = {"QUICK_REPLY": "payload", "FLOW": "action", "CATALOG": "action", "MPM": "action"}

BODY_LIMIT = 1024
BODY_LIMIT_WITH_OFFER = 600
BODY_LIMIT_OF_CARD = 160


@dataclass(frozen=True, slots=True)
class Button:
    """One button of a template.

    `needs` is the type of the parameter a message must give for it, `takes` that of one it may give; `fixed` says that it
    takes no parameter at all. `url` is its address with the placeholder, as far as the template lists it.
    """

    kind: str
    needs: str | None = None
    takes: str | None = None
    fixed: bool = False
    url: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """What a template asks of a message; `listing` is the object as Meta lists it, with an id in any case.

    `header` and `body` are the names of their placeholders in order of appearance, `header_text` and `body_text` what they
    stand in; `header_format` is "" without one. `parts` are the types of the components it has, in upper case. A card of a
    carousel is a template of its own. `offer_ends` says that a message must give the end of the limited-time offer.
    """

    name: str
    language: str
    status: str
    category: str
    named: bool
    header_format: str
    header: tuple[str, ...]
    header_text: str
    body: tuple[str, ...]
    body_text: str
    body_limit: int
    buttons: tuple[Button, ...]
    cards: tuple["Template", ...]
    offer_ends: bool
    parts: frozenset[str]
    listing: Mapping[str, Any] = field(repr=False)


def parse_template(given: object) -> Template:
    """Read one template object as Meta lists it.

    Raises:
        InputError: it is no template; the text names the field and what is allowed.
    """
    if not isinstance(given, dict):
        raise InputError("a template must be an object with name, language and components")
    components = _components(given)
    header, body = components.get("HEADER", {}), components.get("BODY", {})
    category = _one_of(given, "category", CATEGORIES, default="UTILITY")
    return Template(
        name=_text(given, "name"),
        language=_text(given, "language"),
        status=_one_of(given, "status", STATUSES, default="APPROVED"),
        category=category,
        named=_one_of(given, "parameter_format", ("POSITIONAL", "NAMED"), default="POSITIONAL") == "NAMED",
        header_format=_text(header, "format").upper() if header else "",
        header=_placeholders(header),
        header_text=str(header.get("text", "")),
        body=("1",) if category == "AUTHENTICATION" and "text" not in body else _placeholders(body),
        body_text=str(body.get("text", "")),
        body_limit=BODY_LIMIT_WITH_OFFER if "LIMITED_TIME_OFFER" in components else BODY_LIMIT,
        buttons=_buttons(components.get("BUTTONS", {}).get("buttons", [])),
        cards=_cards(given, components.get("CAROUSEL", {}).get("cards", [])),
        offer_ends=_offer_ends(components),
        parts=frozenset(components),
        listing={"id": _id(given), **given},
    )


def _id(given: Mapping[str, Any]) -> str:
    """The id that was given, else one that the same name and language always get."""
    template_id = given.get("id") or str(zlib.crc32(f"{given['name']} {given['language']}".encode()))
    if not isinstance(template_id, str) or not TEMPLATE_ID.fullmatch(template_id):
        raise InputError('id must be a string of digits, such as "594425479261596"')
    return template_id


def _components(given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    components = given.get("components")
    if not isinstance(components, list) or not all(isinstance(one, dict) for one in components):
        raise InputError('components must be a list of objects, such as {"type": "BODY", "text": "Hi {{1}}"}')
    return {_text(one, "type").upper(): one for one in components}


def _cards(template: dict[str, Any], cards: object) -> tuple[Template, ...]:
    if not isinstance(cards, list) or not all(isinstance(card, dict) for card in cards):
        raise InputError("the cards of a carousel must be a list of objects, each with its components")
    if any(_components(card).keys() & {"CAROUSEL", "LIMITED_TIME_OFFER"} for card in cards):
        raise InputError("a card of a carousel can have neither a carousel nor an offer of its own")
    parsed = (parse_template({**template, "components": card["components"]}) for card in cards)
    return tuple(replace(card, body_limit=BODY_LIMIT_OF_CARD) for card in parsed)


def _offer_ends(components: Mapping[str, dict[str, Any]]) -> bool:
    """Only an offer that is listed without expiration has no end."""
    offer = components.get("LIMITED_TIME_OFFER")
    terms = offer.get("limited_time_offer") if offer else None
    return offer is not None and not (isinstance(terms, dict) and terms.get("has_expiration") is False)


def _buttons(buttons: object) -> tuple[Button, ...]:
    if not isinstance(buttons, list) or not all(isinstance(button, dict) for button in buttons):
        raise InputError('buttons must be a list of objects, such as {"type": "QUICK_REPLY", "text": "Yes"}')
    return tuple(_button(button) for button in buttons)


def _button(button: Mapping[str, Any]) -> Button:
    url = str(button.get("url", ""))
    kind = _text(button, "type").upper()
    if kind == "OTP":
        return Button("URL", needs="text")
    if kind == "URL" and PLACEHOLDER.search(url):
        return Button(kind, needs="text", url=url)
    needs = "coupon_code" if kind == "COPY_CODE" else None
    return Button(kind, needs, takes=MAY_TAKE.get(kind), fixed=kind in {"URL", "PHONE_NUMBER"})


def _placeholders(component: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the placeholders, each once: a repeated one is filled by the same parameter."""
    return tuple(dict.fromkeys(PLACEHOLDER.findall(str(component.get("text", "")))))


def _text(given: Mapping[str, Any], key: str) -> str:
    value = given.get(key)
    if not isinstance(value, str) or not value:
        raise InputError(f"{key} must be a string that is not empty")
    return value


def _one_of(given: Mapping[str, Any], key: str, allowed: tuple[str, ...], *, default: str) -> str:
    value = given.get(key, default)
    if value not in allowed:
        raise InputError(f"{key} must be one of {', '.join(allowed)}")
    return str(value)

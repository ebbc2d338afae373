"""Whether the parameters of a message fit its template, as Meta judges it. Pure.

`check` takes a Template and the `components` of a message and hands on the first GraphError, or None when they fit. Buttons
are in button_parameters.py, texts in text_parameters.py. Payments, tap targets, carousels of products and buttons that are not
documented pass as they are.

Source: Meta's pages on template components, media card carousels, limited-time offers and error codes, read in November 2026;
`details` follow Meta's wording where a sample of it is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.button_parameters import check_buttons, check_passwords, numbered
from sandbox.errors import GraphError
from sandbox.templates import Template
from sandbox.text_parameters import Parameters, check_length, check_text, upper, wrong_count

MEDIA = frozenset({"IMAGE", "VIDEO", "GIF", "DOCUMENT"})
LOCATION_FIELDS = ("latitude", "longitude", "name", "address")
UNCHECKED = frozenset({"ORDER_STATUS", "TAP_TARGET_CONFIGURATION"})
OPTIONAL_PARTS = ("HEADER", "CAROUSEL", "LIMITED_TIME_OFFER")
KNOWN = ("HEADER", "BODY", "BUTTON", "CAROUSEL", "LIMITED_TIME_OFFER", *sorted(UNCHECKED))
HEADER_LIMIT = 60
YEAR_2001_MS = 1_000_000_000_000  # a time in seconds is smaller


@dataclass(slots=True)
class Given:
    """The components of a message by their place in the template; buttons in their order."""

    once: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    buttons: list[Mapping[str, Any]] = field(default_factory=list)

    def parameters(self, place: str) -> Parameters:
        """Those of the header, the body or the offer; empty for what the message leaves out."""
        parameters: Parameters = self.once.get(place, {}).get("parameters", ())
        return parameters


def check(template: Template, components: object) -> GraphError | None:
    """The first thing Meta would refuse about these components; None when they fit."""
    given = _by_place(components)
    if isinstance(given, GraphError):
        return given
    body = given.parameters("BODY")
    return (
        _check_parts(template, given)
        or _check_header(template, given.parameters("HEADER"))
        or check_text("body", template.body, body, named=template.named)
        or check_length("body", template.body_text, body, template.body_limit, named=template.named)
        or check_buttons(template.buttons, given.buttons)
        or (check_passwords(body, given.buttons) if template.category == "AUTHENTICATION" else None)
        or _check_offer(template, given.parameters("LIMITED_TIME_OFFER"))
        or _check_carousel(template, given.once.get("CAROUSEL", {}).get("cards", []))
    )


def _by_place(components: object) -> Given | GraphError:
    """Components must be a list of objects of known types, all but buttons once; parameters a list of objects."""
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
    match upper(component.get("type")):
        case "BUTTON":
            given.buttons.append(component)
        case kind if kind in UNCHECKED:
            pass
        case kind if kind in KNOWN and kind not in given.once:
            given.once[kind] = component
        case _:
            return f"['type'] must be one of {{{', '.join(KNOWN)}}}, header and body once"
    return ""


def _check_parts(template: Template, given: Given) -> GraphError | None:
    """A header, carousel or offer only where the template has one."""
    for place in OPTIONAL_PARTS:
        if place in given.once and place not in template.parts:
            return wrong_count(place.lower(), len(given.parameters(place)), 0)
    return None


def _check_header(template: Template, parameters: Parameters) -> GraphError | None:
    expected = template.header_format
    if expected in {"", "TEXT"}:
        return check_text("header", template.header, parameters, named=template.named) or check_length(
            "header", template.header_text, parameters, HEADER_LIMIT, named=template.named
        )
    if len(parameters) > 1:
        return wrong_count("header", len(parameters), 1)
    received = upper(parameters[0].get("type")) if parameters else "UNKNOWN"
    if received != expected:
        return GraphError(132012, f"header: Format mismatch, expected {expected}, received {received}")
    content = parameters[0].get(expected.lower())
    if expected == "LOCATION":
        return _check_location(content)
    return _check_media(expected.lower(), content) if expected in MEDIA else None


def _check_media(kind: str, content: object) -> GraphError | None:
    """An uploaded file by its id, or an address to load it from."""
    source = content if isinstance(content, dict) else {}
    if _is_written(source.get("id")):
        return None
    if not source.get("link"):
        return GraphError(131008, f"header: {kind} needs an id or a link")
    if not str(source["link"]).lower().startswith("https://"):
        return GraphError(131009, f"header: the link of the {kind} is no https address")
    return None


def _check_location(content: object) -> GraphError | None:
    if isinstance(content, dict) and all(_is_written(content.get(key)) for key in LOCATION_FIELDS):
        return None
    return GraphError(131008, f"header: location needs {', '.join(LOCATION_FIELDS)}")


def _is_written(value: object) -> bool:
    return type(value) in {str, int, float} and value != ""


def _check_offer(template: Template, parameters: Parameters) -> GraphError | None:
    if not template.offer_ends and not parameters:
        return None
    if len(parameters) != 1:
        return wrong_count("limited_time_offer", len(parameters), 1)
    received = upper(parameters[0].get("type"))
    if received != "LIMITED_TIME_OFFER":
        return GraphError(
            132012, f"limited_time_offer: Format mismatch, expected LIMITED_TIME_OFFER, received {received}"
        )
    terms = parameters[0].get("limited_time_offer")
    ends = terms.get("expiration_time_ms") if isinstance(terms, dict) else None
    if ends is None:
        return GraphError(131008, "limited_time_offer: expiration_time_ms is missing")
    if type(ends) is not int or ends < YEAR_2001_MS:
        return GraphError(132018, "limited_time_offer: expiration_time_ms must be a time in milliseconds")
    return None


def _check_carousel(template: Template, cards: object) -> GraphError | None:
    """As many cards as the template has, each fit for the one at its index. Cards of products pass: the message picks them."""
    if not template.cards or any(card.header_format == "PRODUCT" for card in template.cards):
        return None
    if not isinstance(cards, list) or not all(isinstance(card, dict) for card in cards):
        return GraphError(100, "carousel: cards must be an array of JSON objects")
    if len(cards) != len(template.cards):
        return wrong_count("carousel", len(cards), len(template.cards))
    by_number = {numbered(card.get("card_index")): card for card in cards}
    if by_number.keys() != set(range(len(cards))):
        return GraphError(131009, f"carousel: the cards must have each card_index from 0 to {len(cards) - 1}")
    for number, card in enumerate(template.cards):
        if fault := check(card, by_number[number].get("components")):
            return replace(fault, details=f"carousel: card {number}: {fault.details}")
    return None

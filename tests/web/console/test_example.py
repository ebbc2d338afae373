"""What a template asks for, and the example of how it is sent: every example fits its template."""

import json
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from service.intake.direct import Caller, parse_messages
from service.message import Event, Message, ParsedEvent
from service.web.console.example import asks, components, example
from service.whatsapp.template_check import check
from service.whatsapp.templates import Definition, parse_definition
from tests.web.serving import RULES, sample

BODY = {"type": "BODY", "text": "Hi {{1}} and {{2}}"}
CARD = {
    "components": [
        {"type": "HEADER", "format": "IMAGE"},
        {"type": "BODY", "text": "Only {{1}}"},
        {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Buy", "url": "https://x.example/{{1}}"}]},
    ]
}
LISTINGS: dict[str, dict[str, Any]] = {
    "fixed": {"components": [{"type": "BODY", "text": "Hello"}]},
    "positional": {"components": [BODY]},
    "named": {"parameter_format": "NAMED", "components": [{"type": "BODY", "text": "Hi {{who}}, {{what}}"}]},
    "text header": {"components": [{"type": "HEADER", "format": "TEXT", "text": "For {{1}}"}, BODY]},
    **{kind: {"components": [{"type": "HEADER", "format": kind}, BODY]} for kind in ("IMAGE", "VIDEO", "DOCUMENT")},
    "location": {"components": [{"type": "HEADER", "format": "LOCATION"}, BODY]},
    "buttons": {
        "components": [
            BODY,
            {
                "type": "BUTTONS",
                "buttons": [
                    {"type": "QUICK_REPLY", "text": "No"},
                    {"type": "URL", "text": "Track", "url": "https://x.example/{{1}}"},
                    {"type": "URL", "text": "Shop", "url": "https://x.example/"},
                    {"type": "COPY_CODE", "text": "Copy"},
                    {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+49"},
                ],
            },
        ]
    },
    "code": {
        "category": "AUTHENTICATION",
        "components": [{"type": "BODY"}, {"type": "BUTTONS", "buttons": [{"type": "OTP", "text": "Copy code"}]}],
    },
    "offer": {
        "components": [
            BODY,
            {"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"text": "x", "has_expiration": True}},
        ]
    },
    "carousel": {"components": [BODY, {"type": "CAROUSEL", "cards": [CARD, CARD]}]},
}


def definition(name: str) -> Definition:
    plain = {"name": "order", "language": "en_US", "status": "APPROVED", "category": "MARKETING"}
    found = parse_definition(plain | LISTINGS[name])
    assert found is not None
    return found


@pytest.mark.parametrize("name", LISTINGS)
def test_what_the_example_gives_fits_the_template(name: str) -> None:
    assert check(definition(name), json.dumps(components(definition(name)))) == []


@pytest.mark.parametrize("name", LISTINGS)
def test_the_example_is_taken_as_it_stands(name: str) -> None:
    now, ids = datetime(2026, 11, 1, tzinfo=UTC), count()
    event = Event("e", "direct", now, now)
    parsed = parse_messages(example(definition(name)), event, RULES, lambda: f"m{next(ids)}", Caller("a key"))
    assert isinstance(parsed, ParsedEvent)
    (message,) = parsed.results
    assert isinstance(message, Message), message
    assert check(definition(name), message.template.components) == []


def test_values_of_the_body_alone_are_written_in_the_short_way() -> None:
    template = example(definition("positional"))["messages"][0]["template"]
    assert template["params"] == ["value of 1", "value of 2"]
    template = example(definition("named"))["messages"][0]["template"]
    assert template["params"] == {"who": "value of who", "what": "value of what"}
    assert "params" not in example(definition("fixed"))["messages"][0]["template"]


def test_what_it_asks_for_is_said_part_by_part() -> None:
    assert asks(definition("fixed")) == []
    assert asks(definition("text header")) == [
        "The header: 1 value, for {{1}}.",
        "The body: 2 values, for {{1}}, {{2}}.",
    ]
    assert asks(definition("buttons"))[1:] == [
        "Button 0, “No”: a payload, if one is wanted.",
        "Button 1, “Track”: the end of its address https://x.example/{{1}}.",
        "Button 3, “Copy”: the code to copy, 1 to 15 letters and digits.",
    ]
    assert asks(definition("IMAGE"))[0] == "The header: one image, by an https link or by its media id."
    assert asks(definition("offer"))[-1].startswith("The offer")
    assert asks(definition("carousel"))[-1].startswith("The carousel: each of its 2 cards")
    assert asks(definition("code"))[-1] == "Button 0, “Copy code”: the same code as the body."


def test_the_articles_template_is_sent_so() -> None:
    listing = sample("template_ordertimeoutnotification.json")
    found = parse_definition(listing.get("data", [listing])[0] if isinstance(listing, dict) else listing[0])
    assert found is not None
    assert check(found, json.dumps(components(found))) == []

"""The parameters of a message against its template, as Meta judges them."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.catalogue import default_templates
from sandbox.errors import GraphError
from sandbox.parameters import check
from sandbox.templates import parse_template

TEMPLATES = {template.name: template for template in default_templates() if template.language == "en_US"}
COUPON = parse_template(
    {
        "name": "coupon",
        "language": "en_US",
        "components": [
            {"type": "HEADER", "format": "LOCATION"},
            {"type": "BODY", "text": "10 % for you"},
            {"type": "BUTTONS", "buttons": [{"type": "COPY_CODE", "text": "Copy"}]},
        ],
    }
)

CARD = {
    "components": [
        {"type": "HEADER", "format": "IMAGE"},
        {"type": "BODY", "text": "{{1}}" + "y" * 150},
        {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Yes"}]},
    ]
}
CARDS = parse_template(
    {
        "name": "cards",
        "language": "en_US",
        "components": [{"type": "BODY", "text": "Look"}, {"type": "CAROUSEL", "cards": [CARD, CARD]}],
    }
)
OFFER = parse_template(
    {
        "name": "offer",
        "language": "en_US",
        "components": [
            {"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"text": "Today", "has_expiration": True}},
            {"type": "BODY", "text": "{{1}}" + "x" * 590},
        ],
    }
)

ORDER, NAMED, IMAGE, LINK, CODE = (
    TEMPLATES[name]
    for name in (
        "ordertimeoutnotification",
        "appointment_reminder",
        "season_sale",
        "parcel_on_its_way",
        "sign_in_code",
    )
)


def text(value: object, name: str | None = None) -> dict[str, Any]:
    return {"type": "text", "text": value} | ({"parameter_name": name} if name else {})


def body(*parameters: object) -> dict[str, Any]:
    return {"type": "body", "parameters": list(parameters)}


def header(*parameters: object) -> dict[str, Any]:
    return {"type": "header", "parameters": list(parameters)}


def button(index: object, sub_type: str, *parameters: object) -> dict[str, Any]:
    return {"type": "button", "sub_type": sub_type, "index": index, "parameters": list(parameters)}


TWO = body(text("Ada"), text("T Shirt"))
DAY = header(text("Monday", "day"))
PICTURE = header({"type": "image", "image": {"link": "https://example.com/sale.jpg"}})
PLACE = header({"type": "location", "location": {"latitude": "1", "longitude": "2", "name": "A", "address": "B"}})
SUFFIX = button("1", "url", text("A-1017"))
OTP = button(0, "url", text("123456"))
COPY = button(0, "COPY_CODE", {"type": "coupon_code", "coupon_code": "25OFF"})

FIELDS = ("latitude", "longitude", "name", "address")
DRAWN = header({"type": "image", "image": {"id": "1"}})
TEN = body(text("0123456789"))
CARD_0 = {"card_index": 0, "components": [DRAWN, TEN]}
CARD_1 = {"card_index": "1", "components": [DRAWN, TEN, button(0, "quick_reply", {"type": "payload", "payload": "a"})]}


def carousel(*cards: object) -> dict[str, Any]:
    return {"type": "carousel", "cards": list(cards)}


def ends(at: object) -> dict[str, Any]:
    terms = {"type": "limited_time_offer", "limited_time_offer": {"expiration_time_ms": at}}
    return {"type": "limited_time_offer", "parameters": [terms]}


FIT = {
    "body alone": (ORDER, [TWO]),
    "a payload for the quick reply": (ORDER, [TWO, button("0", "quick_reply", {"type": "payload", "payload": "x"})]),
    "an index that is a number": (ORDER, [TWO, button(0, "QUICK_REPLY")]),
    "a currency in the body": (ORDER, [body(text("Ada"), {"type": "currency", "currency": {"fallback_value": "$1"}})]),
    "four spaces": (ORDER, [body(text("A    da"), text("x"))]),
    "names in any order": (NAMED, [DAY, body(text("9:30", "time"), text("Ada", "first_name"))]),
    "an image by link": (IMAGE, [PICTURE, TWO]),
    "an image by id": (IMAGE, [header({"type": "image", "image": {"id": "1"}}), TWO]),
    "the suffix of a URL": (LINK, [body(text("A-1017")), SUFFIX]),
    "a one-time password twice": (CODE, [body(text("123456")), OTP]),
    "a place and a coupon": (COUPON, [PLACE, COPY]),
    "a place by numbers": (COUPON, [header(PLACE["parameters"][0] | {"location": dict.fromkeys(FIELDS, 0)}), COPY]),
    "cards in another order": (CARDS, [carousel(CARD_1, CARD_0)]),
    "an offer and a body of 600": (OFFER, [TEN, ends(1795478400000)]),
}

MEET = body(text("Ada", "first_name"), text("9:30", "time"))
COUNT = "number of localizable_params ({}) does not match the expected number of params ({})"
UNFIT: dict[str, tuple[Any, object, int, str]] = {
    "one text too few": (ORDER, [body(text("Ada"))], 132000, "body: " + COUNT.format(1, 2)),
    "one text too many": (ORDER, [body(*[text("x")] * 3)], 132000, "body: " + COUNT.format(3, 2)),
    "no components": (ORDER, [], 132000, "body: " + COUNT.format(0, 2)),
    "a header nobody asked for": (ORDER, [header(text("x")), TWO], 132000, "header: " + COUNT.format(1, 0)),
    "an empty text": (ORDER, [body(text(""), text("x"))], 131008, "body"),
    "no text": (ORDER, [body({"type": "text"}, text("x"))], 131008, "body"),
    "a number for a text": (ORDER, [body(text(7), text("x"))], 100, "must be a string"),
    "an image in the body": (ORDER, [body({"type": "image"}, text("x"))], 132012, "expected TEXT, received IMAGE"),
    "a new line": (ORDER, [body(text("a\nb"), text("x"))], 132018, "new-line"),
    "a tab": (ORDER, [body(text("a\tb"), text("x"))], 132018, "new-line"),
    "five spaces": (ORDER, [body(text("a     b"), text("x"))], 132018, "4 consecutive spaces"),
    "a button that does not exist": (ORDER, [TWO, button("1", "quick_reply")], 132000, "no button at index 1"),
    "a URL where a quick reply is": (ORDER, [TWO, button("0", "url")], 132012, "index 0 of type QuickReply"),
    "a button without index": (ORDER, [TWO, {"type": "button", "sub_type": "quick_reply"}], 131008, "index"),
    "names left out": (NAMED, [DAY, body(text("Ada"), text("9:30"))], 100, "Parameter name is missing or empty"),
    "a wrong name": (NAMED, [DAY, body(text("Ada", "name"), text("9:30", "time"))], 100, "first_name, time"),
    "a named header left out": (NAMED, [body(text("a", "first_name"), text("b", "time"))], 132000, "header"),
    "no image": (IMAGE, [TWO], 132012, "header: Format mismatch, expected IMAGE, received UNKNOWN"),
    "a video for an image": (IMAGE, [header({"type": "video"}), TWO], 132012, "expected IMAGE, received VIDEO"),
    "two images": (IMAGE, [header({"type": "image"}, {"type": "image"}), TWO], 132000, "header"),
    "an image without source": (IMAGE, [header({"type": "image", "image": {}}), TWO], 131008, "id or a link"),
    "no suffix": (LINK, [body(text("x"))], 131008, "Button at index 1 of type Url requires a parameter"),
    "an empty suffix": (LINK, [body(text("x")), button(1, "url", text(""))], 131008, "index 1"),
    "the suffix at another button": (LINK, [body(text("x")), button(0, "url", text("A"))], 132012, "PhoneNumber"),
    "two suffixes": (LINK, [body(text("x")), button(1, "url", text("A"), text("B"))], 132000, "index 1"),
    "text for a fixed button": (LINK, [body(text("x")), button(0, "phone_number", text("A"))], 132000, "index 0"),
    "no one-time password": (CODE, [body(text("123456"))], 131008, "Button at index 0"),
    "half a place": (COUPON, [header({"type": "location", "location": {"name": "A"}}), COPY], 131008, "latitude"),
    "no coupon": (COUPON, [PLACE], 131008, "CopyCode"),
    "a long coupon": (COUPON, [PLACE, button(0, "copy_code", {"coupon_code": "x" * 16})], 132018, "1 to 15"),
    "a coupon without type": (COUPON, [PLACE, button(0, "copy_code", {"coupon_code": "x"})], 132012, "COUPON_CODE"),
    "an image without encryption": (
        IMAGE,
        [header({"type": "image", "image": {"link": "http://example.com/a.jpg"}}), TWO],
        131009,
        "no https address",
    ),
    "an empty header nobody asked for": (ORDER, [header(), TWO], 132000, "header: " + COUNT.format(0, 0)),
    "a body of 1025": (ORDER, [body(text("x" * 999), text("x"))], 132005, "longer than 1024"),
    "a header of 61": (NAMED, [header(text("x" * 50, "day")), MEET], 132005, "header: "),
    "a URL of 2001": (LINK, [body(text("x")), button(1, "url", text("x" * 1975))], 132005, "longer than 2000"),
    "a text of 32769": (LINK, [body(text("x")), button(1, "url", text("x" * 32769))], 100, "at most 32768"),
    "a button twice": (LINK, [body(text("x")), SUFFIX, SUFFIX], 100, "index 1 is given more than once"),
    "a payload of 257": (
        ORDER,
        [TWO, button(0, "quick_reply", {"type": "payload", "payload": "x" * 257})],
        132018,
        "at most 256",
    ),
    "another one-time password": (CODE, [body(text("654321")), OTP], 132018, "not the one in the body"),
    "a one-time password of 16": (CODE, [body(text("1" * 16)), button(0, "url", text("1" * 16))], 132018, "15"),
    "no offer": (OFFER, [TEN], 132000, "limited_time_offer: " + COUNT.format(0, 1)),
    "an offer without end": (OFFER, [TEN, ends(None)], 131008, "expiration_time_ms is missing"),
    "an offer that ends in seconds": (OFFER, [TEN, ends(1795478400)], 132018, "in milliseconds"),
    "an offer of another type": (
        OFFER,
        [TEN, {"type": "limited_time_offer", "parameters": [text("x")]}],
        132012,
        "received TEXT",
    ),
    "an offer with a body of 601": (OFFER, [body(text("0123456789A")), ends(1795478400000)], 132005, "longer than 600"),
    "an offer nobody made": (ORDER, [TWO, ends(1795478400000)], 132000, "limited_time_offer: " + COUNT.format(1, 0)),
    "no carousel": (CARDS, [], 132000, "carousel: " + COUNT.format(0, 2)),
    "a carousel nobody asked for": (ORDER, [TWO, carousel(CARD_0)], 132000, "carousel: "),
    "one card too few": (CARDS, [carousel(CARD_0)], 132000, "carousel: " + COUNT.format(1, 2)),
    "a card twice": (CARDS, [carousel(CARD_0, CARD_0)], 131009, "each card_index from 0 to 1"),
    "cards of a wrong shape": (CARDS, [{"type": "carousel", "cards": ["x", "y"]}], 100, "array of JSON objects"),
    "a card without picture": (
        CARDS,
        [carousel(CARD_0, {"card_index": 1, "components": [TEN]})],
        132012,
        "carousel: card 1: header: Format mismatch, expected IMAGE",
    ),
    "a card's body of 161": (
        CARDS,
        [carousel({"card_index": 0, "components": [DRAWN, body(text("0123456789A"))]}, CARD_1)],
        132005,
        "carousel: card 0: body: the text with its parameters is longer than 160",
    ),
    "components of a wrong shape": (ORDER, {}, 100, "must be an array"),
    "a component of a wrong shape": (ORDER, ["body"], 100, "['components'][0] must be a JSON object"),
    "a component of unknown type": (ORDER, [{"type": "footer"}], 100, "['components'][0]['type'] must be one of"),
    "the body twice": (ORDER, [TWO, TWO], 100, "header and body once"),
    "parameters of a wrong shape": (ORDER, [{"type": "body", "parameters": "x"}], 100, "['parameters'] must be"),
}


@pytest.mark.parametrize("case", FIT)
def test_parameters_that_fit(case: str) -> None:
    template, components = FIT[case]
    assert check(template, components) is None


@pytest.mark.parametrize("case", UNFIT)
def test_parameters_that_do_not_fit(case: str) -> None:
    template, components, code, details = UNFIT[case]
    fault = check(template, components)
    assert isinstance(fault, GraphError)
    assert (fault.code, details in fault.details) == (code, True), fault.details


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PARAMETER = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["text", "image", "currency", "location", "payload"]) | JSON,
        "text": JSON,
        "image": JSON,
        "parameter_name": JSON,
        "coupon_code": JSON,
    },
)
COMPONENT = st.fixed_dictionaries(
    {"type": st.sampled_from(["header", "body", "button", "carousel", "limited_time_offer"]) | JSON},
    optional={
        "sub_type": st.sampled_from(["url", "quick_reply", "copy_code"]) | JSON,
        "index": st.sampled_from(["0", 1, "9" * 5000, "²"]) | JSON,
        "parameters": st.lists(PARAMETER | JSON, max_size=3) | JSON,
        "cards": st.lists(st.just(CARD_0) | JSON, max_size=3) | JSON,
    },
)


@settings(deadline=None)
@given(
    template=st.sampled_from([*TEMPLATES.values(), COUPON, CARDS, OFFER]), components=st.lists(COMPONENT | JSON) | JSON
)
def test_no_components_however_odd_raise(template: Any, components: object) -> None:
    assert isinstance(check(template, components), GraphError | None)


def test_the_sample_template_is_in_the_default_set(sample: Callable[[str], Any]) -> None:
    listed = sample("template_ordertimeoutnotification.json")["data"][0]
    assert listed in [template.listing for template in default_templates()]

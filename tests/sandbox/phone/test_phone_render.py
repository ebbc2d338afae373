"""What a message looks like on the phone: the template, its parameters, WhatsApp's marks."""

from typing import Any

import pytest

from sandbox.catalogue import Catalogue, default_templates
from sandbox.phone import people
from sandbox.phone.marks import Run, formatted, plain
from sandbox.phone.render import Bubble, Button, Header, render
from sandbox.templates import Template, parse_template

# a text: its runs
MARKED: dict[str, list[tuple[str, ...]]] = {
    "no marks": [("no marks",)],
    "a *b* c": [("a ",), ("b", "strong"), (" c",)],
    "_b_": [("b", "em")],
    "~b c~": [("b c", "s")],
    "```a *b*```": [("a *b*", "code")],
    "```a\nb```": [("a\nb", "code")],
    "*_b_ c*": [("b", "strong", "em"), (" c", "strong")],
    "_~*b*~_": [("b", "em", "s", "strong")],
    "(*b*), *c*!": [("(",), ("b", "strong"), ("), ",), ("c", "strong"), ("!",)],
    "*a* *b*": [("a", "strong"), (" ",), ("b", "strong")],
    "2*3*4": [("2*3*4",)],
    "snake_case_name": [("snake_case_name",)],
    "* a *": [("* a *",)],
    "*a\nb*": [("*a\nb*",)],
    "**": [("**",)],
    "*<b>*": [("<b>", "strong")],
    "*您好*": [("您好", "strong")],
}


@pytest.mark.parametrize("text", MARKED)
def test_a_mark_counts_where_a_word_begins_and_ends(text: str) -> None:
    assert [(run.text, *run.elements) for run in formatted(text)] == MARKED[text]


@pytest.mark.parametrize("text", ["*" * 50_000, "*a" * 25_000, "```" * 20_000, "*_~" * 20_000, "*" + " " * 50_000])
def test_a_long_text_of_marks_is_read_in_one_go(text: str) -> None:
    assert len(plain(formatted(text))) <= len(text)


def template(*components: dict[str, Any], **facts: Any) -> Template:
    return parse_template({"name": "t", "language": "en_US", "components": list(components), **facts})


def texts(*values: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": value} for value in values]


def body(*values: str) -> dict[str, Any]:
    return {"type": "body", "parameters": texts(*values)}


def button(index: int | str, **parameter: Any) -> dict[str, Any]:
    return {"type": "button", "sub_type": "x", "index": index, "parameters": [parameter]}


def shown(bubble: Bubble) -> str:
    return plain(bubble.body)


# case: (the body's text, the parameters of the message, what is shown)
BODIES: dict[str, tuple[str, list[dict[str, Any]], str]] = {
    "by position": ("Hi {{1}}, {{2}}", texts("Ada", "T Shirt"), "Hi Ada, T Shirt"),
    "one twice": ("{{1}} and {{1}}", texts("a"), "a and a"),
    "in another order": ("{{2}} {{1}}", texts("first", "second"), "second first"),
    "with spaces": ("{{ 1 }}", texts("a"), "a"),
    "by name": ("Hi {{name}}", [{"type": "text", "parameter_name": "name", "text": "Ada"}], "Hi Ada"),
    "currency": ("{{1}}", [{"type": "currency", "currency": {"fallback_value": "12.50 €", "code": "EUR"}}], "12.50 €"),
    "date_time": ("{{1}}", [{"type": "DATE_TIME", "date_time": {"fallback_value": "1 November"}}], "1 November"),
    "a value that looks like a placeholder": ("{{1}} {{2}}", texts("{{2}}", "b"), "{{2}} b"),
    "a mark around a value": ("*{{1}}*", texts("Ada"), "Ada"),
    "nothing given": ("Hi {{1}}", [], "Hi {{1}}"),
    "newlines": ("a\n\nb", [], "a\n\nb"),
    "markup": ("{{1}}", texts("<script>alert(1)</script>"), "<script>alert(1)</script>"),
}


@pytest.mark.parametrize("case", BODIES)
def test_the_placeholders_of_a_body_are_filled(case: str) -> None:
    text, parameters, expected = BODIES[case]
    bubble = render(template({"type": "BODY", "text": text}), [{"type": "BODY", "parameters": parameters}])
    assert shown(bubble) == expected


# case: (the header as listed, its parameter, what is shown)
HEADERS: dict[str, tuple[dict[str, Any], dict[str, Any], Header]] = {
    "text": (
        {"format": "TEXT", "text": "On {{1}}"},
        {"type": "text", "text": "Monday"},
        Header("TEXT", (Run("On Monday"),)),
    ),
    "image by link": (
        {"format": "IMAGE"},
        {"type": "image", "image": {"link": "https://example.com/a/sale.jpg?size=2#x"}},
        Header("IMAGE", name="Photo", detail="sale.jpg"),
    ),
    "video by id": (
        {"format": "VIDEO"},
        {"type": "video", "video": {"id": "2762702990552401"}},
        Header("VIDEO", name="Video", detail="media id 2762702990552401"),
    ),
    "gif": (
        {"format": "gif"},
        {"type": "gif", "gif": {"link": "https://[odd"}},
        Header("GIF", name="GIF", detail="[odd"),
    ),
    "document with a file name": (
        {"format": "DOCUMENT"},
        {"type": "document", "document": {"id": "1", "filename": "Invoice.pdf"}},
        Header("DOCUMENT", name="Invoice.pdf", detail="Document"),
    ),
    "document without": (
        {"format": "DOCUMENT"},
        {"type": "document", "document": {"id": "1"}},
        Header("DOCUMENT", name="Document", detail="Document"),
    ),
    "location": (
        {"format": "LOCATION"},
        {"type": "location", "location": {"latitude": 1, "longitude": 2, "name": "Shop", "address": "1 High Street"}},
        Header("LOCATION", name="Shop", detail="1 High Street"),
    ),
    "product": ({"format": "PRODUCT"}, {"type": "product"}, Header("PRODUCT", name="Product")),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_is_its_text_or_stands_for_its_media(case: str) -> None:
    listed, parameter, expected = HEADERS[case]
    of = template({"type": "HEADER", **listed}, {"type": "BODY", "text": "b"})
    assert render(of, [{"type": "header", "parameters": [parameter]}]).header == expected


# case: (the button as listed, what the message gives for it, what is shown)
BUTTONS: dict[str, tuple[dict[str, Any], list[dict[str, Any]], Button]] = {
    "a quick reply with a payload": (
        {"type": "QUICK_REPLY", "text": "Pay now"},
        [button("0", type="payload", payload="button 0 clicked")],
        Button(0, "QUICK_REPLY", "Pay now", "button 0 clicked"),
    ),
    "a quick reply without": ({"type": "quick_reply", "text": "Yes"}, [], Button(0, "QUICK_REPLY", "Yes", "Yes")),
    "a link with a suffix": (
        {"type": "URL", "text": "Where?", "url": "https://example.com/{{1}}"},
        [button(0, type="text", text="A-1017")],
        Button(0, "URL", "Where?", "https://example.com/A-1017"),
    ),
    "a link that is none of the web's": (
        {"type": "URL", "text": "Where?", "url": "javascript:alert(1)"},
        [],
        Button(0, "URL", "Where?"),
    ),
    "a number": (
        {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+15550783881"},
        [],
        Button(0, "PHONE_NUMBER", "Call", "+15550783881"),
    ),
    "a coupon": (
        {"type": "COPY_CODE", "example": "250FF"},
        [button(0, type="coupon_code", coupon_code="25OFF")],
        Button(0, "COPY_CODE", "Copy offer code", "25OFF"),
    ),
    "one that is not drawn": ({"type": "VOICE_CALL"}, [], Button(0, "VOICE_CALL", "Voice call")),
}


@pytest.mark.parametrize("case", BUTTONS)
def test_a_button_knows_what_a_tap_gives(case: str) -> None:
    listed, given, expected = BUTTONS[case]
    of = template({"type": "BODY", "text": "b"}, {"type": "BUTTONS", "buttons": [listed]})
    assert render(of, given).buttons == (expected,)


# case: (body and footer as listed, the text, the footer)
CODES: dict[str, tuple[list[dict[str, Any]], str, str]] = {
    "with a warning and an end": (
        [{"type": "BODY", "add_security_recommendation": True}, {"type": "FOOTER", "code_expiration_minutes": 10}],
        "739204 is your verification code. For your security, do not share this code.",
        "This code expires in 10 minutes.",
    ),
    "with neither": ([{"type": "BODY"}], "739204 is your verification code.", ""),
    "in Meta's own words": ([{"type": "BODY", "text": "Code: *{{1}}*"}], "Code: 739204", ""),
}


@pytest.mark.parametrize("case", CODES)
@pytest.mark.parametrize(
    "listed",
    [
        {"type": "OTP", "text": "Copy code"},
        {"type": "URL", "text": "Copy code", "url": "https://whatsapp.com/otp/{{1}}"},
    ],
)
def test_a_code_comes_in_words_of_metas(case: str, listed: dict[str, Any]) -> None:
    components, text, footer = CODES[case]
    of = template(*components, {"type": "BUTTONS", "buttons": [listed]}, category="AUTHENTICATION")
    bubble = render(of, [body("739204"), button("0", type="text", text="739204")])
    assert (shown(bubble), bubble.footer) == (text, footer)
    assert bubble.buttons == (Button(0, "COPY_CODE", "Copy code", "739204"),)
    assert Run("739204", ("strong",)) in bubble.body


def test_what_is_not_drawn_is_named() -> None:
    of = template({"type": "BODY", "text": "b"}, {"type": "CAROUSEL", "cards": []}, {"type": "LIMITED_TIME_OFFER"})
    assert render(of, [{"type": "carousel"}]).left_out == ("carousel", "limited time offer")


ODD: list[Any] = [
    None,
    {},
    [None],
    [{"type": 1}],
    [{"type": "button", "index": {}, "parameters": None}],
    [{"type": "body", "parameters": [{"type": "currency", "currency": None}]}],
]


@pytest.mark.parametrize("components", ODD)
def test_odd_components_are_drawn_as_far_as_they_go(components: Any) -> None:
    for of in default_templates():
        assert render(of, components).body


def test_the_preview_is_one_line() -> None:
    of = template({"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "*Hi*\n\nyou"})
    assert render(of, []).preview == "Photo · Hi you"


def test_every_default_template_is_drawn_with_its_parts() -> None:
    found = Catalogue(default_templates()).find("season_sale", "en_US")
    assert isinstance(found, Template)
    image = {"type": "header", "parameters": [{"type": "image", "image": {"link": "https://example.com/sale.jpg"}}]}
    bubble = render(found, [image, body("Ada", "20 %")])
    assert bubble.header == Header("IMAGE", name="Photo", detail="sale.jpg")
    assert [one.label for one in bubble.buttons] == ["Show me", "Stop promotions"]


# given: (who that is, as people read it)
PEOPLE = {
    "8613800138000": ("+8613800138000", "+86 138 0013 8000"),
    "+86 138 0013-8000": ("+8613800138000", "+86 138 0013 8000"),
    "+(44) 7700 900123": ("+447700900123", "+44 7700 900123"),
    "99999": ("+99999", "+99999"),
    "US.13491208655302741918": ("US.13491208655302741918", "US.13491208655302741918"),
    "US.ENT.1a": ("US.ENT.1a", "US.ENT.1a"),
}


@pytest.mark.parametrize("given", PEOPLE)
def test_a_person_is_a_number_or_a_user_id(given: str) -> None:
    who = people.parse_who(given)
    assert (who, people.as_read(who)) == PEOPLE[given]
    assert people.parse_who(people.path_of(who)) == who


@pytest.mark.parametrize("given", ["", "1234", "Ada", "us.1", "US.", "+86 138x", "1" * 16, "US.1/..", "٣٤٥٦٧٨"])
def test_anything_else_is_nobody(given: str) -> None:
    assert people.parse_who(given) == ""

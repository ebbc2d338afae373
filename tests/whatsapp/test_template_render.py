"""What is read from a template's listing, what the person sees of a message, and which language they get."""

import json
from typing import Any

import pytest

from service.whatsapp.templates import Rendered, parse_definition, pick_language, render
from tests.whatsapp import template_cases as cases
from tests.whatsapp.template_cases import (
    FIT,
    IMAGE,
    LINK,
    OFF,
    ORDER,
    PARCEL,
    PICTURE,
    TWO,
    UNFIT,
    VISIT,
    body,
    compact,
    definition,
    text,
)

EITHER = FIT | UNFIT


@pytest.mark.parametrize("case", EITHER)
def test_every_case_can_be_shown(case: str) -> None:
    listing, components = EITHER[case]
    assert render(definition(listing), compact(components)).body


def test_a_listing_is_read_whatever_the_case_of_its_types() -> None:
    listed = json.dumps(PARCEL).replace('"BODY"', '"body"').replace('"BUTTONS"', '"Buttons"').replace('"URL"', '"url"')
    assert definition(json.loads(listed)) == definition(PARCEL)


@pytest.mark.parametrize(
    "listing",
    [
        None,
        [],
        {},
        {"name": "a", "language": "de"},
        {"name": "", "language": "de", "components": []},
        {"name": "a", "language": None, "components": []},
        {"name": "a", "language": "de", "components": {}},
    ],
)
def test_what_is_no_template_is_none(listing: object) -> None:
    assert parse_definition(listing) is None


def test_what_a_definition_holds() -> None:
    parsed = definition(IMAGE | {"category": "marketing", "status": "paused"})
    assert (parsed.name, parsed.language, parsed.status, parsed.category) == ("sale", "en_US", "PAUSED", "MARKETING")
    assert definition(VISIT).named
    assert definition(VISIT).bubble.body is not None
    assert definition({key: value for key, value in IMAGE.items() if key != "category"}).category is None


# case: (listing, components, what the person sees)
SHOWN: dict[str, tuple[Any, object, Rendered]] = {
    "values in their places": (
        PARCEL,
        [body(text("A-1017")), LINK],
        Rendered(None, "Order A-1017 is on its way.", None, ["Call us", "Where is it?"]),
    ),
    "named values": (
        VISIT,
        [cases.DAY, cases.MEET],
        Rendered("See you on Monday", "Hello Ada, come at 9:30. Bye Ada.", None, []),
    ),
    "a placeholder without value": (
        ORDER,
        [body(text("Ada"))],
        Rendered(None, "Hi Ada, order {{2}} is ready.", None, ["OK"]),
    ),
    "a value with braces": (
        ORDER,
        [body(text("{{2}}"), text("7"))],
        Rendered(None, "Hi {{2}}, order 7 is ready.", None, ["OK"]),
    ),
    "numbers out of order": (
        cases.template("t", cases.says("{{2}} before {{ 1 }}")),
        [TWO],
        Rendered(None, "A-1017 before Ada", None, []),
    ),
    "a picture": (IMAGE, [PICTURE, OFF], Rendered("[image]", "All is 20 % off.", None, ["Stop promotions"])),
    "a footer": (cases.PLAIN, [], Rendered(None, "We are open on Sunday.", "Garden Ltd", [])),
    "a code": (
        cases.SIGN_IN,
        [cases.CODE, cases.COPY],
        Rendered(
            None,
            "123456 is your verification code. For your security, do not share this code.",
            "This code expires in 10 minutes.",
            ["Copy code"],
        ),
    ),
    "cards": (
        cases.CARDS,
        [OFF, cases.carousel(cases.SECOND)],
        Rendered(
            None,
            "For 20 %:",
            None,
            [],
            [
                Rendered("[image]", "y" * 100 + "{{1}}", None, ["Stop promotions", "Where is it?"]),
                Rendered("[image]", "y" * 100 + "20 %", None, ["Stop promotions", "Where is it?"]),
            ],
        ),
    ),
}


@pytest.mark.parametrize("case", SHOWN)
def test_what_the_person_sees(case: str) -> None:
    listing, components, expected = SHOWN[case]
    assert render(definition(listing), compact(components)) == expected


# (languages, wanted, the one picked); the default is en_US
PICKED: dict[str, tuple[set[str], str | None, str | None]] = {
    "the locale itself": ({"de_DE", "de", "en_US"}, "de_DE", "de_DE"),
    "a hyphen, any case": ({"pt_BR", "pt_PT"}, "PT-br", "pt_BR"),
    "the plain language": ({"de", "de_AT", "en_US"}, "de_DE", "de"),
    "another country of the tongue": ({"pt_PT", "pt_BR", "en_US"}, "pt", "pt_BR"),
    "the locale without its script": ({"zh_CN", "zh_HK", "zh_TW"}, "zh-Hant-TW", "zh_TW"),
    "a script alone": ({"zh_TW", "zh_CN", "en_US"}, "zh_Hans", "zh_CN"),
    "the default": ({"fr", "en_US"}, "de_DE", "en_US"),
    "no locale": ({"fr", "en_US"}, None, "en_US"),
    "an empty locale": ({"fr", "en_US"}, "", "en_US"),
    "a tongue whose name begins alike": ({"fil", "en_US"}, "fi", "en_US"),
    "nothing": ({"fr"}, "de", None),
    "no languages": (set(), "de", None),
}


@pytest.mark.parametrize("case", PICKED)
def test_which_language_a_person_gets(case: str) -> None:
    languages, wanted, expected = PICKED[case]
    assert pick_language(languages, wanted, "en_US") == expected

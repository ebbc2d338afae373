"""The judgement of one POST /messages."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.catalogue import Catalogue, default_templates, parse_templates
from sandbox.cloud_api import Message, acceptance, judge
from sandbox.errors import CODES, REFUSED_TOKEN, GraphError

CATALOGUE = Catalogue(default_templates())
Body = Callable[..., dict[str, Any]]

RECIPIENTS: dict[str, tuple[dict[str, Any], str]] = {
    "E.164": ({"to": "+8613800138000"}, "+8613800138000"),
    "with punctuation": ({"to": "+86 (138) 0013-8000"}, "+8613800138000"),
    "without plus the country code of the business comes first": ({"to": "8613800138000"}, "+18613800138000"),
    "a national number of the business's country": ({"to": "(650) 555-1234"}, "+16505551234"),
    "a user id": ({"to": None, "recipient": "US.13491208655302741918"}, "US.13491208655302741918"),
    "a parent user id": ({"to": None, "recipient": "US.ENT.1349x"}, "US.ENT.1349x"),
    "both": ({"to": "+8613800138000", "recipient": "US.1"}, "+8613800138000"),
}

REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "another product": ({"messaging_product": "sms"}, 100, "messaging_product"),
    "a group": ({"recipient_type": "group"}, 100, "recipient_type"),
    "a text message": ({"type": "text"}, 100, "type"),
    "nobody": ({"to": None}, 100, "got neither"),
    "letters": ({"to": "+86abc"}, 100, "no phone number"),
    "a number that is no string": ({"to": 8613800138000}, 100, "Param to"),
    "a user id as a number": ({"to": "US.1349"}, 100, "no phone number"),
    "a number as a user id": ({"to": None, "recipient": "+8613800138000"}, 100, "recipient"),
    "callback data of 513 characters": ({"biz_opaque_callback_data": "x" * 513}, 100, "512"),
    "callback data that is no string": ({"biz_opaque_callback_data": 1}, 100, "512"),
    "no template": ({"template": None}, 131008, "template"),
    "no language": ({"template": {"name": "ordertimeoutnotification"}}, 131008, "language"),
    "an unknown template": ({"template": {"name": "x", "language": {"code": "en_US"}}}, 132001, "(x) does not exist"),
    "another language": (
        {"template": {"name": "ordertimeoutnotification", "language": {"code": "fr"}}},
        132001,
        "does not exist in fr",
    ),
    "no components": (
        {"template": {"name": "ordertimeoutnotification", "language": {"code": "en_US"}}},
        132000,
        "body: number of localizable_params (0) does not match the expected number of params (2)",
    ),
}


@pytest.mark.parametrize("case", RECIPIENTS)
def test_who_a_message_is_to(case: str, message: Body) -> None:
    changes, expected = RECIPIENTS[case]
    judged = judge(message(**changes), CATALOGUE)
    assert isinstance(judged, Message)
    assert judged.to == expected


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str, message: Body) -> None:
    changes, code, details = REFUSED[case]
    judged = judge(message(**changes), CATALOGUE)
    assert isinstance(judged, GraphError)
    assert (judged.code, details in judged.details) == (code, True), judged.details


# case: (what is changed, the code at /marketing_messages, None where it is taken)
MARKETING: dict[str, tuple[dict[str, Any], int | None]] = {
    "a MARKETING template": ({}, None),
    "with the fallback": ({"product_policy": "CLOUD_API_FALLBACK"}, None),
    "without it, shared": ({"product_policy": "STRICT", "message_activity_sharing": True}, None),
    "not shared": ({"message_activity_sharing": False}, None),
    "another policy": ({"product_policy": "LAX"}, 100),
    "a policy that is no string": ({"product_policy": ["STRICT"]}, 100),
    "sharing in quotes": ({"message_activity_sharing": "true"}, 100),
    "sharing as a number": ({"message_activity_sharing": 1}, 100),
    "a text message": ({"type": "text"}, 100),
    "a UTILITY template": (
        {"template": {"name": "ordertimeoutnotification", "language": {"code": "en_US"}}},
        131055,
    ),
    "an AUTHENTICATION template": ({"template": {"name": "sign_in_code", "language": {"code": "en_US"}}}, 131055),
    "an unknown template": ({"template": {"name": "x", "language": {"code": "en_US"}}}, 132001),
    "a missing header": ({"template": {"name": "season_sale", "language": {"code": "en_US"}}}, 132012),
}


@pytest.mark.parametrize("case", MARKETING)
def test_what_the_door_for_marketing_takes(case: str, message: Body, sale: dict[str, Any]) -> None:
    changes, code = MARKETING[case]
    judged = judge(message(**{"template": sale, **changes}), CATALOGUE, "marketing_messages")
    assert (judged.code if isinstance(judged, GraphError) else None) == code


def test_the_other_door_has_no_policy_to_judge(message: Body, sale: dict[str, Any]) -> None:
    assert isinstance(judge(message(template=sale, product_policy="LAX"), CATALOGUE), Message)


@pytest.mark.parametrize(
    ("status", "code"), [("PAUSED", 132015), ("DISABLED", 132016), ("PENDING", 132001), ("REJECTED", 132001)]
)
def test_only_approved_templates_are_sent(status: str, code: int, message: Body) -> None:
    catalogue = Catalogue(default_templates())
    listed = next(one for one in catalogue.listing() if one["name"] == "ordertimeoutnotification")
    catalogue.add(parse_templates({**listed, "status": status}))
    judged = judge(message(), catalogue)
    assert isinstance(judged, GraphError)
    assert judged.code == code


@pytest.mark.parametrize("body", [None, 7, "x", [], [{}]])
def test_a_body_that_is_no_object_is_refused(body: object) -> None:
    assert judge(body, CATALOGUE) == GraphError(100, "The body must be a JSON object.")


ODD = st.none() | st.integers() | st.text() | st.lists(st.none() | st.text(), max_size=2)


@given(
    st.fixed_dictionaries(
        {
            "messaging_product": st.just("whatsapp"),
            "type": st.just("template"),
            "to": st.just("+8613800138000") | ODD,
            "template": st.fixed_dictionaries({"name": st.text() | ODD, "language": st.just({"code": {}}) | ODD}) | ODD,
        },
        optional={"recipient": ODD, "recipient_type": ODD, "biz_opaque_callback_data": ODD},
    )
)
def test_no_body_however_odd_raises(body: object) -> None:
    assert isinstance(judge(body, CATALOGUE), GraphError | Message)


def test_an_acceptance_is_shaped_as_metas(message: Body, sample: Callable[[str], Any]) -> None:
    judged = judge(message(), CATALOGUE)
    assert isinstance(judged, Message)
    assert acceptance(judged, "wamid.HBgNODYxMzgwMDEzODAwMBUCABEYEjQ1", "accepted") == sample("cloud_api_accepted.json")


def test_an_acceptance_for_a_user_id_names_no_wa_id(message: Body) -> None:
    judged = judge(message(to=None, recipient="US.1349"), CATALOGUE)
    assert isinstance(judged, Message)
    assert acceptance(judged, "w", "accepted")["contacts"] == [{"input": "US.1349", "user_id": "US.1349"}]


def test_errors_are_shaped_as_metas(sample: Callable[[str], Any]) -> None:
    trace = "AXXXXXXXXXXXXXXXXXXXXXX"
    details = "body: number of localizable_params (1) does not match the expected number of params (2)"
    assert GraphError(132000, details).body(trace) == sample("cloud_api_error_template_params.json")
    assert REFUSED_TOKEN.body(trace) == sample("cloud_api_error_token.json")


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_an_http_status_and_a_title(code: int) -> None:
    status, title = CODES[code]
    assert 400 <= status <= 599
    assert GraphError(code).body("A")["error"]["message"].endswith(title)

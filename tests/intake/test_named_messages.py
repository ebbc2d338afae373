"""Pinpoint's `Data` that names one of the settings' messages instead of spelling it out; the same name elsewhere."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from service.intake.direct import SOURCE, Caller, parse_messages
from service.intake.draft import Draft
from service.intake.personalise import Content
from service.message import Event, Message, ParsedEvent, Priority, Rejection
from tests.intake.making import (
    NUMBER,
    OTHER_NUMBER,
    RECEIVED_AT,
    RULES,
    campaign,
    faults,
    journey,
    message,
    parse,
    parse_connect,
    rejection,
    results,
)

UNPAID = Draft("order_update", Content(["{{Attributes.City|you}}"])).but("zh_CN", "high", 3600)
NAMED = replace(RULES, messages={"unpaid-order": UNPAID, "plain": Draft("hello_world", Content(None))})
DATA = {"message": "unpaid-order"}


def test_a_named_message_is_what_the_settings_say_filled_from_the_endpoint() -> None:
    made = message(campaign(DATA, {"Attributes": {"City": ["Shanghai"]}}), NAMED)
    assert (made.template.name, made.template.language, made.priority) == ("order_update", "zh_CN", Priority.HIGH)
    assert '"Shanghai"' in made.template.components
    assert made.expires_at == RECEIVED_AT + timedelta(hours=1)
    assert made.phone_number_id == NUMBER


def test_what_a_named_message_leaves_open_is_the_default() -> None:
    made = message(campaign({"message": "plain"}), NAMED)
    assert (made.template.language, made.template.components, made.priority) == ("en_US", "", Priority.NORMAL)
    assert made.expires_at == RECEIVED_AT + NAMED.time_to_live


def test_data_may_say_otherwise_than_the_named_message() -> None:
    said = {"language": "de", "priority": "normal", "ttlSeconds": 60, "phoneNumberId": OTHER_NUMBER}
    made = message(campaign(DATA | said), NAMED)
    assert (made.template.language, made.priority, made.phone_number_id) == ("de", Priority.NORMAL, OTHER_NUMBER)
    assert made.expires_at == RECEIVED_AT + timedelta(seconds=60)


def test_a_name_beside_nulls_is_a_name() -> None:
    assert message(campaign(DATA | {"templateName": None, "params": None}), NAMED).template.name == "order_update"
    assert message(campaign({"message": None, "templateName": "t"}), NAMED).template.name == "t"


def test_two_names_for_the_same_message_are_two_messages() -> None:
    rules = replace(NAMED, messages={"one": UNPAID, "two": UNPAID})
    one, two = (message(campaign({"message": name}), rules) for name in ("one", "two"))
    assert one.template == two.template
    assert one.key != two.key


def test_a_name_that_the_settings_do_not_have_rejects_every_endpoint_and_says_what_to_add() -> None:
    event = campaign({"message": "Unpaid order"}, Endpoints={"a": {"Address": "8613800138000"}, "b": None})
    for name, item in zip("ab", results(event, NAMED), strict=True):
        assert isinstance(item, Rejection)
        assert (item.recipient, item.code, item.path) == (name, "unknown_message", "Data.message")
        assert '[messages."Unpaid order"]' in item.detail


def test_a_placeholder_without_value_is_named_where_it_was_looked_for() -> None:
    rules = replace(RULES, messages={"unpaid-order": Draft("t", Content(["{{firstName}}"]))})
    refused = rejection(campaign(DATA), rules)
    assert (refused.code, refused.path) == ("placeholder_missing", "Endpoints.test123.firstName")


@pytest.mark.parametrize(
    ("data", "path", "code"),
    [
        pytest.param(DATA | {"templateName": "t"}, "Data.templateName", "invalid_value", id="both names"),
        pytest.param(DATA | {"params": ["Ada"]}, "Data.params", "invalid_value", id="params beside it"),
        pytest.param(DATA | {"params": []}, "Data.params", "invalid_value", id="empty params beside it"),
        pytest.param({"message": ""}, "Data.message", "missing", id="an empty name"),
        pytest.param({"message": 5}, "Data.message", "invalid_value", id="a number"),
        pytest.param({"message": ["x"]}, "Data.message", "invalid_value", id="a list"),
        pytest.param({"message": "x" * 257}, "Data.message", "invalid_value", id="too long"),
        pytest.param(DATA | {"priority": "urgent"}, "Data.priority", "invalid_value", id="an unknown priority"),
        pytest.param({}, "Data.templateName", "missing", id="neither name"),
    ],
)
def test_data_that_cannot_be_used_says_where_and_why(data: dict[str, object], path: str, code: str) -> None:
    (fault,) = faults(campaign(data))
    assert (fault.path, fault.code) == (path, code)
    assert fault.detail


def test_a_name_means_the_same_template_from_every_source() -> None:
    greeting = Draft("order_update", Content(["{{firstName|friend}}", "{{attributes.LastProduct|gift}}"]))
    rules = replace(RULES, messages={"greeting": greeting.but("de", "high", None)})
    own = {"firstName": "Ada", "attributes": {"LastProduct": "Mug"}}
    profile = {"CustomerData": json.dumps(own | {"phoneNumber": "+8613800138000"})}
    direct = {"messages": [{"to": "+8613800138000", "message": "greeting", "values": own}]}
    event = Event("event-1", SOURCE, RECEIVED_AT, RECEIVED_AT)
    parsed = (
        parse(campaign({"message": "greeting"}, own), rules),
        parse_connect(journey(profile, {"ActionId": "greeting"}), rules),
        parse_messages(direct, event, rules, lambda: "message-1", Caller("shop")),
    )
    made = [one for of in parsed if isinstance(of, ParsedEvent) for one in of.results if isinstance(one, Message)]
    assert len(made) == 3
    assert len({one.key for one in made}) == 3
    assert {(one.to, one.template, one.priority, one.expires_at) for one in made} == {
        (made[0].to, made[0].template, Priority.HIGH, RECEIVED_AT + rules.time_to_live)
    }
    assert '"Mug"' in made[0].template.components

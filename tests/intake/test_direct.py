"""A direct call's body: one Message or Rejection per item, whatever it holds."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.intake import direct
from service.intake.direct import LATEST, MAX_MESSAGES, Caller, parse_messages
from service.intake.draft import Draft
from service.intake.personalise import MAX_LENGTH, Content
from service.intake.rules import Judgement, Rules, Unknown
from service.message import Category, Event, Message, ParsedEvent, Priority, Refusal, Rejection, Template
from tests.intake.making import NUMBER, OTHER_NUMBER, RECEIVED_AT, RULES, sample
from tests.intake.odd import odd_items, odd_json

UNPAID = Draft("order_update", Content(["{{firstName}}", "{{attributes.LastProduct|gift}}"])).but("zh_CN", "high", 3600)
NAMED = replace(RULES, messages={"unpaid-order": UNPAID, "plain": Draft("hello_world", Content(None))})
TEMPLATE = {"name": "order_update"}
TO = "+8613800138000"
SHOP = Caller("shop")


def parse(document: object, rules: Rules = NAMED, caller: Caller = SHOP) -> ParsedEvent | Refusal:
    ids = count(1)
    event = Event("event-1", direct.SOURCE, RECEIVED_AT, RECEIVED_AT)
    return parse_messages(document, event, rules, lambda: f"message-{next(ids)}", caller)


def results(*items: object, rules: Rules = NAMED, caller: Caller = SHOP) -> list[Message | Rejection]:
    parsed = parse({"messages": list(items)}, rules, caller)
    assert isinstance(parsed, ParsedEvent), parsed
    return parsed.results


def item(**changes: object) -> dict[str, object]:
    """A message with a template that is filled with nothing; None takes a field away."""
    whole = {"to": TO, "template": TEMPLATE} | changes
    return {name: value for name, value in whole.items() if value is not None}


def message(rules: Rules = NAMED, caller: Caller = SHOP, **changes: object) -> Message:
    (result,) = results(item(**changes), rules=rules, caller=caller)
    assert isinstance(result, Message), result
    return result


def rejection(rules: Rules = NAMED, **changes: object) -> Rejection:
    (result,) = results(item(**changes), rules=rules)
    assert isinstance(result, Rejection), result
    return result


def texts(made: Message) -> list[str]:
    return [parameter["text"] for parameter in json.loads(made.template.components)[0]["parameters"]]


def test_of_the_samples_messages_one_is_spelled_out_one_is_named_and_one_has_no_address() -> None:
    spelled_out, named, refused = results(*sample("direct_messages")["messages"])
    assert isinstance(spelled_out, Message)
    assert (spelled_out.recipient, spelled_out.to, spelled_out.phone_number_id) == ("0", TO, NUMBER)
    assert (spelled_out.template.name, spelled_out.template.language) == ("ordertimeoutnotification", "en_US")
    assert texts(spelled_out) == ["Tuohumai", "Champion T Shirt"]
    assert (spelled_out.priority, spelled_out.reference, spelled_out.country) == (Priority.HIGH, "order-17", "CN")
    assert spelled_out.expires_at == RECEIVED_AT + timedelta(seconds=300)
    assert spelled_out.path == "messages[0].to"

    assert isinstance(named, Message)
    assert (named.recipient, named.template.name, named.template.language) == ("order-18", "order_update", "zh_CN")
    assert texts(named) == ["Ada", "Mug"]
    assert (named.priority, named.reference) == (Priority.HIGH, None)
    assert named.expires_at == RECEIVED_AT + timedelta(hours=1)

    assert isinstance(refused, Rejection)
    assert (refused.recipient, refused.code, refused.path) == ("2", "invalid_address", "messages[2].to")


def test_what_is_left_out_is_the_settings_default() -> None:
    made = message()
    assert (made.template, made.priority) == (Template("order_update", "en_US"), Priority.NORMAL)
    assert (made.due_at, made.expires_at) == (RECEIVED_AT, RECEIVED_AT + RULES.time_to_live)
    assert (made.reference, made.campaign_id, made.phone_number_id) == (None, None, NUMBER)


@pytest.mark.parametrize("to", ["+8613800138000", "8613800138000", 8613800138000, "+86 138 0013-8000"])
def test_an_address_may_be_written_in_any_usual_way(to: object) -> None:
    assert message(to=to).to == "+8613800138000"


def test_a_business_scoped_user_id_is_an_address() -> None:
    assert message(to="US.13491208655302741918").to == "US.13491208655302741918"


PARAMS = {
    "strings": (["Ada"], [{"type": "text", "text": "Ada"}]),
    "names": ({"who": "Ada"}, [{"type": "text", "parameter_name": "who", "text": "Ada"}]),
    "components": (
        [{"type": "body", "parameters": [{"type": "text", "text": "Ada"}]}],
        [{"type": "text", "text": "Ada"}],
    ),
}


@pytest.mark.parametrize("name", PARAMS)
def test_params_are_strings_names_or_components(name: str) -> None:
    params, parameters = PARAMS[name]
    components = json.loads(message(template=TEMPLATE | {"params": params}).template.components)
    assert components == [{"type": "body", "parameters": parameters}]


def test_values_fill_placeholders_of_a_template_too() -> None:
    params = ["Dear {{firstName}}", "{{attributes.City|you}}", "{{attributes.Size}}"]
    values = {"firstName": "Ada", "attributes": {"Size": [9.0]}}
    assert texts(message(template=TEMPLATE | {"params": params}, values=values)) == ["Dear Ada", "you", "9"]


def test_a_named_message_is_what_the_settings_say_unless_the_item_says_otherwise() -> None:
    said: dict[str, Any] = {"language": "de", "priority": "normal", "ttl_seconds": 60, "phone_number_id": OTHER_NUMBER}
    made = message(template=None, message="unpaid-order", values={"firstName": "Ada"}, **said)
    assert (made.template.language, made.priority, made.phone_number_id) == ("de", Priority.NORMAL, OTHER_NUMBER)
    assert made.expires_at == RECEIVED_AT + timedelta(seconds=60)
    assert texts(made) == ["Ada", "gift"]


class German(Unknown):
    """A catalogue with one template, in German."""

    def language(self, phone_number_id: str, name: str, wanted: str | None, default: str) -> str:
        return "de" if (phone_number_id, name, wanted) == (NUMBER, "order_update", "de_DE") else default

    def judge(self, phone_number_id: str, template: Template) -> Judgement:
        if phone_number_id != NUMBER or template.language != "de":
            return Judgement(None, "template_unknown", "there is no such language")
        return Judgement(Category.MARKETING)


def test_the_language_auto_is_the_locales_where_the_template_has_it() -> None:
    rules = replace(NAMED, catalogue=German())
    for how in ({"template": TEMPLATE | {"language": "auto"}}, {"message": "unpaid-order", "language": "auto"}):
        (made,) = results({"to": TO, "locale": "de_DE", "values": {"firstName": "A"}} | how, rules=rules)
        assert isinstance(made, Message)
        assert (made.template.language, made.category) == ("de", Category.MARKETING)


def test_what_the_catalogue_refuses_is_told_at_the_template_or_at_the_name() -> None:
    rules = replace(NAMED, catalogue=German())
    spelled_out, named = results(item(), item(template=None, message="plain"), rules=rules)
    assert spelled_out == Rejection("0", "template_unknown", "messages[0].template", "there is no such language")
    assert named == Rejection("1", "template_unknown", "messages[1].message", "there is no such language")


@pytest.mark.parametrize(
    "written",
    ["2026-11-24T10:00:00Z", "2026-11-24t10:00:00.000z", "2026-11-24T18:00:00+08:00", "2026-11-24T05:30:00-04:30"],
)
def test_a_message_goes_at_send_at_and_its_time_to_live_counts_from_there(written: str) -> None:
    made = message(send_at=written, ttl_seconds=300)
    assert made.due_at == datetime(2026, 11, 24, 10, tzinfo=UTC)
    assert made.due_at.tzinfo == UTC
    assert made.expires_at == made.due_at + timedelta(seconds=300)


@pytest.mark.parametrize("written", ["2026-11-23T08:59:59Z", "0001-01-01T00:00:00+14:00"])
def test_a_send_at_in_the_past_is_now(written: str) -> None:
    assert message(send_at=written).due_at == RECEIVED_AT


def test_send_at_may_be_a_month_ahead_and_no_more() -> None:
    latest = (RECEIVED_AT + LATEST).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert message(send_at=latest).due_at == RECEIVED_AT + LATEST
    for later in (latest.replace("00Z", "01Z"), "9999-12-31T23:59:59-14:00"):
        refused = rejection(send_at=later)
        assert (refused.code, refused.path) == ("invalid_params", "messages[0].send_at")


@pytest.mark.parametrize(
    "written",
    [
        "",
        "soon",
        "2026-11-24",
        "2026-11-24T10:00:00",
        "2026-11-24 10:00:00Z",
        "20261124T100000Z",
        "2026-13-24T10:00:00Z",
        "2026-11-24T10:00:60Z",
        "2026-11-24T10:00:00+99:99",
        "0000-01-01T00:00:00Z",
        "٢026-11-24T10:00:00Z",
        1764000000,
    ],
)
def test_a_send_at_that_is_no_moment_with_a_zone_is_rejected(written: object) -> None:
    refused = rejection(send_at=written)
    assert (refused.code, refused.path) == ("invalid_params", "messages[0].send_at")
    assert "2026-12-01T09:00:00Z" in refused.detail


UNFIT: dict[str, tuple[object, str, str]] = {
    "no object": ("hello", "invalid_params", ""),
    "null": (None, "invalid_params", ""),
    "a list": ([], "invalid_params", ""),
    "nothing in it": ({}, "invalid_params", ""),
    "no address": (item(to=None), "invalid_address", ".to"),
    "an object for an address": (item(to={}), "invalid_address", ".to"),
    "true for an address": (item(to=True), "invalid_address", ".to"),
    "neither template nor message": (item(template=None), "invalid_params", ""),
    "both": (item(message="plain"), "invalid_params", ""),
    "a template that is a name": (item(template="order_update"), "invalid_params", ".template"),
    "a template without a name": (item(template={}), "invalid_params", ".template.name"),
    "a name of half a character": (item(template={"name": "\ud800"}), "invalid_params", ".template.name"),
    "a name with a blank": (item(template={"name": "a b"}), "invalid_params", ".template.name"),
    "Meta's own language": (
        item(template=TEMPLATE | {"language": {"code": "de"}}),
        "invalid_params",
        ".template.language",
    ),
    "Meta's own components": (item(template=TEMPLATE | {"components": []}), "invalid_params", ".template.components"),
    "a parameter that is no text": (
        item(template=TEMPLATE | {"params": ["a", []]}),
        "invalid_params",
        ".template.params[1]",
    ),
    "params that are a text": (item(template=TEMPLATE | {"params": "x"}), "invalid_params", ".template.params"),
    "params that are too long": (
        item(template=TEMPLATE | {"params": ["x" * MAX_LENGTH]}),
        "invalid_params",
        ".template.params",
    ),
    "infinity": (
        item(template=TEMPLATE | {"params": [{"type": "x", "y": float("inf")}]}),
        "invalid_params",
        ".template.params",
    ),
    "too large once filled": (
        item(template=TEMPLATE | {"params": ["{{a}}" * 100]}, values={"a": "x" * 1000}),
        "too_large",
        ".values",
    ),
    "an unknown name": (item(template=None, message="none"), "unknown_message", ".message"),
    "a name that is none": (item(template=None, message=5), "invalid_params", ".message"),
    "a language beside a template": (item(language="de"), "invalid_params", ".language"),
    "a language that is none": (item(template=TEMPLATE | {"language": "d"}), "invalid_params", ".template.language"),
    "a placeholder without value": (
        item(template=None, message="unpaid-order"),
        "placeholder_missing",
        ".values.firstName",
    ),
    "values that are a list": (item(values=[]), "invalid_params", ".values"),
    "an unknown number": (item(phone_number_id="1"), "unknown_phone_number", ".phone_number_id"),
    "a number that is no text": (item(phone_number_id=int(NUMBER)), "invalid_params", ".phone_number_id"),
    "an unknown priority": (item(priority="urgent"), "invalid_params", ".priority"),
    "a time to live of no time": (item(ttl_seconds=0), "invalid_params", ".ttl_seconds"),
    "a time to live of years": (item(ttl_seconds=10**400), "invalid_params", ".ttl_seconds"),
    "a time to live in words": (item(ttl_seconds="300"), "invalid_params", ".ttl_seconds"),
    "true for a time to live": (item(ttl_seconds=True), "invalid_params", ".ttl_seconds"),
    "a long reference": (item(reference="x" * 513), "invalid_params", ".reference"),
    "a reference that is a number": (item(reference=17), "invalid_params", ".reference"),
    "an id that is a number": (item(id=17), "invalid_params", ".id"),
    "an empty id": (item(id=""), "invalid_params", ".id"),
    "a long id": (item(id="x" * 257), "invalid_params", ".id"),
    "a locale that is an object": (item(locale={}), "invalid_params", ".locale"),
    "a misspelt moment": (item(sendAt="2026-12-01T09:00:00Z"), "invalid_params", ".sendAt"),
    "a misspelt field of the template": (item(template=TEMPLATE | {"param": []}), "invalid_params", ".template.param"),
    "a field named by a number": (item(**{"13912345678": 1}), "invalid_params", ""),
}


@pytest.mark.parametrize("name", UNFIT)
def test_an_item_that_cannot_be_sent_is_rejected_at_its_place_and_spoils_no_other(name: str) -> None:
    given, code, path = UNFIT[name]
    first, refused, last = results(item(), given, item())
    assert isinstance(first, Message)
    assert isinstance(last, Message)
    assert isinstance(refused, Rejection)
    assert (refused.recipient, refused.code, refused.path) == ("1", code, f"messages[1]{path}")
    assert refused.detail
    assert "13912345678" not in refused.path + refused.detail


def test_an_unknown_field_is_named_together_with_the_known_ones() -> None:
    refused = rejection(sendAt="2026-12-01T09:00:00Z")
    assert refused.detail == (
        "there is no such field; known are id, to, template, message, values, language, locale, priority, ttl_seconds, "
        "phone_number_id, send_at, reference"
    )


def test_an_unknown_name_says_what_to_add() -> None:
    assert '[messages."Unpaid order"]' in rejection(template=None, message="Unpaid order").detail


def test_without_a_default_number_the_rejection_says_what_to_set() -> None:
    refused = rejection(replace(NAMED, default_phone_number_id=None))
    assert (refused.code, refused.path) == ("unknown_phone_number", "messages[0].phone_number_id")
    assert "FB_BUSINESS_PHONE_ID" in refused.detail


def test_a_rejected_item_is_called_by_its_id_where_that_is_one() -> None:
    assert rejection(to="x", id="order-18").recipient == "order-18"
    assert rejection(to="x", id=18).recipient == "0"
    assert rejection(to="x", id="\ud800\0").recipient == "\\ud800\\0"


def test_an_id_is_the_recipient_in_characters_that_can_be_kept() -> None:
    assert message(id="order-18").recipient == "order-18"
    made = message(id="a\0", reference="\0" * 512)
    assert (made.recipient, made.reference) == ("a\\0", "\\0" * 256)
    assert rejection(reference="\udfff").path == "messages[0].reference"


def test_the_same_id_of_the_same_caller_is_the_same_message() -> None:
    one = message(id="order-18")
    again = message(id="order-18", to="+447700900123", caller=Caller("shop", "another call"))
    assert one.key == again.key
    assert message(id="order-18", caller=Caller("billing")).key != one.key
    assert message(id="order-19").key != one.key


def test_without_ids_the_call_and_the_position_are_the_same_message() -> None:
    def keys(caller: Caller) -> list[str]:
        return [result.key for result in results(item(), item(), caller=caller) if isinstance(result, Message)]

    first = keys(Caller("shop", "call-1"))
    assert len(set(first)) == 2
    assert keys(Caller("shop", "call-1")) == first
    for other in (Caller("shop", "call-2"), Caller("billing", "call-1"), Caller("shop")):
        assert not set(keys(other)) & set(first)


def test_a_call_named_like_a_field_is_no_ones_id() -> None:
    keys = {message(id="0").key, message(caller=Caller("shop", "id")).key, message(caller=Caller("shop", "call")).key}
    assert len(keys) == 3


def test_without_an_id_or_a_key_no_other_message_is_the_same() -> None:
    one, two = results(item(), item())
    assert isinstance(one, Message)
    assert isinstance(two, Message)
    assert one.key != two.key


def test_a_call_may_be_part_of_a_campaign() -> None:
    parsed = parse({"messages": [item()], "campaign_id": "summer"})
    assert isinstance(parsed, ParsedEvent)
    assert parsed.event.campaign_id == "summer"
    assert [made.campaign_id for made in parsed.results if isinstance(made, Message)] == ["summer"]
    assert parsed.event.keys_expire_at == RECEIVED_AT + NAMED.key_lifetime


REFUSED: dict[str, tuple[object, list[tuple[str, str]]]] = {
    "a list": ([item()], [("", "not_an_object")]),
    "null": (None, [("", "not_an_object")]),
    "a text": ("x", [("", "not_an_object")]),
    "no messages": ({}, [("messages", "missing")]),
    "messages of null": ({"messages": None}, [("messages", "missing")]),
    "one message, not in a list": ({"messages": item()}, [("messages", "not_a_list")]),
    "an empty list": ({"messages": []}, [("messages", "empty")]),
    "1001 messages": ({"messages": [None] * (MAX_MESSAGES + 1)}, [("messages", "too_many")]),
    "a message by itself": (item(), [("messages", "missing"), ("to", "unknown_field")]),
    "a number for a campaign": ({"messages": [{}], "campaign_id": 5}, [("campaign_id", "invalid_value")]),
    "an empty campaign": ({"messages": [{}], "campaign_id": ""}, [("campaign_id", "invalid_value")]),
    "a long campaign": ({"messages": [{}], "campaign_id": "x" * 257}, [("campaign_id", "invalid_value")]),
    "dry_run in the body": ({"messages": [{}], "dry_run": True}, [("dry_run", "unknown_field")]),
    "a field named by a number": ({"messages": [{}], "13912345678": 1}, [("", "unknown_field")]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_body_that_cannot_be_used_says_where_and_why(name: str) -> None:
    document, expected = REFUSED[name]
    parsed = parse(document)
    assert isinstance(parsed, Refusal)
    assert [(fault.path, fault.code) for fault in parsed.faults] == expected
    assert all(fault.detail and "13912345678" not in fault.detail for fault in parsed.faults)


def test_a_thousand_messages_are_read_in_order() -> None:
    made = results(*(item(id=str(n)) for n in range(MAX_MESSAGES)))
    assert [one.recipient for one in made] == [str(n) for n in range(MAX_MESSAGES)]


def storable(result: Message | Rejection) -> bool:
    """Whether every text of it can be kept in UTF-8 without NUL, in the columns there are."""
    fields = {name: getattr(result, name) for name in result.__slots__}
    if isinstance(result, Message):
        fields |= {"name": result.template.name, "components": result.template.components}
    given: Mapping[str, Any] = {name: value for name, value in fields.items() if isinstance(value, str)}
    return all("\0" not in text for text in given.values()) and all(text.encode() or True for text in given.values())


@given(items=st.lists(odd_items, min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_whatever_the_items_are_there_is_one_result_for_each_in_order(items: list[object]) -> None:
    made = results(*items)
    assert len(made) == len(items)
    for position, (given_item, result) in enumerate(zip(items, made, strict=True)):
        own = given_item.get("id") if isinstance(given_item, dict) else None
        if not (isinstance(own, str) and own):
            assert result.recipient == str(position)
        assert result.path.startswith(f"messages[{position}]")
        assert len(result.recipient) <= 512
        assert storable(result)


@given(document=st.fixed_dictionaries({}, optional={"messages": odd_json, "campaign_id": odd_json}) | odd_json)
@settings(max_examples=200, deadline=None)
def test_whatever_the_body_is_nothing_is_raised(document: object) -> None:
    parsed = parse(document)
    assert isinstance(parsed, ParsedEvent) or parsed.faults

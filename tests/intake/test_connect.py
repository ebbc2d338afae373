"""Connect's events: one message or rejection per profile, and a clear word about each event that cannot be used."""

import json
from collections.abc import Mapping
from dataclasses import astuple, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.intake.draft import Draft
from service.intake.personalise import MAX_LENGTH, Content
from service.intake.rules import ADDRESS_FIELDS, Rules
from service.message import Message, ParsedEvent, Priority, Refusal, Rejection
from tests.intake.making import DRAFT, NAMED, NUMBER, OTHER_NUMBER, RECEIVED_AT, journey, parse_connect, sample

ADA = {"firstName": "Ada", "phoneNumber": "+8613800138000", "attributes": {"LastProduct": "Mug"}}
PROFILE = "Items.CustomerProfiles[0]"
DATA = f"{PROFILE}.CustomerData"
ACTION = "InvocationMetadata.CampaignContext.ActionId"


def results(document: object, rules: Rules = NAMED) -> list[Message | Rejection]:
    parsed = parse_connect(document, rules)
    assert isinstance(parsed, ParsedEvent), parsed
    return parsed.results


def message(document: object, rules: Rules = NAMED) -> Message:
    (result,) = results(document, rules)
    assert isinstance(result, Message), result
    return result


def rejection(document: object, rules: Rules = NAMED) -> Rejection:
    (result,) = results(document, rules)
    assert isinstance(result, Rejection), result
    return result


def customer(**changes: object) -> dict[str, Any]:
    """A journey's event for Ada, changed so; None takes a field away."""
    data = {name: value for name, value in (ADA | changes).items() if value is not None}
    return journey({"CustomerData": json.dumps(data)})


def filled(rules_text: str, data: Mapping[str, object]) -> str:
    """What a body parameter with this text says to the customer with this profile."""
    rules = replace(NAMED, messages={"ordertimeoutnotification": Draft("t", Content([rules_text]))})
    said: str = json.loads(message(customer(**data), rules).template.components)[0]["parameters"][0]["text"]
    return said


# --- what the sample comes to -----------------------------------------------------------------------------------------


def test_the_samples_first_profile_is_sent_and_the_second_has_no_address() -> None:
    first, second = results(sample("connect_journey_action"))
    assert isinstance(first, Message)
    assert (first.recipient, first.to, first.phone_number_id) == (
        "a1b2c3d4e5f60718293a4b5c6d7e8f90",
        "+8613800138000",
        NUMBER,
    )
    assert (first.template.name, first.template.language) == ("order_update", "en_US")
    parameters = json.loads(first.template.components)[0]["parameters"]
    assert [parameter["text"] for parameter in parameters] == ["Tuohumai", "Champion T Shirt"]
    assert (first.due_at, first.expires_at) == (RECEIVED_AT, RECEIVED_AT + timedelta(days=1))
    assert (first.priority, first.campaign_id) == (Priority.NORMAL, "0d9f3a52-6f2e-4f1b-9a55-2b8f7c1d4e60")
    assert isinstance(second, Rejection)
    assert (second.recipient, second.code) == ("b2c3d4e5f60718293a4b5c6d7e8f90a1", "invalid_address")
    assert second.path == "Items.CustomerProfiles[1].CustomerData"
    assert all(field in second.detail for field in ADDRESS_FIELDS)


def test_the_event_keeps_connects_facts() -> None:
    event = parse_connect(sample("connect_journey_action")).event
    assert (event.source, event.campaign_id) == ("connect", "0d9f3a52-6f2e-4f1b-9a55-2b8f7c1d4e60")
    assert event.activity_id == "ordertimeoutnotification"
    assert (event.application_id, event.journey_id, event.treatment_id) == (None, None, None)


def test_a_named_message_says_its_language_urgency_and_life() -> None:
    named = DRAFT.but("zh_CN", "high", 60)
    made = message(journey(), replace(NAMED, messages={"ordertimeoutnotification": named}))
    assert (made.template.language, made.priority) == ("zh_CN", Priority.HIGH)
    assert made.expires_at == RECEIVED_AT + timedelta(seconds=60)


def test_an_action_may_have_a_name_with_spaces() -> None:
    assert message(journey(None, {"ActionId": "Push Notification"})).template.name == "order_update"


# --- events that cannot be used ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "faults"),
    [
        pytest.param(None, [("", "not_an_object")], id="null"),
        pytest.param([], [("", "not_an_object")], id="a list"),
        pytest.param({}, [(ACTION, "missing"), ("Items.CustomerProfiles", "missing")], id="nothing in it"),
        pytest.param(journey(InvocationMetadata=None), [(ACTION, "missing")], id="no metadata"),
        pytest.param(journey(InvocationMetadata="x"), [(ACTION, "missing")], id="metadata a string"),
        pytest.param(journey(InvocationMetadata={"CampaignContext": []}), [(ACTION, "missing")], id="context a list"),
        pytest.param(journey(None, {"ActionId": None}), [(ACTION, "missing")], id="ActionId null"),
        pytest.param(journey(None, {"ActionId": ""}), [(ACTION, "missing")], id="ActionId empty"),
        pytest.param(journey(None, {"ActionId": ["x"]}), [(ACTION, "not_a_string")], id="ActionId a list"),
        pytest.param(journey(Items=None), [("Items.CustomerProfiles", "missing")], id="no Items"),
        pytest.param(journey(Items=[]), [("Items.CustomerProfiles", "missing")], id="Items a list"),
        pytest.param(
            journey(Items={"CustomerProfiles": {}}), [("Items.CustomerProfiles", "not_a_list")], id="profiles an object"
        ),
        pytest.param(
            journey(Items={"CustomerProfiles": "x"}), [("Items.CustomerProfiles", "not_a_list")], id="profiles a string"
        ),
        pytest.param(journey(Items={"CustomerProfiles": []}), [("Items.CustomerProfiles", "empty")], id="no profile"),
    ],
)
def test_an_event_that_cannot_be_used_says_where_and_why(document: object, faults: list[tuple[str, str]]) -> None:
    refused = parse_connect(document)
    assert isinstance(refused, Refusal), refused
    assert [(fault.path, fault.code) for fault in refused.faults] == faults
    assert all(fault.detail for fault in refused.faults)


def test_a_refused_event_still_names_its_campaign() -> None:
    assert parse_connect(journey(Items=None)).event.campaign_id == "0d9f3a52-6f2e-4f1b-9a55-2b8f7c1d4e60"


@pytest.mark.parametrize(
    ("action", "to_add"),
    [
        ("unpaid-order", "[messages.unpaid-order]"),
        ("Unpaid order", '[messages."Unpaid order"]'),
        ('say "hi"', '[messages."say \\"hi\\""]'),
        ("欠款", '[messages."欠款"]'),
        (5, "[messages.5]"),
    ],
)
def test_an_action_without_its_message_rejects_every_profile_and_says_what_to_add(action: object, to_add: str) -> None:
    event = sample("connect_journey_action")
    event["Items"]["CustomerProfiles"].append(None)
    event["InvocationMetadata"]["CampaignContext"]["ActionId"] = action
    found = results(event)
    assert [(item.recipient[:4], type(item)) for item in found] == [
        ("a1b2", Rejection),
        ("b2c3", Rejection),
        ("Cust", Rejection),
    ]
    for item in found:
        assert isinstance(item, Rejection)
        assert (item.code, item.path) == ("unknown_message", ACTION)
        assert to_add in item.detail


# --- profiles that get nothing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "recipient", "code", "path"),
    [
        pytest.param(None, "CustomerProfiles[0]", "invalid_params", PROFILE, id="null"),
        pytest.param("a1b2", "CustomerProfiles[0]", "invalid_params", PROFILE, id="a string"),
        pytest.param({}, "CustomerProfiles[0]", "invalid_params", f"{PROFILE}.ProfileId", id="nothing in it"),
        pytest.param(
            {"ProfileId": "", "CustomerData": ADA},
            "CustomerProfiles[0]",
            "invalid_params",
            f"{PROFILE}.ProfileId",
            id="no id",
        ),
        pytest.param(
            {"ProfileId": 5, "CustomerData": ADA},
            "CustomerProfiles[0]",
            "invalid_params",
            f"{PROFILE}.ProfileId",
            id="a number for an id",
        ),
        pytest.param({"ProfileId": "p"}, "p", "invalid_params", DATA, id="no CustomerData"),
        pytest.param({"ProfileId": "p", "CustomerData": ""}, "p", "invalid_params", DATA, id="empty CustomerData"),
        pytest.param({"ProfileId": "p", "CustomerData": "{"}, "p", "invalid_params", DATA, id="no JSON"),
        pytest.param({"ProfileId": "p", "CustomerData": "[" * 100_000}, "p", "invalid_params", DATA, id="bottomless"),
        pytest.param({"ProfileId": "p", "CustomerData": "1" * 5000}, "p", "invalid_params", DATA, id="a huge number"),
        pytest.param({"ProfileId": "p", "CustomerData": "[]"}, "p", "invalid_params", DATA, id="JSON of a list"),
        pytest.param({"ProfileId": "p", "CustomerData": [ADA]}, "p", "invalid_params", DATA, id="a list"),
        pytest.param({"ProfileId": "p", "CustomerData": {}}, "p", "invalid_address", DATA, id="no number"),
        pytest.param(
            {"ProfileId": "p", "CustomerData": {"homePhoneNumber": "12", "phoneNumber": "0"}},
            "p",
            "invalid_address",
            f"{DATA}.phoneNumber",
            id="no sound number",
        ),
    ],
)
def test_a_profile_that_gets_nothing_is_told_why(profile: object, recipient: str, code: str, path: str) -> None:
    refused = rejection(journey(Items={"CustomerProfiles": [profile]}))
    assert (refused.recipient, refused.code, refused.path) == (recipient, code, path)
    assert refused.detail


def test_a_missing_placeholder_is_named_in_path_and_detail() -> None:
    refused = rejection(customer(attributes=None))
    assert (refused.code, refused.path) == ("placeholder_missing", f"{DATA}.attributes.LastProduct")
    assert "{{attributes.LastProduct|…}}" in refused.detail


def test_values_that_make_the_message_too_large_are_a_rejection() -> None:
    refused = rejection(customer(firstName="x" * MAX_LENGTH))
    assert (refused.code, refused.path) == ("too_large", DATA)


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(replace(NAMED, default_phone_number_id=None), id="several numbers, none the default"),
        pytest.param(replace(NAMED, phone_number_ids=frozenset({OTHER_NUMBER})), id="the default is not set up"),
    ],
)
def test_no_number_is_a_rejection(rules: Rules) -> None:
    refused = rejection(journey(), rules)
    assert (refused.code, refused.path) == (
        "unknown_phone_number",
        "InvocationMetadata.CampaignContext.CampaignId",
    )


def test_one_bad_profile_never_spoils_the_others() -> None:
    good = {"ProfileId": "p", "CustomerData": json.dumps(ADA)}
    profiles = [good | {"IdempotencyToken": "1"}, None, {}, good | {"CustomerData": "{"}, good]
    parsed = results(journey(Items={"CustomerProfiles": profiles}))
    assert [type(item) for item in parsed] == [Message, Rejection, Rejection, Rejection, Message]
    assert [item.recipient for item in parsed] == ["p", "CustomerProfiles[1]", "CustomerProfiles[2]", "p", "p"]


# --- the address and the placeholders ---------------------------------------------------------------------------------

MOBILE, PLAIN, HOME, WORK = "+8613900000001", "+8613900000002", "+8613900000003", "+8613900000004"


@pytest.mark.parametrize(
    ("data", "to"),
    [
        pytest.param({"phoneNumber": PLAIN, "mobilePhoneNumber": MOBILE}, MOBILE, id="the mobile one first"),
        pytest.param({"businessPhoneNumber": WORK, "homePhoneNumber": HOME}, HOME, id="then home, then work"),
        pytest.param({"businessPhoneNumber": WORK}, WORK, id="the last resort"),
        pytest.param({"mobilePhoneNumber": "n/a", "homePhoneNumber": HOME}, HOME, id="the first that is sound"),
        pytest.param({"mobilePhoneNumber": {"a": 1}, "phoneNumber": [PLAIN]}, PLAIN, id="a list gives its first"),
        pytest.param({"phoneNumber": 8613900000002}, PLAIN, id="a number without +"),
        pytest.param({"phoneNumber": "US.13491208655302741918"}, "US.13491208655302741918", id="a user id"),
    ],
)
def test_the_address_is_the_first_sound_one_of_the_profiles_fields(data: dict[str, object], to: str) -> None:
    assert message(customer(**{"phoneNumber": None, **data})).to == to


def test_the_address_fields_are_a_setting_and_may_be_paths() -> None:
    rules = replace(NAMED, address_fields=("attributes.WhatsApp", "mobilePhoneNumber"))
    attributes = {"LastProduct": "Mug", "WhatsApp": PLAIN}
    assert message(customer(attributes=attributes, mobilePhoneNumber=MOBILE), rules).to == PLAIN
    refused = rejection(customer(), rules)
    assert (refused.code, refused.path) == ("invalid_address", DATA)
    assert "attributes.WhatsApp, mobilePhoneNumber" in refused.detail


@pytest.mark.parametrize(
    ("text", "data", "said"),
    [
        ("{{firstName}}", {}, "Ada"),
        ("{{attributes.LastProduct}}", {}, "Mug"),
        ("{{address.city}}", {"address": {"city": "Seattle"}}, "Seattle"),
        ("{{attributes.a.b}}", {"attributes": {"a.b": "dotted"}}, "dotted"),
        ("{{profileId}}", {}, "a1b2c3d4e5f60718293a4b5c6d7e8f90"),
        ("{{profileId}}", {"profileId": "its own"}, "its own"),
        ("{{lastName|friend}}", {}, "friend"),
        ("{{firstName|friend}}", {"firstName": "{{lastName}}"}, "{{lastName}}"),
    ],
)
def test_placeholders_read_the_profile(text: str, data: dict[str, object], said: str) -> None:
    assert filled(text, data) == said


def test_the_profile_may_be_an_object_instead_of_its_text() -> None:
    assert message(journey({"CustomerData": ADA})) == message(customer())


# --- what makes the same message the same (G3) ------------------------------------------------------------------------


def key(document: object) -> str:
    return message(document).key


def test_the_same_token_in_the_same_run_and_action_is_the_same_message_whatever_else_changes() -> None:
    changed = journey({"CustomerData": json.dumps(ADA)}, {"CampaignName": "Another name"}, More=1)
    assert key(changed) == key(journey())


@pytest.mark.parametrize(
    ("profile", "context"),
    [
        pytest.param({"IdempotencyToken": "another"}, {}, id="another token"),
        pytest.param({"IdempotencyToken": None}, {}, id="no token"),
        pytest.param({}, {"CampaignId": "another"}, id="another campaign"),
        pytest.param({}, {"RunId": "another"}, id="another run"),
        pytest.param({}, {"ActionId": "Push Notification"}, id="another action"),
    ],
)
def test_what_makes_another_message(profile: dict[str, object], context: dict[str, object]) -> None:
    assert key(journey(profile, context)) != key(journey())


@pytest.mark.parametrize("token", [None, "", ["x"]])
def test_without_a_token_the_profile_makes_the_message(token: object) -> None:
    one = key(journey({"IdempotencyToken": token}))
    assert one == key(journey({"IdempotencyToken": None}))
    assert one != key(journey({"IdempotencyToken": token, "ProfileId": "another"}))
    assert one != key(journey({"IdempotencyToken": token}, {"RunId": "another"}))


def test_a_profiles_id_is_no_token() -> None:
    assert key(journey({"IdempotencyToken": None, "ProfileId": "x"})) != key(journey({"IdempotencyToken": "x"}))


@pytest.mark.parametrize(
    ("run", "lifetime"),
    [
        pytest.param("0d9f#2026-10-03T10-04-00Z", NAMED.key_lifetime, id="a run is named"),
        pytest.param(None, NAMED.duplicate_window, id="no run is named"),
        pytest.param("", NAMED.duplicate_window, id="an empty name"),
    ],
)
def test_how_long_a_key_holds(run: object, lifetime: timedelta) -> None:
    assert parse_connect(journey(None, {"RunId": run})).event.keys_expire_at == RECEIVED_AT + lifetime


# --- however odd ------------------------------------------------------------------------------------------------------

CANARY = "Zaphod-Canary"
odd_text = st.text(st.characters(exclude_categories=()), max_size=20).map(lambda text: f"{CANARY}{text}")
numbers = st.sampled_from(["+8613800138000", "8613800138000", "13800138000x", "+86 138 0013 8000"])
odd_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 1)
    | st.floats()
    | odd_text
    | numbers
    | st.builds(pow, st.just(10), st.just(5000)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_text, inner, max_size=3),
    max_leaves=8,
)


def fields(names: list[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names), values, max_size=len(names))


def as_json(value: object) -> object:
    """Its JSON text, or itself where it has none (an integer that Python refuses to write)."""
    try:
        return json.dumps(value)
    except ValueError:
        return value


customers = fields([*ADDRESS_FIELDS, "firstName", "attributes", "profileId"], odd_values)
profile = st.builds(
    lambda odd, data: odd | {"CustomerData": data},
    fields(["ProfileId", "IdempotencyToken"], odd_values),
    customers | customers.map(as_json) | odd_values,
)
context = st.builds(
    lambda odd, action: odd | {"ActionId": action},
    fields(["CampaignId", "RunId"], odd_values),
    st.just("ordertimeoutnotification") | odd_values,
)


def strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for inner in value for text in strings(inner)] if isinstance(value, tuple | list) else []


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(context | odd_values, st.lists(profile | odd_values, max_size=4) | odd_values)
def test_no_event_however_odd_raises_or_loses_a_profile(context: Any, profiles: Any) -> None:
    document = {"InvocationMetadata": {"CampaignContext": context}, "Items": {"CustomerProfiles": profiles}}
    parsed = parse_connect(document)
    for text in strings(astuple(parsed)):
        text.encode("utf-8")
        assert "\0" not in text
    if isinstance(parsed, Refusal):
        assert parsed.faults
        return
    assert len(parsed.results) == len(profiles)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(profile, min_size=1, max_size=4))
def test_nothing_of_a_profile_is_in_any_path_or_detail(profiles: list[dict[str, Any]]) -> None:
    found = results(journey(Items={"CustomerProfiles": profiles}))
    for given_profile, result in zip(profiles, found, strict=True):
        name = given_profile.get("ProfileId")
        if isinstance(name, str):
            assert result.recipient.startswith(CANARY) or result.recipient in name
        if isinstance(result, Rejection):
            assert CANARY not in result.path + result.detail
            assert "13800138000" not in (result.path + result.detail).replace("such as +8613800138000", "")

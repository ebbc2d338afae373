"""Pinpoint's events: one message or rejection per endpoint, and a clear word about each event that cannot be used."""

import json
from collections.abc import Mapping
from dataclasses import astuple, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.intake.personalise import MAX_LENGTH
from service.intake.rules import Rules
from service.message import Message, ParsedEvent, Priority, Refusal, Rejection
from tests.intake.making import (
    APPLICATION,
    NUMBER,
    OTHER_NUMBER,
    RECEIVED_AT,
    RULES,
    campaign,
    faults,
    message,
    parse,
    rejection,
    results,
    sample,
)

DATA = {"templateName": "order_update", "params": ["Ada"]}


# --- what the samples come to -----------------------------------------------------------------------------------------


def test_the_articles_event_becomes_the_articles_message() -> None:
    event = sample("pinpoint_campaign_article")
    made = message(event)
    assert (made.recipient, made.to, made.phone_number_id) == ("test123", "+8613800138000", NUMBER)
    assert (made.template.name, made.template.language) == ("ordertimeoutnotification", "en_US")
    as_the_article_sends_them = event["Data"].removeprefix('{"templateName":"ordertimeoutnotification","params":')[:-1]
    assert made.template.components == as_the_article_sends_them
    assert made.due_at == RECEIVED_AT
    assert made.expires_at == RECEIVED_AT + timedelta(days=1)
    assert (made.priority, made.campaign_id) == (Priority.NORMAL, "13978104ce5d6017c72552257a5cafe0")


def test_the_articles_event_keeps_pinpoints_facts() -> None:
    parsed = parse(sample("pinpoint_campaign_article"))
    assert parsed.event.application_id == APPLICATION
    assert parsed.event.campaign_id == "13978104ce5d6017c72552257a5cafe0"
    assert parsed.event.activity_id == "575cb1929d5ba43e87e2478eea5cafe0"
    assert (parsed.event.treatment_id, parsed.event.journey_id) == ("0", None)


def test_a_journeys_event_is_one_too() -> None:
    parsed = parse(sample("pinpoint_journey"))
    assert isinstance(parsed, ParsedEvent)
    assert (parsed.event.journey_id, parsed.event.campaign_id) == ("ad7b22e1c5d14a1f8a6f0c3d2b9e4f10", None)
    assert message(sample("pinpoint_journey")).campaign_id == "ad7b22e1c5d14a1f8a6f0c3d2b9e4f10"


def test_fifty_endpoints_are_46_messages_and_4_rejections_in_order() -> None:
    event = sample("pinpoint_campaign_fifty")
    parsed = results(event)
    assert [item.recipient for item in parsed] == list(event["Endpoints"])
    assert sum(isinstance(item, Message) for item in parsed) == 46
    assert {item.recipient: (item.code, item.path) for item in parsed if isinstance(item, Rejection)} == {
        "ep007": ("invalid_address", "Endpoints.ep007.Address"),
        "ep013": ("opted_out", "Endpoints.ep013.OptOut"),
        "ep021": ("inactive", "Endpoints.ep021.EndpointStatus"),
        "ep034": ("placeholder_missing", "Endpoints.ep034.Attributes.LastProduct"),
    }
    assert {item.template.language for item in parsed if isinstance(item, Message)} == {"en_US"}


def test_of_the_fifty_who_has_no_name_is_a_friend() -> None:
    made = results(sample("pinpoint_campaign_fifty"))[42]
    assert isinstance(made, Message)
    parameters = json.loads(made.template.components)[0]["parameters"]
    assert [parameter["text"] for parameter in parameters] == ["friend", "T Shirt 42"]


def test_the_consoles_test_campaign_is_refused_with_the_way_to_mend_it() -> None:
    (fault,) = faults(sample("pinpoint_console_without_data"))
    assert (fault.path, fault.code) == ("Data", "missing")
    assert "CustomMessage.Data" in fault.detail
    assert "templateName" in fault.detail


def test_the_example_in_the_hint_works() -> None:
    (fault,) = faults(sample("pinpoint_console_without_data"))
    example = json.loads(fault.detail[fault.detail.index('"') : fault.detail.rindex('"') + 1])
    assert message(campaign() | {"Data": example}).template.name == "order_update"


# --- events that cannot be used ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "path", "code"),
    [
        pytest.param(None, "", "not_an_object", id="null"),
        pytest.param([], "", "not_an_object", id="a list"),
        pytest.param("event", "", "not_an_object", id="a string"),
        pytest.param(campaign(Endpoints=None), "Endpoints", "missing", id="Endpoints null"),
        pytest.param({"Data": json.dumps(DATA)}, "Endpoints", "missing", id="no Endpoints"),
        pytest.param(campaign(Endpoints={}), "Endpoints", "empty", id="no endpoint in Endpoints"),
        pytest.param(campaign(Endpoints=[]), "Endpoints", "not_an_object", id="Endpoints a list"),
        pytest.param(campaign(Endpoints="test123"), "Endpoints", "not_an_object", id="Endpoints a string"),
        pytest.param(campaign(Data=None), "Data", "missing", id="Data null"),
        pytest.param(campaign(Data=""), "Data", "missing", id="Data empty"),
        pytest.param(campaign(Data=DATA), "Data", "not_a_string", id="Data an object, not its JSON"),
        pytest.param(campaign(Data=5), "Data", "not_a_string", id="Data a number"),
        pytest.param(campaign(Data="hello_world"), "Data", "invalid_json", id="Data a bare name"),
        pytest.param(campaign(Data='{"templateName": "t"'), "Data", "invalid_json", id="Data cut off"),
        pytest.param(
            campaign(Data='{"templateName": "t", "params": [NaN]}'), "Data", "invalid_json", id="Data with NaN"
        ),
        pytest.param(campaign(Data="[" * 100_000), "Data", "invalid_json", id="Data without bottom"),
        pytest.param(campaign(Data='{"a": ' + "1" * 5000 + "}"), "Data", "invalid_json", id="Data with a huge integer"),
        pytest.param(campaign([DATA]), "Data", "not_an_object", id="Data a list"),
        pytest.param(campaign(Data='"order_update"'), "Data", "not_an_object", id="Data a JSON string"),
        pytest.param(campaign({"params": []}), "Data.templateName", "missing", id="no templateName"),
        pytest.param(campaign({"templateName": ""}), "Data.templateName", "missing", id="templateName empty"),
        pytest.param(campaign({"templateName": None}), "Data.templateName", "invalid_value", id="templateName null"),
        pytest.param(campaign({"templateName": 5}), "Data.templateName", "invalid_value", id="templateName a number"),
        pytest.param(
            campaign({"templateName": " t"}), "Data.templateName", "invalid_value", id="templateName with a space"
        ),
        pytest.param(
            campaign({"templateName": "t\0"}), "Data.templateName", "invalid_value", id="templateName with NUL"
        ),
        pytest.param(
            campaign({"templateName": "\ud800"}), "Data.templateName", "invalid_value", id="half a surrogate pair"
        ),
        pytest.param(
            campaign({"templateName": "t" * 513}), "Data.templateName", "invalid_value", id="templateName too long"
        ),
        pytest.param(campaign(DATA | {"params": "Ada"}), "Data.params", "invalid_params", id="params a string"),
        pytest.param(campaign(DATA | {"params": ["Ada", {}]}), "Data.params[1]", "invalid_params", id="params mixed"),
        pytest.param(campaign(DATA | {"params": [{}]}), "Data.params[0].type", "invalid_params", id="no type"),
        pytest.param(
            campaign(DATA | {"params": {"a": []}}), "Data.params.a", "invalid_params", id="params named badly"
        ),
        pytest.param(
            campaign(Data='{"templateName": "t", "params": [{"type": "body", "x": 1e400}]}'),
            "Data.params",
            "invalid_params",
            id="a number beyond JSON",
        ),
        pytest.param(
            campaign(DATA | {"language": "English"}), "Data.language", "invalid_value", id="language in words"
        ),
        pytest.param(campaign(DATA | {"language": "en-US"}), "Data.language", "invalid_value", id="language hyphened"),
        pytest.param(
            campaign(DATA | {"language": "en_" * 30}), "Data.language", "invalid_value", id="language too long"
        ),
        pytest.param(campaign(DATA | {"ttlSeconds": 0}), "Data.ttlSeconds", "invalid_value", id="no time to live"),
        pytest.param(
            campaign(DATA | {"ttlSeconds": -1}), "Data.ttlSeconds", "invalid_value", id="negative time to live"
        ),
        pytest.param(campaign(DATA | {"ttlSeconds": 1e400}), "Data", "invalid_json", id="infinite time to live"),
        pytest.param(campaign(DATA | {"ttlSeconds": 2_592_001}), "Data.ttlSeconds", "invalid_value", id="over 30 days"),
        pytest.param(campaign(DATA | {"ttlSeconds": "soon"}), "Data.ttlSeconds", "invalid_value", id="ttl in words"),
        pytest.param(campaign(DATA | {"priority": "urgent"}), "Data.priority", "invalid_value", id="unknown priority"),
        pytest.param(
            campaign(DATA | {"phoneNumberId": 5}), "Data.phoneNumberId", "invalid_value", id="number a number"
        ),
    ],
)
def test_an_event_that_cannot_be_used_says_where_and_why(document: object, path: str, code: str) -> None:
    (fault,) = faults(document)
    assert (fault.path, fault.code) == (path, code)
    assert fault.detail


def test_all_faults_are_told_at_once() -> None:
    document = {"Endpoints": {}, "Data": json.dumps({"params": "x", "priority": "urgent", "ttlSeconds": 0})}
    assert {fault.path for fault in faults(document)} == {
        "Endpoints",
        "Data.templateName",
        "Data.params",
        "Data.priority",
        "Data.ttlSeconds",
    }


def test_a_refused_event_still_names_its_campaign() -> None:
    refused = parse(sample("pinpoint_console_without_data"))
    assert isinstance(refused, Refusal)
    assert refused.event.campaign_id == "13978104ce5d6017c72552257a5cafe0"


def test_unknown_fields_are_ignored() -> None:
    plain, odd = message(campaign(DATA)), message(campaign(DATA | {"colour": "red"}, {"Colour": "red"}, Colour="red"))
    assert plain.template == odd.template


# --- recipients that get nothing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "code", "path"),
    [
        pytest.param({"Address": "12"}, "invalid_address", ".Address", id="no number"),
        pytest.param({"Address": None}, "invalid_address", ".Address", id="address null"),
        pytest.param({"Address": 10**5000}, "invalid_address", ".Address", id="an integer beyond writing"),
        pytest.param({"OptOut": "ALL"}, "opted_out", ".OptOut", id="opted out"),
        pytest.param({"OptOut": " all "}, "opted_out", ".OptOut", id="opted out, written otherwise"),
        pytest.param({"OptOut": "ALL", "Address": "12"}, "opted_out", ".OptOut", id="opted out and no number"),
        pytest.param({"EndpointStatus": "INACTIVE"}, "inactive", ".EndpointStatus", id="inactive"),
        pytest.param({"EndpointStatus": "inactive"}, "inactive", ".EndpointStatus", id="inactive, written otherwise"),
    ],
)
def test_a_recipient_that_gets_nothing_is_told_why(endpoint: Mapping[str, object], code: str, path: str) -> None:
    refused = rejection(campaign(DATA, endpoint))
    assert (refused.recipient, refused.code, refused.path) == ("test123", code, f"Endpoints.test123{path}")
    assert refused.detail


@pytest.mark.parametrize("endpoint", [None, [], "8613800138000", 5])
def test_an_endpoint_that_is_no_object_is_a_rejection(endpoint: object) -> None:
    refused = rejection(campaign(DATA, Endpoints={"e": endpoint}))
    assert (refused.code, refused.path) == ("invalid_address", "Endpoints.e")


def _bottomless() -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="null"),
        pytest.param("NONE", id="another word"),
        pytest.param("", id="empty"),
        pytest.param(["ALL"], id="a list"),
        pytest.param({"ALL": 1}, id="an object"),
        pytest.param(10**5000, id="an integer that Python refuses to write"),
        pytest.param(_bottomless(), id="a list without bottom"),
    ],
)
@pytest.mark.parametrize("name", ["OptOut", "EndpointStatus"])
def test_only_pinpoints_own_word_keeps_a_recipient_out(name: str, value: object) -> None:
    assert message(campaign(DATA, {name: value})).recipient == "test123"


def test_a_missing_placeholder_is_named_in_path_and_detail() -> None:
    refused = rejection(campaign(DATA | {"params": ["{{ Attributes.Street }}"]}))
    assert (refused.code, refused.path) == ("placeholder_missing", "Endpoints.test123.Attributes.Street")
    assert "{{Attributes.Street|…}}" in refused.detail


def test_values_that_make_the_message_too_large_are_a_rejection() -> None:
    data = DATA | {"params": ["{{Attributes.Long}}" * 10]}
    refused = rejection(campaign(data, {"Attributes": {"Long": ["x" * (MAX_LENGTH // 10)]}}))
    assert (refused.code, refused.path) == ("too_large", "Endpoints.test123")


def test_one_bad_recipient_never_spoils_the_others() -> None:
    good = {"Address": "8613800138000"}
    endpoints: dict[str, object] = {"a": good, "b": None, "c": good, "d": {"Address": "x"}, "": good, "\ud800\0": good}
    parsed = results(campaign(DATA, Endpoints=endpoints))
    assert [type(item) for item in parsed] == [Message, Rejection, Message, Rejection, Message, Message]
    assert [item.recipient for item in parsed] == ["a", "b", "c", "d", "", "\\ud800\\0"]


# --- what Data may ask for --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        (None, "de"),
        ("en_US", "en_US"),
        ("auto", "de"),
        ("zh_CN", "zh_CN"),
        ("fil", "fil"),
        ("sr_Latn_RS", "sr_Latn_RS"),
    ],
)
def test_the_language_is_the_one_asked_for_or_the_default(asked: str | None, language: str) -> None:
    event = campaign(DATA | {"language": asked}, {"Demographic": {"Locale": "zh_CN"}})
    assert message(event, replace(RULES, default_language="de")).template.language == language


@pytest.mark.parametrize(("asked", "seconds"), [(None, 3600), (1, 1), (60, 60), ("60", 60), (2_592_000, 2_592_000)])
def test_a_message_lives_as_long_as_asked_or_as_set(asked: object, seconds: int) -> None:
    made = message(campaign(DATA | {"ttlSeconds": asked}), replace(RULES, time_to_live=timedelta(hours=1)))
    assert made.expires_at == RECEIVED_AT + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("asked", "priority"), [(None, Priority.NORMAL), ("normal", Priority.NORMAL), ("high", Priority.HIGH)]
)
def test_priority_is_normal_unless_asked(asked: str | None, priority: Priority) -> None:
    assert message(campaign(DATA | {"priority": asked})).priority is priority


SERVED = replace(RULES, applications={APPLICATION: OTHER_NUMBER})
NO_DEFAULT = replace(SERVED, default_phone_number_id=None)


@pytest.mark.parametrize(
    ("rules", "application", "asked", "number"),
    [
        pytest.param(RULES, APPLICATION, None, NUMBER, id="the default"),
        pytest.param(SERVED, APPLICATION, None, OTHER_NUMBER, id="the one that serves the application"),
        pytest.param(SERVED, "another", None, NUMBER, id="the default for other applications"),
        pytest.param(SERVED, None, None, NUMBER, id="the default without application"),
        pytest.param(SERVED, APPLICATION, NUMBER, NUMBER, id="the one asked for"),
        pytest.param(NO_DEFAULT, "another", OTHER_NUMBER, OTHER_NUMBER, id="the one asked for, without default"),
    ],
)
def test_the_number_that_sends(rules: Rules, application: str | None, asked: str | None, number: str) -> None:
    event = campaign(DATA | {"phoneNumberId": asked}, ApplicationId=application)
    assert message(event, rules).phone_number_id == number


@pytest.mark.parametrize(
    ("rules", "asked", "path"),
    [
        pytest.param(RULES, "999", "Data.phoneNumberId", id="asked for one that is not set up"),
        pytest.param(NO_DEFAULT, None, "ApplicationId", id="none serves the application"),
        pytest.param(Rules(frozenset()), None, "ApplicationId", id="none is set up"),
        pytest.param(
            replace(RULES, phone_number_ids=frozenset()), None, "ApplicationId", id="the default is not set up"
        ),
    ],
)
def test_no_number_is_a_rejection(rules: Rules, asked: str | None, path: str) -> None:
    refused = rejection(campaign(DATA | {"phoneNumberId": asked}, ApplicationId="another"), rules)
    assert (refused.code, refused.path) == ("unknown_phone_number", path)


# --- what makes the same message the same (G3) ------------------------------------------------------------------------


def key(document: object) -> str:
    return message(document).key


def test_the_same_event_has_the_same_keys_and_new_message_ids_are_no_part_of_them() -> None:
    one, two = (results(sample("pinpoint_campaign_fifty")) for _ in range(2))
    keys = [item.key for item in one if isinstance(item, Message)]
    assert keys == [item.key for item in two if isinstance(item, Message)]
    assert len(set(keys)) == 46


@pytest.mark.parametrize(
    "change",
    [
        {"Data": json.dumps(DATA)},
        {"ApplicationId": "another"},
        {"CampaignId": "another"},
        {"TreatmentId": "1"},
        {"ActivityId": "another"},
        {"ScheduledTime": "2026-10-09T19:00:16.843Z"},
        {"ScheduledTime": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_event_has_another_key(change: dict[str, object]) -> None:
    assert key(campaign(**change)) != key(campaign())


def test_another_endpoint_has_another_key() -> None:
    endpoints = campaign()["Endpoints"]
    assert key(campaign(Endpoints={"test124": endpoints["test123"]})) != key(campaign())


def test_what_pinpoint_may_change_between_two_deliveries_is_no_part_of_the_key() -> None:
    assert key(campaign(None, {"EffectiveDate": "2026-11-01T00:00:00.000Z"}, Message={"x": 1})) == key(campaign())


def test_a_journeys_key_is_not_a_campaigns() -> None:
    journey = sample("pinpoint_journey")
    assert key(journey | {"JourneyId": "another"}) != key(journey)


def test_neighbouring_facts_are_not_run_together() -> None:
    one = campaign(TreatmentId="1", ActivityId="23")
    two = campaign(TreatmentId="12", ActivityId="3")
    assert key(one) != key(two)


@pytest.mark.parametrize(
    ("scheduled", "lifetime"),
    [
        pytest.param("2026-10-08T19:00:16.843Z", RULES.key_lifetime, id="a campaign's run is named by its time"),
        pytest.param(None, RULES.duplicate_window, id="a journey names no run"),
        pytest.param("", RULES.duplicate_window, id="an empty time names none"),
        pytest.param({"at": 1}, RULES.duplicate_window, id="nor does what is no time"),
    ],
)
def test_how_long_a_key_holds(scheduled: object, lifetime: timedelta) -> None:
    parsed = parse(campaign(ScheduledTime=scheduled))
    assert parsed.event.keys_expire_at == RECEIVED_AT + lifetime


# --- however odd ------------------------------------------------------------------------------------------------------

odd_text = st.text(st.characters(exclude_categories=()), max_size=30) | st.sampled_from(
    [
        "\0",
        "\ud800",
        "ALL",
        "INACTIVE",
        "8613800138000",
        "{{Id}}",
        "{{Address|x}}",
        "{{a.b}}",
        "auto",
        "high",
        "x" * 600,
    ]
)


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(odd_text, inner, max_size=4),
        max_leaves=15,
    )


def fields(names: list[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names) | odd_text, values, max_size=6)


json_values = nested(st.none() | st.booleans() | st.integers() | st.floats() | odd_text)
odd_values = json_values | nested(odd_text | st.builds(pow, st.just(10), st.just(5000)))
"""What JSON can say, and what only Python can: an integer that it refuses to write."""

odd_data = fields(["templateName", "params", "language", "ttlSeconds", "priority", "phoneNumberId"], json_values)
sound_data = st.fixed_dictionaries({"templateName": st.just("t"), "params": json_values | st.lists(odd_text)})
data_text = (odd_data | sound_data | json_values).map(json.dumps) | odd_text
endpoint = st.builds(
    lambda odd, good: odd | good,
    fields(["Address", "OptOut", "EndpointStatus", "Attributes", "Metrics", "User", "Id", "Location"], odd_values),
    st.sampled_from([{}, {"Address": "8613800138000"}, {"Address": "+8613800138000", "OptOut": "NONE"}]),
)
event = st.builds(
    lambda odd, data, endpoints: odd | {"Data": data, "Endpoints": endpoints},
    fields(["ApplicationId", "CampaignId", "JourneyId", "TreatmentId", "ActivityId", "ScheduledTime"], odd_values),
    data_text | odd_values,
    st.dictionaries(odd_text, endpoint | odd_values, max_size=4) | odd_values,
)


def strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for inner in value for text in strings(inner)] if isinstance(value, tuple | list) else []


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(event | odd_values)
def test_no_event_however_odd_raises(document: Any) -> None:
    parsed = parse(document)
    assert isinstance(parsed.event.keys_expire_at, type(RECEIVED_AT))
    for text in strings(astuple(parsed)):
        text.encode("utf-8")
        assert "\0" not in text
    if isinstance(parsed, Refusal):
        assert parsed.faults
        return
    assert len(parsed.results) == len(document["Endpoints"])
    for name, result in zip(document["Endpoints"], parsed.results, strict=True):
        assert result.recipient.startswith(name.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")[:256])
        if isinstance(result, Message):
            assert len(result.template.name) <= 512
            assert len(result.template.language) <= 64
            assert result.template.components == "" or isinstance(json.loads(result.template.components), list)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(odd_text, endpoint, min_size=1, max_size=6), st.lists(odd_text, max_size=3))
def test_every_endpoint_of_a_sound_event_has_its_result_in_order(
    endpoints: dict[str, dict[str, object]], params: list[str]
) -> None:
    """The same as above where Data is always sound, so that recipients are always looked at."""
    parsed = results({"Data": json.dumps({"templateName": "t", "params": params}), "Endpoints": endpoints})
    assert len(parsed) == len(endpoints)
    keys = [item.key for item in parsed if isinstance(item, Message)]
    assert len(keys) == len(set(keys))

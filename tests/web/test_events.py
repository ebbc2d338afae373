"""`POST /v1/events/pinpoint`: every answer that the shim can get."""

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from service.outbox import tables
from service.outbox.report import EventFacts
from tests.outbox.making import at_once
from tests.web.serving import NOW, Service, campaign, faults, person, sample


def stored_event(service: Service, event_id: str) -> EventFacts:
    facts = service.store.report.event(event_id)
    assert facts is not None
    return facts


def rows(service: Service) -> list[int]:
    """How many events, messages, keys and rejections there are."""
    with service.store.engine.connect() as connection:
        return [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (tables.events, tables.messages, tables.keys, tables.rejections)
        ]


def test_the_articles_event_is_taken(service: Service) -> None:
    answer = service.post(sample("pinpoint_campaign_article.json"))
    assert answer.status_code == 202
    assert answer.content_type == "application/json"
    assert "Idempotent-Replayed" not in answer.headers
    document = answer.get_json()
    assert document == {
        "event_id": document["event_id"],
        "accepted": 1,
        "duplicates": 0,
        "rejected": 0,
        "results": [{"recipient": "test123", "status": "accepted", "message_id": document["results"][0]["message_id"]}],
    }


def test_of_fifty_endpoints_four_are_rejected_and_the_rest_goes(service: Service) -> None:
    document = service.post(sample("pinpoint_campaign_fifty.json")).get_json()
    assert {name: document[name] for name in ("accepted", "duplicates", "rejected")} == {
        "accepted": 46,
        "duplicates": 0,
        "rejected": 4,
    }
    assert [result["recipient"] for result in document["results"]] == [f"ep{n:03}" for n in range(50)]
    rejected = {
        result["recipient"]: (result["code"], result["path"])
        for result in document["results"]
        if result["status"] == "rejected"
    }
    assert rejected == {
        "ep007": ("invalid_address", "Endpoints.ep007.Address"),
        "ep013": ("opted_out", "Endpoints.ep013.OptOut"),
        "ep021": ("inactive", "Endpoints.ep021.EndpointStatus"),
        "ep034": ("placeholder_missing", "Endpoints.ep034.Attributes.LastProduct"),
    }
    assert all(
        result.keys() == {"recipient", "status", "code", "path", "detail"}
        for result in document["results"]
        if result["status"] == "rejected"
    )
    assert rows(service) == [1, 46, 46, 4]


def test_an_event_of_which_all_are_rejected_is_still_202(service: Service) -> None:
    [result] = service.accept({"Address": "nobody"})
    assert (result["status"], result["code"]) == ("rejected", "invalid_address")


def data(**content: Any) -> dict[str, str]:
    return {"Data": json.dumps(content)}


BAD_BODIES: dict[str, tuple[Any, int, list[tuple[str, str]]]] = {
    "not JSON": (b"{", 400, [("", "invalid_json")]),
    "empty": (b"", 400, [("", "invalid_json")]),
    "nested without end": (b"[" * 200_000, 400, [("", "invalid_json")]),
    "a number of ten thousand digits": (b"1" * 10_000, 400, [("", "invalid_json")]),
    "not an object": ([], 422, [("", "not_an_object")]),
    "no Endpoints": ({"Data": campaign()["Data"]}, 422, [("Endpoints", "missing")]),
    "Endpoints empty": (campaign(), 422, [("Endpoints", "empty")]),
    "Endpoints not an object": (campaign(Endpoints=[person()]), 422, [("Endpoints", "not_an_object")]),
    "no Data, as from the console": (sample("pinpoint_console_without_data.json"), 422, [("Data", "missing")]),
    "Data not a string": (campaign(person(), Data={"templateName": "x"}), 422, [("Data", "not_a_string")]),
    "Data not JSON": (campaign(person(), Data="hello"), 422, [("Data", "invalid_json")]),
    "Data not an object": (campaign(person(), Data="[]"), 422, [("Data", "not_an_object")]),
    "Data nested without end": (campaign(person(), Data="[" * 200_000), 422, [("Data", "invalid_json")]),
    "Data without templateName": (campaign(person(), **data(params=[])), 422, [("Data.templateName", "missing")]),
    "params of a wrong shape": (
        campaign(person(), **data(templateName="x", params="hello")),
        422,
        [("Data.params", "invalid_params")],
    ),
    "nothing right at all": ({}, 422, [("Endpoints", "missing"), ("Data", "missing")]),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_event_is_refused_with_each_fault_and_its_place_and_kept_as_it_came(service: Service, name: str) -> None:
    document, status, expected = BAD_BODIES[name]
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    answer = service.post(body, "evt")
    assert answer.status_code == status
    assert faults(answer) == expected
    assert all(fault["detail"] for fault in answer.get_json()["errors"])
    assert rows(service) == [1, 0, 0, 0]
    facts = stored_event(service, answer.get_json()["event_id"])
    assert facts.event.items() >= {"refused_body": body.decode(), "answer": answer.text, "http_status": status}.items()
    again = service.post(body, "evt")
    assert (again.status_code, again.data, again.content_type) == (status, answer.data, "application/problem+json")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert rows(service) == [1, 0, 0, 0]


BAD_RECIPIENTS: dict[str, tuple[Any, str, str]] = {
    "no number": (person(Address="hello"), "invalid_address", "Endpoints.ep1.Address"),
    "no Address": ({}, "invalid_address", "Endpoints.ep1.Address"),
    "an Address of a wrong kind": (person(Address={"x": 1}), "invalid_address", "Endpoints.ep1.Address"),
    "opted out": (person(OptOut="ALL"), "opted_out", "Endpoints.ep1.OptOut"),
    "inactive": (person(EndpointStatus="INACTIVE"), "inactive", "Endpoints.ep1.EndpointStatus"),
    "a placeholder with nothing to fill it": (
        person(1),
        "placeholder_missing",
        "Endpoints.ep1.Attributes.City",
    ),
}


@pytest.mark.parametrize("name", BAD_RECIPIENTS)
def test_one_bad_recipient_never_spoils_the_others(service: Service, name: str) -> None:
    endpoint, code, path = BAD_RECIPIENTS[name]
    content = data(templateName="order_update", params=["{{Attributes.City}}"])
    city = {"Attributes": {"City": ["Shanghai"]}}
    results = service.accept(person(0) | city, endpoint, person(2) | city, **content)
    assert [result["status"] for result in results] == ["accepted", "rejected", "accepted"]
    assert (results[1]["code"], results[1]["path"]) == (code, path)
    assert results[1]["detail"]


def test_a_body_over_six_megabytes_is_413(light: Service) -> None:
    answer = light.post(b'{"Data": "' + b"x" * 7 * 1024 * 1024 + b'"}')
    assert answer.status_code == 413
    assert faults(answer) == []
    assert rows(light) == [0, 0, 0, 0]


def test_a_body_of_just_under_six_megabytes_is_taken(light: Service) -> None:
    answer = light.post(campaign(person(), Message="x" * (6 * 1024 * 1024 - 1000)))
    assert answer.status_code == 202


@pytest.mark.parametrize("depth", [10, 24, 100, 500, 900, 980, 1000, 5000])
def test_no_depth_of_nesting_is_a_mistake_of_ours(light: Service, depth: int) -> None:
    nested = "[" * depth + '{"a":' * depth + "1" + "}" * depth + "]" * depth
    inside = '{"templateName":"x","params":[{"type":"body","parameters":[{"x":' + nested + "}]}]}"
    for body in (
        json.dumps(campaign(person(), Data=inside)),
        '{"Data":"{}","Endpoints":' + nested + "}",
        json.dumps(campaign(person()))[:-1] + ',"More":' + nested + "}",
        json.dumps(campaign(person(0)))[:-2] + ',"ep1":{"Address":' + nested + "}}}",
        json.dumps(campaign(Data='{"templateName":"x","params":["{{Attributes.A.B}}"]}'))[:-2]
        + '"ep1":{"Address":"+8613800138000","Attributes":'
        + nested
        + "}}}",
    ):
        assert light.post(body.encode()).status_code in {202, 400, 422}


def test_a_replay_gets_the_stored_answer_and_stores_nothing(service: Service) -> None:
    document = campaign(person(0), person(1), {"Address": "x"})
    first = service.post(document, "evt_1")
    before = rows(service)
    service.pass_time(days=3)
    again = service.post(document, "evt_1", age=200)
    assert (again.status_code, again.data, again.content_type) == (202, first.data, "application/json")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert rows(service) == before


def test_a_known_id_with_another_body_is_422_and_stores_nothing(service: Service) -> None:
    service.post(campaign(person(0)), "evt_1")
    before = rows(service)
    answer = service.post(campaign(person(1)), "evt_1")
    assert answer.status_code == 422
    assert faults(answer) == [("webhook-id", "receipt_conflict")]
    assert rows(service) == before


@pytest.mark.parametrize("document", [b"{", {}])
def test_a_known_id_with_another_body_is_422_also_when_that_body_is_bad(service: Service, document: Any) -> None:
    service.post(campaign(person(0)), "evt_1")
    assert faults(service.post(document, "evt_1")) == [("webhook-id", "receipt_conflict")]


def test_the_same_event_by_another_delivery_is_a_duplicate_with_the_first_id(service: Service) -> None:
    [first] = service.accept(person())
    [second] = service.accept(person())
    assert second == {"recipient": "ep0", "status": "duplicate", "message_id": first["message_id"]}


def test_the_same_event_from_five_threads_is_one_message_per_endpoint(service: Service) -> None:
    body = json.dumps(campaign(*(person(n) for n in range(50)))).encode()
    for names in (["evt_1"] * 5, [f"evt_{n}" for n in range(2, 7)]):
        answers = at_once([partial(service.post, body, name) for name in names])
        assert [answer.status_code for answer in answers] == [202] * 5
        ids = {tuple(result["message_id"] for result in answer.get_json()["results"]) for answer in answers}
        assert len(ids) == 1
    assert rows(service)[:3] == [6, 50, 50]


def receipt(seconds_ago: float) -> str:
    return f"evt_{int((NOW.timestamp() - seconds_ago) * 1000)}_2f1c-request-id"


def test_the_shims_id_tells_when_the_event_was_received(service: Service) -> None:
    answer = service.post(campaign(person()), receipt(seconds_ago=3600))
    facts = stored_event(service, answer.get_json()["event_id"])
    assert (NOW - facts.event["received_at"]).total_seconds() == pytest.approx(3600, abs=0.001)
    assert facts.event["added_at"] == NOW
    message = service.store.report.message(answer.get_json()["results"][0]["message_id"])
    assert message is not None
    assert message.message["due_at"] == facts.event["received_at"]


@pytest.mark.parametrize(
    "name",
    [
        receipt(-60),
        receipt(16 * 86400),
        "evt_0000000000000_x",
        "evt_99999999999999_x",
        "evt_1234",
        "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
    ],
)
def test_an_id_that_tells_no_possible_moment_means_now(service: Service, name: str) -> None:
    answer = service.post(campaign(person()), name)
    assert stored_event(service, answer.get_json()["event_id"]).event["received_at"] == NOW


def test_a_journeys_window_counts_from_receipt_also_when_it_was_parked(service: Service) -> None:
    """Two deliveries twenty minutes apart, both parked, both handed on a day later."""
    journey = campaign(person(), JourneyId="j", CampaignId=None, ScheduledTime=None)
    service.pass_time(days=1)
    first = service.post(journey, receipt(seconds_ago=0)).get_json()["results"][0]
    again = service.post(journey, receipt(seconds_ago=-14 * 60)).get_json()["results"][0]
    third = service.post(journey, receipt(seconds_ago=-20 * 60)).get_json()["results"][0]
    assert [first["status"], again["status"], third["status"]] == ["accepted", "duplicate", "accepted"]


def test_a_store_that_is_down_is_503_with_retry_after(down: Service) -> None:
    for document in (campaign(person()), {}, b"{"):
        answer = down.post(document)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert faults(answer) == []


def test_after_a_503_the_same_delivery_is_new(service: Service, down: Service) -> None:
    document = campaign(person())
    assert down.post(document, "evt_1").status_code == 503
    answer = service.post(document, "evt_1")
    assert answer.status_code == 202
    assert "Idempotent-Replayed" not in answer.headers


odd_text = st.text(st.characters(exclude_categories=()), max_size=30)  # surrogates and NUL too
odd_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | odd_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_text, inner, max_size=3),
    max_leaves=8,
)
odd_endpoint = st.fixed_dictionaries(
    {},
    optional={
        "Address": st.just("+8613800138000") | odd_json,
        "OptOut": odd_json,
        "EndpointStatus": odd_json,
        "Attributes": st.fixed_dictionaries({}, optional={"City": odd_json}),
        "User": odd_json,
    },
)
odd_data = st.fixed_dictionaries(
    {"templateName": st.just("order_update") | odd_text},
    optional={
        "params": st.lists(st.just("{{Attributes.City|x}}") | odd_text)
        | st.dictionaries(odd_text, odd_text)
        | odd_json,
        "language": st.sampled_from(["auto", "en_US", "zh_" + "CN_" * 40 + "CN"]) | odd_json,
        "ttlSeconds": st.integers() | odd_json,
        "priority": st.sampled_from(["high", "normal"]) | odd_json,
        "phoneNumberId": odd_json,
    },
)
odd_events = st.fixed_dictionaries(
    {
        "Data": odd_data.map(json.dumps) | odd_json,
        "Endpoints": st.dictionaries(odd_text, odd_endpoint | odd_json, min_size=1, max_size=3) | odd_json,
    },
    optional={
        name: odd_json | odd_text.map(lambda text: text * 40)
        for name in ("ApplicationId", "CampaignId", "JourneyId", "TreatmentId", "ActivityId", "ScheduledTime")
    },
)


ODD_DATA: dict[str, dict[str, Any]] = {
    "a language longer than any": {"templateName": "x", "language": "zh_" + "CN_" * 40 + "CN"},
    "a name of NULs": {"templateName": "\0" * 512},
    "a long Chinese name": {"templateName": "漢" * 512},
    "a name of half characters": {"templateName": "\ud800" * 300},
    "a parameter named by half a character": {"templateName": "x", "params": {"\ud800": {}}},
    "a placeholder of half a character": {"templateName": "x", "params": ["{{Attributes.\ud800\0}}"]},
    "a value of half a character": {"templateName": "x", "params": {"\ud800": "\udfff\0"}},
}


@pytest.mark.parametrize("name", ODD_DATA)
def test_characters_that_no_store_keeps_are_no_mistake_of_ours(service: Service, name: str) -> None:
    answer = service.post(campaign(person(), **data(**ODD_DATA[name])))
    assert answer.status_code in {202, 422}
    assert service.event(answer.get_json()["event_id"])["recipients"] == (1 if answer.status_code == 202 else 0)


@given(document=odd_events)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_event_however_odd_is_a_mistake_of_ours_or_cannot_be_shown_again(service: Service, document: Any) -> None:
    answer = service.post(document)
    assert answer.status_code in {202, 422}
    event_id = answer.get_json()["event_id"]
    assert service.event(event_id)["event_id"] == event_id
    for result in answer.get_json().get("results", []):
        if result["status"] == "accepted":
            assert service.message(result["message_id"])["status"] == "queued"


@given(body=st.binary(max_size=60) | odd_json.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_however_odd_is_a_mistake_of_ours(light: Service, body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError:
        return  # cannot be signed: Standard Webhooks signs text
    assert light.post(body).status_code in {400, 422}

"""`POST /v1/messages`: every answer that an internal system can get."""

import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from pydantic import BaseModel
from sqlalchemy import func, select

from service.intake import direct
from service.outbox import tables
from service.outbox.outbox import Demand
from service.web import MAX_BODY_BYTES, direct_contract
from tests.intake.odd import odd_items, odd_json
from tests.outbox.making import at_once
from tests.web.serving import MESSAGES, NOW, NUMBER, READER, SENDER, Service, api_key, faults, sample

TO = "+8613800138000"
ONE = {"messages": [{"to": TO, "template": {"name": "order_update"}}]}
KEY = "a2f1c9b0-call"
OTHER_SENDER = "wck_billing"


@pytest.fixture
def service(service: Service) -> Service:
    """With a second caller who may send."""
    return Service(service.store, more_keys=(api_key("billing", "send", OTHER_SENDER),))


def items(*more: dict[str, Any]) -> dict[str, Any]:
    """A call with these messages, each to a person of its own."""
    return {
        "messages": [
            {"to": f"+86138001{n:05}", "template": {"name": "order_update"}} | one for n, one in enumerate(more)
        ]
    }


def results(service: Service, document: Any, **how: Any) -> list[dict[str, Any]]:
    answer = service.direct(document, **how)
    assert answer.status_code == 202, answer.data
    found: list[dict[str, Any]] = answer.get_json()["results"]
    return found


def rows(service: Service) -> list[int]:
    """How many events, messages, keys and rejections there are."""
    with service.store.engine.connect() as connection:
        return [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (tables.events, tables.messages, tables.keys, tables.rejections)
        ]


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"channel_{name}_total", labels) or 0.0


def test_the_samples_messages_are_taken_one_by_one(service: Service) -> None:
    document = sample("direct_messages.json")
    document["messages"][1]["message"] = "ordertimeoutnotification"
    answer = service.direct(document)
    assert (answer.status_code, answer.content_type) == (202, "application/json")
    receipt = answer.get_json()
    spelled_out, named, rejected = receipt.pop("results")
    assert receipt == {"event_id": receipt["event_id"], "accepted": 2, "duplicates": 0, "rejected": 1}
    assert spelled_out == {"recipient": "0", "status": "accepted", "message_id": spelled_out["message_id"]}
    assert (named["recipient"], named["status"]) == ("order-18", "accepted")
    assert (rejected["recipient"], rejected["code"], rejected["path"]) == ("2", "invalid_address", "messages[2].to")

    report = service.message(spelled_out["message_id"])
    assert (report["recipient"], report["status"], report["to"]) == ("0", "queued", "+86••••••••000")
    assert (report["reference"], report["priority"]) == ("order-17", "high")
    assert report["expires_at"] == "2026-11-01T09:05:00.123Z"
    event = service.event(receipt["event_id"])
    assert (event["source"], event["recipients"], event["counts"]) == ("direct", 3, {"queued": 2, "rejected": 1})


def test_a_call_may_name_its_campaign(service: Service) -> None:
    (result,) = results(service, ONE | {"campaign_id": "summer"})
    report = service.message(result["message_id"])
    assert report["campaign_id"] == "summer"
    assert service.event(report["event_id"])["campaign_id"] == "summer"


def test_a_message_with_send_at_is_not_sent_before(service: Service) -> None:
    (result,) = results(service, items({"send_at": "2026-11-01T11:00:00Z", "ttl_seconds": 60}))
    outbox = service.store.outbox
    lease = outbox.acquire_lease(NUMBER, "a dispatcher")
    assert lease is not None
    two_hours = timedelta(hours=2) - timedelta(microseconds=NOW.microsecond)
    assert outbox.claim(Demand(lease, 10), NOW + two_hours - timedelta(seconds=1)) == []
    (attempt,) = outbox.claim(Demand(lease, 10), NOW + two_hours)
    assert attempt.message.message_id == result["message_id"]
    assert service.message(result["message_id"])["expires_at"] == "2026-11-01T11:01:00.000Z"


def test_a_known_key_gets_the_stored_answer(service: Service) -> None:
    first = service.direct(ONE, call=KEY)
    service.pass_time(days=40)
    again = service.direct(ONE, call=KEY)
    assert "Idempotent-Replayed" not in first.headers
    assert (again.status_code, again.data, again.content_type) == (202, first.data, "application/json")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert rows(service) == [1, 1, 1, 0]


def test_a_known_key_with_another_body_is_refused_and_sends_nothing(service: Service) -> None:
    service.direct(ONE, call=KEY)
    answer = service.direct(items({}), call=KEY)
    assert answer.status_code == 422
    assert faults(answer) == [("Idempotency-Key", "receipt_conflict")]
    assert rows(service) == [1, 1, 1, 0]


def test_another_callers_key_is_another_key(service: Service) -> None:
    (mine,) = results(service, ONE, call=KEY)
    (theirs,) = results(service, items({}), call=KEY, key=OTHER_SENDER)
    assert [mine["status"], theirs["status"]] == ["accepted", "accepted"]


def test_without_a_key_the_same_call_is_sent_again(service: Service) -> None:
    assert [results(service, ONE)[0]["status"] for _ in range(3)] == ["accepted"] * 3
    assert rows(service) == [3, 3, 3, 0]


def test_the_longest_keys_of_a_caller_are_told_apart(service: Service) -> None:
    one, other = "k" * 255, "k" * 254 + "l"
    for key in (one, other):
        assert "Idempotent-Replayed" not in service.direct(ONE, call=key).headers
        assert service.direct(ONE, call=key).headers["Idempotent-Replayed"] == "true"
    assert rows(service)[0] == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "schlüssel", "a\tb"])
def test_a_key_that_is_none_is_refused_before_anything_is_kept(service: Service, key: str) -> None:
    answer = service.direct(ONE, call=key)
    assert answer.status_code == 422
    assert faults(answer) == [("Idempotency-Key", "invalid_value")]
    assert rows(service) == [0, 0, 0, 0]


def test_twenty_clients_at_once_with_the_same_key_send_once_and_get_the_same_answer(service: Service) -> None:
    body = json.dumps(items({}, {}, {"to": "x"})).encode()
    answers = at_once([partial(service.direct, body, call=KEY) for _ in range(20)])
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.data for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert rows(service) == [1, 2, 2, 1]


def test_twenty_clients_at_once_with_the_same_id_send_once(service: Service) -> None:
    body = json.dumps(items({"id": "order-17"})).encode()
    answers = at_once([partial(service.direct, body, call=f"{KEY}-{n}") for n in range(20)])
    found = [answer.get_json()["results"][0] for answer in answers]
    assert sorted(result["status"] for result in found) == ["accepted", *["duplicate"] * 19]
    assert len({result["message_id"] for result in found}) == 1


def test_the_same_id_twice_in_one_call_is_one_message(service: Service) -> None:
    first, second = results(service, items({"id": "order-17"}, {"id": "order-17"}))
    assert [first["status"], second["status"]] == ["accepted", "duplicate"]
    assert first["message_id"] == second["message_id"]


def test_an_id_is_known_for_as_long_as_reports_are_kept(service: Service) -> None:
    statuses = []
    for days in (0, 89, 2):
        service.pass_time(days=days)
        statuses.append(results(service, items({"id": "order-17"}))[0]["status"])
    assert statuses == ["accepted", "duplicate", "accepted"]


def test_a_rejection_uses_up_no_id(service: Service) -> None:
    (rejected,) = results(service, items({"id": "order-17", "to": "x"}))
    (accepted,) = results(service, items({"id": "order-17"}))
    assert [rejected["status"], accepted["status"]] == ["rejected", "accepted"]


REFUSED: dict[str, tuple[Any, int, list[tuple[str, str]]]] = {
    "not JSON": (b"{", 400, [("", "invalid_json")]),
    "nothing": (b"", 400, [("", "invalid_json")]),
    "not UTF-8": (b'{"messages": "\xff"}', 400, [("", "invalid_json")]),
    "nested too deeply": (b"[" * 100_000, 400, [("", "invalid_json")]),
    "not an object": ([], 422, [("", "not_an_object")]),
    "without messages": ({"messages": []}, 422, [("messages", "empty")]),
    "too many messages": ({"messages": [{}] * 1001}, 422, [("messages", "too_many")]),
    "a message by itself": (ONE["messages"][0], 422, [("messages", "missing"), ("to", "unknown_field")]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_whole_is_not_kept_and_leaves_the_key_free(service: Service, name: str) -> None:
    body, status, expected = REFUSED[name]
    answer = service.direct(body, call=KEY)
    assert answer.status_code == status
    assert faults(answer) == expected
    assert rows(service) == [0, 0, 0, 0]
    assert "event_id" not in answer.get_json()
    assert results(service, ONE, call=KEY)[0]["status"] == "accepted"


def test_a_thousand_messages_go_in_one_call(service: Service) -> None:
    answer = service.direct(items(*({"id": f"order-{n}"} for n in range(1000))))
    assert answer.get_json()["accepted"] == 1000
    assert rows(service) == [1, 1000, 1000, 0]


def test_who_may_not_send_is_refused_and_nothing_is_kept(service: Service) -> None:
    for key in (None, "wck_wrong", ""):
        answer = service.direct(ONE, key=key)
        assert (answer.status_code, answer.data) == (401, b"")
    answer = service.direct(ONE, key=READER)
    assert answer.status_code == 403
    assert "lacks the scope send" in answer.get_json()["detail"]
    assert rows(service) == [0, 0, 0, 0]


def test_a_body_over_six_megabytes_is_413(light: Service) -> None:
    answer = light.direct(b" " * (MAX_BODY_BYTES + 1))
    assert answer.status_code == 413
    assert faults(answer) == []


def test_a_store_that_is_down_is_503_and_leaves_the_key_free(service: Service, down: Service) -> None:
    answer = down.direct(ONE, call=KEY)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "Idempotent-Replayed" not in service.direct(ONE, call=KEY).headers


@pytest.mark.parametrize("query", ["?dryrun=true", "?dry-run=1", "?pretty"])
def test_a_misspelt_parameter_sends_nothing(service: Service, query: str) -> None:
    answer = service.direct(ONE, query=query)
    assert answer.status_code == 422
    assert faults(answer) == [("", "unknown_field")]
    assert rows(service) == [0, 0, 0, 0]


def test_what_comes_in_is_counted_as_direct(light: Service) -> None:
    def look() -> list[float]:
        return [
            *(counted("recipients", source="direct", result=name) for name in ("accepted", "duplicate", "rejected")),
            *(counted("events", source="direct", http_status=status) for status in ("202", "400", "422")),
            counted("rejections", code="invalid_address"),
        ]

    before = look()
    document = items({"id": "order-17"}, {"to": "x"})
    light.direct(document, call=KEY)
    light.direct(document, call=KEY)
    light.direct(items({"id": "order-17"}))
    light.direct(b"{")
    light.direct({})
    light.direct(ONE, query="?dry_run=1")
    assert [now - then for now, then in zip(look(), before, strict=True)] == [1, 1, 1, 3, 1, 1, 1]


@given(given_items=st.lists(odd_items, min_size=1, max_size=3))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_message_however_odd_is_a_mistake_of_ours_or_cannot_be_shown_again(
    service: Service, given_items: list[Any]
) -> None:
    document = {"messages": given_items}
    rehearsed = service.direct(document, query="?dry_run=true")
    assert rehearsed.status_code == 200
    answer = service.direct(document)
    assert answer.status_code == 202
    receipt = answer.get_json()
    assert len(receipt["results"]) == len(rehearsed.get_json()["results"]) == len(given_items)
    assert service.event(receipt["event_id"])["recipients"] == len(given_items)
    for result in receipt["results"]:
        if result["status"] == "accepted":
            assert service.message(result["message_id"])["status"] == "queued"


@given(body=st.binary(max_size=60) | odd_json.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_however_odd_is_a_mistake_of_ours(light: Service, body: bytes) -> None:
    assert light.direct(body).status_code in {400, 422}


def test_the_contract_documents_every_field_that_is_known() -> None:
    documented: dict[type[BaseModel], type[BaseModel]] = {
        direct_contract.DirectMessage: direct._Item,
        direct_contract.DirectTemplate: direct._Template,
    }
    for shown, known in documented.items():
        assert shown.model_fields.keys() == known.model_fields.keys()
    assert tuple(direct_contract.DirectMessages.model_fields) == direct.FIELDS


_MODELS: list[type[BaseModel]] = [direct_contract.DirectMessages, direct_contract.Rehearsal]


@pytest.mark.parametrize("model", _MODELS)
def test_an_example_of_the_contract_fits_its_model(model: type[BaseModel]) -> None:
    for example in model.model_json_schema()["examples"]:
        model.model_validate(example, strict=True)


def test_the_example_of_the_contract_is_taken(service: Service) -> None:
    (example,) = direct_contract.DirectMessages.model_json_schema()["examples"]
    assert [result["status"] for result in results(service, example)] == ["accepted"]


def test_the_contract_shows_the_header_the_query_and_every_answer(light: Service) -> None:
    call = light.client.get("/openapi.json").get_json()["paths"][MESSAGES]["post"]
    assert {(one["name"], one["in"]) for one in call["parameters"]} == {
        ("Idempotency-Key", "header"),
        ("dry_run", "query"),
    }
    assert list(call["responses"]) == ["200", "202", "400", "401", "403", "413", "422", "503"]
    assert call["security"] == [{"api_key": []}]


def test_a_key_shown_in_the_query_is_not_looked_at(light: Service) -> None:
    assert light.direct(ONE, key=None, query=f"?key={SENDER}").status_code == 401

"""What machines ask, errors of the web itself, and the published contract."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from prometheus_client import REGISTRY, CollectorRegistry

from service.config import ConfigError, Settings
from service.outbox import migrations
from service.wiring import build_web_app, open_store
from tests.web.serving import NUMBER, READER, SIGNING_KEY, Service, api_key, campaign, faults, person, statuses, told


def test_the_process_is_alive_also_while_the_store_is_down(down: Service) -> None:
    assert down.client.get("/healthz").status_code == 200


def test_ready_means_that_the_store_can_be_written(service: Service) -> None:
    assert [service.client.get("/readyz").status_code for _ in range(2)] == [200, 200]


def test_not_ready_while_the_store_is_down(down: Service) -> None:
    answer = down.client.get("/readyz")
    assert answer.status_code == 503
    assert faults(answer) == []


def test_metrics_show_what_waits_per_number_and_since_when(service: Service) -> None:
    service.accept(person(0), person(1), ScheduledTime="x")
    text = service.client.get("/metrics").text
    labels = f'phone_number_id="{NUMBER}",status="queued"'
    assert f"channel_messages_waiting{{{labels}}} 2.0" in text
    assert f"channel_oldest_waiting_seconds{{{labels}}} 0.0" in text


def test_a_scrape_fails_while_the_store_is_down(down: Service) -> None:
    assert down.client.get("/metrics").status_code == 503


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"channel_{name}_total", labels) or 0.0


def test_what_comes_in_is_counted_once_per_delivery(light: Service) -> None:
    names = ("accepted", "duplicate", "rejected")
    before = {name: counted("recipients", source="pinpoint", result=name) for name in names}
    document = campaign(person(0), person(1), {"Address": "x"})
    light.post(document, "evt_1")
    light.post(document, "evt_1")
    light.post(document, "evt_2")
    after = {name: counted("recipients", source="pinpoint", result=name) for name in names}
    assert {name: after[name] - before[name] for name in names} == {"accepted": 2, "duplicate": 2, "rejected": 2}


def test_late_failures_are_counted_once_however_often_they_are_told(light: Service) -> None:
    before = counted("late_failures", code="131026")
    [name] = light.send()
    failed = told(name, "failed", errors=[{"code": 131026}])
    light.notify(statuses(failed, failed))
    light.notify(statuses(failed))
    assert counted("late_failures", code="131026") - before == 1


def test_an_unknown_path_is_a_problem(light: Service) -> None:
    answer = light.client.get("/nothing/+8613800138000")
    assert answer.status_code == 404
    assert faults(answer) == []
    assert "8613800138000" not in answer.text


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/events/pinpoint"), ("POST", "/healthz"), ("PUT", "/webhooks/whatsapp")]
)
def test_a_wrong_method_is_a_problem_that_names_the_right_ones(light: Service, method: str, path: str) -> None:
    answer = light.client.open(path, method=method)
    if answer.status_code == 401:  # /v1/events/<id> is a report
        return
    assert answer.status_code == 405
    assert answer.headers["Allow"]
    assert faults(answer) == []


@pytest.fixture
def document(light: Service) -> dict[str, Any]:
    answer = light.client.get("/openapi.json")
    assert answer.status_code == 200
    contract: dict[str, Any] = answer.get_json()
    return contract


def inner(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in the document."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from inner(item)


def test_the_contract_is_openapi_and_lists_the_public_calls(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert {(method, path) for path, calls in document["paths"].items() for method in calls} == {
        ("post", "/v1/events/pinpoint"),
        ("post", "/v1/events/connect"),
        ("post", "/v1/messages"),
        ("get", "/v1/messages/{message_id}"),
        ("post", "/v1/messages/{message_id}/decide"),
        ("post", "/v1/messages/search"),
        ("post", "/v1/messages/export"),
        ("post", "/v1/messages/replay"),
        ("post", "/v1/messages/cancel"),
        ("get", "/v1/events/{event_id}"),
        ("get", "/v1/campaigns/{campaign_id}"),
        ("post", "/v1/campaigns/{campaign_id}/pause"),
        ("post", "/v1/campaigns/{campaign_id}/resume"),
        ("put", "/v1/suppressions"),
        ("delete", "/v1/suppressions"),
        ("post", "/v1/suppressions/search"),
        ("post", "/v1/suppressions/import"),
        ("get", "/webhooks/whatsapp"),
        ("post", "/webhooks/whatsapp"),
    }


def test_every_reference_in_the_contract_leads_somewhere(document: dict[str, Any]) -> None:
    references = [found["$ref"] for found in inner(document) if "$ref" in found]
    assert references
    for reference in references:
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
        assert isinstance(target, dict)
    assert not any("$defs" in found for found in inner(document))


def test_every_call_of_the_contract_says_who_may_make_it_and_what_it_answers(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"].keys()
    operation_ids = []
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            operation_ids.append(call["operationId"])
            assert call["summary"]
            assert {name for needed in call.get("security", []) for name in needed} <= schemes
            assert bool(call.get("security")) == ((method, path) != ("get", "/webhooks/whatsapp"))
            assert all(answer["description"] for answer in call["responses"].values())
            named = {parameter["name"] for parameter in call["parameters"] if parameter["in"] == "path"}
            assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}
    assert len(set(operation_ids)) == len(operation_ids)


def test_errors_of_the_contract_are_problems_and_none_is_listed_that_is_never_given(document: dict[str, Any]) -> None:
    problem = {"$ref": "#/components/schemas/Problem"}
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            errors = {code: answer.get("content") for code, answer in call["responses"].items() if code >= "400"}
            assert errors.pop("401", None) is None
            for status, content in errors.items():
                (told,) = content.values()
                assert (list(content), told["schema"]) == (["application/problem+json"], problem)
                assert told.get("example", {"status": int(status)})["status"] == int(status)
            assert ("422" in errors) == (method != "get" and path.startswith("/v1/"))
    assert "ValidationError" not in document["components"]["schemas"]


def test_what_the_service_answers_is_what_the_contract_says(service: Service, document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    def assert_fits(value: Any, name: str) -> None:
        assert value.keys() <= schemas[name]["properties"].keys()
        assert value.keys() >= set(schemas[name]["required"])

    receipt = service.post(campaign(person(), {"Address": "x"})).get_json()
    assert_fits(receipt, "Receipt")
    for result in receipt["results"]:
        assert_fits(result, "RecipientResult")
    assert_fits(service.post({}).get_json(), "Problem")
    assert_fits(service.event(receipt["event_id"]), "EventReport")
    message = service.message(receipt["results"][0]["message_id"])
    assert_fits(message, "MessageReport")


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Flask]:
    """The app as gunicorn gets it, from settings."""
    settings = Settings.from_environment(
        {
            "DATABASE_URL": f"sqlite:///{tmp_path}/channel.db",
            "FB_BUSINESS_PHONE_ID": NUMBER,
            "FB_APP_TOKEN": "t",
            "SIGNING_KEYS": SIGNING_KEY,
            "API_KEYS": api_key("reader", "read", READER),
        }
    )
    store = open_store(settings)
    migrations.migrate(store.engine)
    yield build_web_app(settings, CollectorRegistry(), store)
    store.engine.dispose()


def test_the_app_of_the_settings_takes_an_event_and_reports_on_it(built: Flask) -> None:
    from tests.web.serving import EVENTS, signed  # noqa: PLC0415 - only here

    body = json.dumps(campaign(person())).encode()
    answer = built.test_client().post(EVENTS, data=body, headers=signed(body, "evt_1"))
    assert answer.status_code == 202
    message_id = answer.get_json()["results"][0]["message_id"]
    report = built.test_client().get(f"/v1/messages/{message_id}", headers={"Authorization": f"Bearer {READER}"})
    assert report.get_json()["status"] == "queued"


@pytest.mark.parametrize("bad", [{"SIGNING_KEYS": "whsec_"}, {"API_KEYS": "wck_secret"}])
def test_keys_that_cannot_be_used_keep_the_service_from_starting(tmp_path: Path, bad: dict[str, str]) -> None:
    settings = Settings.from_environment({"DATABASE_URL": f"sqlite:///{tmp_path}/c.db"} | bad)
    with pytest.raises(ConfigError) as caught:
        build_web_app(settings, CollectorRegistry())
    assert "wck_secret" not in str(caught.value)

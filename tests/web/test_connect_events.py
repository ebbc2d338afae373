"""`POST /v1/events/connect`: every answer that the shim can get."""

import copy
import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from prometheus_client import REGISTRY

from service.intake.draft import Draft
from tests.conftest import Store
from tests.outbox.making import at_once
from tests.web.serving import CONNECT, NOW, OTHER_KEY, RULES, Service, faults, sample

ACTION = "InvocationMetadata.CampaignContext.ActionId"
EVENT = sample("connect_journey_action.json")
SENT, REFUSED = (profile["ProfileId"] for profile in EVENT["Items"]["CustomerProfiles"])


def journey(**context: object) -> dict[str, Any]:
    """The sample with these facts of its campaign changed."""
    event: dict[str, Any] = copy.deepcopy(EVENT)
    event["InvocationMetadata"]["CampaignContext"].update(context)
    return event


def result(service: Service, document: Any, receipt_id: str | None = None) -> dict[str, Any]:
    """What became of the sample's first profile."""
    answer = service.post(document, receipt_id, CONNECT)
    assert answer.status_code == 202
    first: dict[str, Any] = answer.get_json()["results"][0]
    return first


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"channel_{name}_total", {"source": "connect", **labels}) or 0.0


def test_of_the_samples_profiles_one_is_sent_and_one_has_no_address(service: Service) -> None:
    answer = service.post(EVENT, path=CONNECT)
    assert (answer.status_code, answer.content_type) == (202, "application/json")
    document = answer.get_json()
    accepted, rejected = document.pop("results")
    assert document == {"event_id": document["event_id"], "accepted": 1, "duplicates": 0, "rejected": 1}
    assert accepted == {"recipient": SENT, "status": "accepted", "message_id": accepted["message_id"]}
    assert (rejected["recipient"], rejected["code"]) == (REFUSED, "invalid_address")
    assert rejected["path"] == "Items.CustomerProfiles[1].CustomerData"

    report = service.message(accepted["message_id"])
    assert (report["recipient"], report["status"], report["to"]) == (SENT, "queued", "+86••••••••000")
    assert report["campaign_id"] == EVENT["InvocationMetadata"]["CampaignContext"]["CampaignId"]
    event = service.event(document["event_id"])
    assert (event["source"], event["campaign_id"], event["recipients"]) == ("connect", report["campaign_id"], 2)
    assert [item["path"] for item in event["rejections"]] == [rejected["path"]]


def test_a_replay_gets_the_stored_answer(service: Service) -> None:
    first = service.post(EVENT, "evt_1", CONNECT)
    again = service.post(EVENT, "evt_1", CONNECT)
    assert (again.status_code, again.data) == (202, first.data)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert faults(service.post(journey(RunId="x"), "evt_1", CONNECT)) == [("webhook-id", "receipt_conflict")]


def test_the_same_token_in_the_same_run_is_a_duplicate_with_the_first_id(service: Service) -> None:
    first = result(service, EVENT)
    service.pass_time(days=80)
    again = result(service, journey(CampaignName="Renamed"))
    assert again == {"recipient": SENT, "status": "duplicate", "message_id": first["message_id"]}


def test_another_run_is_another_message(service: Service) -> None:
    first, second = result(service, EVENT), result(service, journey(RunId="another"))
    assert [first["status"], second["status"]] == ["accepted", "accepted"]
    assert first["message_id"] != second["message_id"]


def test_without_a_run_a_key_holds_for_the_window_only(service: Service) -> None:
    statuses = []
    for minutes in (0, 14, 2):
        service.pass_time(minutes=minutes)
        statuses.append(result(service, journey(RunId=None))["status"])
    assert statuses == ["accepted", "duplicate", "accepted"]


def test_the_same_event_from_five_threads_is_one_message_per_profile(service: Service) -> None:
    body = json.dumps(EVENT).encode()
    answers = at_once([partial(service.post, body, f"evt_{n}", CONNECT) for n in range(5)])
    found = [answer.get_json()["results"][0] for answer in answers]
    assert sorted(item["status"] for item in found) == ["accepted", *["duplicate"] * 4]
    assert len({item["message_id"] for item in found}) == 1


def test_once_the_settings_have_the_message_the_same_event_goes(store: Store) -> None:
    messages: dict[str, Draft] = {}
    service = Service(store, rules=replace(RULES, messages=messages))
    before = service.post(EVENT, path=CONNECT).get_json()
    assert [(item["recipient"], item["code"], item["path"]) for item in before["results"]] == [
        (SENT, "unknown_message", ACTION),
        (REFUSED, "unknown_message", ACTION),
    ]
    assert "[messages.ordertimeoutnotification]" in before["results"][0]["detail"]
    messages.update(RULES.messages)
    assert result(service, EVENT)["status"] == "accepted"


def test_what_is_not_signed_by_us_is_refused_and_not_kept(service: Service) -> None:
    assert service.client.post(CONNECT, json=EVENT).status_code == 401
    answer = service.post(EVENT, "evt_1", CONNECT, key=OTHER_KEY)
    assert (answer.status_code, answer.data) == (401, b"")
    assert result(service, EVENT, "evt_1")["status"] == "accepted"


BAD_BODIES: dict[str, tuple[Any, int, list[tuple[str, str]]]] = {
    "not JSON": (b"{", 400, [("", "invalid_json")]),
    "not an object": ([], 422, [("", "not_an_object")]),
    "of Pinpoint": (
        sample("pinpoint_campaign_article.json"),
        422,
        [(ACTION, "missing"), ("Items.CustomerProfiles", "missing")],
    ),
    "without profiles": (EVENT | {"Items": {}}, 422, [("Items.CustomerProfiles", "missing")]),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_event_is_refused_with_each_fault_and_kept_as_it_came(service: Service, name: str) -> None:
    document, status, expected = BAD_BODIES[name]
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    answer = service.post(body, "evt", CONNECT)
    assert answer.status_code == status
    assert faults(answer) == expected
    facts = service.store.report.event(answer.get_json()["event_id"])
    assert facts is not None
    assert (facts.event["source"], facts.event["refused_body"]) == ("connect", body.decode())
    assert service.post(body, "evt", CONNECT).headers["Idempotent-Replayed"] == "true"


def test_a_store_that_is_down_is_503_with_retry_after(down: Service) -> None:
    answer = down.post(EVENT, path=CONNECT)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


def test_what_comes_in_is_counted_under_its_source(light: Service) -> None:
    names = ("accepted", "duplicate", "rejected")
    before = [counted("recipients", result=name) for name in names] + [counted("events", http_status="202")]
    light.post(EVENT, "evt_1", CONNECT)
    light.post(EVENT, "evt_2", CONNECT)
    after = [counted("recipients", result=name) for name in names] + [counted("events", http_status="202")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 2, 2]


def test_times_to_live_count_from_receipt(service: Service) -> None:
    received = f"evt_{int((NOW.timestamp() - 3600) * 1000)}_x"
    report = service.message(result(service, EVENT, received)["message_id"])
    assert report["expires_at"].startswith("2026-11-02T08:00:00")


def test_pinpoints_data_may_name_a_message_too(service: Service) -> None:
    endpoint = {"Address": "+8613800138001", "Attributes": {"City": ["Shanghai"]}}
    event = {"Endpoints": {"ep": endpoint}, "Data": json.dumps({"message": "ordertimeoutnotification"})}
    accepted = service.post(event).get_json()["results"][0]
    assert service.message(accepted["message_id"])["template"]["name"] == "ordertimeoutnotification"
    rejected = service.post(event | {"Data": '{"message": "none"}'}).get_json()["results"][0]
    assert (rejected["recipient"], rejected["code"], rejected["path"]) == ("ep", "unknown_message", "Data.message")

"""`GET /v1/messages/{id}` and `GET /v1/events/{id}` (contract: calls)."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from service.message import Outcome, Pause, PauseReason, Scope, Settlement, Status
from service.outbox import tables
from service.outbox.outbox import Demand
from service.web.auth import ApiKeys, BadKeys, fixed
from tests.web.serving import (
    INSIDER,
    NOW,
    NUMBER,
    READER,
    SENDER,
    Service,
    api_key,
    campaign,
    faults,
    heard,
    person,
    statuses,
    told,
)

AT = "2026-11-01T09:00:00.123Z"


def settle(service: Service, name: str, outcome: Outcome, status: Status, **facts: Any) -> None:
    message_id, _, attempt = name.partition(".")
    service.store.outbox.settle([Settlement(message_id, int(attempt), outcome, status, **facts)], service.now)


def refuse(service: Service, name: str, code: int | None) -> None:
    settle(service, name, Outcome.REFUSED, Status.FAILED, code=code, title="Meta's title", details="Meta's details")


def test_a_message_is_shown_in_the_contracts_shape(service: Service) -> None:
    [name] = service.send(person())
    settle(
        service,
        name,
        Outcome.ACCEPTED,
        Status.ACCEPTED,
        http_status=200,
        wamid="wamid.HBgNODYxMzgwMDEzODAwMBUCABEYEjQ1",
        fbtrace_id="Ax",
        duration_ms=9,
    )
    service.notify(statuses(told(name, "sent")))
    message_id = name.partition(".")[0]
    assert service.message(message_id) == {
        "message_id": message_id,
        "event_id": "id00001",
        "recipient": "ep0",
        "to": "+86••••••••000",
        "phone_number_id": NUMBER,
        "template": {"name": "order_update", "language": "en_US"},
        "status": "sent",
        "status_at": AT,
        "campaign_id": "campaign",
        "reference": None,
        "priority": "normal",
        "expires_at": "2026-11-02T09:00:00.123Z",
        "attempts": [
            {
                "attempt": 1,
                "started_at": AT,
                "outcome": "accepted",
                "http_status": 200,
                "code": None,
                "fbtrace_id": "Ax",
                "wamid": "wamid.••••EYEjQ1",
                "statuses": [{"status": "sent", "at": "2026-11-01T09:00:05.000Z"}],
            }
        ],
        "replies": [],
        "waits_for": [],
        "failure": None,
    }


def test_a_wamid_which_spells_the_number_and_a_replys_text_are_whole_with_pii_only(service: Service) -> None:
    [name] = service.send(person())
    wamid = "wamid.HBgNODYxMzgwMDEzODAwMBUCABEYEjQ1"
    settle(service, name, Outcome.ACCEPTED, Status.ACCEPTED, wamid=wamid)
    said = {"type": "button", "button": {"payload": "p", "text": "Pay now"}, "context": {"id": wamid}}
    service.notify(heard({"id": "wamid.reply", "from": "8613800100000", "timestamp": "1793523600", **said}))
    message_id = name.partition(".")[0]
    for key, shown, text in ((READER, "wamid.••••EYEjQ1", None), (INSIDER, wamid, "Pay now")):
        report = service.message(message_id, key)
        assert report["attempts"][0]["wamid"] == shown
        [reply] = report["replies"]
        assert (reply["kind"], reply["text"], reply["payload"]) == ("button", text, "p")


def test_a_message_that_waits_has_no_attempts(light: Service) -> None:
    [result] = light.accept(person(), Data='{"templateName":"x","priority":"high"}')
    document = light.message(result["message_id"])
    assert (document["status"], document["attempts"], document["failure"]) == ("queued", [], None)
    assert document["priority"] == "high"


def test_only_the_scope_pii_shows_the_whole_number(light: Service) -> None:
    [result] = light.accept(person())
    assert light.message(result["message_id"], READER)["to"] == "+86••••••••000"
    assert light.message(result["message_id"], INSIDER)["to"] == "+8613800100000"


def test_a_user_id_is_masked_too(light: Service) -> None:
    [result] = light.accept({"Address": "US.13491208655302741918"})
    assert light.message(result["message_id"], READER)["to"] == "US.••••"


@pytest.mark.parametrize("key", [None, "", "wrong", READER + "x", "漢字".encode().decode("latin-1")])
@pytest.mark.parametrize("path", ["/v1/messages/x", "/v1/events/x", "/v1/campaigns/x"])
def test_a_missing_or_wrong_key_is_a_silent_401(light: Service, key: str | None, path: str) -> None:
    answer = light.get(path, key)
    assert (answer.status_code, answer.data) == (401, b"")


@pytest.mark.parametrize("scheme", ["Basic", "", "Token"])
def test_a_key_of_another_scheme_is_a_silent_401(light: Service, scheme: str) -> None:
    answer = light.client.get("/v1/messages/x", headers={"Authorization": f"{scheme} {READER}".strip()})
    assert (answer.status_code, answer.data) == (401, b"")


def test_the_schemes_name_is_read_in_any_case(light: Service) -> None:
    assert light.client.get("/v1/messages/x", headers={"Authorization": f"bearer {READER}"}).status_code == 404


@pytest.mark.parametrize("path", ["/v1/messages/x", "/v1/events/x", "/v1/campaigns/x"])
def test_a_key_that_lacks_the_scope_is_403_and_says_which(light: Service, path: str) -> None:
    answer = light.get(path, SENDER)
    assert answer.status_code == 403
    assert faults(answer) == []
    assert "scope read" in answer.get_json()["detail"]


ODD_IDS = [
    "x",
    "0" * 64,
    "x" * 65,
    "x" * 5000,
    "%00",
    "a%00b",
    "%F0%9F%98%80",
    "%ED%A0%80",
    "%25",
    "'",
    "+8613800138000",
]


@pytest.mark.parametrize("name", ODD_IDS)
@pytest.mark.parametrize("kind", ["messages", "events", "campaigns"])
def test_an_unknown_id_is_404_whatever_it_is(service: Service, kind: str, name: str) -> None:
    answer = service.get(f"/v1/{kind}/{name}")
    assert answer.status_code == 404
    assert faults(answer) == []
    assert "8613800138000" not in answer.text


def test_a_failure_says_what_happened_and_what_to_do(service: Service) -> None:
    [name] = service.send()
    refuse(service, name, 132001)
    failure = service.message(name.partition(".")[0])["failure"]
    assert failure.keys() == {"code", "title", "details", "explanation", "next_step"}
    assert (failure["code"], failure["title"], failure["details"]) == (132001, "Meta's title", "Meta's details")
    assert failure["explanation"]
    assert failure["next_step"]


@pytest.mark.parametrize("code", [None, 987654])
def test_a_failure_by_an_unknown_code_says_something_too(light: Service, code: int | None) -> None:
    [name] = light.send()
    refuse(light, name, code)
    failure = light.message(name.partition(".")[0])["failure"]
    assert failure["code"] == code
    assert failure["explanation"]
    assert failure["next_step"]


@pytest.mark.parametrize(
    ("outcome", "status"), [(Outcome.UNANSWERED, Status.UNANSWERED), (Outcome.UNAVAILABLE, Status.EXPIRED)]
)
def test_what_neither_went_nor_failed_says_what_to_do_too(light: Service, outcome: Outcome, status: Status) -> None:
    [name] = light.send()
    settle(light, name, outcome, status)
    failure = light.message(name.partition(".")[0])["failure"]
    assert failure["code"] is None
    assert failure["title"]
    assert failure["next_step"]


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.SUPPRESSED])
def test_what_was_not_sent_on_purpose_says_so(light: Service, status: Status) -> None:
    [result] = light.accept(person())
    with light.store.engine.begin() as connection:
        connection.execute(update(tables.messages).values(status=status.value))
    failure = light.message(result["message_id"])["failure"]
    assert failure.items() >= {"code": None, "title": status.value.capitalize(), "details": None}.items()
    assert failure["explanation"]
    assert failure["next_step"]


def test_what_expired_before_any_attempt_says_so(light: Service) -> None:
    [result] = light.accept(person())
    lease = light.store.outbox.acquire_lease(NUMBER, "a dispatcher")
    assert lease is not None
    light.pass_time(days=2)
    light.store.outbox.expire(lease, light.now)
    assert light.message(result["message_id"])["failure"].items() >= {"code": None, "title": "Expired"}.items()


def test_an_event_is_shown_with_counts_failures_and_rejections(service: Service) -> None:
    answer = service.post(
        campaign(*(person(n) for n in range(6)), {"Address": "x"}, person(7, OptOut="ALL"), TreatmentId="0")
    )
    lease = service.store.outbox.acquire_lease(NUMBER, "a dispatcher")
    assert lease is not None
    names = [attempt.callback_data for attempt in service.store.outbox.claim(Demand(lease, 5), NOW)]
    settle(service, names[0], Outcome.ACCEPTED, Status.ACCEPTED, wamid="w")
    for name, code in ((names[1], 132001), (names[2], 132001), (names[3], 131026)):
        refuse(service, name, code)
    document = service.event(answer.get_json()["event_id"])
    failures = {failure["code"]: failure for failure in document.pop("failures")}
    assert document == {
        "event_id": "id00001",
        "source": "pinpoint",
        "application_id": "app",
        "campaign_id": "campaign",
        "journey_id": None,
        "received_at": AT,
        "recipients": 8,
        "counts": {"queued": 1, "sending": 1, "accepted": 1, "failed": 3, "rejected": 2},
        "rejections": [result for result in answer.get_json()["results"] if result["status"] == "rejected"],
        "problem": None,
    }
    assert {code: failure["count"] for code, failure in failures.items()} == {132001: 2, 131026: 1}
    assert all(failure.keys() == {"code", "count", "explanation", "next_step"} for failure in failures.values())


def test_a_refused_event_shows_the_problem_that_was_answered(service: Service) -> None:
    answer = service.post({})
    document = service.event(answer.get_json()["event_id"])
    assert document["problem"] == answer.get_json()
    assert document.items() >= {"recipients": 0, "counts": {}, "failures": [], "rejections": []}.items()


@pytest.mark.parametrize("path", ["/v1/messages/x", "/v1/events/x", "/v1/campaigns/x"])
def test_a_store_that_is_down_is_503(down: Service, path: str) -> None:
    answer = down.get(path)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert faults(answer) == []


BAD_ENTRIES = [
    "",
    "wck_a-whole-secret-key-pasted-as-it-is",
    "name:read",
    "name:read:xyz",
    f"name:fly:{'0' * 64}",
    f"a b:read:{'0' * 64}",
]


@pytest.mark.parametrize("entry", BAD_ENTRIES)
def test_an_entry_that_is_no_key_is_named_by_its_place_and_not_shown(entry: str) -> None:
    with pytest.raises(BadKeys, match=r"API_KEYS: entry 2 is not name:scope\+scope:sha256") as caught:
        ApiKeys(fixed(api_key("reader", "read", READER), entry))
    assert "wck_" not in str(caught.value)


def test_a_queued_message_names_the_pauses_that_hold_it_back(service: Service) -> None:
    [result] = service.accept(person())
    kept = Pause(Scope.COUNTRY, "DE", PauseReason.OPERATOR, "elections", NOW)
    held = Pause(Scope.COUNTRY, "CN", PauseReason.REFUSED, "Restricted.", NOW, NOW + timedelta(hours=1))
    for pause in (kept, held):
        service.store.outbox.pause(pause)
    assert service.message(result["message_id"])["waits_for"] == [
        {"scope": "country", "key": "CN", "reason": "refused", "detail": "Restricted."}
        | {"since": AT, "until": "2026-11-01T10:00:00.123Z"}
    ]

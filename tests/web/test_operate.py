"""What an operator does by API: replay, cancel, decide, pause and resume (contract: calls)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from service.message import Outcome, Pause, PauseReason, Scope, Settlement, Status
from service.outbox.outbox import Demand
from tests.web.odd_bodies import NOT_JSON, ODD_FILTERS, UNUSABLE
from tests.web.serving import INSIDER, NOW, NUMBER, OPERATOR, READER, SENDER, Service, faults, person, statuses, told

REPLAY, CANCEL = "/v1/messages/replay", "/v1/messages/cancel"
DECIDE, PAUSE, RESUME = "/v1/messages/x/decide", "/v1/campaigns/x/pause", "/v1/campaigns/x/resume"
MANY = pytest.mark.parametrize("path", [REPLAY, CANCEL])


def act(service: Service, path: str, body: Any = None) -> Any:
    answer = service.ask(path, {} if body is None else body, OPERATOR)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def settle(service: Service, name: str, outcome: Outcome, status: Status, **facts: Any) -> str:
    """The id of the message."""
    message_id, _, attempt = name.partition(".")
    service.store.outbox.settle([Settlement(message_id, int(attempt), outcome, status, **facts)], service.now)
    return message_id


def failed(service: Service, *codes: int | None) -> list[str]:
    """The ids of messages of the campaign `campaign` that failed with these codes."""
    names = service.send(*(person(n) for n in range(len(codes))))
    return [
        settle(service, name, Outcome.REFUSED, Status.FAILED, code=code)
        for name, code in zip(names, codes, strict=True)
    ]


def status(service: Service, message_id: str) -> str:
    return str(service.message(message_id)["status"])


# --- replay


def test_a_replay_is_shown_first_and_done_when_it_is_confirmed(service: Service) -> None:
    plain, capped, stopped = failed(service, 131026, 131049, 131050)
    facts = {"later": 1, "left_out": {"opted_out": 1}}
    wanted = {"campaign_id": "campaign"}
    for asked in ({}, {"confirm": False}, {"preview": True}, {"preview": True, "confirm": False}):
        assert act(service, REPLAY, wanted | asked) == {"count": 2, **facts, "preview": True}
    assert status(service, plain) == "failed"
    assert act(service, REPLAY, wanted | {"confirm": True}) == {"queued": 2, **facts, "preview": False}
    assert [status(service, one) for one in (plain, capped, stopped)] == ["queued", "queued", "failed"]
    assert service.store.report.queues()[0].oldest_due_at == NOW
    facts_of_capped = service.store.report.message(capped)
    assert facts_of_capped is not None
    assert facts_of_capped.message["due_at"] == NOW + timedelta(hours=24)


def test_what_was_not_answered_goes_again_only_where_the_status_names_it(service: Service) -> None:
    [name] = service.send()
    settle(service, name, Outcome.UNANSWERED, Status.UNANSWERED)
    wanted = {"campaign_id": "campaign", "confirm": True}
    assert act(service, REPLAY, wanted)["queued"] == 0
    assert act(service, REPLAY, wanted | {"status": ["failed", "unanswered"]})["queued"] == 1


def test_what_meta_has_is_left_out(service: Service) -> None:
    first, second = service.send(person(0), person(1))
    for name in (first, second):
        again = Settlement(name.partition(".")[0], 1, Outcome.UNANSWERED, Status.QUEUED, due_at=NOW)
        service.store.outbox.settle([again], NOW)
    lease = service.store.outbox.acquire_lease(NUMBER, "a dispatcher")
    assert lease is not None
    for attempt in service.store.outbox.claim(Demand(lease, 10), NOW):
        settle(service, attempt.callback_data, Outcome.REFUSED, Status.FAILED, code=131026)
    service.notify(statuses(told(first, "sent"), told(second, "delivered")))
    left_out = {"delivered": 1, "taken": 1}
    found = act(service, REPLAY, {"campaign_id": "campaign"})
    assert found == {"count": 0, "later": 0, "left_out": left_out, "preview": True}
    done = act(service, REPLAY, {"campaign_id": "campaign", "confirm": True})
    assert done == {"queued": 0, "later": 0, "left_out": left_out, "preview": False}


# --- cancel


def test_a_cancellation_is_shown_first_and_done_when_it_is_confirmed(service: Service) -> None:
    [name] = service.send(person(0))
    [waiting] = service.accept(person(1), TreatmentId="1")
    wanted = {"campaign_id": "campaign"}
    assert act(service, CANCEL, wanted) == {"count": 1, "preview": True}
    assert status(service, waiting["message_id"]) == "queued"
    assert act(service, CANCEL, wanted | {"status": "queued", "confirm": True}) == {"cancelled": 1, "preview": False}
    assert [status(service, one) for one in (waiting["message_id"], name.partition(".")[0])] == ["cancelled", "sending"]
    failure = service.message(waiting["message_id"])["failure"]
    assert failure.items() >= {"code": None, "title": "Cancelled"}.items()
    assert failure["explanation"]
    assert failure["next_step"]


# --- both


@MANY
@pytest.mark.parametrize("body", [{}, {"confirm": True}, {"preview": True}])
def test_nobody_acts_on_everything_by_accident(service: Service, path: str, body: dict[str, Any]) -> None:
    failed(service, 131026)
    service.accept(person(7), TreatmentId="1")
    for more in ({}, {"status": "failed" if path == REPLAY else "queued"}):
        answer = service.ask(path, body | more, OPERATOR)
        assert (answer.status_code, faults(answer)) == (422, [("", "invalid_value")])
        assert "say which messages" in answer.get_json()["detail"]
    assert {one["status"] for one in service.ask("/v1/messages/search", {}).get_json()["messages"]} == {
        "failed",
        "queued",
    }


@MANY
@pytest.mark.parametrize("given", ["sent", ["sending"], ["queued", "failed"]])
def test_a_status_that_does_not_allow_it_is_422(light: Service, path: str, given: Any) -> None:
    answer = light.ask(path, {"campaign_id": "campaign", "status": given, "confirm": True}, OPERATOR)
    assert (answer.status_code, faults(answer)) == (422, [("status", "invalid_value")])
    assert "only messages that are" in answer.get_json()["detail"]


@MANY
@pytest.mark.parametrize("confirm", ["true", 1, 0, None, [], 7])
def test_only_true_confirms(light: Service, path: str, confirm: Any) -> None:
    answer = light.ask(path, {"campaign_id": "campaign", "confirm": confirm}, OPERATOR)
    assert (answer.status_code, faults(answer)) == (422, [("confirm", "invalid_value")])


@MANY
def test_a_call_that_confirms_and_asks_for_a_preview_is_422(light: Service, path: str) -> None:
    answer = light.ask(path, {"campaign_id": "campaign", "confirm": True, "preview": True}, OPERATOR)
    assert (answer.status_code, faults(answer)) == (422, [("preview", "invalid_value")])


@MANY
@pytest.mark.parametrize("name", UNUSABLE)
def test_a_body_that_cannot_be_used_is_422_and_says_where(light: Service, path: str, name: str) -> None:
    body, expected = UNUSABLE[name]
    answer = light.ask(path, body, OPERATOR)
    assert (answer.status_code, faults(answer)) == (422, expected)


@MANY
def test_an_odd_filter_changes_nothing(service: Service, path: str) -> None:
    failed(service, 131026)
    service.accept(person(7), TreatmentId="1")
    for name, body in ODD_FILTERS.items():
        if name == "the first moment":
            continue
        done = act(service, path, body | {"confirm": True})
        assert done["queued" if path == REPLAY else "cancelled"] == 0, name


# --- decide

DECISIONS: Mapping[str, str] = {"sent": "sent", "failed": "failed", "resend": "queued"}


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_message_without_an_answer_is_settled(service: Service, decision: str) -> None:
    [name] = service.send()
    message_id = settle(service, name, Outcome.UNANSWERED, Status.UNANSWERED)
    done = act(service, f"/v1/messages/{message_id}/decide", {"decision": decision})
    assert done == {"message_id": message_id, "status": DECISIONS[decision]}
    assert status(service, message_id) == DECISIONS[decision]


def test_what_cannot_be_decided_is_409_and_says_what_can_be_done(service: Service) -> None:
    [message_id] = failed(service, 131026)
    answer = service.ask(f"/v1/messages/{message_id}/decide", {"decision": "sent"}, OPERATOR)
    assert (answer.status_code, faults(answer)) == (409, [])
    assert "send it again with replay" in answer.get_json()["detail"]


@pytest.mark.parametrize("name", ["x", "0" * 64, "x" * 65, "%00", "%ED%A0%80", "%F0%9F%98%80", "'", "+8613800138000"])
def test_nothing_is_decided_of_an_unknown_message(service: Service, name: str) -> None:
    answer = service.ask(f"/v1/messages/{name}/decide", {"decision": "sent"}, OPERATOR)
    assert (answer.status_code, faults(answer)) == (404, [])
    assert "8613800138000" not in answer.text


@pytest.mark.parametrize("decision", [None, "", "read", "SENT", 1, ["sent"], {}, "\0", "\ud800"])
def test_a_decision_that_is_none_is_422(light: Service, decision: Any) -> None:
    answer = light.ask(DECIDE, {"decision": decision}, OPERATOR)
    assert (answer.status_code, faults(answer)) == (422, [("decision", "invalid_value")])
    assert "sent, failed, resend" in answer.get_json()["detail"]
    assert faults(light.ask(DECIDE, {}, OPERATOR)) == [("decision", "invalid_value")]


# --- campaigns

NAMES = ["campaign", "a/b", "/a//b/", "a b?c#d", "漢字", "100%", "x/pause", "..", "\\0", "' OR 1=1"]


@pytest.mark.parametrize("name", NAMES)
def test_a_campaign_is_paused_and_resumed_whatever_its_name(service: Service, name: str) -> None:
    [result] = service.accept(person(), CampaignId=name)
    path = f"/v1/campaigns/{quote(name, safe='')}"
    paused = act(service, f"{path}/pause", {"reason": "wrong price"})
    pause: dict[str, str | None] = {
        "scope": "campaign",
        "key": name,
        "reason": "operator",
        "detail": "wrong price",
        "since": "2026-11-01T09:00:00.123Z",
        "until": None,
    }
    assert paused == {**pause, "waiting": 1}
    assert service.message(result["message_id"])["waits_for"] == [pause]
    assert service.get(path).get_json()["paused"] == pause
    assert act(service, f"{path}/resume") == {"resumed": 1}
    assert act(service, f"{path}/resume") == {"resumed": 0}
    assert service.get(path).get_json()["paused"] is None


def test_a_campaign_can_be_paused_before_anything_of_it_came(service: Service) -> None:
    assert act(service, "/v1/campaigns/campaign/pause")["waiting"] == 0
    [result] = service.accept(person())
    assert service.message(result["message_id"])["waits_for"][0]["detail"] == ""


@pytest.mark.parametrize("name", ["%00", "%ED%A0%80", "%FF", "x" * 600])
def test_an_odd_name_of_a_campaign_is_paused_too(service: Service, name: str) -> None:
    key = act(service, f"/v1/campaigns/{name}/pause")["key"]
    assert "\0" not in key
    assert act(service, f"/v1/campaigns/{name}/resume") == {"resumed": 1}


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_a_name_longer_than_any_campaigns_is_422(service: Service, action: str) -> None:
    answer = service.ask(f"/v1/campaigns/{'x' * 601}/{action}", {}, OPERATOR)
    assert (answer.status_code, faults(answer)) == (422, [("campaign_id", "invalid_value")])


REASONS: Mapping[str, tuple[Any, str]] = {
    "too long": ("x" * 1001, "invalid_value"),
    "a number": (1, "not_a_string"),
    "null": (None, "not_a_string"),
    "empty": ("", "empty"),
}


@pytest.mark.parametrize("name", REASONS)
def test_a_reason_that_is_none_is_422(light: Service, name: str) -> None:
    reason, code = REASONS[name]
    answer = light.ask(PAUSE, {"reason": reason}, OPERATOR)
    assert (answer.status_code, faults(answer)) == (422, [("reason", code)])


def test_a_reason_may_hold_any_character(service: Service) -> None:
    assert act(service, PAUSE, {"reason": "a\0b\ud800"})["detail"] == "a\\0b\\ud800"


def test_a_resumption_lifts_a_pause_whoever_made_it(service: Service) -> None:
    service.store.outbox.pause(Pause(Scope.CAMPAIGN, "x", PauseReason.NOTIFIED, "", NOW))
    assert act(service, RESUME) == {"resumed": 1}


# --- all of them

EVERY = pytest.mark.parametrize("path", [REPLAY, CANCEL, DECIDE, PAUSE, RESUME])
WITH_BODY = pytest.mark.parametrize("path", [REPLAY, CANCEL, DECIDE, PAUSE])
BODIES: Mapping[str, Any] = {
    REPLAY: {"campaign_id": "x"},
    CANCEL: {"campaign_id": "x"},
    DECIDE: {"decision": "sent"},
    PAUSE: {},
    RESUME: {},
}


@EVERY
@pytest.mark.parametrize("key", [None, "", "wrong"])
def test_a_missing_or_wrong_key_is_a_silent_401(light: Service, path: str, key: str | None) -> None:
    answer = light.ask(path, BODIES[path], key)
    assert (answer.status_code, answer.data) == (401, b"")


@EVERY
@pytest.mark.parametrize("key", [READER, INSIDER, SENDER])
def test_a_key_that_lacks_the_scope_is_403(light: Service, path: str, key: str) -> None:
    answer = light.ask(path, BODIES[path], key)
    assert answer.status_code == 403
    assert "scope operate" in answer.get_json()["detail"]
    assert light.store.report.pauses(NOW) == []


@EVERY
def test_a_store_that_is_down_is_503(down: Service, path: str) -> None:
    answer = down.ask(path, BODIES[path], OPERATOR)
    assert (answer.status_code, faults(answer)) == (503, [])
    assert answer.headers["Retry-After"]


def test_a_pause_needs_no_body(light: Service) -> None:
    answer = light.ask("/v1/campaigns/x/pause", b"", OPERATOR)
    assert (answer.status_code, answer.get_json()["detail"]) == (200, "")


@WITH_BODY
def test_a_body_over_6_mb_is_413(light: Service, path: str) -> None:
    assert light.ask(path, b" " * (6 * 1024 * 1024 + 1), OPERATOR).status_code == 413


@WITH_BODY
@pytest.mark.parametrize("name", NOT_JSON)
def test_what_is_no_json_is_400(light: Service, path: str, name: str) -> None:
    if not NOT_JSON[name] and path.endswith("/pause"):
        pytest.skip("a pause needs no body")
    answer = light.ask(path, NOT_JSON[name], OPERATOR)
    assert (answer.status_code, faults(answer)) == (400, [("", "invalid_json")])


@WITH_BODY
@pytest.mark.parametrize("body", [[], None, "x", {"misspelt": True}])
def test_what_is_no_object_of_known_fields_is_422(light: Service, path: str, body: Any) -> None:
    assert light.ask(path, body, OPERATOR).status_code == 422


def test_an_action_is_logged_with_the_name_of_the_key_and_no_filter(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="service.web.operate")
    failed(service, 131026)
    act(service, REPLAY, {"to": "+8613800100000", "confirm": True})
    act(service, CANCEL, {"to": "+8613800100000", "confirm": True})
    act(service, "/v1/campaigns/8613800100000/pause", {"reason": "8613800100000"})
    assert "operate.replayed by=operator queued=1 left_out=0" in caplog.text
    assert "operate.cancelled by=operator cancelled=1" in caplog.text
    assert "8613800100000" not in caplog.text

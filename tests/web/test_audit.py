"""What an API key does to messages, campaigns and people is written down before it is done."""

from typing import Any

import pytest
from sqlalchemy import text

from service.message import Outcome, Settlement, Status
from service.outbox.audit import Audit
from tests.web.serving import OPERATOR, Service, person

TO = "+8613800100000"


def deeds(service: Service) -> list[tuple[str, str, str, str, str]]:
    """Who, by which way, what, to what, and more; the oldest first."""
    page = Audit(service.store.engine).page(100)
    return [(one.who, one.via, one.action, one.subject, one.detail) for _, one in reversed(page)]


def unanswered(service: Service) -> str:
    (callback,) = service.send(person())
    message_id = callback.partition(".")[0]
    gone = Settlement(message_id, 1, Outcome.UNANSWERED, Status.UNANSWERED)
    service.store.outbox.settle([gone], service.now)
    return message_id


def call(service: Service, method: str, path: str, document: Any = None) -> int:
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    body: dict[str, Any] = {"data": document} if isinstance(document, bytes) else {"json": document}
    return service.client.open(
        path, method=method, headers=headers, **(body if document is not None else {})
    ).status_code


CALLS: dict[str, tuple[str, str, Any, tuple[str, str, str]]] = {
    "replay": (
        "POST",
        "/v1/messages/replay",
        {"to": TO, "status": "failed", "confirm": True},
        ("replay", "statuses failed, to +86••••••••000", ""),
    ),
    "cancel": (
        "POST",
        "/v1/messages/cancel",
        {"campaign_id": "c1", "confirm": True},
        ("cancel", "statuses queued, campaign_id c1", ""),
    ),
    "pause": (
        "POST",
        "/v1/campaigns/a%2Fb/pause",
        {"reason": "wrong price"},
        ("pause", "campaign a/b", "wrong price"),
    ),
    "resume": ("POST", "/v1/campaigns/c1/resume", None, ("resume", "campaign c1", "")),
    "suppress": (
        "PUT",
        "/v1/suppressions",
        {"to": TO, "category": "marketing", "reason": "asked"},
        ("suppress", "+86••••••••000", "marketing, asked"),
    ),
    "lift": ("DELETE", "/v1/suppressions", {"to": TO}, ("lift", "+86••••••••000", "")),
    "import": (
        "POST",
        "/v1/suppressions/import",
        f"to\n{TO}\nnonsense\n".encode(),
        ("import", "suppressions", "1 people, 1 bad lines"),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_a_key_does_is_written_down(service: Service, name: str) -> None:
    method, path, document, deed = CALLS[name]
    assert call(service, method, path, document) == 200
    assert deeds(service) == [("operator", "api", *deed)]


def test_a_decision_is_written_down(service: Service) -> None:
    message_id = unanswered(service)
    assert call(service, "POST", f"/v1/messages/{message_id}/decide", {"decision": "sent"}) == 200
    assert deeds(service) == [("operator", "api", "decide", f"message {message_id}", "sent")]


@pytest.mark.parametrize("name", ["replay", "cancel"])
def test_a_preview_is_not(service: Service, name: str) -> None:
    method, path, document, _ = CALLS[name]
    assert call(service, method, path, {**document, "confirm": False}) == 200
    assert call(service, method, path, {"confirm": True}) == 422
    assert deeds(service) == []


@pytest.mark.parametrize("name", CALLS)
def test_what_cannot_be_written_down_is_not_done(light: Service, name: str) -> None:
    (message_id,) = (one["message_id"] for one in light.accept(person(), CampaignId="c1"))
    with light.store.engine.begin() as connection:
        connection.execute(text("DROP TABLE audit"))
    method, path, document, _ = CALLS[name]
    assert call(light, method, path, document) == 503
    assert light.message(message_id)["status"] == "queued"
    assert light.store.report.pauses(light.now) == []

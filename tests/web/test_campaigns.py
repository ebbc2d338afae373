"""`GET /v1/campaigns/{id}` (contract: calls): a campaign or a journey over all its events."""

from typing import Any
from urllib.parse import quote

import pytest

from service.message import Outcome, Pause, PauseReason, Scope, Settlement, Status, printable
from tests.web.serving import NOW, Service, person

AT = "2026-11-01T09:00:00.123Z"


def campaign(service: Service, name: str = "campaign") -> dict[str, Any]:
    answer = service.get(f"/v1/campaigns/{quote(name, safe='')}")
    assert answer.status_code == 200
    document: dict[str, Any] = answer.get_json()
    return document


def refuse(service: Service, name: str, code: int) -> None:
    message_id, _, attempt = name.partition(".")
    refused = Settlement(message_id, int(attempt), Outcome.REFUSED, Status.FAILED, code=code)
    service.store.outbox.settle([refused], service.now)


def test_a_campaign_is_shown_over_all_its_events(service: Service) -> None:
    names = service.send(*(person(n) for n in range(4)))
    for name, code in zip(names, (131026, 132001, 132001), strict=False):
        refuse(service, name, code)
    service.pass_time(hours=1)
    service.accept(person(5), {"Address": "x"}, ActivityId="again")
    service.accept(person(6), CampaignId="another")
    document = campaign(service)
    failures = document.pop("failures")
    assert document == {
        "campaign_id": "campaign",
        "received_at": AT,
        "last_received_at": "2026-11-01T10:00:00.123Z",
        "events": 2,
        "recipients": 6,
        "counts": {"failed": 3, "sending": 1, "queued": 1, "rejected": 1},
        "paused": None,
    }
    assert [(failure["code"], failure["count"]) for failure in failures] == [(132001, 2), (131026, 1)]
    assert all(failure["explanation"] and failure["next_step"] for failure in failures)


def test_a_journey_is_shown_like_a_campaign(service: Service) -> None:
    service.accept(person(), CampaignId=None, JourneyId="journey")
    expected = {"campaign_id": "journey", "events": 1, "counts": {"queued": 1}}
    assert campaign(service, "journey").items() >= expected.items()


def test_a_campaign_of_rejections_only_is_one(service: Service) -> None:
    service.accept({"Address": "x"})
    assert campaign(service).items() >= {"recipients": 1, "counts": {"rejected": 1}}.items()


def test_a_paused_campaign_says_so(service: Service) -> None:
    service.accept(person())
    service.store.outbox.pause(Pause(Scope.CAMPAIGN, "campaign", PauseReason.OPERATOR, "wrong price", NOW))
    paused = {"scope": "campaign", "key": "campaign", "reason": "operator", "detail": "wrong price"}
    assert campaign(service)["paused"] == {**paused, "since": AT, "until": None}


@pytest.mark.parametrize("name", ["a/b", "/a//b/", "a b?c#d", "漢字", "100%", "..", "%2F", "a\0b", "\ud800", "a\nb"])
def test_a_campaign_may_have_any_name(service: Service, name: str) -> None:
    service.accept(person(), CampaignId=name)
    assert campaign(service, printable(name))["campaign_id"] == printable(name)

"""What Meta tells of a template (`message_template_status_update`): it waits, or goes on, in its own account (G8)."""

from datetime import timedelta
from typing import Any

import pytest

from service.message import Pause, PauseReason, Scope, Template
from service.whatsapp.pausing import Account
from tests.conftest import Store
from tests.dispatch.conftest import Stages
from tests.dispatch.stage import Stage, SteppedClock
from tests.web.serving import Service, sample

WABA, OTHER, FOREIGN = "102290129340398", "2", "3"
PROMO = "ordertimeoutnotification"


def news(event: str, waba_id: str = WABA, language: str = "en-US", **more: Any) -> dict[str, Any]:
    """Meta's own sample, with another event."""
    document: dict[str, Any] = sample("notification_template_paused.json")
    (entry,) = document["entry"]
    entry["id"] = waba_id
    value = entry["changes"][0]["value"]
    value |= {"event": event, "message_template_language": language, **more}
    if event != "PAUSED":
        value.pop("other_info", None)
    return document


class Place:
    """Numbers `1` of one account, `2` of another, `3` of an account that the settings do not tell."""

    def __init__(self, store: Store, stages: Stages, clock: SteppedClock, **waba_ids: str | None) -> None:
        accounts = {number.strip("_"): Account(waba_id) for number, waba_id in waba_ids.items()}
        self.web = Service(store, accounts=accounts, now=clock.time)
        self.stages: dict[str, Stage] = {
            number: stages(number, phone_number_ids=[number], waba_id=account.waba_id)
            for number, account in accounts.items()
        }

    def tells(self, document: dict[str, Any]) -> None:
        assert self.web.notify(document).status_code == 200

    def pauses(self) -> list[Pause]:
        return self.web.store.report.pauses(self.web.now)

    def sends(self, name: str = PROMO, language: str = "en_US") -> list[str]:
        """Which of the numbers send this template."""
        sent = []
        for number, stage in self.stages.items():
            (message,) = stage.add(template=Template(name, language))
            stage.run_once()
            sent += [number] if stage.status(message) == "accepted" else []
        return sent


@pytest.fixture
def place(store: Store, stages: Stages, clock: SteppedClock) -> Place:
    """The accounts of all numbers are known."""
    return Place(store, stages, clock, _1=WABA, _2=OTHER)


def test_a_paused_template_waits_for_its_account_only(place: Place, clock: SteppedClock) -> None:
    place.tells(news("PAUSED"))
    (pause,) = place.pauses()
    assert (pause.scope, pause.key, pause.reason) == (Scope.TEMPLATE, f"{PROMO}/en_US@{WABA}", PauseReason.NOTIFIED)
    assert pause.until == clock.time + timedelta(hours=6), "Meta's longest"
    assert "FIRST_PAUSE" in pause.detail
    assert place.sends() == ["2"]
    assert place.sends(language="de") == ["1", "2"]
    assert place.sends("another") == ["1", "2"]


ENDLESS = ["DISABLED", "REJECTED", "ARCHIVED", "DELETED", "PENDING_DELETION"]


@pytest.mark.parametrize("event", ENDLESS)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_template_that_is_gone_waits_without_an_end(place: Place, event: str) -> None:
    place.tells(news(event))
    (pause,) = place.pauses()
    assert (pause.until, event.lower() in pause.detail) == (None, True)
    assert place.sends() == ["2"]


@pytest.mark.parametrize("event", ["APPROVED", "REINSTATED", "UNARCHIVED"])
def test_news_that_it_is_good_again_lifts_what_meta_or_a_refusal_paused(
    place: Place, clock: SteppedClock, event: str
) -> None:
    place.tells(news("DISABLED"))
    place.tells(news(event, OTHER))
    assert place.sends() == ["2"], "that was another account's"
    place.tells(news(event))
    assert place.pauses() == []
    clock.step(seconds=1)
    assert place.sends() == ["1", "2"]

    refused = Pause(Scope.TEMPLATE, f"{PROMO}/en_US@{WABA}", PauseReason.REFUSED, "code 132016", clock.time)
    place.web.store.outbox.pause(refused)
    place.tells(news(event))
    assert place.pauses() == []


def test_what_an_operator_paused_only_an_operator_lifts(place: Place, clock: SteppedClock) -> None:
    for key in (f"{PROMO}/en_US", f"{PROMO}/en_US@{WABA}"):
        place.web.store.outbox.pause(Pause(Scope.TEMPLATE, key, PauseReason.OPERATOR, "wrong price", clock.time))
    place.tells(news("APPROVED"))
    place.tells(news("PAUSED"))
    place.tells(news("REINSTATED"))
    assert {pause.reason for pause in place.pauses()} == {PauseReason.OPERATOR}
    assert place.sends() == []


def test_a_template_of_a_foreign_account_is_ignored_where_all_accounts_are_known(place: Place) -> None:
    place.tells(news("PAUSED", FOREIGN))
    assert place.pauses() == []
    assert place.sends() == ["1", "2"]


def test_a_number_of_unknown_account_heeds_the_templates_of_every_account(
    store: Store, stages: Stages, clock: SteppedClock
) -> None:
    place = Place(store, stages, clock, _3=None)
    place.tells(news("PAUSED"))
    (pause,) = place.pauses()
    assert pause.key == f"{PROMO}/en_US"
    assert place.sends() == []
    place.tells(news("APPROVED"))
    clock.step(seconds=1)
    assert place.sends() == ["3"]


def test_a_number_of_unknown_account_heeds_them_beside_numbers_of_known_accounts_too(
    store: Store, stages: Stages, clock: SteppedClock
) -> None:
    place = Place(store, stages, clock, _1=WABA, _2=OTHER, _3=None)
    place.tells(news("PAUSED"))
    assert "1" not in place.sends()
    assert "3" not in place.sends()


@pytest.mark.parametrize(
    "event", ["IN_APPEAL", "FLAGGED", "PENDING", "LIMIT_EXCEEDED", "LOCKED", "whatever comes next"]
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_other_news_of_a_template_changes_nothing(place: Place, event: str) -> None:
    place.tells(news("PAUSED"))
    (before,) = place.pauses()
    place.tells(news(event))
    assert place.pauses() == [before]


def test_the_same_news_twice_is_one_pause(place: Place) -> None:
    document = news("DISABLED")
    document["entry"][0]["changes"] *= 3
    place.tells(document)
    place.tells(document)
    assert len(place.pauses()) == 1


def test_news_of_a_template_and_statuses_of_messages_may_come_in_one_notification(place: Place) -> None:
    document = news("PAUSED")
    document["entry"].append({"id": WABA, "changes": [{"field": "messages", "value": {"statuses": [None, "odd"]}}]})
    document["entry"].append(None)
    place.tells(document)
    assert len(place.pauses()) == 1

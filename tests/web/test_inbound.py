"""What people tell our numbers, from Meta's notification to the next campaign (G8)."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import select

from service.intake.rules import Judgement, Unknown
from service.message import Category, Template
from service.outbox import tables
from service.outbox.consent import Consent, Wanted
from service.outbox.inbound import Inbox
from service.people import Blocked
from tests.web.serving import NOW, RULES, Service, heard, person, sample, statuses, told

AT = int(NOW.timestamp())
DIGITS = "8613800100000"


def reply(n: int = 0, body: str = "STOP", after: int = 0, **more: Any) -> dict[str, Any]:
    text = {"type": "text", "text": {"body": body}}
    return {"from": f"86138001{n:05}", "id": f"wamid.in{n}.{after}", "timestamp": str(AT + after), **text} | more


def preference(value: str = "stop", after: int = 0, **more: Any) -> dict[str, Any]:
    item = {"wa_id": DIGITS, "category": "marketing_messages", "value": value, "timestamp": AT + after} | more
    change = {"field": "user_preferences", "value": {"user_preferences": [item]}}
    return {"entry": [{"id": "1", "changes": [change]}]}


def campaign(service: Service, n: int = 0, campaign_id: str = "next") -> str:
    """What becomes of the person in the next campaign."""
    [result] = service.accept(person(n), CampaignId=campaign_id)
    return str(result.get("code", result["status"]))


def suppressed(service: Service) -> list[tuple[str, str, str]]:
    found, _ = Consent(service.store.engine).search(Wanted(), 100)
    return sorted((one.to, one.blocked.value, one.source.value) for one in found)


def kept(service: Service) -> list[dict[str, Any]]:
    with service.store.engine.connect() as connection:
        return [dict(row) for row in connection.execute(select(tables.inbound_messages)).mappings()]


@dataclass(slots=True)
class Templates(Unknown):
    """A catalogue in which every template has the category of the moment."""

    category: Category | None = None

    def judge(self, phone_number_id: str, template: Template) -> Judgement:  # noqa: ARG002
        return Judgement(self.category)


def categorised(service: Service, **more: Any) -> tuple[Service, Callable[[], dict[Category | None, str]]]:
    """A service that knows categories, and what becomes of a template of each in the next campaigns."""
    templates = Templates()
    knowing = Service(service.store, rules=replace(RULES, catalogue=templates), **more)

    def ask() -> dict[Category | None, str]:
        answers = {}
        for category in (*Category, None):
            templates.category = category
            answers[category] = campaign(knowing, campaign_id=f"of {category}")
        return answers

    return knowing, ask


def test_after_stop_the_next_campaign_is_rejected_and_after_start_it_is_accepted(service: Service) -> None:
    [queued] = service.accept(person())
    assert service.notify(heard(reply())).status_code == 200
    assert service.message(queued["message_id"])["status"] == "suppressed"
    assert campaign(service, campaign_id="second") == "suppressed"
    assert service.notify(heard(reply(body="start", after=5))).status_code == 200
    assert campaign(service, campaign_id="second") == "accepted"


EVERYTHING_BUT_CODES = {
    Category.MARKETING: "suppressed",
    Category.UTILITY: "suppressed",
    Category.AUTHENTICATION: "accepted",
    None: "suppressed",
}
MARKETING_AND_THE_UNKNOWN = EVERYTHING_BUT_CODES | {Category.UTILITY: "accepted"}


def test_only_an_authentication_code_passes_a_stop(service: Service) -> None:
    knowing, ask = categorised(service)
    knowing.notify(heard(reply()))
    assert ask() == EVERYTHING_BUT_CODES


def test_a_stop_may_be_set_to_keep_marketing_away_only(service: Service) -> None:
    knowing, ask = categorised(service, stop_blocks=Blocked.MARKETING)
    knowing.notify(heard(reply()))
    assert ask() == MARKETING_AND_THE_UNKNOWN


def test_a_preference_keeps_marketing_and_the_unknown_away_until_it_is_resumed(service: Service) -> None:
    knowing, ask = categorised(service)
    assert knowing.notify(preference()).status_code == 200
    assert suppressed(knowing) == [(f"+{DIGITS}", "marketing", "user_preferences")]
    assert ask() == MARKETING_AND_THE_UNKNOWN
    knowing.notify(preference("resume", after=9))
    assert campaign(knowing, campaign_id="after it") == "accepted"


def test_metas_own_samples_are_understood(service: Service) -> None:
    for name in ("notification_stop_reply", "notification_user_preferences", "notification_button_reply"):
        assert service.notify(sample(f"{name}.json")).status_code == 200
    assert suppressed(service) == [
        ("+8613800138000", "all", "stop_reply"),
        ("+8613800138000", "marketing", "user_preferences"),
    ]
    assert [row["kind"] for row in kept(service)] == ["text", "button"]


def test_a_stop_of_somebody_with_a_user_name_is_for_the_number_and_the_user_id(service: Service) -> None:
    service.notify(heard(reply(from_user_id="CN.1349"), reply(1) | {"from": None, "from_user_id": "CN.1350"}))
    assert [to for to, _, _ in suppressed(service)] == [f"+{DIGITS}", "CN.1349", "CN.1350"]
    [result] = service.accept({"Address": "CN.1350"})
    assert result["code"] == "suppressed"


@pytest.mark.parametrize(
    ("dialled", "known_as"),
    [("+5511987654321", "551187654321"), ("+521551234567", "521551234567"), ("+5491123456789", "541123456789")],
)
def test_a_stop_is_for_every_way_in_which_a_number_is_written(service: Service, dialled: str, known_as: str) -> None:
    service.notify(heard(reply() | {"from": known_as}))
    [result] = service.accept({"Address": dialled})
    assert result["code"] == "suppressed"


def test_a_stop_is_for_the_number_that_was_dialled_however_meta_knows_the_person(service: Service) -> None:
    [name] = service.send(person())
    service.accepted(name)
    service.notify(heard(reply(7, context={"id": f"wamid.{name}"})))
    assert [to for to, _, _ in suppressed(service)] == [f"+{DIGITS}", "+8613800100007"]
    [answer] = Inbox(service.store.engine).of_message(name.partition(".")[0])
    assert (answer.text, answer.sender) == ("STOP", "+8613800100007")


BUTTONS: Mapping[str, tuple[dict[str, Any], bool]] = {
    "by its label": ({"type": "button", "button": {"text": "Stop", "payload": "btn-7"}}, True),
    "by its payload": ({"type": "button", "button": {"text": "Lieber nicht", "payload": "STOP"}}, True),
    "an interactive one": (
        {"type": "interactive", "interactive": {"type": "button_reply", "button_reply": {"id": "1", "title": "Stop"}}},
        True,
    ),
    "another": ({"type": "button", "button": {"text": "Pay now", "payload": "pay"}}, False),
}


@pytest.mark.parametrize("name", BUTTONS)
def test_a_tap_on_a_button_counts_by_its_label_or_its_payload(light: Service, name: str) -> None:
    facts, stops = BUTTONS[name]
    light.notify(heard(reply() | facts))
    assert bool(suppressed(light)) is stops
    assert len(kept(light)) == 1


def test_one_bad_item_never_spoils_the_others(service: Service) -> None:
    bad = [None, "STOP", {}, reply(1, timestamp="soon"), reply(2) | {"from": "me"}, reply(3, id="")]
    odd = reply(4, type="image", image={"id": "1"})
    answer = service.notify(heard(*bad, odd, reply(5), reply(6, body="\ud800\0" + "x" * 9_000)))
    assert answer.status_code == 200
    assert sorted(row["sender"][-1] for row in kept(service)) == ["4", "5", "6"]
    assert max(len(row["text"] or "") for row in kept(service)) == 4096
    assert [to[-1] for to, _, _ in suppressed(service)] == ["5"]


def test_replies_and_statuses_come_in_one_notification(service: Service) -> None:
    [name] = service.send(person(3))
    both = {"entry": statuses(told(name, "read"))["entry"] + heard(reply())["entry"]}
    assert service.notify(both).status_code == 200
    assert service.message(name.partition(".")[0])["status"] == "read"
    assert len(suppressed(service)) == 1


def test_a_number_that_the_settings_do_not_know_is_kept_all_the_same(light: Service) -> None:
    light.notify(heard(reply(), number="999"))
    assert [row["phone_number_id"] for row in kept(light)] == ["999"]
    assert len(suppressed(light)) == 1


def test_the_same_notification_again_changes_nothing(service: Service) -> None:
    for _ in range(3):
        assert service.notify(heard(reply(), reply(1, body="Hello"))).status_code == 200
    assert len(kept(service)) == 2
    assert len(suppressed(service)) == 1


def test_a_stop_that_comes_after_a_newer_start_suppresses_nobody(service: Service) -> None:
    service.notify(heard(reply(body="START", after=60)))
    service.notify(heard(reply()))
    assert suppressed(service) == []


def test_metas_refusal_of_marketing_suppresses_marketing(service: Service) -> None:
    [name] = service.send(person())
    service.accepted(name)
    service.notify(statuses(told(name, "failed", errors=[{"code": 131050, "title": "t"}])))
    assert suppressed(service) == [(f"+{DIGITS}", "marketing", "error_131050")]
    service.notify(preference("resume", after=60))
    assert suppressed(service) == []


def test_other_failures_suppress_nobody(light: Service) -> None:
    [name] = light.send(person())
    light.notify(statuses(told(name, "failed", errors=[{"code": 131026, "title": "t"}])))
    assert suppressed(light) == []


def test_a_store_that_is_down_is_503_so_that_meta_sends_it_again(down: Service) -> None:
    for document in (heard(reply()), preference()):
        assert down.notify(document).status_code == 503


def test_nothing_private_is_logged_or_measured(light: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    words = "Zaphod-Canary"
    for document in (
        heard(
            reply(),
            reply(1, body=words),
            reply(2, button={"payload": words}, type="button"),
            {"from": DIGITS, "x": words},
        ),
        preference(detail=words),
        preference("odd", detail=words),
    ):
        assert light.notify(document).text == ""
    written = caplog.text + light.client.get("/metrics").text
    assert not [canary for canary in (DIGITS, "86138001", words, "STOP") if canary in written]


def test_a_body_without_metadata_is_kept_too(light: Service) -> None:
    document = json.loads(json.dumps(heard(reply())))
    del document["entry"][0]["changes"][0]["value"]["metadata"]
    assert light.notify(document).status_code == 200
    assert [row["phone_number_id"] for row in kept(light)] == [""]

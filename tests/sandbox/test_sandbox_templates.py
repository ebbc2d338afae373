"""Templates whose status changes: who is told, and how."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.catalogue import Catalogue, default_templates, parse_templates
from sandbox.errors import InputError
from sandbox.template_news import TemplateNews
from sandbox.templates import parse_template

Answer = tuple[int, Any]
Api = Callable[..., Answer]
Changes = Callable[[], dict[str, list[Any]]]

WABA = "102290129340398"
ORDER = {"name": "ordertimeoutnotification", "language": "en_US"}
HELLO: dict[str, Any] = {"name": "hello", "language": "de", "components": [{"type": "BODY", "text": "Hallo"}]}


def test_a_pause_is_told_as_meta_tells_it(api: Api, next_changes: Changes, sample: Callable[[str], Any]) -> None:
    assert api("POST", "/sandbox/templates", {**ORDER, "status": "PAUSED"})[0] == 201
    (expected,) = sample("notification_template_paused.json")["entry"][0]["changes"]
    ((waba_id, (change,)),) = next_changes().items()
    assert (waba_id, change["field"]) == (WABA, expected["field"])
    value = change["value"]
    assert value.pop("message_template_category") == "UTILITY"
    assert value.pop("other_info").keys() == expected["value"].pop("other_info").keys()
    assert value == expected["value"]


# case: (what else the template has, the value's reason, whether it has other_info)
NEWS: dict[str, tuple[dict[str, Any], str, bool]] = {
    "APPROVED": ({}, "NONE", False),
    "PAUSED": ({}, "NONE", True),
    "DISABLED": ({}, "NONE", False),
    "REJECTED": ({"rejected_reason": "TAG_CONTENT_MISMATCH"}, "TAG_CONTENT_MISMATCH", False),
    "PENDING": ({"rejected_reason": None}, "NONE", False),
    "ARCHIVED": ({}, "NONE", False),
}


@pytest.mark.parametrize("status", NEWS)
def test_what_is_told_of_a_status(status: str) -> None:
    more, reason, has_info = NEWS[status]
    template = parse_template({**HELLO, "language": "pt_BR", "id": "17", "status": status, **more})
    value = TemplateNews(template, WABA).change()["value"]
    facts = (value["event"], value["message_template_id"], value["message_template_language"], value["reason"])
    assert facts == (status, 17, "pt-BR", reason)
    assert ("other_info" in value) is has_info


def test_a_template_without_id_always_gets_the_same() -> None:
    ids = [parse_template(HELLO).listing["id"] for _ in range(2)]
    assert ids[0] == ids[1]
    assert ids[0].isdigit()
    assert parse_template({**HELLO, "language": "en"}).listing["id"] != ids[0]


def test_only_a_known_template_with_another_status_has_changed() -> None:
    catalogue = Catalogue(default_templates())
    changed = [
        catalogue.add(parse_templates(given, catalogue))
        for given in (HELLO, HELLO, {**HELLO, "status": "PAUSED"}, {**HELLO, "status": "PAUSED"}, HELLO)
    ]
    assert [[template.status for template in one] for one in changed] == [[], [], ["PAUSED"], [], ["APPROVED"]]


def test_a_known_template_need_not_repeat_what_stays() -> None:
    catalogue = Catalogue(default_templates())
    (before,) = (one for one in catalogue.listing() if ORDER.items() <= one.items())
    (template,) = parse_templates({"data": [{**ORDER, "status": "DISABLED"}]}, catalogue)
    assert template.listing == {**before, "status": "DISABLED"}


def test_a_paused_template_is_not_sent_until_it_is_approved_again(api: Api, send: Api, next_changes: Changes) -> None:
    codes = []
    for status in ("PAUSED", "DISABLED", "APPROVED"):
        api("POST", "/sandbox/templates", {**ORDER, "status": status})
        ((change,),) = next_changes().values()
        codes.append((change["value"]["event"], send()[1].get("error", {}).get("code")))
    assert codes == [("PAUSED", 132015), ("DISABLED", 132016), ("APPROVED", None)]


def test_each_account_is_told(api: Api, next_changes: Changes) -> None:
    for number in ("1", "2", "3"):
        api("POST", "/sandbox/numbers", {"phone_number_id": number, "waba_id": "8" if number == "3" else "7"})
    api("POST", "/sandbox/templates", {**ORDER, "status": "PAUSED"})
    changes = next_changes()
    assert list(changes) == [WABA, "7", "8"]
    assert changes[WABA] == changes["7"] == changes["8"]


def test_a_template_that_only_looks_otherwise_is_not_told(
    api: Api, send: Api, told: Callable[[int], list[Any]], notifications: list[Any]
) -> None:
    api("POST", "/sandbox/templates", [HELLO, {**ORDER, "category": "MARKETING"}])
    send()
    told(3)
    fields = [change["field"] for one in notifications for entry in one["entry"] for change in entry["changes"]]
    assert set(fields) == {"messages"}


def carousel(*cards: object) -> dict[str, Any]:
    return {**HELLO, "components": [*HELLO["components"], {"type": "CAROUSEL", "cards": list(cards)}]}


def test_a_card_is_a_template_of_its_own_with_less_room() -> None:
    template = parse_template(carousel({"components": [{"type": "BODY", "text": "{{1}}"}]}))
    assert [(card.body, card.body_limit, card.name) for card in template.cards] == [(("1",), 160, "hello")]
    assert template.body_limit == 1024


@pytest.mark.parametrize(
    "card", ["card", {}, {"components": "x"}, {"components": [{"type": "Carousel", "cards": []}]}, {"components": [{}]}]
)
def test_a_card_that_is_none_is_refused(card: object) -> None:
    with pytest.raises(InputError):
        parse_template(carousel(card))


# case: (what the offer says of its end, whether a message must give it)
OFFERS: dict[str, tuple[object, bool]] = {
    "with an end": ({"text": "Today", "has_expiration": True}, True),
    "without end": ({"text": "Today", "has_expiration": False}, False),
    "not told": ({"text": "Today"}, True),
    "nothing told": (None, True),
}


@pytest.mark.parametrize("case", OFFERS)
def test_an_offer_takes_room_and_may_need_its_end(case: str) -> None:
    terms, expected = OFFERS[case]
    offer = {"type": "LIMITED_TIME_OFFER", "limited_time_offer": terms}
    template = parse_template({**HELLO, "components": [offer, {"type": "BODY", "text": "Hallo"}]})
    assert (template.offer_ends, template.body_limit) == (expected, 600)

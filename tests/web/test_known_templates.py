"""What the service knows of templates while it takes messages in."""

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from service.intake.rules import Judgement
from service.message import Category, Template
from service.outbox.catalogue import Catalogues
from service.web.known_templates import LOOK_SECONDS, KnownTemplates
from tests.conftest import Store
from tests.web.serving import NOW, NUMBER, RULES, Service, person

WABA = "102290129340398"
BODY = [{"type": "BODY", "text": "Hi {{1}}"}]
FILLED = json.dumps([{"type": "body", "parameters": [{"type": "text", "text": "Ada"}]}])


def listing(name: str, language: str = "en_US", **facts: Any) -> dict[str, Any]:
    plain = {"name": name, "language": language, "status": "APPROVED", "category": "UTILITY", "components": BODY}
    return {**plain, "parameter_format": "POSITIONAL", **facts}


class Ticking:
    """Seconds that are moved by hand."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture
def kept(store: Store) -> Catalogues:
    return Catalogues(store.engine)


@pytest.fixture
def known(kept: Catalogues, clock: Ticking) -> KnownTemplates:
    return KnownTemplates(kept, {NUMBER: WABA}, clock)


def test_of_an_account_that_was_never_read_everything_passes(known: KnownTemplates, kept: Catalogues) -> None:
    kept.failed(WABA, "Meta does not answer")
    assert known.judge(NUMBER, Template("anything", "xx")) == Judgement()
    assert known.language(NUMBER, "anything", "de_DE", "en_US") == "en_US"
    assert known.render(NUMBER, Template("anything", "xx")) is None


def test_a_number_without_an_account_passes_everything(known: KnownTemplates, kept: Catalogues) -> None:
    kept.replace(WABA, [], NOW)
    assert known.judge("another", Template("anything", "xx")) == Judgement()


def test_a_template_that_fits_tells_its_category(known: KnownTemplates, kept: Catalogues) -> None:
    kept.replace(WABA, [listing("order", category="marketing")], NOW)
    assert known.judge(NUMBER, Template("order", "en_US", FILLED)) == Judgement(Category.MARKETING)
    rendered = known.render(NUMBER, Template("order", "en_US", FILLED))
    assert rendered is not None
    assert rendered.body == "Hi Ada"


UNFIT = {
    "unknown": (Template("nothing", "en_US"), "template_unknown", "no template nothing"),
    "another language": (Template("order", "fr", FILLED), "template_unknown", "it is in de, en_US"),
    "paused": (Template("halted", "en_US", FILLED), "template_not_approved", "PAUSED"),
    "no parameter": (Template("order", "en_US"), "template_mismatch", ""),
}


@pytest.mark.parametrize("name", UNFIT)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_does_not_fit_says_why(known: KnownTemplates, kept: Catalogues, name: str) -> None:
    kept.replace(WABA, [listing("order"), listing("order", "de"), listing("halted", status="PAUSED")], NOW)
    template, code, words = UNFIT[name]
    judgement = known.judge(NUMBER, template)
    assert judgement.code == code
    assert words in judgement.detail


def test_auto_picks_among_the_languages_that_can_be_sent(known: KnownTemplates, kept: Catalogues) -> None:
    listed = [listing("order", one) for one in ("en_US", "pt_BR")] + [listing("order", "de", status="REJECTED")]
    kept.replace(WABA, listed, NOW)
    chosen = {wanted: known.language(NUMBER, "order", wanted, "en_US") for wanted in ("pt_PT", "pt_BR", "de_DE", None)}
    assert chosen == {"pt_PT": "pt_BR", "pt_BR": "pt_BR", "de_DE": "en_US", None: "en_US"}


def test_what_was_read_meanwhile_is_known_within_two_seconds(
    known: KnownTemplates, kept: Catalogues, clock: Ticking
) -> None:
    kept.replace(WABA, [listing("order")], NOW)
    assert known.judge(NUMBER, Template("order", "en_US", FILLED)).code is None
    kept.replace(WABA, [], NOW.replace(year=2027))
    clock.seconds += LOOK_SECONDS - 0.1
    assert known.judge(NUMBER, Template("order", "en_US", FILLED)).code is None
    clock.seconds += 0.1
    assert known.judge(NUMBER, Template("order", "en_US", FILLED)).code == "template_unknown"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_while_the_store_is_down_what_is_known_is_checked_still(
    store: Store, known: KnownTemplates, kept: Catalogues, clock: Ticking
) -> None:
    kept.replace(WABA, [listing("order")], NOW)
    known.judge(NUMBER, Template("order", "en_US", FILLED))
    with store.engine.begin() as connection:
        connection.execute(text("DROP TABLE catalogues"))
    clock.seconds += 60
    assert known.judge(NUMBER, Template("order", "en_US")).code == "template_mismatch"


def test_an_event_is_checked_recipient_by_recipient(store: Store, known: KnownTemplates, kept: Catalogues) -> None:
    kept.replace(WABA, [listing("order_update"), listing("order_update", "de")], NOW)
    service = Service(store, rules=replace(RULES, catalogue=known))
    data = {"templateName": "order_update", "language": "auto", "params": ["{{Attributes.Name|}}"]}
    named = [person(0, Attributes={"Name": ["Ada"]}), person(1), person(2, Attributes={"Name": ["two\nlines"]})]
    german = person(3, Attributes={"Name": ["Eva"]}, Demographic={"Locale": "de_AT"})
    results = service.accept(*named, german, Data=json.dumps(data))
    assert [one.get("code") for one in results] == [None, "template_mismatch", "template_mismatch", None]
    assert all(one["path"] == "Data" and "parameters[0]" in one["detail"] for one in results[1:3])
    assert "two" not in results[2]["detail"]
    rows = [store.report.message(one["message_id"]) for one in (results[0], results[3])]
    facts = [(row.message["language"], row.message["category"]) for row in rows if row]
    assert facts == [("en_US", "UTILITY"), ("de", "UTILITY")]

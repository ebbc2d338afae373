"""Templates in the console: the list, a page each."""

import pytest

from service.message import Pause, PauseReason, Scope
from tests.web.console.visiting import TEMPLATE, WABA, House, Visitor
from tests.web.serving import NUMBER


def test_an_account_that_was_never_read_says_what_to_do(anna: Visitor) -> None:
    page = anna.get("/console/templates").text
    assert f"Account {WABA}" in page
    assert "never read" in page


def test_without_an_account_it_says_how_to_turn_the_catalogue_on(house: House, anna: Visitor) -> None:
    house.console.wabas.clear()  # type: ignore[attr-defined]
    assert "WHATSAPP_BUSINESS_ACCOUNT_ID" in anna.get("/console/templates").text


def test_an_account_without_templates_says_so(house: House, anna: Visitor) -> None:
    house.catalogues.replace(WABA, [], house.service.now)
    assert "The account has no template" in anna.get("/console/templates").text


def test_each_template_is_listed_with_how_it_stands(house: House, anna: Visitor) -> None:
    rejected = TEMPLATE | {"name": "sale", "status": "REJECTED", "category": "MARKETING", "rejected_reason": "PROMO"}
    house.catalogues.replace(WABA, [TEMPLATE | {"rejected_reason": "NONE"}, rejected], house.service.now)
    page = anna.get("/console/templates").text
    for fact in ("order_update", '<span class="chip good">Approved', "Utility", "Green"):
        assert fact in page
    for fact in ("sale", '<span class="chip bad">Rejected', "Marketing", "PROMO"):
        assert fact in page
    assert "NONE" not in page


def test_why_the_last_reading_failed_is_told(house: House, anna: Visitor) -> None:
    house.catalogues.replace(WABA, [TEMPLATE], house.service.now)
    house.catalogues.failed(WABA, "Meta does not answer")
    page = anna.get("/console/templates").text
    assert "Meta does not answer" in page
    assert "order_update" in page


@pytest.mark.parametrize("key", ["order_update/en_US", f"order_update/en_US@{WABA}"])
def test_a_paused_template_says_why_and_can_be_resumed(house: House, anna: Visitor, key: str) -> None:
    house.catalogues.replace(WABA, [TEMPLATE], house.service.now)
    pause = Pause(Scope.TEMPLATE, key, PauseReason.REFUSED, "132015: low quality", since=house.service.now)
    house.service.store.outbox.pause(pause)
    path = f"/console/templates/{WABA}/order_update/en_US"
    assert "132015: low quality" in anna.get("/console/templates").text
    assert ">Resume</button>" in anna.get(path).text
    assert anna.act("/console/resume", scope="template", key=key, back=path).location == f"{path}?done=resumed&n=0&m=0"
    assert "132015" not in anna.get(path).text


def test_a_template_is_drawn_and_says_how_it_is_sent(house: House, anna: Visitor) -> None:
    house.catalogues.replace(WABA, [TEMPLATE, TEMPLATE | {"language": "de"}], house.service.now)
    page = anna.get(f"/console/templates/{WABA}/order_update/en_US").text
    assert "Hi {{1}}, &lt;b&gt;thanks" in page
    assert "The body: 1 value, for {{1}}." in page
    assert "&#34;value of 1&#34;" in page
    assert f'href="/console/templates/{WABA}/order_update/de"' in page
    assert NUMBER not in page


def test_a_listing_that_is_not_understood_is_shown_all_the_same(house: House, anna: Visitor) -> None:
    house.catalogues.replace(WABA, [{"name": "odd", "language": "de", "components": 7, "status": 3}], house.service.now)
    assert "odd" in anna.get("/console/templates").text
    page = anna.get(f"/console/templates/{WABA}/odd/de")
    assert page.status_code == 200
    assert "is not understood here" in page.text


def test_another_account_is_not_shown(house: House, anna: Visitor) -> None:
    house.catalogues.replace("777", [TEMPLATE], house.service.now)
    assert anna.get("/console/templates/777/order_update/en_US").status_code == 404

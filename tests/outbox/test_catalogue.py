"""The templates of an account as they are kept, and when they are to be read anew."""

from datetime import timedelta

import pytest

from service.outbox.catalogue import Catalogues, Standing
from tests.conftest import Store
from tests.outbox.making import NOW, later

WABA = "102290129340398"
EVERY = timedelta(minutes=10)


@pytest.fixture
def catalogues(store: Store) -> Catalogues:
    return Catalogues(store.engine)


def listing(name: str, language: str = "en_US", **facts: object) -> dict[str, object]:
    return {"name": name, "language": language, "status": "APPROVED", "components": [], **facts}


def names(catalogues: Catalogues, waba_id: str = WABA) -> list[tuple[str, str]]:
    return [(one["name"], one["language"]) for one in catalogues.listings(waba_id)]


def test_what_meta_lists_replaces_what_it_listed_before(catalogues: Catalogues) -> None:
    catalogues.replace(WABA, [listing("a"), listing("b")], NOW)
    catalogues.replace(WABA, [listing("b", "de"), listing("c", text="Grüße 你好")], later(minutes=10))
    assert names(catalogues) == [("b", "de"), ("c", "en_US")]
    assert catalogues.listings(WABA)[1]["text"] == "Grüße 你好"


def test_accounts_are_kept_apart(catalogues: Catalogues) -> None:
    catalogues.replace(WABA, [listing("a")], NOW)
    catalogues.replace("other", [listing("b")], NOW)
    catalogues.replace("other", [], later(minutes=1))
    assert (names(catalogues), names(catalogues, "other")) == ([("a", "en_US")], [])
    assert catalogues.standings([WABA, "nobody"]).keys() == {WABA}


def test_a_template_that_meta_lists_twice_is_kept_once(catalogues: Catalogues) -> None:
    catalogues.replace(WABA, [listing("a", id="1"), listing("a", id="2")], NOW)
    assert [one["id"] for one in catalogues.listings(WABA)] == ["2"]


def test_a_failed_read_keeps_what_is_known_and_says_why(catalogues: Catalogues) -> None:
    catalogues.replace(WABA, [listing("a")], NOW)
    catalogues.failed(WABA, "Meta does not answer")
    assert names(catalogues) == [("a", "en_US")]
    assert catalogues.standings([WABA])[WABA] == Standing(WABA, NOW, None, "Meta does not answer")
    catalogues.replace(WABA, [listing("a")], later(minutes=1))
    assert catalogues.standings([WABA])[WABA].problem is None


def test_a_failed_first_read_is_known_as_one(catalogues: Catalogues) -> None:
    catalogues.failed(WABA, "no such account")
    assert catalogues.standings([WABA])[WABA] == Standing(WABA, problem="no such account")


DUE = {
    "never read": (Standing(WABA), True),
    "read just now": (Standing(WABA, NOW), False),
    "read nearly ten minutes ago": (Standing(WABA, later(minutes=-9, seconds=-59)), False),
    "read ten minutes ago": (Standing(WABA, later(minutes=-10)), True),
    "wanted since": (Standing(WABA, later(minutes=-1), later(seconds=-1)), True),
    "wanted at the moment of the read": (Standing(WABA, later(minutes=-1), later(minutes=-1)), True),
    "wanted before it was read": (Standing(WABA, later(minutes=-1), later(minutes=-2)), False),
}


@pytest.mark.parametrize("name", DUE)
def test_when_templates_are_due(name: str) -> None:
    standing, wanted = DUE[name]
    assert standing.is_due(NOW, EVERY) is wanted


def test_news_that_came_while_templates_were_read_is_wanted_still(catalogues: Catalogues) -> None:
    catalogues.want([WABA], later(seconds=1))
    catalogues.replace(WABA, [listing("a")], asked_at=NOW)
    assert catalogues.standings([WABA])[WABA].is_due(later(seconds=2), EVERY)
    catalogues.replace(WABA, [listing("a")], asked_at=later(seconds=2))
    assert not catalogues.standings([WABA])[WABA].is_due(later(seconds=3), EVERY)


def test_older_news_does_not_hide_newer(catalogues: Catalogues) -> None:
    catalogues.want([WABA, "other"], later(seconds=9))
    catalogues.want([WABA], later(seconds=5))
    assert catalogues.standings([WABA])[WABA].wanted_at == later(seconds=9)

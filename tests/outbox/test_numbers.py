"""Meta's word on each number: the last one is kept, and why there is no newer one."""

from datetime import UTC, datetime, timedelta

from service.message import NumberFacts
from service.outbox.numbers import KnownNumber
from tests.conftest import Store

NOW = datetime(2026, 11, 1, 9, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHOP = NumberFacts("Shop", "+1 555-078-3881", "GREEN", "CONNECTED", "STANDARD", "TIER_2K")


def test_nothing_is_known_of_a_number_that_nobody_asked_about(store: Store) -> None:
    assert store.report.numbers() == {}


def test_what_meta_tells_is_kept_for_each_number(store: Store) -> None:
    store.outbox.keep_number("2", SHOP, NOW)
    store.outbox.keep_number("1", NumberFacts(quality="RED"), NOW + HOUR)
    assert store.report.numbers() == {
        "1": KnownNumber("1", NumberFacts(quality="RED"), NOW + HOUR),
        "2": KnownNumber("2", SHOP, NOW),
    }
    assert list(store.report.numbers()) == ["1", "2"]


def test_the_newer_word_replaces_the_older_wholly(store: Store) -> None:
    store.outbox.keep_number("1", SHOP, NOW)
    store.outbox.keep_number("1", NumberFacts(quality="YELLOW"), NOW + HOUR)
    assert store.report.numbers()["1"] == KnownNumber("1", NumberFacts(quality="YELLOW"), NOW + HOUR)


def test_where_meta_tells_nothing_the_last_word_stands_with_its_time(store: Store) -> None:
    store.outbox.keep_number("1", SHOP, NOW)
    for problem in ("Access token refused", "No answer"):
        store.outbox.keep_number_problem("1", problem, NOW + HOUR)
        assert store.report.numbers()["1"] == KnownNumber("1", SHOP, NOW, problem)


def test_a_word_of_metas_ends_the_problem(store: Store) -> None:
    store.outbox.keep_number_problem("1", "No answer", NOW)
    assert store.report.numbers()["1"] == KnownNumber("1", NumberFacts(), NOW, "No answer")
    store.outbox.keep_number_problem("1", "Access token refused", NOW + HOUR)
    assert store.report.numbers()["1"].asked_at == NOW, "since when it tells nothing"
    store.outbox.keep_number("1", SHOP, NOW + HOUR)
    assert store.report.numbers()["1"] == KnownNumber("1", SHOP, NOW + HOUR)


def test_the_longest_words_that_are_read_can_be_kept(store: Store) -> None:
    longest = NumberFacts("名" * 100, "1" * 40, "q" * 30, "s" * 30, "t" * 30, "l" * 40)
    store.outbox.keep_number("1" * 64, longest, NOW)
    store.outbox.keep_number_problem("1" * 64, "why " * 500, NOW)
    assert store.report.numbers()["1" * 64] == KnownNumber("1" * 64, longest, NOW, "why " * 500)


def test_looking_waits_for_no_writer(store: Store) -> None:
    store.outbox.keep_number("1", SHOP, NOW)
    with store.engine.begin():  # holds SQLite's only write lock
        assert store.report.numbers()["1"].facts == SHOP

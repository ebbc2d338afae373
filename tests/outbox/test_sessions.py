"""Who is signed in, and how often somebody could not sign in under a name."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from service.outbox import tables
from service.outbox.sessions import FORGOTTEN, SWEPT_AT_ONCE, Sessions, wait_after
from tests.conftest import Store
from tests.outbox.making import NOW, at_once, later

LIFETIME = timedelta(hours=12)
ANNA, BORIS = "a" * 64, "b" * 64
ENTRY = "e" * 64


@pytest.fixture
def sessions(store: Store) -> Sessions:
    return Sessions(store.engine)


def rows(store: Store, table: str) -> int:
    with store.engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(tables.metadata.tables[table])).scalar_one()


def seconds(wait: timedelta) -> float:
    return wait.total_seconds()


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_a_session_is_found_by_its_token_until_it_ends(sessions: Sessions) -> None:
    sessions.start("t1", "anna", ENTRY, NOW, LIFETIME)
    assert sessions.find("t1", NOW) == ("anna", ENTRY)
    assert sessions.find("t1", later(hours=12, seconds=-1)) == ("anna", ENTRY)
    assert sessions.find("t1", later(hours=12)) is None
    assert sessions.find("t2", NOW) is None


def test_who_signs_out_of_one_session_stays_in_the_other(sessions: Sessions) -> None:
    for token in ("t1", "t2"):
        sessions.start(token, "anna", ENTRY, NOW, LIFETIME)
    sessions.end("t1")
    sessions.end("t1")
    assert sessions.find("t1", NOW) is None
    assert sessions.find("t2", NOW) == ("anna", ENTRY)


def test_somebody_can_be_signed_out_everywhere(sessions: Sessions) -> None:
    for token, name in (("t1", "anna"), ("t2", "anna"), ("t3", "boris")):
        sessions.start(token, name, ENTRY, NOW, LIFETIME)
    assert sessions.end_all_of("anna") == 2
    assert [sessions.find(token, NOW) is not None for token in ("t1", "t2", "t3")] == [False, False, True]


def test_sessions_that_are_over_are_removed_when_one_starts(store: Store, sessions: Sessions) -> None:
    for n in range(SWEPT_AT_ONCE + 1):
        sessions.start(f"old{n}", "anna", ENTRY, NOW, timedelta(hours=1))
    sessions.start("t1", "anna", ENTRY, later(hours=1), LIFETIME)
    assert rows(store, "sessions") == 2
    sessions.start("t2", "anna", ENTRY, later(hours=1), LIFETIME)
    assert rows(store, "sessions") == 2


def test_looking_for_a_session_waits_for_no_writer(store: Store, sessions: Sessions) -> None:
    sessions.start("t1", "anna", ENTRY, NOW, LIFETIME)
    with store.engine.begin():  # holds SQLite's only write lock
        assert sessions.find("t1", NOW) == ("anna", ENTRY)


# --- failures ---------------------------------------------------------------------------------------------------------


def test_three_failures_are_free_and_each_further_one_doubles_the_wait_up_to_a_minute() -> None:
    assert [seconds(wait_after(n)) for n in range(12)] == [0, 0, 0, 0, 2, 4, 8, 16, 32, 60, 60, 60]
    assert seconds(wait_after(10_000)) == 60


def test_who_fails_waits_longer_each_time(sessions: Sessions) -> None:
    moment = NOW
    for wait in (0, 0, 0, 2, 4, 8, 16, 32, 60, 60):
        assert seconds(sessions.attempt(ANNA, moment)) == 0
        assert seconds(sessions.attempt(ANNA, moment)) == wait if wait else True
        moment += timedelta(seconds=wait)


def test_asking_too_early_tells_what_is_left_and_changes_nothing(sessions: Sessions) -> None:
    for _ in range(4):
        assert not sessions.attempt(ANNA, NOW)
    assert seconds(sessions.attempt(ANNA, later(seconds=0.5))) == 1.5
    for _ in range(50):
        assert seconds(sessions.attempt(ANNA, later(seconds=1))) == 1
    assert seconds(sessions.attempt(ANNA, later(seconds=1.999))) == 1, "never nothing"
    assert not sessions.attempt(ANNA, later(seconds=2))


def test_one_name_does_not_slow_another(sessions: Sessions) -> None:
    for _ in range(4):
        sessions.attempt(ANNA, NOW)
    assert sessions.attempt(ANNA, NOW)
    assert not sessions.attempt(BORIS, NOW)


def test_success_starts_afresh(sessions: Sessions) -> None:
    for _ in range(4):
        sessions.attempt(ANNA, NOW)
    sessions.succeeded(ANNA)
    sessions.succeeded(ANNA)
    assert [seconds(sessions.attempt(ANNA, NOW)) for _ in range(5)] == [0, 0, 0, 0, 2]


def test_failures_are_forgotten_an_hour_after_the_last(sessions: Sessions) -> None:
    for _ in range(4):
        sessions.attempt(ANNA, NOW)
    almost = NOW + FORGOTTEN - timedelta(seconds=1)
    assert [seconds(sessions.attempt(ANNA, almost)) for _ in range(2)] == [0, 4]
    again = almost + FORGOTTEN
    assert [seconds(sessions.attempt(ANNA, again)) for _ in range(5)] == [0, 0, 0, 0, 2]


def test_names_that_are_forgotten_are_removed(store: Store, sessions: Sessions) -> None:
    for n in range(5):
        sessions.attempt(f"{n:064}", NOW)
    sessions.attempt(ANNA, NOW + FORGOTTEN)
    assert rows(store, "sign_in_failures") == 1


def test_of_many_who_guess_at_once_no_more_get_through_than_one_after_the_other(sessions: Sessions) -> None:
    waits = at_once([lambda: [sessions.attempt(ANNA, NOW) for _ in range(3)]] * 12)
    assert sum(not wait for some in waits for wait in some) == 4

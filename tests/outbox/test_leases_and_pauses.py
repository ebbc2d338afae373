"""Who serves a number, timed by the database's clock (G6), and what makes it wait (G7)."""

from functools import partial

from sqlalchemy import select, update

from service.outbox import tables
from service.outbox.leases import LEASE_SECONDS, database_now
from service.outbox.outbox import Pause
from tests.conftest import Store
from tests.outbox.making import NOW, NUMBER, Desk, at_once, later


def seconds_left(store: Store) -> float:
    with store.engine.connect() as connection:
        return float(connection.execute(select(tables.leases.c.expires_at - database_now(connection))).scalar_one())


def set_seconds_left(store: Store, seconds: float) -> None:
    with store.engine.begin() as connection:
        connection.execute(update(tables.leases).values(expires_at=database_now(connection) + seconds))


def test_a_free_number_is_leased_for_fifteen_seconds_of_the_databases_clock(store: Store) -> None:
    lease = store.outbox.acquire_lease(NUMBER, "one")
    assert lease is not None
    assert (lease.phone_number_id, lease.holder, lease.epoch) == (NUMBER, "one", 1)
    assert LEASE_SECONDS == 15
    assert 10 < seconds_left(store) <= 15


def test_nobody_else_gets_it_while_it_stands_not_even_the_same_holder(desk: Desk) -> None:
    assert desk.store.outbox.acquire_lease(NUMBER, "another") is None
    assert desk.store.outbox.acquire_lease(NUMBER, desk.lease.holder) is None


def test_numbers_are_leased_apart(desk: Desk) -> None:
    assert desk.store.outbox.acquire_lease("another", "another") is not None


def test_a_lease_that_has_run_out_is_taken_over_with_the_next_epoch(desk: Desk) -> None:
    set_seconds_left(desk.store, 0.0)
    lease = desk.store.outbox.acquire_lease(NUMBER, "another")
    assert lease is not None
    assert lease.epoch == 2
    assert desk.store.outbox.renew_lease(desk.lease) is False
    assert desk.store.outbox.renew_lease(lease) is True


def test_renewing_prolongs_without_a_new_epoch(desk: Desk) -> None:
    set_seconds_left(desk.store, 5.0)
    assert desk.store.outbox.renew_lease(desk.lease) is True
    assert 10 < seconds_left(desk.store) <= 15
    assert desk.store.outbox.acquire_lease(NUMBER, "another") is None


def test_a_lease_that_has_run_out_is_not_renewed_even_if_nobody_took_it(desk: Desk) -> None:
    set_seconds_left(desk.store, -0.001)
    assert desk.store.outbox.renew_lease(desk.lease) is False


def test_a_released_number_is_free_at_once_and_its_epoch_goes_on(desk: Desk) -> None:
    desk.store.outbox.release_lease(desk.lease)
    lease = desk.store.outbox.acquire_lease(NUMBER, "another")
    assert lease is not None
    assert lease.epoch == 2


def test_releasing_what_somebody_else_has_taken_over_changes_nothing(desk: Desk) -> None:
    earlier = desk.lease
    desk.take_over()
    desk.store.outbox.release_lease(earlier)
    assert desk.store.outbox.renew_lease(desk.lease) is True


def test_of_many_who_try_at_once_one_gets_it(store: Store) -> None:
    for epoch in (1, 2, 3):
        got = at_once([partial(store.outbox.acquire_lease, NUMBER, f"holder{n}") for n in range(8)])
        assert [lease.epoch for lease in got if lease] == [epoch]
        set_seconds_left(store, 0.0)


def test_a_pause_is_found_as_it_was_made(desk: Desk) -> None:
    pause = Pause(NUMBER, "refused", "漢字 (code 190)", since=NOW, until=later(hours=1), token_fingerprint="f" * 16)
    desk.store.outbox.pause(pause)
    assert desk.store.outbox.find_pause(NUMBER, NOW) == pause
    assert desk.store.outbox.find_pause("another", NOW) is None


def test_a_pause_without_an_end_stands_until_it_is_lifted(desk: Desk) -> None:
    desk.store.outbox.pause(Pause(NUMBER, "refused", "", since=NOW))
    assert desk.store.outbox.find_pause(NUMBER, later(days=999)) is not None
    assert desk.store.outbox.resume(NUMBER) is True
    assert desk.store.outbox.find_pause(NUMBER, NOW) is None
    assert desk.store.outbox.resume(NUMBER) is False


def test_a_newer_pause_replaces_the_earlier_one(desk: Desk) -> None:
    desk.store.outbox.pause(Pause(NUMBER, "secret", "old", since=NOW, until=later(minutes=1), token_fingerprint="f"))
    newer = Pause(NUMBER, "refused", "new", since=later(seconds=1))
    desk.store.outbox.pause(newer)
    assert desk.store.outbox.find_pause(NUMBER, later(hours=1)) == newer


def test_looking_for_a_pause_waits_for_no_writer(desk: Desk) -> None:
    with desk.store.engine.begin():  # holds SQLite's only write lock
        assert desk.store.outbox.find_pause(NUMBER, NOW) is None

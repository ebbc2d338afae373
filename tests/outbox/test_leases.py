"""Who serves a number, timed by the database's clock (G6), and who could."""

from functools import partial

from sqlalchemy import select, update

from service.outbox import tables
from service.outbox.leases import LEASE_SECONDS, database_now
from service.outbox.outbox import Shares
from tests.conftest import Store
from tests.outbox.making import NUMBER, Desk, at_once


def seconds_left(store: Store) -> float:
    with store.engine.connect() as connection:
        return float(connection.execute(select(tables.leases.c.expires_at - database_now(connection))).scalar_one())


def set_seconds_left(store: Store, seconds: float) -> None:
    with store.engine.begin() as connection:
        connection.execute(update(tables.leases).values(expires_at=database_now(connection) + seconds))


def test_a_free_number_is_leased_for_twelve_seconds_of_the_databases_clock(store: Store) -> None:
    lease = store.outbox.acquire_lease(NUMBER, "one")
    assert lease is not None
    assert (lease.phone_number_id, lease.holder, lease.epoch) == (NUMBER, "one", 1)
    assert LEASE_SECONDS == 12
    assert 8 < seconds_left(store) <= 12


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
    assert 8 < seconds_left(desk.store) <= 12
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


def test_the_rate_that_was_learned_is_there_for_the_next_holder(desk: Desk) -> None:
    assert desk.lease.rate is None
    desk.store.outbox.renew_lease(desk.lease, 31.5)
    desk.take_over()
    assert desk.lease.rate == 31.5


def test_who_reports_for_work_sees_how_the_numbers_are_shared_out(desk: Desk) -> None:
    outbox = desk.store.outbox
    assert outbox.acquire_lease("another", "second") is not None
    assert outbox.report_for_work("second") == Shares({"second": 1}, frozenset({NUMBER, "another"}))
    outbox.report_for_work(desk.lease.holder)
    outbox.release_lease(desk.lease)
    shares = outbox.report_for_work("second")
    assert shares == Shares({"second": 1, desk.lease.holder: 0}, frozenset({"another"}))


def test_who_leaves_or_falls_silent_is_no_longer_counted(desk: Desk) -> None:
    outbox = desk.store.outbox
    for holder in ("left", "silent", "here"):
        outbox.report_for_work(holder)
    outbox.leave_work("left")
    with desk.store.engine.begin() as connection:
        connection.execute(
            update(tables.dispatchers).where(tables.dispatchers.c.holder == "silent").values(expires_at=0)
        )
    assert outbox.report_for_work("here").served_by == {"here": 0}

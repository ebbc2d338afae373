"""What is claimed, in which order, and what is left alone."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select

from service.message import Attempt, Priority
from service.outbox import tables
from service.outbox.outbox import Pause
from tests.outbox.making import NOW, NUMBER, Desk, at_once, later, message, queued_again


def names(attempts: list[Attempt]) -> list[int]:
    return [int(attempt.message.message_id[1:]) for attempt in attempts]


def test_the_urgent_goes_first_then_the_oldest(desk: Desk) -> None:
    desk.add(
        message(1, due_at=later(seconds=-1)),
        message(2, due_at=later(seconds=-3)),
        message(3, due_at=NOW, priority=Priority.HIGH),
        message(4, due_at=later(seconds=-2), priority=Priority.HIGH),
        message(5, due_at=later(seconds=-2)),
    )
    assert names(desk.claim(limit=4)) == [4, 3, 2, 5]
    assert names(desk.claim()) == [1]


def test_of_the_same_moment_the_lower_id_goes_first(desk: Desk) -> None:
    desk.add(*(message(n) for n in (3, 1, 2, 4)))
    assert names(desk.claim(limit=3)) == [1, 2, 3]


def test_no_more_than_the_limit_is_taken(desk: Desk) -> None:
    desk.add(*(message(n) for n in range(5)))
    assert [len(desk.claim(limit=limit)) for limit in (0, 2, 2, 2)] == [0, 2, 2, 1]


def test_reserved_places_go_to_normal_messages(desk: Desk) -> None:
    desk.add(*(message(n, priority=Priority.HIGH) for n in range(1, 6)), *(message(n) for n in range(6, 11)))
    assert names(desk.claim(limit=4, reserved=1)) == [6, 1, 2, 3]


def test_reserved_places_that_no_normal_message_needs_go_to_the_urgent(desk: Desk) -> None:
    desk.add(*(message(n, priority=Priority.HIGH) for n in range(1, 6)))
    assert names(desk.claim(limit=4, reserved=2)) == [1, 2, 3, 4]


def test_reserved_places_are_not_all_that_normal_messages_get(desk: Desk) -> None:
    desk.add(*(message(n) for n in range(1, 6)))
    assert names(desk.claim(limit=4, reserved=1)) == [1, 2, 3, 4]


def test_nothing_goes_before_it_is_due(desk: Desk) -> None:
    desk.add(message(due_at=later(seconds=1)))
    assert desk.claim() == []
    assert len(desk.claim(now=later(seconds=1))) == 1


def test_nothing_goes_once_it_has_expired(desk: Desk) -> None:
    desk.add(message(expires_at=later(seconds=1)))
    assert desk.claim(now=later(seconds=1)) == []
    assert len(desk.claim(now=NOW)) == 1


def test_another_numbers_messages_are_left_alone(desk: Desk) -> None:
    desk.add(message(phone_number_id="another"))
    assert desk.claim() == []


def test_nothing_is_claimed_under_a_lease_that_has_run_out(desk: Desk) -> None:
    desk.add(message())
    desk.let_the_lease_run_out()
    assert desk.claim() == []
    assert desk.row()["attempts"] == 0


def test_nothing_is_claimed_under_an_earlier_epoch(desk: Desk) -> None:
    desk.add(message())
    earlier = desk.lease
    desk.take_over()
    assert desk.store.outbox.claim(earlier, 1, NOW) == []
    assert len(desk.claim()) == 1


def test_nothing_is_claimed_while_the_number_is_paused(desk: Desk) -> None:
    desk.add(message())
    desk.store.outbox.pause(Pause(NUMBER, "refused", "the token", since=NOW))
    assert desk.claim(now=later(hours=1)) == []
    desk.store.outbox.resume(NUMBER)
    assert len(desk.claim()) == 1


def test_a_pause_with_an_end_ends(desk: Desk) -> None:
    desk.add(message())
    desk.store.outbox.pause(Pause(NUMBER, "refused", "a spam limit", since=NOW, until=later(minutes=5)))
    assert desk.claim(now=later(minutes=4)) == []
    assert len(desk.claim(now=later(minutes=5))) == 1


def test_another_numbers_pause_stops_nothing(desk: Desk) -> None:
    desk.add(message())
    desk.store.outbox.pause(Pause("another", "refused", "the token", since=NOW))
    assert len(desk.claim()) == 1


def test_a_claim_writes_the_attempt_before_anything_is_sent(desk: Desk) -> None:
    [attempt] = desk.claimed(message())
    assert (attempt.number, attempt.tries, attempt.started_at) == (1, 0, NOW)
    assert attempt.callback_data == "m00001.1"
    row = desk.attempt(attempt)
    assert (row["phone_number_id"], row["started_at"], row["outcome"], row["finished_at"]) == (NUMBER, NOW, None, None)
    assert desk.row()["status"] == "sending"
    assert desk.row()["lease_epoch"] == desk.lease.epoch


def test_each_claim_of_a_message_is_a_new_attempt_with_a_higher_number(desk: Desk) -> None:
    now = NOW
    for number in (1, 2, 3):
        [attempt] = desk.claimed(message()) if number == 1 else desk.claim(now=now)
        assert (attempt.number, attempt.tries) == (number, number - 1)
        now += timedelta(minutes=1)
        desk.settle(queued_again(attempt, due_at=now), now=now)
    with desk.store.engine.connect() as connection:
        rows = connection.execute(select(tables.attempts.c.attempt).order_by(tables.attempts.c.attempt))
        assert list(rows.scalars()) == [1, 2, 3]


def test_claims_at_the_same_moment_never_hand_out_the_same_message(desk: Desk) -> None:
    desk.add(*(message(n, priority=Priority(n % 2)) for n in range(200)))
    claims = at_once([partial(desk.claim, 50, NOW, reserved) for reserved in (0, 5, 0, 5, 0, 5)])
    taken = [name for attempts in claims for name in names(attempts)]
    while rest := desk.claim(limit=50):
        taken += names(rest)
    assert sorted(taken) == list(range(200))


@pytest.mark.parametrize("reserved", [0, 1])
def test_what_another_transaction_is_moving_is_passed_over_not_waited_for(desk: Desk, reserved: int) -> None:
    """On PostgreSQL a row that is being changed; SQLite has one writer, so there is nothing to pass over."""
    desk.add(message(1), message(2))
    if desk.store.engine.dialect.name == "sqlite":
        return
    with desk.store.engine.begin() as connection:
        connection.execute(select(tables.messages).where(tables.messages.c.message_id == "m00001").with_for_update())
        assert names(desk.claim(reserved=reserved)) == [2]
    assert names(desk.claim(reserved=reserved)) == [1]

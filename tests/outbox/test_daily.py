"""Meta's limit of different people in 24 hours: never more than it, and nobody counted in vain (G6)."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any

import pytest
from sqlalchemy import text

from service.message import Attempt, Outcome, Priority, Status
from service.outbox.claims import LOOKED_AT
from tests.outbox.making import (
    NOW,
    PORTFOLIO,
    Desk,
    accepted,
    at_once,
    failed,
    later,
    message,
    queued_again,
    settlement,
    unanswered,
)

OTHER = "222222222222222"
HIGH = Priority.HIGH
ADA, BOB = "+4930111111", "+4930222222"


def claim(desk: Desk, limit: int = 100, **more: Any) -> list[Attempt]:
    return desk.claim(limit=limit, portfolio=PORTFOLIO, **more)


def names(attempts: list[Attempt]) -> list[int]:
    return [int(attempt.message.message_id[1:]) for attempt in attempts]


# --- how many go ------------------------------------------------------------------------------------------------------


def test_campaigns_stop_a_tenth_before_the_limit_and_the_urgent_exactly_at_it(desk: Desk) -> None:
    desk.allow(20)
    desk.add(*(message(n) for n in range(30)), *(message(n, priority=HIGH) for n in range(30, 40)))
    assert names(claim(desk, limit=1)) == [30]
    taken = claim(desk)
    assert names(taken) == [*range(31, 40), *range(8)]
    assert (desk.used(), claim(desk)) == (18, [])
    desk.add(*(message(n, priority=HIGH) for n in range(40, 50)))
    assert names(claim(desk)) == [40, 41]
    assert (desk.used(), claim(desk)) == (20, [])


@pytest.mark.parametrize(("limit", "normal"), [(2, 1), (9, 8), (10, 9), (16, 14), (250, 225)])
def test_the_reserve_is_a_tenth_of_the_limit_and_one_at_least(desk: Desk, limit: int, normal: int) -> None:
    desk.allow(limit)
    desk.add(*(message(n) for n in range(limit + 5)))
    assert len(claim(desk, limit=1000)) == normal
    desk.add(*(message(1000 + n, priority=HIGH) for n in range(limit + 5)))
    assert len(claim(desk, limit=1000)) == limit - normal


def test_without_a_limit_and_without_a_portfolio_nobody_is_counted(desk: Desk) -> None:
    desk.add(*(message(n) for n in range(5)))
    assert len(claim(desk, limit=2)) == 2
    desk.allow(None)
    assert len(claim(desk, limit=2)) == 2
    assert desk.store.report.daily_usage() == []
    desk.allow(2)
    assert (claim(desk), len(desk.claim())) == ([], 1)


def test_who_counts_already_still_gets_messages_urgent_or_not(desk: Desk) -> None:
    desk.allow(2)
    desk.add(message(1, to=ADA, priority=HIGH), message(2, to=BOB, priority=HIGH))
    assert len(claim(desk)) == 2
    desk.add(message(3), message(4, to=ADA), message(5, priority=HIGH), message(6, to=BOB, priority=HIGH))
    assert names(claim(desk)) == [6, 4]
    assert desk.used() == 2


def test_who_counts_already_is_found_behind_a_campaign_to_new_people(desk: Desk) -> None:
    desk.allow(2)
    desk.add(message(0, to=ADA, due_at=later(seconds=-1)))
    assert len(claim(desk)) == 1
    desk.add(*(message(n) for n in range(1, LOOKED_AT)), message(2500, to=ADA, due_at=later(seconds=1)))
    assert names(claim(desk, now=later(seconds=1))) == [2500]


def test_nothing_that_waits_for_another_reason_goes_because_its_recipient_counts(desk: Desk) -> None:
    desk.allow(2)
    desk.add(message(1, to=ADA))
    claim(desk)
    desk.add(message(2, to=ADA, due_at=later(seconds=1)), message(3, to=ADA, expires_at=NOW), message(4, to=ADA))
    assert claim(desk, barred=[ADA]) == []
    assert names(claim(desk)) == [4]


# --- who counts, and how long -----------------------------------------------------------------------------------------


def test_two_messages_to_one_person_count_once(desk: Desk) -> None:
    desk.allow(10)
    desk.add(message(1, to=ADA), message(2, to=ADA), message(3, to=BOB))
    assert (len(claim(desk)), desk.used()) == (3, 2)
    desk.add(message(4, to=ADA))
    assert (len(claim(desk)), desk.used()) == (1, 2)


def test_a_person_counts_until_24_hours_after_the_last_message(desk: Desk) -> None:
    desk.allow(2)
    desk.add(*(message(n, to=ADA, expires_at=later(days=9)) for n in (1, 2)))
    assert (len(claim(desk, limit=1)), len(claim(desk, now=later(hours=20)))) == (1, 1)
    desk.add(message(3, expires_at=later(days=9)))
    assert claim(desk, now=later(hours=44, seconds=-1)) == []
    assert names(claim(desk, now=later(hours=44))) == [3]
    assert desk.used() == 1


TAKEN_OFF = {
    Outcome.ACCEPTED: (Status.ACCEPTED, False),
    Outcome.HELD: (Status.HELD, False),
    Outcome.UNANSWERED: (Status.UNANSWERED, False),
    Outcome.THROTTLED: (Status.QUEUED, True),
    Outcome.UNAVAILABLE: (Status.QUEUED, True),
    Outcome.UNAUTHORISED: (Status.QUEUED, True),
    Outcome.NOT_SENT: (Status.QUEUED, True),
    Outcome.REFUSED: (Status.FAILED, True),
}


@pytest.mark.parametrize("outcome", Outcome)
def test_what_meta_did_not_take_uses_up_nothing_and_what_it_may_have_taken_does(desk: Desk, outcome: Outcome) -> None:
    status, taken_off = TAKEN_OFF[outcome]
    desk.allow(2)
    desk.add(message(1), message(2, due_at=later(seconds=1)))
    [attempt] = claim(desk)
    desk.settle(settlement(attempt, outcome, status, due_at=later(hours=1)))
    assert desk.used() == (not taken_off)
    assert names(claim(desk, now=later(seconds=1))) == ([2] if taken_off else [])


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("at_once_claimed", [True, False])
def test_a_person_counted_by_two_messages_counts_on_when_one_is_refused(
    desk: Desk, which: int, at_once_claimed: bool
) -> None:
    desk.allow(10)
    desk.add(message(1, to=ADA), message(2, to=ADA))
    attempts = claim(desk) if at_once_claimed else [*claim(desk, limit=1), *claim(desk, limit=1)]
    desk.settle(settlement(attempts[which], Outcome.REFUSED, Status.FAILED))
    assert desk.used() == 1


def test_what_was_rescued_or_failed_late_counts_on(desk: Desk) -> None:
    desk.allow(10)
    desk.add(message(1), message(2))
    one, _ = claim(desk)
    desk.settle(accepted(one))
    desk.tell(failed(one))
    desk.rescue()
    assert desk.used() == 2


def test_a_message_that_goes_again_after_no_answer_counts_its_person_on_when_it_is_refused(desk: Desk) -> None:
    desk.allow(10)
    desk.add(message(1))
    [first] = claim(desk)
    desk.settle(unanswered(first))
    with desk.store.engine.begin() as connection:
        connection.execute(text("UPDATE messages SET status = 'queued'"))  # as judged on evidence
    [second] = claim(desk)
    desk.settle(settlement(second, Outcome.REFUSED, Status.FAILED))
    assert desk.used() == 1


def test_a_settlement_that_is_made_again_does_not_take_off_whom_a_newer_attempt_counts(desk: Desk) -> None:
    """A commit whose answer was lost is made again; meanwhile the message went once more."""
    desk.allow(10)
    desk.add(message(1))
    [first] = claim(desk)
    for _ in range(2):
        desk.settle(queued_again(first, due_at=NOW))
        claim(desk)
    assert desk.used() == 1


# --- the limit itself -------------------------------------------------------------------------------------------------


def test_a_limit_that_is_new_counts_whom_the_portfolios_numbers_wrote_to_in_the_last_24_hours(desk: Desk) -> None:
    other, stranger = desk.beside(OTHER), desk.beside("333")
    sent: list[tuple[Desk, str, datetime]] = [
        (desk, ADA, later(hours=-24)),
        (desk, "+491", later(hours=-24, seconds=1)),
        (desk, "+491", later(hours=-9)),
        (other, "+491", later(hours=-1)),
        (other, "+492", later(hours=-1)),
        (stranger, "+493", later(hours=-1)),
    ]
    for n, (of, to, at) in enumerate(sent):
        of.add(message(n, to=to, phone_number_id=of.lease.phone_number_id, due_at=at))
        assert len(of.claim(now=at)) == 1
    desk.allow(10, OTHER)
    assert desk.used() == 2
    claim(desk, now=later(hours=15))
    assert desk.used() == 2
    claim(desk, now=later(hours=23))
    assert desk.used() == 0


def test_a_limit_that_is_new_does_not_count_whom_meta_did_not_take_a_message_for(desk: Desk) -> None:
    refused, taken = desk.claimed(message(1), message(2))
    desk.settle(settlement(refused, Outcome.REFUSED, Status.FAILED), accepted(taken))
    desk.allow(10)
    assert desk.used() == 1


def test_the_same_limit_again_changes_nothing_and_another_one_keeps_who_counts(desk: Desk) -> None:
    desk.allow(20)
    desk.add(*(message(n) for n in range(30)))
    attempts = claim(desk)
    for limit in (20, 30):
        desk.allow(limit)
        assert desk.store.report.daily_usage() == [(PORTFOLIO, limit, 18)]
    desk.settle(queued_again(attempts[0]))
    assert (desk.used(), len(claim(desk)), desk.used()) == (17, 10, 27)


def test_a_limit_below_what_is_used_lets_nobody_new_in(desk: Desk) -> None:
    desk.allow(20)
    desk.add(*(message(n, priority=HIGH) for n in range(30)))
    assert len(claim(desk, limit=15)) == 15
    desk.allow(10)
    assert claim(desk) == []
    desk.add(message(50, to=message(1).to))
    assert names(claim(desk)) == [50]


def test_a_limit_that_is_lifted_and_set_again_counts_anew(desk: Desk) -> None:
    desk.allow(2)
    desk.add(*(message(n) for n in range(6)))
    assert len(claim(desk)) == 1
    desk.allow(None)
    assert (len(claim(desk, limit=3)), desk.store.report.daily_usage()) == (3, [])
    desk.allow(6)
    assert (desk.used(), len(claim(desk)), desk.used()) == (4, 1, 5)


def test_another_portfolios_limit_is_another_matter(desk: Desk) -> None:
    desk.allow(2)
    desk.add(*(message(n) for n in range(6)))
    assert len(claim(desk)) == 1
    assert len(desk.claim(portfolio="another")) == 5


# --- at once ----------------------------------------------------------------------------------------------------------


def test_two_numbers_at_once_never_go_over_the_limit_together(desk: Desk) -> None:
    other = desk.beside(OTHER)
    desk.allow(100, OTHER)
    for of in (desk, other):
        of.add(*(message(of.events + n, phone_number_id=of.lease.phone_number_id) for n in range(150)))
    taken = at_once([partial(claim, of, 30, reserved=3) for of in (desk, other) * 4])
    assert sum(len(one) for one in taken) == desk.used() == 90
    assert all(len(one) in {0, 30} for one in taken)


def test_claims_and_settlements_of_the_same_peoples_messages_do_not_block_each_other(desk: Desk) -> None:
    desk.allow(1000)
    numbers = count(1)
    for first in range(0, 200, 40):
        people = [f"+4930{first + n:06}" for n in range(40)]
        desk.add(*(message(next(numbers), to=to) for to in people))
        refused = [settlement(one, Outcome.REFUSED, Status.FAILED) for one in claim(desk)]
        desk.add(*(message(next(numbers), to=to) for to in people))
        calls: list[Callable[[], object]] = [partial(claim, desk, 10)] * 4
        calls += [partial(desk.settle, *refused[n::4]) for n in range(4)]
        at_once(calls)
    assert desk.used() == 200

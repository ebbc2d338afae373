"""What is claimed, in which order, and what is left alone."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from service.message import Attempt, Outcome, Priority, Settlement, Status
from service.outbox import tables
from service.outbox.outbox import Demand
from tests.outbox.making import (
    NOW,
    NUMBER,
    PORTFOLIO,
    Desk,
    accepted,
    at_once,
    later,
    message,
    queued_again,
    settlement,
    unanswered,
)

HIGH = Priority.HIGH
numbers = count(30_000)


def names(attempts: list[Attempt]) -> list[int]:
    return [int(attempt.message.message_id[1:]) for attempt in attempts]


def test_the_urgent_goes_first_then_the_oldest(desk: Desk) -> None:
    desk.add(
        message(1, due_at=later(seconds=-1)),
        message(2, due_at=later(seconds=-3)),
        message(3, due_at=NOW, priority=HIGH),
        message(4, due_at=later(seconds=-2), priority=HIGH),
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
    desk.add(*(message(n, priority=HIGH) for n in range(1, 6)), *(message(n) for n in range(6, 11)))
    assert names(desk.claim(limit=4, reserved=1)) == [6, 1, 2, 3]


def test_reserved_places_that_no_normal_message_needs_go_to_the_urgent(desk: Desk) -> None:
    desk.add(*(message(n, priority=HIGH) for n in range(1, 6)))
    assert names(desk.claim(limit=4, reserved=2)) == [1, 2, 3, 4]


def test_reserved_places_are_not_all_that_normal_messages_get(desk: Desk) -> None:
    desk.add(*(message(n) for n in range(1, 6)))
    assert names(desk.claim(limit=4, reserved=1)) == [1, 2, 3, 4]


def test_what_went_back_takes_its_place_by_the_moment_when_it_is_due_again(desk: Desk) -> None:
    first, second = desk.claimed(message(1), message(2))
    desk.add(message(3, due_at=later(seconds=5)))
    desk.settle(queued_again(first, due_at=later(seconds=9)), queued_again(second, due_at=later(seconds=1)))
    assert names(desk.claim(now=later(seconds=9))) == [2, 3, 1]


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
    assert desk.store.outbox.claim(Demand(earlier, 1), NOW) == []
    assert len(desk.claim()) == 1


def test_nothing_is_claimed_under_an_earlier_epoch_of_the_same_holder(desk: Desk) -> None:
    desk.add(message())
    desk.let_the_lease_run_out()
    again = desk.store.outbox.acquire_lease(NUMBER, desk.lease.holder)
    assert again is not None
    assert desk.store.outbox.claim(Demand(desk.lease, 1), NOW) == []
    assert len(desk.store.outbox.claim(Demand(again, 1), NOW)) == 1


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


# --- to whom ----------------------------------------------------------------------------------------------------------

ADA, BOB = "+4930111111", "+4930222222"


def test_those_who_are_barred_get_nothing_and_keep_their_places(desk: Desk) -> None:
    desk.add(message(1, to=ADA), message(2, to=BOB), message(3, to=ADA, priority=HIGH), message(4))
    assert names(desk.claim(limit=1, barred=[ADA])) == [2]
    assert names(desk.claim(reserved=1, barred=[ADA, BOB])) == [4]
    assert desk.row("m00001")["attempts"] == 0
    assert names(desk.claim(reserved=1, barred=[BOB])) == [1, 3]


def test_hundreds_may_be_barred(desk: Desk) -> None:
    people = [message(n) for n in range(501)]
    desk.add(*people)
    assert names(desk.claim(barred=[one.to for one in people[:500]])) == [500]


def test_recent_sends_are_of_those_who_got_more_than_one_since_then_the_oldest_first(desk: Desk) -> None:
    other = desk.beside("another")
    sends = [(-60, ADA), (-50, BOB), (-40, "+49303"), (-30, BOB), (-20, ADA), (-10, ADA)]
    for n, (seconds, to) in enumerate(sends):
        desk.claimed(message(n, to=to, due_at=later(seconds=seconds)), now=later(seconds=seconds))
    other.add(*(message(n, to="+49304", phone_number_id="another") for n in (7, 8)))
    assert len(other.claim()) == 2
    recent = partial(desk.store.outbox.recent_sends, NUMBER)
    assert recent(later(seconds=-61)) == [(to, later(seconds=seconds)) for seconds, to in sends if to != "+49303"]
    assert recent(later(seconds=-60)) == [(to, later(seconds=seconds)) for seconds, to in sends[1:] if to != "+49303"]
    assert recent(later(seconds=-50)) == [(ADA, later(seconds=-20)), (ADA, later(seconds=-10))]
    assert recent(later(seconds=-20)) == []


@pytest.mark.parametrize(("answer", "owed"), [(unanswered, 2), (queued_again, 1)])
def test_an_attempt_that_meta_certainly_did_not_take_is_no_send(
    desk: Desk, answer: Callable[[Attempt], Settlement], owed: int
) -> None:
    [first, _] = desk.claimed(message(1, to=ADA), message(2, to=ADA))
    desk.settle(answer(first))
    assert len(desk.store.outbox.recent_sends(NUMBER, later(seconds=-1))) == (owed if owed > 1 else 0)


def test_of_those_who_are_busy_now_older_sends_count_too(desk: Desk) -> None:
    for n, seconds in enumerate((-600, -300, -20, -10)):
        desk.claimed(message(n, to=ADA, due_at=later(seconds=seconds)), now=later(seconds=seconds))
    recent = partial(desk.store.outbox.recent_sends, NUMBER, later(seconds=-30))
    assert [at for _, at in recent()] == [later(seconds=-20), later(seconds=-10)]
    assert [at for _, at in recent(later(seconds=-400))] == [later(seconds=seconds) for seconds in (-300, -20, -10)]


# --- under a daily limit ----------------------------------------------------------------------------------------------


def test_under_a_daily_limit_the_urgent_and_the_oldest_go_first_too(desk: Desk) -> None:
    desk.allow(100)
    desk.add(message(1), message(2, due_at=later(seconds=-3)), message(3, priority=HIGH), message(4))
    assert names(desk.claim(limit=3, portfolio=PORTFOLIO)) == [3, 2, 1]


def test_under_a_daily_limit_reserved_places_go_to_normal_messages_as_far_as_it_leaves_any(desk: Desk) -> None:
    desk.allow(10)
    desk.add(*(message(n, priority=HIGH) for n in range(1, 8)), *(message(n) for n in range(8, 20)))
    assert names(desk.claim(limit=4, reserved=1, portfolio=PORTFOLIO)) == [8, 1, 2, 3]
    assert names(desk.claim(limit=6, reserved=6, portfolio=PORTFOLIO)) == [9, 10, 11, 12, 13, 4]
    assert (desk.used(), desk.claim(portfolio=PORTFOLIO)) == (10, [])


def test_under_a_daily_limit_reserved_places_that_no_normal_message_needs_go_to_the_urgent(desk: Desk) -> None:
    """Otherwise a slow number, which asks for one message at a time, stops for good where that place is reserved."""
    desk.allow(100)
    desk.add(*(message(n, priority=HIGH) for n in range(1, 6)))
    assert names(desk.claim(limit=1, reserved=1, portfolio=PORTFOLIO)) == [1]
    assert names(desk.claim(limit=4, reserved=2, portfolio=PORTFOLIO)) == [2, 3, 4, 5]


LIMIT, NORMAL = 10, 9
DAY = timedelta(hours=24)
MORE = st.tuples(st.just("more"), st.integers(0, 12), st.sampled_from(Priority))
CLAIM = st.tuples(st.just("claim"), st.integers(1, 6), st.integers(0, 5))
SETTLE = st.tuples(st.sampled_from(["accepted", "unanswered", "refused", "queued"]), st.integers(0, 9), st.just(0))
WAIT = st.tuples(st.just("wait"), st.integers(1, 13), st.just(0))
END: dict[str, Callable[[Attempt], Settlement]] = {
    "accepted": accepted,
    "unanswered": unanswered,
    "refused": lambda attempt: settlement(attempt, Outcome.REFUSED, Status.FAILED),
    "queued": lambda attempt: queued_again(attempt, due_at=attempt.started_at),
}


@dataclass(slots=True)
class Model:
    """To whom the last message went when, and the message that counted them while it is the only one."""

    desk: Desk
    people: dict[str, tuple[datetime, str | None]] = field(default_factory=dict)
    flying: list[Attempt] = field(default_factory=list)
    now: datetime = NOW

    def step(self, kind: str, n: int, m: int) -> None:
        match kind:
            case "more":
                facts = {"priority": Priority(m), "due_at": self.now, "expires_at": later(days=99)}
                self.desk.add(*(message(next(numbers), to=f"+4930{to:06}", **facts) for to in range(n, n + 4)))
            case "claim":
                self.flying += self.claim(n, min(m, n - 1))
            case "wait":
                self.now += timedelta(hours=n)
            case _ if self.flying:
                self.settle(kind, self.flying.pop(n % len(self.flying)))

    def claim(self, limit: int, reserved: int) -> list[Attempt]:
        self.people = {to: known for to, known in self.people.items() if known[0] > self.now - DAY}
        taken = self.desk.claim(limit, self.now, reserved, portfolio=PORTFOLIO)
        fresh = {one.message.to for one in taken if one.message.priority is Priority.NORMAL} - self.people.keys()
        before = len(self.people)
        for one in taken:
            to = one.message.to
            self.people[to] = (self.now, None if to in self.people else one.message.message_id)
        assert len(taken) <= limit
        assert self.desk.used() == len(self.people) <= LIMIT
        assert before + len(fresh) <= NORMAL or not fresh
        return taken

    def settle(self, kind: str, attempt: Attempt) -> None:
        self.desk.settle(END[kind](attempt), now=self.now)
        to, name = attempt.message.to, attempt.message.message_id
        if kind in {"refused", "queued"} and to in self.people and self.people[to][1] == name:
            del self.people[to]


@given(steps=st.lists(st.one_of(MORE, CLAIM, CLAIM, SETTLE, SETTLE, WAIT), min_size=5, max_size=40))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_a_daily_limit_is_kept_and_whoever_fits_under_it_does_not_wait(
    desk: Desk, steps: list[tuple[str, int, int]]
) -> None:
    with desk.store.engine.begin() as connection:
        for name in ("messages", "events", "moves", "tallies", "attempts", "daily_recipients", "portfolios"):
            connection.execute(tables.metadata.tables[name].delete())
    desk.take_over()  # a lease that lasts for this example
    desk.allow(LIMIT)
    model = Model(desk)
    for step in steps:
        model.step(*step)
    while model.claim(5, 2):
        pass
    columns = tables.messages.c.to, tables.messages.c.priority
    with desk.store.engine.connect() as connection:
        for to, priority in connection.execute(select(*columns).where(tables.WAITS)):
            assert to not in model.people
            assert len(model.people) >= (LIMIT if priority == HIGH else NORMAL)

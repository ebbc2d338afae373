"""When the next messages may go. Times are plain numbers."""

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.dispatch.throttle import CATCH_UP_SECONDS, Pacer


def _send_all(pacer: Pacer, now: float, horizon: float = 0.05, at_most: int = 1000) -> list[float]:
    planned = pacer.plan(now, horizon, at_most)
    return pacer.take(planned, len(planned))


def test_slots_are_evenly_spaced() -> None:
    slots = _send_all(Pacer(100), now=5.0)
    assert slots == pytest.approx([5.0, 5.01, 5.02, 5.03, 5.04, 5.05])


def test_an_idle_number_starts_at_once_and_without_a_burst() -> None:
    pacer = Pacer(10)
    _send_all(pacer, now=0.0)
    pacer.take(pacer.plan(0.2, 0.05, 10), used=0)
    assert pacer.plan(60.0, 0.05, 10) == [60.0]


def test_a_slot_that_was_planned_and_not_used_comes_again() -> None:
    pacer = Pacer(100)
    planned = pacer.plan(0.0, 0.05, 10)
    pacer.take(planned, used=2)
    assert pacer.plan(0.0, 0.05, 10)[0] == pytest.approx(0.02)


def test_no_more_slots_than_there_is_room() -> None:
    assert len(Pacer(1000).plan(0.0, 0.05, at_most=3)) == 3


def test_nothing_goes_while_held() -> None:
    pacer = Pacer(100)
    pacer.hold(until=3.0)
    assert pacer.plan(2.9, 0.05, 10) == []
    assert pacer.plan(3.0, 0.05, 10)[0] == 3.0


def test_every_tenth_slot_is_reserved() -> None:
    pacer = Pacer(1000)
    reserved = 0
    for _ in range(100):
        planned = pacer.plan(0.0, 10.0, at_most=7)
        reserved += pacer.reserved(len(planned))
        pacer.take(planned, len(planned))
    assert reserved == 70


@given(st.lists(st.floats(0, 0.4), max_size=60), st.integers(1, 200))
def test_no_second_holds_more_than_the_rate_and_the_catch_up(pauses: list[float], rate: int) -> None:
    pacer, now, sent = Pacer(rate), 0.0, []
    for pause in pauses:
        sent += [max(slot, now) for slot in _send_all(pacer, now)]
        now += pause
    sent.sort()
    for start in sent:
        within = bisect_left(sent, start + 1.0) - bisect_left(sent, start)
        assert within <= rate * (1 + CATCH_UP_SECONDS) + 2

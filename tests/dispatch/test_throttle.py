"""When the next messages may go. Times are plain numbers."""

import asyncio
from bisect import bisect_left
from datetime import timedelta
from itertools import pairwise
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.dispatch.throttle import CLOSEST, SLOWEST, Pacer
from service.message import Door, Scope
from service.whatsapp.answer import Accepted
from service.whatsapp.client import Client, Fence
from tests.dispatch.cloud_api import CloudApi, limits, ok, refuse, text
from tests.dispatch.conftest import Stages
from tests.dispatch.stage import NUMBER, RunningClock, Stage, SteppedClock


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


def test_an_idle_number_keeps_its_distance_from_the_first_message_on() -> None:
    pacer = Pacer(10)
    _send_all(pacer, now=0.0)
    pacer.take(pacer.plan(0.2, 0.05, 10), used=0)
    assert pacer.plan(60.0, 0.35, 10) == pytest.approx([60.0, 60.1, 60.2, 60.3])


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


def test_those_that_are_late_go_one_after_the_other() -> None:
    pacer = Pacer(10)
    slots = _send_all(pacer, now=0.0, horizon=0.35)
    moments = [3.0 + pacer.turn(3.0) for _ in slots]
    assert moments == pytest.approx([3.0 + n * 0.1 * CLOSEST for n in range(4)])


@settings(deadline=None)
@given(st.lists(st.floats(0, 2.5), max_size=60), st.integers(1, 200))
def test_no_second_holds_more_than_the_rate_at_its_closest(delays: list[float], rate: int) -> None:
    """Delays of our own, of whatever length: a claim that takes long, and requests whose slots have passed meanwhile."""
    pacer, now, sent = Pacer(rate), 0.0, []
    for delay in delays:
        slots = _send_all(pacer, now)
        now += delay
        for slot in slots:
            moment = max(slot, now)
            sent.append(moment + pacer.turn(moment))
    sent.sort()
    for start in sent:
        within = bisect_left(sent, start + 1.0) - bisect_left(sent, start)
        assert within <= rate / CLOSEST + 1 + 1e-6


@pytest.mark.parametrize(
    ("rate", "late", "is_over"),
    [
        (72, 0.012, False),
        (72, 0.015, True),
        (900, 0.009, False),
        (900, 0.011, True),
        (1000, 0.011, True),
        (5000, 9, False),
    ],
)
def test_a_turn_is_over_where_those_behind_it_would_crowd(rate: int, late: float, is_over: bool) -> None:
    """A busy process is always a few milliseconds late; at Meta's highest rate it must not wait for ever."""
    pacer = Pacer(rate)
    pacer.plan(0.0, 1.0, at_most=10)
    assert pacer.has_passed(late) == is_over


def test_a_number_without_limit_waits_for_no_turn() -> None:
    pacer = Pacer(5000)
    pacer.plan(0.0, 1.0, at_most=10)
    assert [pacer.turn(0.0) for _ in range(100)] == [0.0] * 100
    assert pacer.behind(0.0) == 0.0


def test_what_a_delay_held_up_is_made_good_a_little_closer() -> None:
    pacer = Pacer(10)
    assert _send_all(pacer, now=0.0) == [0.0]
    sent, now = [], 0.5
    while now < 5.0:
        sent += _send_all(pacer, now)
        now += 0.02
    assert sent[:3] == pytest.approx([0.5, 0.598, 0.696])
    assert len([at for at in sent if at < 4.9]) == 45


# --- additive increase, multiplicative decrease ------------------------------------------------------------------------


def test_the_rate_falls_by_three_tenths_and_climbs_back_evenly_within_half_a_minute() -> None:
    pacer = Pacer(100)
    pacer.slow_down(50.0)
    assert [pacer.rate(50.0 + seconds) for seconds in (0, 1, 10, 29, 30, 31, 10_000)] == pytest.approx(
        [70, 71, 80, 99, 100, 100, 100]
    )


def test_the_answers_of_one_second_speak_of_one_rate() -> None:
    pacer = Pacer(100)
    for answer in range(100):
        pacer.slow_down(50.0 + answer / 101)
    assert pacer.rate(51.0) == pytest.approx(71)
    pacer.slow_down(51.0)
    assert pacer.rate(51.0) == pytest.approx(71 * 0.7)


def test_the_rate_never_falls_below_one_a_second_or_what_the_number_carries_at_all() -> None:
    for full, lowest in ((10.0, SLOWEST), (0.5, 0.5)):
        pacer = Pacer(full)
        for second in range(60):
            pacer.slow_down(float(second))
        assert pacer.rate(59.0) == lowest


def test_a_rate_that_was_learned_is_gone_on_from() -> None:
    pacer = Pacer(100)
    pacer.begin_at(40.0, 7.0)
    assert [pacer.rate(7.0), pacer.rate(17.0)] == pytest.approx([40.0, 50.0])
    pacer.begin_at(400.0, 20.0)
    assert pacer.rate(20.0) == 100.0, "never more than the number's limit"


def test_a_limit_that_was_raised_is_climbed_to_and_one_that_was_lowered_is_kept_at_once() -> None:
    pacer = Pacer(80)
    pacer.full = 1000
    assert pacer.rate(5.0) == 1000, "nothing was learned that speaks against it"
    pacer.slow_down(5.0)
    pacer.full = 80
    assert pacer.rate(5.0) == 80
    pacer.begin_at(70.0, 10.0)
    pacer.full = 1000
    assert [pacer.rate(10.0), pacer.rate(20.0)] == pytest.approx([70.0, 170.0])


REFUSALS = st.lists(st.tuples(st.floats(0, 20), st.booleans()), max_size=60)
"""Pauses, and whether Meta refuses the rate after each."""


@settings(deadline=None)
@given(REFUSALS, st.integers(1, 1000))
def test_the_rate_stays_between_its_bounds_and_falls_only_when_it_is_refused(
    refusals: list[tuple[float, bool]], full: int
) -> None:
    pacer, now, before = Pacer(full), 0.0, float(full)
    for pause, refused in refusals:
        now += pause
        assert before <= pacer.rate(now) <= full
        if refused:
            pacer.slow_down(now)
            assert max(SLOWEST, before * 0.7) - 1e-9 <= pacer.rate(now)
        before = pacer.rate(now)
        assert min(SLOWEST, full) <= before


@settings(deadline=None)
@given(REFUSALS, st.integers(1, 1000))
def test_slots_keep_the_distance_of_the_moment_or_catch_up_a_little_closer(
    refusals: list[tuple[float, bool]], full: int
) -> None:
    pacer, now, before = Pacer(full), 0.0, float("-inf")
    for pause, refused in refusals:
        now += pause
        if refused:
            pacer.slow_down(now)
        slots = _send_all(pacer, now)
        distance = 1.0 / pacer.rate(now)
        for earlier, later in pairwise(slots):
            assert distance * CLOSEST - 1e-9 <= later - earlier <= distance + 1e-9
        if slots:
            assert slots[0] - before >= CLOSEST / full - 1e-9
            before = slots[-1]


# --- through the dispatcher -------------------------------------------------------------------------------------------


def _rate(stage: Stage, clock: SteppedClock) -> float:
    return stage.lane._pacer.rate(clock.seconds)


def test_messages_leave_at_the_rate_of_the_number_whatever_waits(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    stage = stages(per_second=100.0, share=0.9)
    stage.add(250)
    sent = []
    for _ in range(40):
        stage.run_once()
        sent.append(len(cloud_api.requests))
        clock.step(seconds=0.05)
    for earlier, later in zip(sent, sent[20:], strict=False):
        assert 85 <= later - earlier <= 95, "90 in any second"


class _Busy(Client):
    """In a process that is kept from its work for a while each time before it writes."""

    writing = 0

    async def send(
        self,
        phone_number_id: str,
        token: str,
        body: bytes,
        may_write: Fence = bool,
        door: Door = Door.MESSAGES,
    ) -> Accepted:
        self.writing += 1
        try:
            Event().wait(0.02)
            return await super().send(phone_number_id, token, body, may_write, door)
        finally:
            self.writing -= 1


def test_what_a_busy_process_cannot_write_yet_is_not_claimed(stages: Stages, cloud_api: CloudApi) -> None:
    clock, client = RunningClock(), _Busy(cloud_api.url, "v25.0")
    stage = stages(clock=clock, client=client, per_second=400.0)
    stage.add(900)

    async def claimed_and_not_begun() -> int:
        await stage.lane.hold()
        most, end = 0, clock.seconds + 2.0
        while clock.seconds < end:
            pause = await stage.lane.round()
            most = max(most, len(stage.lane.in_flight) - client.writing)
            await asyncio.sleep(min(pause, 0.02))
        await stage.lane.drain()
        await stage.dispatcher.flush()
        return most

    assert stage.do(claimed_and_not_begun()) < 250, (
        "what slow claims may be ahead, and not all 400 that may be in flight"
    )


def test_after_130429_the_number_goes_slower_and_recovers(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    stage = stages(per_second=200.0)
    cloud_api.answers(refuse(130429, 429), then=ok)
    stage.add(200)
    sent = [stage.run_once()]
    for _ in range(3):
        clock.step(seconds=1.0)
        sent.append(stage.run_once())
    assert sent[0] == 11, "the slots of 50 ms at 200 a second, all of them planned before the answer"
    assert sent[1] == 8, "at 142 a second"
    assert _rate(stage, clock) == pytest.approx(146)
    clock.step(seconds=27)
    assert _rate(stage, clock) == 200


def test_the_rate_that_was_learned_is_kept_with_the_lease_for_the_next_holder(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    first, second = stages(per_second=100.0), stages("second", per_second=100.0)
    cloud_api.answers(refuse(130429), refuse(130429), then=ok)
    first.add(2)
    first.run_once()
    clock.step(seconds=3)
    first.do(first.lane.hold())
    clock.step(minutes=10)
    second.take_over()
    assert _rate(second, clock) == pytest.approx(73)
    clock.step(seconds=27)
    assert _rate(second, clock) == pytest.approx(100)


def test_the_next_holder_of_a_fast_number_goes_on_at_the_rate_that_was_learned(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    cloud_api.limits = limits("HIGH")
    cloud_api.answers(refuse(130429), then=ok)
    first, second = stages(per_second=None), stages("second", per_second=None)
    first.add()
    first.run_once()
    assert _rate(first, clock) == pytest.approx(700)
    first.do(first.lane.hold())
    second.take_over()
    second.tidy()
    assert _rate(second, clock) == pytest.approx(700)


def test_the_next_holder_of_a_number_that_was_never_refused_asks_meta_for_its_limit(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    cloud_api.limits = limits("HIGH")
    first, second = stages(per_second=None), stages("second", per_second=None)
    first.run_once()
    first.do(first.lane.hold())
    second.take_over()
    second.tidy()
    assert _rate(first, clock) == _rate(second, clock) == 1000


def test_retry_after_holds_the_number_that_long(stage: Stage, clock: SteppedClock, cloud_api: CloudApi) -> None:
    cloud_api.answers(refuse(130429, 429, {"Retry-After": "30"}), then=ok)
    (refused,) = stage.add()
    stage.run_once()
    (another,) = stage.add()
    clock.step(seconds=29.9)
    stage.run_once()
    assert stage.states([refused, another]) == ["queued"] * 2
    clock.step(seconds=0.1)
    stage.run_once()
    assert stage.states([refused, another]) == ["accepted"] * 2
    assert stage.pauses() == []


def test_a_long_retry_after_is_a_pause_that_an_operator_sees_and_the_next_holder_keeps(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    first, second = stages(), stages("second")
    cloud_api.answers(refuse(130429, 429, {"Retry-After": "600"}), then=ok)
    messages = first.add()
    first.run_once()
    (pause,) = first.pauses()
    assert (pause.scope, pause.key, pause.until) == (Scope.NUMBER, NUMBER, clock.time + timedelta(minutes=10))
    messages += second.add()
    second.take_over()
    clock.step(seconds=599)
    second.run_once()
    assert first.states(messages) == ["queued"] * 2
    clock.step(seconds=1)
    second.take_over()
    second.run_once()
    assert first.states(messages) == ["accepted"] * 2


def test_a_long_retry_after_is_over_when_an_operator_says_so(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    cloud_api.answers(refuse(139999, 429, {"Retry-After": "3600"}), then=ok)
    stage.add()
    stage.run_once()
    (another,) = stage.add()
    clock.step(minutes=1)
    stage.run_once()
    assert stage.status(another) == "queued"
    stage.resume(Scope.NUMBER, NUMBER)
    stage.run_once()
    assert stage.status(another) == "accepted"


DOWN = text(502, "<html>Bad Gateway</html>")


def _play(stage: Stage, clock: SteppedClock, seconds: int) -> int:
    """How many requests a stage makes in so many seconds, in rounds of a tenth."""
    sent = 0
    for _ in range(10 * seconds):
        sent += stage.run_once()
        clock.step(seconds=0.1)
    return sent


def test_where_nothing_is_answered_any_more_few_go_until_something_is(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    stage = stages(per_second=50.0)
    stage.add(500)
    cloud_api.answers(then=DOWN)
    assert _play(stage, clock, 8) < 220, "and not four hundred, each of which would be in doubt"
    assert _rate(stage, clock) < 8
    cloud_api.answers(then=ok)
    assert _play(stage, clock, 2) > 0
    assert _rate(stage, clock) < 10
    clock.step(seconds=100)
    assert _rate(stage, clock) == 50


def test_what_is_not_answered_now_and_then_slows_nothing(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    stage = stages(per_second=10.0)  # one in a round: of several under way any may be answered first
    stage.add(60)
    cloud_api.answers(*[*[DOWN] * 9, ok] * 3, *[*[DOWN] * 9, refuse(132000)] * 3)
    assert _play(stage, clock, 6) == 60
    assert _rate(stage, clock) == 10


USAGE = (
    f'{{"102290129340398": [{{"type": "whatsapp", "estimated_time_to_regain_access": 3}},'
    f' {{"type": "messages", "estimated_time_to_regain_access": 19}}], "{NUMBER}": []}}'
)


def test_metas_word_on_when_calls_are_allowed_again_pauses_the_account_that_long(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    first, second, third = (
        stages(one, phone_number_ids=[one], waba_id=waba)
        for one, waba in (("1", "102290129340398"), ("2", "102290129340398"), ("3", "3"))
    )
    cloud_api.answers(refuse(80007, headers={"X-Business-Use-Case-Usage": USAGE}), then=ok)
    messages = first.add()
    first.run_once()
    messages += second.add() + third.add()
    for stage in (first, second, third):
        stage.run_once()
    (pause,) = first.pauses()
    assert (pause.key, pause.until) == ("102290129340398", clock.time + timedelta(minutes=19))
    assert first.states(messages) == ["queued", "queued", "accepted"]

    for wait, states in ((19 * 60 - 1, ["queued", "queued", "accepted"]), (1, ["accepted"] * 3)):
        clock.step(seconds=wait)
        for stage in (first, second):
            stage.run_once()
        assert first.states(messages) == states

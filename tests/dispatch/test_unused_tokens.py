"""What the pace allowed and nobody used while work waited: `channel_tokens_unused_total`. Times are plain numbers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from service.dispatch.throttle import CATCH_UP_SECONDS, Pacer
from service.message import Pause, PauseReason, Scope
from tests.dispatch.cloud_api import CloudApi, Handler, ok, refuse
from tests.dispatch.conftest import Stages
from tests.dispatch.stage import NUMBER, Stage, SteppedClock

HORIZON = 0.05


def claim(pacer: Pacer, now: float, due: int = 1000) -> int:
    """What a lane does while so many messages are due; how many go."""
    planned = pacer.plan(now, HORIZON, 1000)
    return len(pacer.take(planned, min(due, len(planned)))) if planned else 0


def test_nothing_lapses_at_the_full_pace() -> None:
    pacer = Pacer(100)
    sent = sum(claim(pacer, 0.02 * step) for step in range(500))
    assert sent == pytest.approx(1000, abs=6)
    assert pacer.lapsed() == 0


def test_what_a_slow_claim_held_up_lapses_but_for_what_is_made_good() -> None:
    pacer = Pacer(10)
    claim(pacer, 0.0)
    claim(pacer, 3.0)
    assert pacer.lapsed() == pytest.approx((3.0 - CATCH_UP_SECONDS - 0.1) * 10)
    assert pacer.lapsed() == 0, "each is told once"


def test_nothing_lapses_while_nothing_is_due() -> None:
    pacer = Pacer(10)
    claim(pacer, 0.0, due=0)
    claim(pacer, 60.0)
    assert pacer.lapsed() == 0, "the number was idle, and the pace gives nothing for that"
    claim(pacer, 120.0, due=0)
    claim(pacer, 120.1)
    assert pacer.lapsed() == 0, "the last claim had taken the last message, which only the next one sees"


def test_nothing_lapses_while_the_number_is_held() -> None:
    pacer = Pacer(10)
    claim(pacer, 0.0)
    pacer.hold(until=30.0)
    claim(pacer, 30.0)
    assert pacer.lapsed() == 0


def test_at_a_rate_that_meta_has_lowered_fewer_lapse() -> None:
    pacer = Pacer(100)
    claim(pacer, 0.0)
    pacer.slow_down(0.0)
    pacer.begin_at(50.0, 11.0)
    claim(pacer, 11.0)
    assert pacer.lapsed() == pytest.approx((11.0 - CATCH_UP_SECONDS) * 50, rel=0.01)


@settings(deadline=None)
@given(st.lists(st.floats(0, 5), min_size=1, max_size=60), st.integers(1, 200))
def test_every_token_is_used_or_lapses_or_is_still_to_be_made_good(delays: list[float], rate: int) -> None:
    pacer, now = Pacer(rate), 0.0
    used = claim(pacer, now)
    for delay in delays:
        now += delay
        used += claim(pacer, now)
    came = used + pacer.lapsed()
    last = delays[-1]
    assert (now - CATCH_UP_SECONDS - last - 2 / rate) * rate <= came <= (now + HORIZON) * rate + 1 + 1e-6


# --- through the dispatcher -------------------------------------------------------------------------------------------


class Unused:
    """How many lapsed since the stage was set."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        stage.run_once()
        self._before = self._value()

    def _value(self) -> float:
        self._stage.tidy()
        return REGISTRY.get_sample_value("channel_tokens_unused_total", {"phone_number_id": NUMBER}) or 0.0

    def __call__(self) -> float:
        return self._value() - self._before


@pytest.fixture
def ten(stages: Stages) -> Stage:
    """A number of ten messages a second."""
    return stages(per_second=10.0)


def test_a_number_that_is_sent_from_at_its_pace_leaves_none_unused(ten: Stage, clock: SteppedClock) -> None:
    unused = Unused(ten)
    messages = ten.add(25)
    for _ in range(40):
        clock.step(seconds=0.05)
        ten.run_once()
    assert ten.states(messages).count("accepted") >= 20
    assert unused() == 0


def test_a_dispatcher_that_comes_too_seldom_leaves_them_unused(ten: Stage, clock: SteppedClock) -> None:
    unused = Unused(ten)
    ten.add(100)
    went = []
    for _ in range(4):
        went.append(ten.run_once())
        clock.step(seconds=4)
    assert unused() == pytest.approx((3 * 4 - CATCH_UP_SECONDS) * 10 - sum(went[:-1]))


def test_an_idle_number_leaves_none_unused(ten: Stage, clock: SteppedClock) -> None:
    unused = Unused(ten)
    for _ in range(5):
        ten.add()
        ten.run_once()
        clock.step(seconds=0.1)
        ten.run_once()
        clock.step(seconds=4)
    assert unused() == 0


def test_a_paused_number_leaves_none_unused(ten: Stage, clock: SteppedClock) -> None:
    unused = Unused(ten)
    ten.add(100)
    ten.run_once()
    ten.store.outbox.pause(Pause(Scope.NUMBER, NUMBER, PauseReason.OPERATOR, "a test", since=clock.time))
    for _ in range(3):
        clock.step(seconds=0.1)
        ten.run_once()
    clock.step(seconds=10)
    ten.resume(Scope.NUMBER, NUMBER)
    assert ten.run_once() == 1
    assert unused() == 0


def test_a_number_that_meta_slows_down_leaves_none_unused(ten: Stage, clock: SteppedClock, cloud_api: CloudApi) -> None:
    unused = Unused(ten)
    ten.add(20)
    cloud_api.answers(refuse(130429, 429, {"Retry-After": "8"}))
    ten.run_once()
    clock.step(seconds=8)
    assert ten.run_once() == 1
    assert unused() == 0


def test_the_time_that_another_dispatcher_had_the_number_does_not_count(stages: Stages, clock: SteppedClock) -> None:
    first, second = stages(per_second=10.0), stages("second", per_second=10.0)
    unused = Unused(first)
    first.add(100)
    first.run_once()
    second.take_over()
    clock.step(minutes=1)
    first.take_over()  # it sees that it has lost the number,
    first.take_over()  # and gets it back
    assert first.run_once() == 1
    assert unused() == 0


def late(handler: Handler) -> None:
    """Accepted when the test is over."""
    handler.server.over.wait(30)
    ok(handler)


def test_waiting_for_answers_to_all_that_may_be_in_flight_leaves_them_unused(
    ten: Stage, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    unused = Unused(ten)
    ten.add(100)
    cloud_api.answers(*[late] * 16)
    for _ in range(30):
        clock.step(seconds=0.1)
        ten.do(ten.lane.round())
    assert len(ten.lane.in_flight) == 16
    clock.step(seconds=3)
    cloud_api.over.set()
    ten.do(ten.lane.drain())
    ten.do(ten.lane.round())
    ten.do(ten.lane.drain())
    assert unused() == pytest.approx((1.4 + 3 - CATCH_UP_SECONDS) * 10, abs=2)


def test_the_rate_of_a_number_is_told_by_who_serves_it(stages: Stages) -> None:
    def rate() -> float | None:
        return REGISTRY.get_sample_value("channel_rate_per_second", {"phone_number_id": NUMBER})

    first = stages(per_second=10.0)
    first.run_once()
    first.tidy()
    assert rate() == 10
    first.do(first.lane.retire())
    first.tidy()
    assert rate() is None

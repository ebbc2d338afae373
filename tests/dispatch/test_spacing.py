"""Messages to one recipient: one in six seconds, 44 at once, 4^n seconds after a refusal (G6). Times are plain numbers."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.dispatch.spacing import CALM_SECONDS, LONGEST_SECONDS, Spacing
from tests.dispatch.cloud_api import CloudApi, Handler, ok, refuse
from tests.dispatch.conftest import Stages
from tests.dispatch.stage import Stage, SteppedClock

ANNA, BORIS = "+8613800000001", "+8613800000002"
METAS_BURST, METAS_SECONDS = 45, 6.0
"""Meta's pair limit: 45 at once, each paid back in six seconds."""


def send(spacing: Spacing, now: float, wanted: int = 1, to: str = ANNA) -> int:
    """Send as many of the wanted as may go now."""
    sent = 0
    while sent < wanted and spacing.wait(to, now) == 0:
        spacing.take(to, now)
        sent += 1
    return sent


def test_forty_four_go_at_once_and_then_one_in_six_seconds() -> None:
    spacing = Spacing()
    assert send(spacing, 100.0, wanted=1000) == 44
    assert [send(spacing, 100.0 + second, wanted=1000) for second in range(1, 25)].count(1) == 4
    assert spacing.wait(ANNA, 124.0) == pytest.approx(6.0)
    assert send(spacing, 130.0, wanted=1000) == 1


def test_what_was_borrowed_melts_away_by_itself() -> None:
    spacing = Spacing()
    send(spacing, 100.0, wanted=44)
    assert send(spacing, 100.0 + 20 * 6, wanted=1000) == 20
    assert send(spacing, 10_000.0, wanted=1000) == 44


def test_one_recipients_debt_is_not_anothers() -> None:
    spacing = Spacing()
    send(spacing, 100.0, wanted=44)
    assert spacing.barred(100.0) == [ANNA]
    assert spacing.wait(BORIS, 100.0) == 0
    assert spacing.barred(106.0) == []


def test_a_refusal_waits_four_to_the_power_of_those_before_it() -> None:
    spacing, now, waits = Spacing(), 100.0, []
    for _ in range(8):
        waits.append(spacing.refused(ANNA, now))
        assert spacing.wait(ANNA, now) == waits[-1]
        assert spacing.barred(now) == [ANNA]
        now += waits[-1]
        assert spacing.wait(ANNA, now) == 0
    assert waits == [1, 4, 16, 64, 256, 1024, LONGEST_SECONDS, LONGEST_SECONDS]


def test_an_accepted_message_ends_the_row_of_refusals() -> None:
    spacing = Spacing()
    for now in (0.0, 10.0, 20.0):
        spacing.refused(ANNA, now)
    spacing.accepted(ANNA)
    assert spacing.wait(ANNA, 20.0) == 0
    assert spacing.refused(ANNA, 20.0) == 1


def test_several_answers_of_the_same_moment_are_one_refusal() -> None:
    spacing = Spacing()
    assert [spacing.refused(ANNA, 100.0), spacing.refused(ANNA, 100.2), spacing.refused(ANNA, 100.5)] == [
        pytest.approx(1.0),
        pytest.approx(0.8),
        pytest.approx(0.5),
    ]
    assert spacing.refused(ANNA, 101.0) == 4


def test_a_refusal_is_waited_for_beside_the_debt() -> None:
    spacing = Spacing()
    send(spacing, 100.0, wanted=44)
    assert spacing.refused(ANNA, 100.0) == pytest.approx(6.0)
    spacing = Spacing()
    send(spacing, 100.0)
    assert spacing.refused(ANNA, 100.0) == 1


def test_after_a_calm_time_the_waits_begin_at_one_second_again() -> None:
    spacing = Spacing()
    spacing.refused(ANNA, 100.0)
    spacing.forget(101.0 + CALM_SECONDS - 1)
    assert spacing.refused(ANNA, 101.0 + CALM_SECONDS - 1) == 4
    later = 105.0 + 2 * CALM_SECONDS
    spacing.forget(later)
    assert spacing.refused(ANNA, later) == 1


def test_what_is_forgotten_owes_nothing_any_more() -> None:
    spacing = Spacing()
    send(spacing, 100.0, wanted=10)
    before = spacing.wait(ANNA, 130.0), send(spacing, 130.0)
    spacing.forget(130.0)
    assert (spacing.wait(ANNA, 130.0), before) == (0.0, (0.0, 1))
    assert send(spacing, 130.0, wanted=1000) == 44 - (11 - 5), "five of the eleven have melted away"
    spacing.forget(1000.0)
    assert send(spacing, 1000.0, wanted=1000) == 44


WANTED = st.lists(st.tuples(st.floats(0, 400), st.integers(1, 60)), max_size=40)
"""Pauses, and how many messages are wanted after each."""


def _play(spacing: Spacing, wanted: list[tuple[float, int]]) -> list[float]:
    """The moments of the sends that were allowed."""
    now, sent = 0.0, []
    for pause, many in wanted:
        now += pause
        sent += [now] * send(spacing, now, many)
    return sent


@settings(deadline=None)
@given(WANTED)
def test_no_sequence_of_sends_goes_over_metas_pair_limit(wanted: list[tuple[float, int]]) -> None:
    tokens, before = float(METAS_BURST), 0.0
    for at in _play(Spacing(), wanted):
        tokens = min(METAS_BURST, tokens + (at - before) / METAS_SECONDS) - 1
        before = at
        assert tokens >= -1e-6


@settings(deadline=None)
@given(WANTED)
def test_six_seconds_after_the_last_message_the_next_may_go_whatever_was_before(
    wanted: list[tuple[float, int]],
) -> None:
    spacing = Spacing()
    _play(spacing, wanted)
    now = sum(pause for pause, _ in wanted)
    assert spacing.wait(ANNA, now) <= METAS_SECONDS + 1e-6
    assert spacing.wait(ANNA, now + METAS_SECONDS + 1e-6) == 0


@settings(deadline=None)
@given(WANTED)
def test_rebuilt_from_its_sends_it_is_as_if_it_had_sent_them_itself(wanted: list[tuple[float, int]]) -> None:
    own, rebuilt = Spacing(), Spacing()
    sent = _play(own, wanted)
    rebuilt.take(BORIS, 0.0)
    rebuilt.restore((ANNA, at) for at in sent)
    now = sum(pause for pause, _ in wanted)
    assert rebuilt.wait(ANNA, now) == own.wait(ANNA, now)
    assert rebuilt.barred(now) == own.barred(now)
    assert send(rebuilt, now, 100) == send(own, now, 100)
    assert rebuilt.wait(BORIS, 0.0) == 0


# --- through the dispatcher -------------------------------------------------------------------------------------------


def _sent(cloud_api: CloudApi, to: str = ANNA) -> int:
    return sum(request.body["to"] == to for request in cloud_api.requests)


def _go_on(stage: Stage, clock: SteppedClock, cloud_api: CloudApi, seconds: int) -> list[int]:
    """How many ANNA has got in all, after each second."""
    sent = []
    for _ in range(seconds):
        clock.step(seconds=1)
        stage.run_once()
        sent.append(_sent(cloud_api))
    return sent


def test_of_sixty_messages_to_one_recipient_44_go_at_once_and_then_one_in_six_seconds(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    messages = stage.add(60, to=ANNA)
    stage.run_once()
    assert _sent(cloud_api) == 44

    others = stage.add(5)
    clock.step(seconds=0.1)
    stage.run_once()
    assert stage.states(others) == ["accepted"] * 5, "others are not delayed"

    clock.step(seconds=-0.1)
    assert _go_on(stage, clock, cloud_api, 96) == [44 + second // 6 for second in range(1, 97)]
    assert set(stage.states(messages)) == {"accepted"}
    assert {stage.facts(one).message["tries"] for one in messages} == {1}, "waiting uses up no try"


def test_the_next_holder_of_the_number_knows_what_a_recipient_got(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    first, second = stages(), stages("second")
    first.add(44, to=ANNA)
    first.run_once()
    first.add(5, to=ANNA)
    clock.step(seconds=1)

    second.take_over()
    second.run_once()

    assert _sent(cloud_api) == 44
    assert _go_on(second, clock, cloud_api, 13) == [44, 44, 44, 44, 45, 45, 45, 45, 45, 45, 46, 46, 46]


def test_what_was_put_back_for_its_recipient_owes_nothing_to_the_next_holder(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    """Put back are seven of the 51 that the first round claims; Meta never saw them."""
    first, second = stages(), stages("second")
    first.add(60, to=ANNA)
    first.run_once()
    assert _sent(cloud_api) == 44
    clock.step(seconds=1)

    second.take_over()
    second.run_once()

    assert _go_on(second, clock, cloud_api, 13) == [44, 44, 44, 44, 45, 45, 45, 45, 45, 45, 46, 46, 46]


def test_a_recipient_who_was_kept_busy_for_long_still_owes_all_of_it_to_the_next_holder(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    """44 at once, then one every six seconds: the debt stays whole for as long as that goes on."""
    first, second = stages(), stages("second")
    first.add(44, to=ANNA)
    first.run_once()
    for _ in range(60):
        first.add(to=ANNA)
        clock.step(seconds=6)
        first.run_once()
    assert _sent(cloud_api) == 44 + 60
    first.add(40, to=ANNA)
    clock.step(seconds=1)

    second.take_over()
    second.run_once()

    assert _sent(cloud_api) == 44 + 60, "Meta lends 45 and no more"


def _not_to_anna(handler: Handler) -> None:
    (refuse(131056) if handler.asked.body["to"] == ANNA else ok)(handler)


def test_after_131056_the_recipient_waits_four_to_the_n_and_others_go(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    cloud_api.answers(then=_not_to_anna)
    (message,) = stage.add(to=ANNA)
    stage.run_once()
    for refusals, wait in enumerate((1, 4, 16, 64), start=1):
        facts = stage.facts(message).message
        assert (facts["status"], facts["tries"]) == ("queued", 0)
        assert facts["due_at"] == clock.time + timedelta(seconds=wait)
        others = stage.add(3)
        clock.step(seconds=wait - 0.1)
        stage.run_once()
        assert stage.states(others) == ["accepted"] * 3
        assert _sent(cloud_api) == refusals
        clock.step(seconds=0.1)
        stage.run_once()

    cloud_api.answers(then=ok)
    clock.step(seconds=256)
    stage.run_once()
    assert stage.status(message) == "accepted"
    cloud_api.answers(then=_not_to_anna)
    (another,) = stage.add(to=ANNA)
    stage.run_once()
    assert stage.facts(another).message["due_at"] == clock.time + timedelta(seconds=1), "an acceptance ends the row"
    assert stage.pauses() == []


def test_nothing_else_goes_to_a_recipient_while_131056_is_waited_for(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    cloud_api.answers(refuse(131056))
    messages = [*stage.add(to=ANNA)]
    stage.run_once()
    messages += stage.add(3, to=ANNA)
    clock.step(seconds=0.9)
    stage.run_once()
    assert stage.states(messages) == ["queued"] * 4
    clock.step(seconds=0.1)
    stage.run_once()
    assert stage.states(messages) == ["accepted"] * 4

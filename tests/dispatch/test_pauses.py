"""Pausing and resuming, by hand and by time: who waits, who goes meanwhile, and that what waited goes on."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from service.message import Pause, PauseReason, Scope, Template
from tests.dispatch.cloud_api import CloudApi
from tests.dispatch.conftest import Stages
from tests.dispatch.stage import NUMBER, Stage, SteppedClock

WABA = "102290129340398"
PLACES: Mapping[str, tuple[Scope, str, set[str]]] = {
    "the number": (Scope.NUMBER, NUMBER, {"hello", "spring", "german"}),
    "another number": (Scope.NUMBER, "2", set()),
    "the account": (Scope.WABA, WABA, {"hello", "spring", "german"}),
    "another account": (Scope.WABA, "3", set()),
    "the token": (Scope.TOKEN, "environment", {"hello", "spring", "german"}),
    "another token": (Scope.TOKEN, "arn:other", set()),
    "the template, in every account": (Scope.TEMPLATE, "hello/en_US", {"hello", "spring"}),
    "the template, in its account": (Scope.TEMPLATE, f"hello/en_US@{WABA}", {"hello", "spring"}),
    "the template, in another account": (Scope.TEMPLATE, "hello/en_US@3", set()),
    "the template in another language": (Scope.TEMPLATE, "hello/de", {"german"}),
    "the campaign": (Scope.CAMPAIGN, "spring", {"spring"}),
    "the country": (Scope.COUNTRY, "DE", {"german"}),
    "the country, in its account": (Scope.COUNTRY, f"DE@{WABA}", {"german"}),
    "the country, in another account": (Scope.COUNTRY, "DE@3", set()),
}


@pytest.fixture
def stage(stages: Stages) -> Stage:
    return stages(waba_id=WABA)


def _add(stage: Stage) -> dict[str, str]:
    """Three messages that have the number in common."""
    return {
        "hello": stage.add(country="CN")[0],
        "spring": stage.add(country="CN", campaign_id="spring")[0],
        "german": stage.add(country="DE", template=Template("hello", "de"))[0],
    }


def _waiting(stage: Stage, messages: Mapping[str, str]) -> set[str]:
    return {name for name, message in messages.items() if stage.status(message) == "queued"}


@pytest.mark.parametrize("name", PLACES)
def test_who_waits_for_a_pause_and_goes_on_when_it_is_lifted(stage: Stage, clock: SteppedClock, name: str) -> None:
    scope, key, wanted = PLACES[name]
    stage.store.outbox.pause(Pause(scope, key, PauseReason.OPERATOR, "wrong price", clock.time))
    messages = _add(stage)
    for _ in range(2):  # the second time from the shelf
        stage.run_once()
        assert _waiting(stage, messages) == wanted
        clock.step(hours=1)
        stage.tidy()

    stage.resume(scope, key)
    stage.run_once()
    stage.tidy()
    clock.step(seconds=1)
    stage.run_once()
    assert _waiting(stage, messages) == set()


@pytest.mark.parametrize("scope_and_key", [(Scope.NUMBER, NUMBER), (Scope.TEMPLATE, "hello/en_US")], ids=str)
def test_a_pause_with_an_end_is_over_by_itself(
    stage: Stage, clock: SteppedClock, scope_and_key: tuple[Scope, str]
) -> None:
    until = clock.time + timedelta(minutes=5)
    stage.store.outbox.pause(Pause(*scope_and_key, PauseReason.REFUSED, "code 1", clock.time, until))
    (message,) = stage.add()
    stage.run_once()
    stage.tidy()
    clock.step(minutes=4, seconds=59.9)
    stage.run_once()
    stage.tidy()
    assert stage.status(message) == "queued"
    clock.step(seconds=0.1)
    stage.run_once()
    stage.tidy()
    stage.run_once()
    assert stage.status(message) == "accepted"


def test_a_message_that_waited_too_long_for_a_pause_has_expired_and_says_what_held_it_up(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    stage.store.outbox.pause(Pause(Scope.TEMPLATE, "hello/en_US", PauseReason.OPERATOR, "wrong price", clock.time))
    (message,) = stage.add(expires_at=clock.time + timedelta(hours=1))
    stage.run_once()
    stage.tidy()
    clock.step(hours=1)
    stage.run_once()
    stage.tidy()
    assert stage.status(message) == "expired"
    stage.resume(Scope.TEMPLATE, "hello/en_US")
    stage.run_once()
    assert cloud_api.requests == []
    assert stage.failure(message)["title"] == "Expired"


def test_what_is_under_way_when_a_pause_comes_ends_as_it_would(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    first, *_ = messages = stage.add(20)

    async def pause_in_flight() -> None:
        await stage.lane.hold()
        await stage.lane.round()
        stage.store.outbox.pause(Pause(Scope.NUMBER, NUMBER, PauseReason.OPERATOR, "stop", clock.time))
        await stage.lane.drain()
        await stage.dispatcher.flush()

    stage.do(pause_in_flight())
    assert set(stage.states(messages)) == {"accepted"}
    assert len(cloud_api.requests) == len(stage.facts(first).attempts) * 20

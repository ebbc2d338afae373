"""Somebody sets the wall clock while a dispatcher runs: what it measures goes on, and nothing is sent that Meta may have."""

from datetime import timedelta

import pytest

from service.message import Status, StatusUpdate
from tests.dispatch.cloud_api import CloudApi, drop, refuse
from tests.dispatch.stage import Secret, Stage, SteppedClock

HOUR = timedelta(hours=1)


def set_clock(clock: SteppedClock, by: timedelta) -> None:
    """Only the wall clock; the monotonic one cannot be set."""
    clock.time += by


def test_a_clock_that_is_set_forward_takes_nothing_from_the_time_that_meta_has(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi, caplog: pytest.LogCaptureFixture
) -> None:
    cloud_api.answers(drop)
    (doubtful,) = stage.add()
    stage.run_once()
    peers = stage.add(20)
    stage.run_once()
    for peer in peers:
        update = StatusUpdate(Status.SENT, clock.time, f"wamid.of.{peer}", f"{peer}.1")
        stage.store.outbox.apply_statuses([update], clock.time)
    stage.tidy()
    clock.step(minutes=1)
    set_clock(clock, HOUR)
    stage.tidy()
    clock.step(minutes=4)
    stage.tidy()
    assert stage.status(doubtful) == "unanswered", "the five minutes that Meta has begin anew"
    assert any(line.startswith("clock.stepped") and "seconds=3600" in line for line in caplog.messages)
    clock.step(minutes=1)
    stage.tidy()
    assert stage.status(doubtful) == "queued"


def test_a_clock_that_is_set_back_keeps_no_refused_token_from_being_looked_at(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi, secret: Secret
) -> None:
    cloud_api.answers(refuse(190, 401), refuse(190, 401))
    stage.add()
    stage.run_once()
    assert [str(pause.scope) for pause in stage.pauses()] == ["token"]
    secret.token = "token-2"
    set_clock(clock, -HOUR)
    clock.step(seconds=61)
    stage.tidy()
    assert stage.pauses() == []

"""One dispatcher at a time serves a number; what is in flight when it ends (G4, G6)."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from threading import Event

import pytest
from sqlalchemy import Engine

from service.dispatch.gate import AT_FIRST
from service.dispatch.tenure import Tenure
from service.outbox.outbox import Demand, Lease, Outbox, Shares
from service.whatsapp.client import Client
from tests.conftest import MAX_TRIES, Store
from tests.dispatch.cloud_api import CloudApi, silence
from tests.dispatch.conftest import Stages
from tests.dispatch.stage import NUMBER, Stage, SteppedClock


def test_only_one_of_two_dispatchers_serves_a_number(
    stages: Stages,
) -> None:
    first, second = stages(), stages("second")
    first.add(3)

    assert first.run_once() == 3
    first.add(2)
    assert second.run_once() == 0
    assert first.run_once() == 2
    first.do(first.lane.tenure.release())
    first.add(1)
    assert second.run_once() == 1


def test_what_a_lost_dispatcher_was_sending_is_in_doubt_for_the_next(
    stages: Stages, store: Store, cloud_api: CloudApi, clock: SteppedClock
) -> None:
    first, second = stages(), stages("second")
    (message_id,) = first.add()
    first.do(first.lane.tenure.refresh())
    lease = first.lane.tenure.lease
    assert lease is not None
    assert len(store.outbox.claim(Demand(lease, 10), clock.time)) == 1

    second.take_over()

    assert second.status(message_id) == "unanswered"
    assert cloud_api.requests == []


def test_nothing_is_written_once_the_lease_may_have_run_out(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    (message_id,) = stage.add()

    async def late() -> None:
        await stage.lane.hold()
        await stage.lane.round()
        clock.step(seconds=14)  # frozen between the claim and the write
        await stage.lane.drain()
        await stage.dispatcher.flush()

    stage.do(late())

    assert cloud_api.requests == []
    facts = stage.facts(message_id)
    assert (facts.message["status"], facts.attempts[0]["outcome"], facts.message["tries"]) == ("queued", "not_sent", 0)


def test_nothing_is_written_in_the_last_two_seconds_of_a_lease(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    (message_id,) = stage.add()

    async def late() -> None:
        await stage.lane.hold()
        await stage.lane.round()
        clock.step(seconds=10.1)
        await stage.lane.drain()
        await stage.dispatcher.flush()

    stage.do(late())

    assert cloud_api.requests == []
    assert stage.status(message_id) == "queued"


class _Slow(Outbox):
    """Its database takes so long to grant or to prolong a lease that its clock has moved on by then."""

    def __init__(self, engine: Engine, pass_time: Callable[[], None]) -> None:
        super().__init__(engine, max_tries=MAX_TRIES)
        self._pass_time = pass_time

    def acquire_lease(self, phone_number_id: str, holder: str) -> Lease | None:
        lease = super().acquire_lease(phone_number_id, holder)
        self._pass_time()
        return lease

    def renew_lease(self, lease: Lease, rate: float | None = None) -> bool:
        renewed = super().renew_lease(lease, rate)
        self._pass_time()
        return renewed


@pytest.mark.parametrize("times", [1, 2], ids=["the first", "a renewed one"])
def test_a_lease_counts_from_before_it_was_asked_for(store: Store, clock: SteppedClock, times: int) -> None:
    tenure = Tenure(
        _Slow(store.engine, lambda: clock.step(seconds=5)), NUMBER, "first", monotonic=lambda: clock.seconds
    )
    for _ in range(times):
        asyncio.run(tenure.refresh())

    assert tenure.stands(), "twelve seconds, two of them margin, five of them gone"
    clock.step(seconds=5)
    assert not tenure.stands()


def stop_once_something_has_arrived(stage: Stage, cloud_api: CloudApi) -> None:
    """Run the dispatcher until Meta has a request, and then to its end."""

    async def run() -> None:
        stop = asyncio.Event()

        async def wakeup(_wake: object) -> None:
            await asyncio.to_thread(cloud_api.arrived.wait, 10)
            stop.set()
            await asyncio.Event().wait()

        await stage.dispatcher.run(stop, wakeup)

    asyncio.run(run())


def test_a_graceful_stop_finishes_what_is_in_flight_and_gives_back_the_rest(stage: Stage, cloud_api: CloudApi) -> None:
    messages = stage.add(200)

    stop_once_something_has_arrived(stage, cloud_api)

    states = [stage.status(message_id) for message_id in messages]
    assert set(states) <= {"accepted", "queued"}
    assert states.count("accepted") == len(cloud_api.requests)
    assert stage.store.outbox.acquire_lease(NUMBER, "another") is not None, "the number was given back"


def test_what_was_claimed_and_not_yet_sent_while_meta_is_silent_is_given_back_at_a_stop(
    stages: Stages, cloud_api: CloudApi
) -> None:
    stage = stages(per_second=20_000.0, client=Client(cloud_api.url, "v25.0", answer_seconds=0.3))
    messages = stage.add(200)
    cloud_api.answers(then=silence)

    stop_once_something_has_arrived(stage, cloud_api)

    states = [stage.status(message_id) for message_id in messages]
    assert set(states) == {"unanswered", "queued"}
    assert states.count("unanswered") == len(cloud_api.requests) <= AT_FIRST


class _Unhurried(Outbox):
    """Its database takes a while to tell who serves what."""

    def report_for_work(self, holder: str) -> Shares:
        Event().wait(0.2)
        return super().report_for_work(holder)


def test_a_dispatcher_that_has_stopped_is_off_the_roster(stages: Stages, store: Store, cloud_api: CloudApi) -> None:
    stage = stages(store=replace(store, outbox=_Unhurried(store.engine, max_tries=MAX_TRIES)))
    stage.add()

    stop_once_something_has_arrived(stage, cloud_api)

    assert store.outbox.report_for_work("another").served_by == {"another": 0}

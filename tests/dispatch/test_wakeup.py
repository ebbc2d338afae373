"""An announcement wakes the lanes of the numbers that it names, and no other; what nobody announced is found."""

import asyncio
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import make_url

from service.dispatch import wakeup
from service.dispatch.lane import Lane
from service.message import Priority
from service.outbox.announce import CHANNEL, EVERYBODY, Work
from service.whatsapp.client import Client
from tests.dispatch.cloud_api import CloudApi
from tests.dispatch.conftest import Stages
from tests.dispatch.stage import RunningClock

NUMBERS = ["111111111111111", "222222222222222", "333333333333333"]


def woken(lanes: list[Lane]) -> list[str]:
    """Whose lanes have been woken since this was last asked."""
    names = [lane.number.phone_number_id for lane in lanes if lane._wake.is_set()]
    for lane in lanes:
        lane._wake.clear()
    return names


def test_only_the_lanes_of_the_numbers_that_are_named_wake(stages: Stages) -> None:
    dispatcher = stages(phone_number_ids=NUMBERS).dispatcher
    assert woken(dispatcher.lanes) == []
    dispatcher.wake({NUMBERS[1]: Priority.NORMAL, "of another dispatcher": Priority.HIGH})
    assert woken(dispatcher.lanes) == NUMBERS[1:2]
    dispatcher.wake(EVERYBODY)
    assert woken(dispatcher.lanes) == NUMBERS
    dispatcher.wake({})
    assert woken(dispatcher.lanes) == []


def test_a_lane_is_told_what_is_urgent(stages: Stages) -> None:
    dispatcher = stages(phone_number_ids=NUMBERS).dispatcher
    dispatcher.wake({NUMBERS[0]: Priority.HIGH, NUMBERS[1]: Priority.NORMAL})
    dispatcher.wake(EVERYBODY)
    assert [lane._urgent for lane in dispatcher.lanes] == [True, False, False]


@pytest.mark.parametrize(
    ("said", "understood"),
    [
        (f"SELECT pg_notify('{CHANNEL}', '{{\"1\": 0}}')", {"1": Priority.HIGH}),
        (f"NOTIFY {CHANNEL}", EVERYBODY),  # as the version before says it
    ],
)
def test_who_listens_is_told_once_at_first_and_then_what_is_announced(shared: str, said: str, understood: Work) -> None:
    conninfo = make_url(shared).set(drivername="postgresql").render_as_string(hide_password=False)

    async def listen() -> list[Work]:
        told: asyncio.Queue[Work] = asyncio.Queue()
        listening = asyncio.create_task(wakeup.listen_postgres(conninfo, told.put_nowait))
        first = await asyncio.wait_for(told.get(), 20)
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
            await connection.execute(said.encode())
        second = await asyncio.wait_for(told.get(), 20)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        return [first, second]

    assert asyncio.run(listen()) == [EVERYBODY, understood]


def test_what_nobody_announced_is_sent_once_it_is_due(stages: Stages, cloud_api: CloudApi) -> None:
    clock = RunningClock()
    stage = stages(clock=clock, client=Client(cloud_api.url, "v25.0"))

    async def run() -> None:
        stop = asyncio.Event()

        async def silent(_wake: object) -> None:
            await asyncio.to_thread(stage.add, due_at=clock.time + timedelta(seconds=0.3))
            await asyncio.to_thread(cloud_api.arrived.wait, 20)
            stop.set()
            await asyncio.Event().wait()

        await stage.dispatcher.run(stop, silent)

    asyncio.run(run())
    assert len(cloud_api.requests) == 1

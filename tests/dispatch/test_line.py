"""Which of the messages that are claimed goes next: whoever is most urgent when a slot comes, and every tenth a normal one."""

import asyncio
from datetime import UTC, datetime

import pytest

from service.dispatch.ahead import HORIZON_SECONDS, LEAD_SECONDS
from service.dispatch.line import IN_A_ROW, Line
from service.message import Attempt, Door, Message, Priority, Template
from service.whatsapp.answer import Accepted
from service.whatsapp.client import Client, Fence
from tests.dispatch.cloud_api import CloudApi
from tests.dispatch.conftest import Stages
from tests.dispatch.stage import NUMBER, SteppedClock

NOW = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)


def attempt(name: str, priority: Priority) -> Attempt:
    template = Template("hello", "en_US")
    message = Message(name, "ep1", "+8613900000001", NUMBER, template, NOW, NOW, name, priority=priority)
    return Attempt(message, number=1, started_at=NOW, tries=0)


def urgent(*names: str) -> list[Attempt]:
    return [attempt(name, Priority.HIGH) for name in names]


def normal(*names: str) -> list[Attempt]:
    return [attempt(name, Priority.NORMAL) for name in names]


def order(line: Line, count: int) -> list[str]:
    return [line.first().message.message_id for _ in range(count)]


def test_the_urgent_goes_before_what_was_claimed_before_it() -> None:
    line = Line()
    line.join(normal("n1", "n2", "n3"))
    assert order(line, 1) == ["n1"]
    line.join(urgent("u1", "u2"))
    line.join(normal("n4"))
    assert order(line, 5) == ["u1", "u2", "n2", "n3", "n4"]
    with pytest.raises(IndexError):
        line.first()


def test_every_tenth_slot_is_a_normal_ones_however_many_urgent_ones_come() -> None:
    line = Line()
    line.join(normal("n1", "n2"))
    line.join(urgent(*(f"u{n}" for n in range(30))))
    taken = order(line, 30)
    assert [place for place, name in enumerate(taken) if name.startswith("n")] == [IN_A_ROW, 2 * IN_A_ROW + 1]


def test_a_normal_one_that_comes_after_ten_urgent_ones_goes_at_once() -> None:
    line = Line()
    line.join(urgent(*(f"u{n}" for n in range(20))))
    order(line, 10)
    line.join(normal("n1"))
    assert order(line, 2) == ["n1", "u10"]


class _Held(Client):
    """Writes nothing before it is told to."""

    def __init__(self, url: str) -> None:
        super().__init__(url, "v25.0")
        self.go = asyncio.Event()

    async def send(
        self, phone_number_id: str, token: str, body: bytes, may_write: Fence = bool, door: Door = Door.MESSAGES
    ) -> Accepted:
        await self.go.wait()
        return await super().send(phone_number_id, token, body, may_write, door)


def test_a_lane_sends_what_is_urgent_before_what_it_has_claimed_already(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    client = _Held(cloud_api.url)
    stage = stages(client=client)
    stage.add(60)

    async def play() -> list[str]:
        await stage.lane.hold()
        await stage.lane.round()
        claimed = len(stage.lane.in_flight)
        ids = stage.add(2, priority=Priority.HIGH)
        clock.step(seconds=0.02)
        await stage.lane.round()
        assert claimed == 51
        assert len(stage.lane.in_flight) > claimed
        client.go.set()
        await stage.lane.drain()
        return ids

    ids = stage.do(play())
    places = [place for place, request in enumerate(cloud_api.requests) if request.message_id in ids]
    assert len(places) == 2
    assert max(places) < 40, "of 32 that were under way, and not of 51 that were claimed"


def test_what_is_urgent_is_claimed_with_the_first_slot_within_the_horizon_and_not_with_the_next_plan(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    client = _Held(cloud_api.url)
    stage = stages(client=client, per_second=75.0)
    stage.add(20)

    async def play() -> None:
        lane = stage.lane
        await lane.hold()
        assert await lane.round() == pytest.approx(4 / 75 - LEAD_SECONDS), "four slots are within 50 ms"
        lane.wake()
        assert await lane.round() == pytest.approx(4 / 75 - LEAD_SECONDS)
        lane.wake(urgent=True)
        wait = await lane.round()
        assert wait == pytest.approx(4 / 75 - HORIZON_SECONDS)
        assert len(lane.in_flight) == 4, "the horizon is the same for what is urgent"
        clock.step(seconds=wait + 0.001)
        assert await lane.round() == pytest.approx(1 / 75 + HORIZON_SECONDS - LEAD_SECONDS - 0.001, abs=1e-5)
        assert len(lane.in_flight) == 5
        client.go.set()
        await lane.drain()

    stage.do(play())

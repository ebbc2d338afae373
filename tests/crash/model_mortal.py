"""A process that can be met at any moment of a message's way, and what it is given to work with.

    claimed ──► writing ──► written ──► answered ──► settling ──► settled
       at each of these: it dies · another takes its number over, and sends · Meta tells all that it has to tell

`Life` is one process. `MortalOutbox` and `MortalClient` are the real ones and ask the life before they do anything: who is dead
writes nothing. The requests of a round go one after the other, so that the same choices come to the same end.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Engine

from service.message import Attempt, Door, Settlement
from service.outbox.outbox import Demand, Outbox
from service.whatsapp.answer import Accepted
from service.whatsapp.client import Client, Fence
from tests.conftest import MAX_TRIES
from tests.crash.model_meta import Meta


class Died(BaseException):
    """The process is gone, as by kill -9: nothing of it goes on."""


class Moment(StrEnum):
    """Where a process may be met."""

    CLAIMED = "claimed"
    WRITING = "writing"
    WRITTEN = "written"
    ANSWERED = "answered"
    SETTLING = "settling"
    SETTLED = "settled"


class Happening(StrEnum):
    """What may meet it there."""

    DIES = "it dies"
    LOSES = "another takes over"
    DOUBLES = "another takes over, and sends again what an operator tells it to"
    NEWS = "Meta tells all"


class Life:
    """One process; `at_moment` is given what happens, once."""

    def __init__(self) -> None:
        self.is_over = False
        self.has_lost = False
        """Another has its number, and its own clock says so too."""
        self._moment: Moment | None = None
        self._left = 0
        self._happens: Callable[[], None] = lambda: None

    def expect(self, moment: Moment | None, nth: int, happens: Callable[[], None]) -> None:
        self._moment, self._left, self._happens = moment, nth, happens

    def come_to(self, moment: Moment) -> None:
        """Let it happen, if it is time."""
        if self.is_over or moment is not self._moment:
            return
        self._left -= 1
        if self._left == 0:
            self._moment = None
            self._happens()

    def at(self, moment: Moment) -> None:
        """The same, in the process itself, which may not live on."""
        self.come_to(moment)
        if self.is_over:
            raise Died


class MortalOutbox(Outbox):
    """The outbox in the hands of a process that may die."""

    def __init__(self, engine: Engine, life: Life, meta: Meta) -> None:
        super().__init__(engine, max_tries=MAX_TRIES)
        self._life = life
        self._meta = meta

    def claim(self, demand: Demand, now: datetime) -> list[Attempt]:
        claimed = super().claim(demand, now)
        for attempt in claimed:
            self._meta.claimed(attempt.callback_data, attempt.started_at)
        if claimed:
            self._life.at(Moment.CLAIMED)
        return claimed

    def settle(self, settlements: Sequence[Settlement], now: datetime) -> None:
        self._life.at(Moment.SETTLING)
        super().settle(settlements, now)
        for one in settlements:
            self._meta.of(f"{one.message_id}.{one.attempt}").settled = True
        self._life.at(Moment.SETTLED)


class MortalClient(Client):
    """The client in the hands of a process that may die; one request at a time."""

    def __init__(self, url: str, life: Life, meta: Meta) -> None:
        super().__init__(url, "v25.0")
        self._life = life
        self._meta = meta
        self._one_at_a_time = asyncio.Lock()

    async def send(
        self,
        phone_number_id: str,
        token: str,
        body: bytes,
        may_write: Fence = lambda: True,
        door: Door = Door.MESSAGES,
    ) -> Accepted:
        attempt = str(json.loads(body)["biz_opaque_callback_data"])
        async with self._one_at_a_time:
            await asyncio.to_thread(self._life.at, Moment.WRITING)
            self._meta.came[attempt] = lambda: self._came(attempt)
            try:
                return await super().send(phone_number_id, token, body, may_write, door)
            finally:
                await asyncio.to_thread(self._life.at, Moment.ANSWERED)

    def _came(self, attempt: str) -> None:
        if self._life.has_lost:
            self._meta.accusations.append(f"{attempt} was written by who had lost the number")
        self._life.come_to(Moment.WRITTEN)

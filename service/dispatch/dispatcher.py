"""The process that sends: a lane per phone number, one settler, and whatever wakes them.

    claim → send → settle

The outbox is synchronous and called from threads; everything else is one event loop. Nothing is lost when the process dies:
what was claimed is found in doubt by the next holder of the number's lease.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence

from service.dispatch.lane import TIDY_SECONDS, TROUBLE_SECONDS, Clock, Lane, Number
from service.message import Settlement
from service.outbox.outbox import Outbox, StoreUnavailable
from service.whatsapp.client import Client

SETTLED_AT_ONCE = 500
FORGET_SECONDS = 600.0
FINISH_SECONDS = 5.0
"""With the lanes' DRAIN_SECONDS this stays within the 30 s that ECS gives a task to stop."""

log = logging.getLogger(__name__)

Wakeup = Callable[[Callable[[], None]], Coroutine[None, None, None]]
"""Runs for ever and calls what it is given whenever there may be work."""


class Settler:
    """Writes what attempts came to, many in one transaction; keeps them while the store is down."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock
        self._waiting: asyncio.Queue[Settlement] = asyncio.Queue()

    def put(self, settlement: Settlement) -> None:
        """Hand over one result; it is written soon."""
        self._waiting.put_nowait(settlement)

    async def run(self) -> None:
        """Settle for ever."""
        while True:
            await self._settle([await self._waiting.get(), *self._more()])

    async def flush(self) -> None:
        """Settle what waits now; for one who does not run `run`."""
        while batch := self._more():
            await self._settle(batch)

    async def finish(self) -> None:
        """Wait until `run` has written everything, but not for a store that stays away."""
        try:
            await asyncio.wait_for(self._waiting.join(), FINISH_SECONDS)
        except TimeoutError:
            log.error("settler.gave_up results=%d", self._waiting.qsize())

    def _more(self) -> list[Settlement]:
        return [self._waiting.get_nowait() for _ in range(min(self._waiting.qsize(), SETTLED_AT_ONCE))]

    async def _settle(self, batch: Sequence[Settlement]) -> None:
        """Until it is written: an answer of Meta's is never thrown away."""
        while True:
            try:
                await asyncio.to_thread(self._outbox.settle, batch, self._clock.now())
                break
            except StoreUnavailable as error:
                log.warning("settler.waits results=%d reason=%s", len(batch) + self._waiting.qsize(), error)
                await asyncio.sleep(TROUBLE_SECONDS)
        for _ in batch:
            self._waiting.task_done()


class Dispatcher:
    """Serves those of `numbers` that no other dispatcher serves. `make_lane` builds the lane of one of them."""

    def __init__(
        self,
        numbers: Sequence[Number],
        *,
        outbox: Outbox,
        client: Client,
        clock: Clock,
        make_lane: Callable[[Number, Callable[[Settlement], None]], Lane],
    ) -> None:
        self._outbox = outbox
        self._client = client
        self._clock = clock
        self._settler = Settler(outbox, clock)
        self.lanes = [make_lane(number, self._settler.put) for number in numbers]
        self.beat = clock.monotonic()

    async def run(self, stop: asyncio.Event, wakeup: Wakeup) -> None:
        """Send until `stop`; then finish what is in flight, settle it, and give the numbers back."""
        sent = asyncio.Event()
        async with self._client:
            lanes = [asyncio.create_task(lane.run(stop)) for lane in self.lanes]
            keepers = [asyncio.create_task(self._keep(lane, sent)) for lane in self.lanes]
            beside = [
                asyncio.create_task(self._settler.run()),
                asyncio.create_task(wakeup(self.wake)),
                asyncio.create_task(self._beat()),
                *(asyncio.create_task(self._tidy(lane)) for lane in self.lanes),
            ]
            told = asyncio.create_task(stop.wait())
            try:
                ended, _ = await asyncio.wait([told, *lanes, *keepers, *beside], return_when=asyncio.FIRST_COMPLETED)
                stop.set()
                self.wake()
                await asyncio.gather(*lanes)
                await self._settler.finish()
                sent.set()
                await asyncio.gather(*keepers)
                for task in ended:
                    task.result()  # a part that ended by itself has failed: say why
            finally:
                await _cancel([*beside, *keepers, told])

    async def run_once(self) -> int:
        """One round of every lane: take the number, tidy up, claim what can go now, send it, settle it. How many."""
        settled: list[int] = []
        for lane in self.lanes:
            if not lane.tenure.stands() and await lane.tenure.refresh():
                await lane.tidy(newly_ours=True)
            await lane.round()
            settled.append(len(lane.in_flight))
            await lane.drain()
        await self.flush()
        return sum(settled)

    async def flush(self) -> None:
        """Settle what has come back; `run` does so by itself."""
        await self._settler.flush()

    def wake(self) -> None:
        """There may be work."""
        for lane in self.lanes:
            lane.wake()

    async def _keep(self, lane: Lane, sent: asyncio.Event) -> None:
        """Hold the lane's number, or wait for it; give it back once everything is sent."""
        while not sent.is_set():
            try:
                if await lane.tenure.refresh():
                    await lane.tidy(newly_ours=True)
                    lane.wake()
            except StoreUnavailable as error:
                log.warning("lease.waits phone_number_id=%s reason=%s", lane.number.phone_number_id, error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(sent.wait(), lane.tenure.pause_between())
        await lane.tenure.release()

    async def _tidy(self, lane: Lane) -> None:
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            try:
                await lane.tidy()
            except StoreUnavailable as error:
                log.warning("tidying.waits phone_number_id=%s reason=%s", lane.number.phone_number_id, error)

    async def _beat(self) -> None:
        """Shows that the loop turns (`/healthz`), and forgets what nothing turned up for."""
        forget_at = self._clock.monotonic()
        while True:
            self.beat = self._clock.monotonic()
            if self.beat >= forget_at:
                forget_at = self.beat + FORGET_SECONDS
                with contextlib.suppress(StoreUnavailable):
                    await asyncio.to_thread(self._outbox.forget_unmatched, self._clock.now())
            await asyncio.sleep(TROUBLE_SECONDS)


async def _cancel(tasks: Sequence[asyncio.Task[None] | asyncio.Task[bool]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

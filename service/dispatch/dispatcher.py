"""The process that sends: a lane per phone number, one settler, and whatever wakes them.

    claim → send → settle

The outbox is synchronous and called from threads; everything else is one event loop. Nothing is lost when the process dies:
what was claimed is found in doubt by the next holder of the number's lease.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor

from service.dispatch.lane import TIDY_SECONDS, TROUBLE_SECONDS, Lane
from service.dispatch.number import Clock, Number
from service.dispatch.sharing import Roster
from service.dispatch.tenure import LOOK_SECONDS
from service.message import Priority, Settlement
from service.outbox.announce import ALL, EVERYBODY, Work
from service.outbox.outbox import Outbox, StoreUnavailable
from service.whatsapp.client import Client

POLL_SECONDS = 0.5
"""How often is looked for work that nobody announced."""
SETTLED_AT_ONCE = 500
GATHER_SECONDS = 0.05
"""What comes back within so long is settled together; at a crash so much more of what Meta took is in doubt for a while."""
FORGET_SECONDS = 600.0
CLOCKS_DIFFER_SECONDS = 5.0
CLOCKS_TOLD_SECONDS = 60.0
THREADS = 32
"""For the outbox and the secrets: a number whose secret hangs must not keep the others from the store."""
FINISH_SECONDS = 5.0
"""With the lanes' DRAIN_SECONDS this stays within the 30 s that ECS gives a task to stop."""

log = logging.getLogger(__name__)

Wakeup = Callable[[Callable[[Work], None]], Coroutine[None, None, None]]
"""Runs for ever and calls what it is given whenever there may be work, with whose it is."""

Beside = Callable[[Callable[[str], bool]], Coroutine[None, None, None]]
"""Runs for ever beside the lanes; what it is given tells whether this dispatcher serves a number just now."""


class Settler:
    """Writes what attempts came to, many in one transaction; keeps them while the store is down."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock
        self._waiting: asyncio.Queue[Settlement] = asyncio.Queue()
        self._put = self._written = 0
        self._progress = asyncio.Condition()

    def put(self, settlement: Settlement) -> None:
        """Hand over one result; it is written soon."""
        self._put += 1
        self._waiting.put_nowait(settlement)

    async def run(self) -> None:
        """Settle for ever, a few at a time: a transaction costs more than what is in it."""
        while True:
            first = await self._waiting.get()
            if self._waiting.qsize() < SETTLED_AT_ONCE:
                await asyncio.sleep(GATHER_SECONDS)
            await self._settle([first, *self._more()])

    async def flush(self) -> None:
        """Settle what waits now; for one who does not run `run`."""
        while batch := self._more():
            await self._settle(batch)

    async def finish(self) -> None:
        """Wait until `run` has written all that was handed over up to now, but not for a store that stays away."""
        wanted = self._put
        try:
            async with asyncio.timeout(FINISH_SECONDS), self._progress:
                await self._progress.wait_for(lambda: self._written >= wanted)
        except TimeoutError:
            log.error("settler.gave_up results=%d", wanted - self._written)

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
        async with self._progress:
            self._written += len(batch)
            self._progress.notify_all()


class Dispatcher:
    """Serves its share of `numbers`, as `holder`. `make_lane` builds the lane of one of them; `beside` runs along."""

    def __init__(
        self,
        numbers: Sequence[Number],
        *,
        holder: str,
        outbox: Outbox,
        client: Client,
        clock: Clock,
        make_lane: Callable[[Number, Callable[[Settlement], None]], Lane],
        beside: Sequence[Beside] = (),
    ) -> None:
        self._outbox = outbox
        self._client = client
        self._clock = clock
        self._settler = Settler(outbox, clock)
        self._roster = Roster(holder)
        self._looked = asyncio.Event()
        self._astray: Collection[str] = ()
        self._beside = beside
        self.lanes = [make_lane(number, self._settler.put) for number in numbers]
        self._lanes_of = {lane.number.phone_number_id: [lane] for lane in self.lanes} | {ALL: self.lanes}
        self.beat = self._tell_clocks_at = clock.monotonic()

    async def run(self, stop: asyncio.Event, wakeup: Wakeup) -> None:
        """Send until `stop`; then finish what is in flight, settle it, and give the numbers back."""
        sent = asyncio.Event()
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "outbox"))
        async with self._client:
            lanes = [asyncio.create_task(lane.run(stop)) for lane in self.lanes]
            keepers = [asyncio.create_task(self._keep(lane, sent)) for lane in self.lanes]
            beside = [
                asyncio.create_task(self._settler.run()),
                asyncio.create_task(wakeup(self.wake)),
                asyncio.create_task(self._beat()),
                asyncio.create_task(self._poll()),
                *(asyncio.create_task(self._tidy(lane)) for lane in self.lanes),
                *(asyncio.create_task(run(self._serves)) for run in self._beside),
            ]
            looking = asyncio.create_task(self._keep_looking(stop))
            told = asyncio.create_task(stop.wait())
            try:
                ended, _ = await asyncio.wait(
                    [told, looking, *lanes, *keepers, *beside], return_when=asyncio.FIRST_COMPLETED
                )
                stop.set()
                self.wake()
                await looking
                await asyncio.gather(*lanes)
                await self._settler.finish()
                sent.set()
                self._tell_keepers()
                await asyncio.gather(*keepers)
                for task in ended:
                    task.result()  # a part that ended by itself has failed: say why
            finally:
                await _cancel([*beside, *keepers, looking, told])

    async def run_once(self) -> int:
        """One round of every lane: take the number, tidy up, claim what can go now, send it, settle it. How many."""
        settled: list[int] = []
        for lane in self.lanes:
            if not lane.tenure.stands():
                await lane.hold()
            await lane.round()
            settled.append(len(lane.in_flight))
            await lane.drain()
        await self.flush()
        return sum(settled)

    async def flush(self) -> None:
        """Settle what has come back; `run` does so by itself."""
        await self._settler.flush()

    def wake(self, work: Work = EVERYBODY) -> None:
        """There may be work for these numbers."""
        for number, priority in work.items():
            for lane in self._lanes_of.get(number, ()):
                lane.wake(urgent=priority is Priority.HIGH)

    def _serves(self, phone_number_id: str) -> bool:
        return any(lane.number.phone_number_id == phone_number_id and lane.tenure.stands() for lane in self.lanes)

    async def _look(self) -> None:
        """Tell that we live, and see who serves what."""
        numbers = [lane.number.phone_number_id for lane in self.lanes]
        try:
            shares = await asyncio.to_thread(self._outbox.report_for_work, self._roster.holder)
        except StoreUnavailable as error:
            log.warning("roster.waits reason=%s", error)
            return
        self._compare_clocks(shares.seconds)
        mine = [lane.number.phone_number_id for lane in self.lanes if lane.tenure.lease is not None]
        self._roster.look(shares.served_by, shares.served, numbers, mine, self._clock.monotonic())

    def _compare_clocks(self, database: float) -> None:
        """Moments in the store are by the clocks of all: what one of them dates ahead waits for the others."""
        ahead, now = self._clock.now().timestamp() - database, self._clock.monotonic()
        if abs(ahead) > CLOCKS_DIFFER_SECONDS and now >= self._tell_clocks_at:
            self._tell_clocks_at = now + CLOCKS_TOLD_SECONDS
            log.error("clock.differs seconds_ahead_of_the_database=%.0f", ahead)

    async def _keep_looking(self, stop: asyncio.Event) -> None:
        """Look until told to stop, then leave, so that the others count upon us no longer."""
        while not stop.is_set():
            await self._look()
            self._tell_keepers()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)
        try:
            await asyncio.to_thread(self._outbox.leave_work, self._roster.holder)
        except StoreUnavailable as error:
            log.warning("roster.not_left reason=%s", error)

    async def _keep(self, lane: Lane, sent: asyncio.Event) -> None:
        """Hold the lane's number, or wait for it; give it back once everything is sent, or to whoever serves fewer."""
        number = lane.number.phone_number_id
        while not sent.is_set():
            try:
                if self._roster.giving == number:
                    await self._give(lane)
                elif lane.tenure.wants_renewal():
                    await lane.hold()
                elif lane.tenure.lease is None and self._roster.may_take(number, self._clock.monotonic()):
                    await self._take(lane)
            except StoreUnavailable as error:
                log.warning("lease.waits phone_number_id=%s reason=%s", number, error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._looked.wait(), LOOK_SECONDS)
        await lane.tenure.release()

    def _tell_keepers(self) -> None:
        """Whoever waits for the next look goes on."""
        self._looked.set()
        self._looked.clear()

    async def _take(self, lane: Lane) -> None:
        self._roster.takes(lane.number.phone_number_id, self._clock.monotonic())
        await lane.hold()

    async def _give(self, lane: Lane) -> None:
        """Let the number go without leaving anything in doubt."""
        log.info("lease.given phone_number_id=%s", lane.number.phone_number_id)
        await lane.retire()
        await self._settler.finish()
        await lane.tenure.release()
        self._roster.gave(lane.number.phone_number_id, self._clock.monotonic())

    async def _tidy(self, lane: Lane) -> None:
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            try:
                await lane.tidy(astray=lane.number.phone_number_id in self._astray)
            except StoreUnavailable as error:
                log.warning("tidying.waits phone_number_id=%s reason=%s", lane.number.phone_number_id, error)

    async def _poll(self) -> None:
        """Wake whoever has work that nobody announced: what waited for its moment, or came while nobody could be told."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            with contextlib.suppress(StoreUnavailable):
                look = await asyncio.to_thread(self._outbox.look, self._roster.holder, self._clock.now())
                self._astray = look.astray
                self.wake(dict.fromkeys(look.due, Priority.NORMAL))

    async def _beat(self) -> None:
        """Shows that the loop turns (`/healthz`), adds up what was counted, and forgets what nothing turned up for."""
        forget_at = self._clock.monotonic()
        while True:
            self.beat = self._clock.monotonic()
            with contextlib.suppress(StoreUnavailable):
                await asyncio.to_thread(self._outbox.fold_moves)
                if self.beat >= forget_at:
                    forget_at = self.beat + FORGET_SECONDS
                    await asyncio.to_thread(self._outbox.forget_unmatched, self._clock.now())
            await asyncio.sleep(TROUBLE_SECONDS)


async def _cancel(tasks: Sequence[asyncio.Task[None] | asyncio.Task[bool]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

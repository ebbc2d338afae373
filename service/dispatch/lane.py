"""One phone number: claim → send → hand to the settler. Lanes share nothing, so that one number's trouble stays its own.

A message is claimed only when it is about to be sent: for the slots of the next 50 ms, and no more than these beyond the
requests that may be under way (G4).
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from random import Random

from service.dispatch.ahead import HORIZON_SECONDS, LEAD_SECONDS, Ahead
from service.dispatch.brakes import Brakes
from service.dispatch.doors import Doors
from service.dispatch.gate import Gate
from service.dispatch.line import Line
from service.dispatch.number import Clock, Number, Policy
from service.dispatch.retry import settle_accepted, settle_error
from service.dispatch.spacing import EVERY_SECONDS, Spacing
from service.dispatch.telling import tell
from service.dispatch.tenure import Tenure
from service.dispatch.throttle import Pacer
from service.dispatch.upkeep import Upkeep
from service.message import Attempt, Door, Settlement
from service.outbox.outbox import Demand, Lease, Outbox, StoreUnavailable
from service.secrets import Credentials
from service.whatsapp import payload
from service.whatsapp.answer import Accepted
from service.whatsapp.client import Client
from service.whatsapp.send_error import NotSent, Refused, SendError, Unanswered, WrongDoor

IDLE_SECONDS = 30.0
"""How often an idle lane looks although nothing woke it: never needed, since the dispatcher looks for all of them."""
TROUBLE_SECONDS = 1.0
TIDY_SECONDS = 2.0
DRAIN_SECONDS = 20.0
BARRED_AT_ONCE = 500
"""So many recipients are named to a claim; a message to any other who must wait is put back."""

log = logging.getLogger(__name__)


class Lane:
    """Serves one phone number while its tenure stands."""

    def __init__(
        self,
        number: Number,
        *,
        outbox: Outbox,
        client: Client,
        tenure: Tenure,
        settle: Callable[[Settlement], None],
        clock: Clock,
        policy: Policy,
        rng: Random,
    ) -> None:
        self.number = number
        self.tenure = tenure
        self._outbox = outbox
        self._client = client
        self._settle = settle
        self._clock = clock
        self._policy = policy
        self._rng = rng
        self._pacer = Pacer(number.paced_at)
        self._spacing = Spacing()
        self._doors = Doors(number, outbox=outbox, clock=clock)
        self._brakes = Brakes(
            number, outbox=outbox, pacer=self._pacer, spacing=self._spacing, clock=clock, policy=policy
        )
        self._upkeep = Upkeep(
            number,
            outbox=outbox,
            client=client,
            brakes=self._brakes,
            pacer=self._pacer,
            spacing=self._spacing,
            doors=self._doors,
            clock=clock,
            policy=policy,
            wake=self.wake,
        )
        self.in_flight: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._urgent = False
        self._claiming = asyncio.Lock()
        self._ready: Lease | None = None
        self._stopping = False
        self._ahead = Ahead()
        self._gate = Gate(self._pacer, clock.monotonic)
        self._line = Line()
        self._full = False

    def wake(self, *, urgent: bool = False) -> None:
        """There may be work; what is `urgent` is claimed with the next slot that may be, and overtakes."""
        self._urgent = self._urgent or urgent
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop; then finish what is in flight and hold back the rest."""
        while not stop.is_set():
            try:
                pause = await self.round()
            except StoreUnavailable as error:
                log.warning("lane.waits phone_number_id=%s reason=%s", self.number.phone_number_id, error)
                pause = TROUBLE_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)
            self._wake.clear()
        self._stopping = True
        self._gate.open()
        await self.drain()

    async def drain(self) -> None:
        """Wait until what is in flight has ended; what has not by then is found in doubt by the next holder."""
        if self.in_flight:
            _, unfinished = await asyncio.wait(self.in_flight, timeout=DRAIN_SECONDS)
            if unfinished:
                log.warning("lane.left phone_number_id=%s messages=%d", self.number.phone_number_id, len(unfinished))

    async def hold(self) -> None:
        """Keep the number, or try to get it; it is made ready before anything is claimed."""
        await self.tenure.refresh(self._pacer.learned(self._clock.monotonic()))
        lease = self.tenure.lease
        if lease is not None and lease is not self._ready:
            await self._upkeep.take_over(lease)
            self._ready = lease
            self.wake()

    async def retire(self) -> None:
        """Claim nothing more, and wait until what is in flight has ended: the number is about to be given back."""
        async with self._claiming:
            self._ready = None
        await self.drain()

    async def tidy(self, *, astray: bool = True) -> None:
        """What is done for the number beside sending; `astray`: something of it may have to be put right."""
        if self._ready is not None and self._ready is self.tenure.lease:
            await self._upkeep.run(self._ready, astray=astray)
        else:
            self._upkeep.rest()

    async def round(self) -> float:
        """Claim what can go now and start sending it. Seconds until there may be more to do."""
        async with self._claiming:
            if self._ready is None or self._ready is not self.tenure.lease or not self.tenure.stands():
                return IDLE_SECONDS
            credentials = await self._brakes.credentials()
            if credentials is None:
                self._pacer.hold(self._clock.monotonic())
                return TROUBLE_SECONDS
            return await self._claim(self._ready, credentials)

    async def _claim(self, lease: Lease, credentials: Credentials) -> float:
        room = self._gate.room(len(self.in_flight))
        self._full = room <= 0
        asked_at = self._clock.monotonic()
        behind = self._pacer.behind(asked_at) - HORIZON_SECONDS - self._ahead.lead
        if behind > 0:
            return behind  # what a busy process cannot write yet would be in doubt at a crash
        if self._full:
            return IDLE_SECONDS
        slots = self._pacer.plan(asked_at, self._ahead.horizon, room)
        if not slots:
            return self._until_next_plan()
        self._urgent = False
        demand = Demand(
            lease,
            len(slots),
            self._pacer.reserved(len(slots)),
            self.number.scopes,
            self.number.waba_id,
            self._spacing.barred(slots[0])[:BARRED_AT_ONCE],
            self.number.portfolio.name if self.number.portfolio else None,
        )
        claimed = await asyncio.to_thread(self._outbox.claim, demand, self._clock.now())
        self._ahead.learn(self._clock.monotonic() - asked_at)
        attempts = self._spaced_out(claimed, slots[0])
        self._line.join(attempts)
        for slot in self._pacer.take(slots, len(attempts)):
            task = asyncio.create_task(self._attempt(slot, credentials))
            self.in_flight.add(task)
            task.add_done_callback(self._landed)
        return self._until_next_plan() if len(claimed) == len(slots) else IDLE_SECONDS

    def _spaced_out(self, claimed: list[Attempt], at: float) -> list[Attempt]:
        """Those whose recipients may get one now; the others are put back, one after the other."""
        going, held_back = [], Counter[str]()
        for attempt in claimed:
            to = attempt.message.to
            wait = self._spacing.wait(to, at)
            if wait > 0:
                wait += EVERY_SECONDS * held_back[to]
                held_back[to] += 1
                reason = NotSent("Waits for the limit of messages to one recipient", wait=timedelta(seconds=wait))
                self._settle_error(attempt, reason, 0.0)
            else:
                self._spacing.take(to, at)
                going.append(attempt)
        return going

    def _until_next_plan(self) -> float:
        ahead = self._ahead.horizon if self._urgent else self._ahead.lead
        return max(0.0, self._pacer.next_at() - ahead - self._clock.monotonic())

    def _landed(self, task: asyncio.Task[None]) -> None:
        self.in_flight.discard(task)
        if self._full and self._gate.room(len(self.in_flight)) > 0:
            self._full = False
            self.wake()

    async def _attempt(self, slot: float, credentials: Credentials) -> None:
        """In its slot send whoever is first, and hand on what came of it; whatever it is, the lane goes on (G2)."""
        early = slot - self._clock.monotonic()
        if early > 0:
            await asyncio.sleep(early)
        async with self._gate:
            await self._turn()
            attempt = self._line.first()
            started = self._clock.monotonic()
            door = self._doors.choose(attempt.message)
            outcome = await self._send(attempt, door, credentials)
            seconds = self._clock.monotonic() - started
        if isinstance(outcome, Accepted):
            self._spacing.accepted(attempt.message.to)
            self._brakes.answered()
            self._gate.answered(seconds)
            self._hand_over(settle_accepted(attempt, outcome, int(seconds * 1000), door), seconds)
            return
        await self._brakes.heed(outcome, attempt, credentials)
        switched = isinstance(outcome, WrongDoor) and await self._doors.switch(attempt.message.template, door)
        self._settle_error(attempt, outcome, seconds, door, switched=switched)

    async def _turn(self) -> None:
        """Wait for a turn to write; whoever oversleeps it, because the process was held up, waits for another."""
        late = True
        while late:
            asked_at = self._clock.monotonic()
            wait = self._pacer.turn(asked_at)
            if wait <= 0:
                return
            await asyncio.sleep(wait)
            late = self._pacer.has_passed(self._clock.monotonic() - asked_at - wait)

    def _settle_error(
        self,
        attempt: Attempt,
        error: SendError,
        seconds: float,
        door: Door = Door.MESSAGES,
        *,
        switched: bool = False,
    ) -> None:
        settlement = settle_error(
            attempt,
            error,
            int(seconds * 1000),
            now=self._clock.now(),
            rng=self._rng,
            max_tries=self._policy.max_tries,
            door=door,
            switched=switched,
        )
        self._hand_over(settlement, seconds)

    def _hand_over(self, settlement: Settlement, seconds: float) -> None:
        tell(settlement, seconds)
        self._settle(settlement)
        if settlement.due_at is not None:
            delay = (settlement.due_at - self._clock.now()).total_seconds()
            asyncio.get_running_loop().call_later(max(0.0, delay) + LEAD_SECONDS, self.wake)

    async def _send(self, attempt: Attempt, door: Door, credentials: Credentials) -> Accepted | SendError:
        writing = False

        def may_write() -> bool:
            nonlocal writing
            in_time = self._clock.now() < attempt.message.expires_at
            writing = in_time and self.tenure.stands() and not self._stopping
            return writing

        try:
            body = payload.build(attempt.message, attempt.callback_data, door, self.number.marketing)
            return await self._client.send(self.number.phone_number_id, credentials.token, body, may_write, door)
        except SendError as error:
            return error
        except Exception as error:  # noqa: BLE001 - a poison message must not stop the others
            log.error("message.poison message_id=%s error=%s", attempt.message.message_id, type(error).__name__)
            kind = Unanswered if writing else Refused
            return kind(f"This service failed on the message: {type(error).__name__}")

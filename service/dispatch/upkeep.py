"""What a lane does for its number beside sending, every few seconds and when the number is newly ours.

rescue what an earlier holder was sending · judge the unanswered · expire · shelve what is paused · look at a refused token ·
ask Meta about the number, its limits among it
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from service import metrics
from service.dispatch.brakes import Brakes
from service.dispatch.doors import Doors
from service.dispatch.number import Clock, Number, Policy
from service.dispatch.spacing import BUSY_SECONDS, REMEMBERED_SECONDS, Spacing
from service.dispatch.throttle import Pacer
from service.outbox.outbox import Lease, Outbox
from service.whatsapp.asking import why_not_told
from service.whatsapp.client import Client
from service.whatsapp.limits import Limits, limits_of
from service.whatsapp.send_error import SendError

ASK_SECONDS = 3600.0
EXPIRE_SECONDS = 15.0
SHELVE_SECONDS = 6.0
"""How often what is to be put aside is looked for, and what is astray although nobody has seen any."""
STEP_SECONDS = 2.0
"""By so much more or less than what has passed a clock moves only when somebody sets it."""

NO_TOKEN = "the secret with the number's token cannot be read; the pause of the token says why"  # noqa: S105 - a sentence

log = logging.getLogger(__name__)


class Upkeep:
    """Of one number. `wake` is called when something can be sent that could not before."""

    def __init__(
        self,
        number: Number,
        *,
        outbox: Outbox,
        client: Client,
        brakes: Brakes,
        pacer: Pacer,
        spacing: Spacing,
        doors: Doors,
        clock: Clock,
        policy: Policy,
        wake: Callable[[], None],
    ) -> None:
        self._number = number
        self._outbox = outbox
        self._client = client
        self._brakes = brakes
        self._pacer = pacer
        self._spacing = spacing
        self._doors = doors
        self._clock = clock
        self._policy = policy
        self._wake = wake
        self._judge_at = self._expire_at = self._shelve_at = self._ask_at = clock.monotonic()
        self._ahead = self._by_how_much_ahead()
        self._was_unreached = False

    async def take_over(self, lease: Lease) -> None:
        """Begin where an earlier holder of the number ended; nothing is claimed before this is done."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        self._pacer.hold(monotonic)  # the time that somebody else had the number is not made good
        if lease.rate is not None:
            self._pacer.begin_at(lease.rate, monotonic)
        since, busy_since = now - timedelta(seconds=REMEMBERED_SECONDS), now - timedelta(seconds=BUSY_SECONDS)
        number = self._number.phone_number_id
        sends = await asyncio.to_thread(self._outbox.recent_sends, number, since, busy_since)
        self._spacing.restore((to, monotonic - (now - at).total_seconds()) for to, at in sends)
        await self._doors.read()
        self._judge_at = self._expire_at = self._shelve_at = self._ask_at = monotonic
        self._ahead = self._by_how_much_ahead()
        if lease.epoch == 1:  # nobody has asked Meta before; otherwise the store has an answer to begin with
            if self._settings_are_silent():
                await self._ask_meta(now)
            else:
                await self._use(Limits(), now)  # Meta's word changes nothing for sending, which does not wait for it
        await self._do(lease, astray=True)

    async def run(self, lease: Lease, *, astray: bool = True) -> None:
        """Do what is due; put right what is `astray`, or look for it where nobody has for a while.

        When Meta is out of reach, and when it is back, it is asked at once: people see what it says.
        """
        await self._do(lease, astray=astray)
        is_unreached = self._brakes.is_unreached
        if is_unreached != self._was_unreached or self._clock.monotonic() >= self._ask_at:
            self._was_unreached = is_unreached
            await self._ask_meta(self._clock.now())

    def rest(self) -> None:
        """The number is somebody else's now, and so is its rate."""
        metrics.RATE.remove(self._number.phone_number_id)

    async def _do(self, lease: Lease, *, astray: bool) -> None:
        now, monotonic = self._clock.now(), self._clock.monotonic()
        put_aside = monotonic >= self._shelve_at
        if put_aside or astray:
            await self._rescue(lease, now)
        await self._judge(lease, now, monotonic)
        if monotonic >= self._expire_at:
            self._expire_at = monotonic + EXPIRE_SECONDS
            metrics.EXPIRED.inc(await asyncio.to_thread(self._outbox.expire, lease, now))
        if put_aside or astray:
            await self._shelve(lease, now, monotonic, put_aside=put_aside)
        self._spacing.forget(self._clock.monotonic())
        metrics.RATE.labels(lease.phone_number_id).set(self._pacer.rate(self._clock.monotonic()))
        metrics.TOKENS_UNUSED.labels(lease.phone_number_id).inc(self._pacer.lapsed())
        await self._brakes.recheck_token(now)

    async def _shelve(self, lease: Lease, now: datetime, monotonic: float, *, put_aside: bool) -> None:
        """What was paused goes on at once; looking for what is to be put aside walks the queue, and waits its turn."""
        if put_aside:
            self._shelve_at = monotonic + SHELVE_SECONDS
        if await asyncio.to_thread(self._outbox.shelve, lease, self._number.waba_id, now, put_aside=put_aside):
            self._wake()

    async def _rescue(self, lease: Lease, now: datetime) -> None:
        rescued = await asyncio.to_thread(self._outbox.rescue, lease, now)
        if rescued:
            log.warning("lane.rescued phone_number_id=%s messages=%d", lease.phone_number_id, rescued)
            metrics.RESCUED.inc(rescued)

    async def _judge(self, lease: Lease, now: datetime, monotonic: float) -> None:
        self._heed_a_step(monotonic)
        if monotonic < self._judge_at:
            return
        self._judge_at = monotonic + min(self._policy.grace.total_seconds() / 5, 15.0)
        resent = await asyncio.to_thread(self._outbox.judge_unanswered, lease, now, self._policy.grace)
        if resent:
            log.warning("lane.resends phone_number_id=%s messages=%d", lease.phone_number_id, resent)
            metrics.RESENT.inc(resent)
            self._wake()

    def _heed_a_step(self, monotonic: float) -> None:
        """Once somebody has set the clock, it does not tell how long Meta had: give the whole grace anew (G4)."""
        ahead, before = self._by_how_much_ahead(), self._ahead
        self._ahead = ahead
        if abs(ahead - before) > STEP_SECONDS:
            log.warning("clock.stepped phone_number_id=%s seconds=%.0f", self._number.phone_number_id, ahead - before)
            self._judge_at = monotonic + self._policy.grace.total_seconds()

    def _by_how_much_ahead(self) -> float:
        """Seconds that the wall clock is ahead of the other one; they grow and shrink only when it is set."""
        return self._clock.now().timestamp() - self._clock.monotonic()

    def _settings_are_silent(self) -> bool:
        number = self._number
        return number.per_second is None or (number.portfolio is not None and number.portfolio.limit is None)

    async def _ask_meta(self, now: datetime) -> None:
        """Keep what Meta says of the number, and go by its limits where the settings are silent."""
        await self._use(await self._learn(now), now)
        self._ask_at = self._clock.monotonic() + ASK_SECONDS

    async def _use(self, says: Limits, now: datetime) -> None:
        """Take the limits from the settings, and from Meta where those are silent."""
        number, portfolio = self._number, self._number.portfolio
        if number.per_second is None and says.per_second is not None:
            self._pacer.full = says.per_second * number.share
        people = portfolio.limit or says.people_a_day if portfolio else None
        if portfolio and (people is not None or says.unlimited):
            await asyncio.to_thread(self._outbox.set_daily_limit, portfolio, people, now)

    async def _learn(self, now: datetime) -> Limits:
        """Meta's limits for the number; what it says, or why it says nothing, is kept for people to see."""
        number = self._number.phone_number_id
        credentials = await self._brakes.credentials()
        if credentials is None:
            await asyncio.to_thread(self._outbox.keep_number_problem, number, NO_TOKEN, now)
            return Limits()
        try:
            facts = await self._client.number(number, credentials.token)
        except SendError as error:
            log.warning("number.untold phone_number_id=%s code=%s", number, error.code or error.http_status)
            await asyncio.to_thread(self._outbox.keep_number_problem, number, why_not_told(error), now)
            return Limits()
        await asyncio.to_thread(self._outbox.keep_number, number, facts, now)
        return limits_of(facts)

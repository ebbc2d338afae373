"""One phone number: claim → send → hand to the settler. Lanes share nothing, so that one number's trouble stays its own.

A message is claimed only when it is about to be sent: for the slots of the next 50 ms and the connections that are free (G4).
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from service import metrics
from service.dispatch.retry import settle_accepted, settle_error
from service.dispatch.tenure import Tenure
from service.dispatch.throttle import Pacer
from service.message import Attempt, Settlement
from service.outbox.outbox import Outbox, Pause, StoreUnavailable
from service.secrets import Credentials, SecretProblem, Source, fingerprint
from service.whatsapp import payload
from service.whatsapp.answer import Accepted
from service.whatsapp.client import Client
from service.whatsapp.errors import UNKNOWN, Refused, SendError, Throttled, Unanswered, Unauthorised, verdict_on

HORIZON_SECONDS = 0.05
LEAD_SECONDS = 0.01
"""Slots are planned again when the last planned one is this near: the time that a claim takes."""
POLL_SECONDS = 0.5
"""How often an idle lane looks although nothing woke it."""
TROUBLE_SECONDS = 1.0
TIDY_SECONDS = 2.0
DRAIN_SECONDS = 20.0
TOKEN_RECHECK = timedelta(minutes=1)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Number:
    """A phone number to send from, at most so many messages a second."""

    phone_number_id: str
    per_second: float
    credentials: Source


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` is aware UTC; `monotonic` counts seconds, frozen and suspended time included."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Policy:
    """How often a message is tried, how long Meta may take to tell what became of a request, how soon a token is looked at."""

    max_tries: int
    grace: timedelta
    token_recheck: timedelta = TOKEN_RECHECK


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
        self._pacer = Pacer(number.per_second)
        self._most_in_flight = int(min(1000, max(16, number.per_second)))  # a second's worth; Meta answers in a third
        self.in_flight: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._refusal = asyncio.Lock()
        self._stopping = False
        self._judge_at = self._expire_at = self._recheck_at = self._read_again_at = clock.now()

    def wake(self) -> None:
        """There may be work."""
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
        await self.drain()

    async def drain(self) -> None:
        """Wait until what is in flight has ended; what has not by then is found in doubt by the next holder."""
        if self.in_flight:
            _, unfinished = await asyncio.wait(self.in_flight, timeout=DRAIN_SECONDS)
            if unfinished:
                log.warning("lane.left phone_number_id=%s messages=%d", self.number.phone_number_id, len(unfinished))

    async def round(self) -> float:
        """Claim what can go now and start sending it. Seconds until there may be more to do."""
        lease = self.tenure.lease
        if lease is None or not self.tenure.stands():
            return POLL_SECONDS
        credentials = await self._credentials()
        if credentials is None:
            return TROUBLE_SECONDS
        room = self._most_in_flight - len(self.in_flight)
        slots = self._pacer.plan(self._clock.monotonic(), HORIZON_SECONDS, room)
        if not slots:
            return POLL_SECONDS if room <= 0 else self._until_next_plan()
        reserved = self._pacer.reserved(len(slots))
        attempts = await asyncio.to_thread(self._outbox.claim, lease, len(slots), self._clock.now(), reserved)
        for attempt, slot in zip(attempts, self._pacer.take(slots, len(attempts)), strict=True):
            task = asyncio.create_task(self._attempt(attempt, slot, credentials))
            self.in_flight.add(task)
            task.add_done_callback(self._landed)
        return self._until_next_plan() if len(attempts) == len(slots) else POLL_SECONDS

    def _until_next_plan(self) -> float:
        return max(0.0, self._pacer.next_at() - LEAD_SECONDS - self._clock.monotonic())

    def _landed(self, task: asyncio.Task[None]) -> None:
        full = len(self.in_flight) >= self._most_in_flight
        self.in_flight.discard(task)
        if full:
            self.wake()

    async def _attempt(self, attempt: Attempt, slot: float, credentials: Credentials) -> None:
        """Send one message in its slot and hand on what came of it; whatever the message is, the lane goes on (G2)."""
        await asyncio.sleep(max(0.0, slot - self._clock.monotonic()))
        started = self._clock.monotonic()
        outcome = await self._send(attempt, credentials)
        seconds = self._clock.monotonic() - started
        if isinstance(outcome, Accepted):
            settlement = settle_accepted(attempt, outcome, int(seconds * 1000))
        else:
            await self._heed(outcome, credentials)
            settlement = settle_error(
                attempt,
                outcome,
                int(seconds * 1000),
                now=self._clock.now(),
                rng=self._rng,
                max_tries=self._policy.max_tries,
            )
        _report(settlement, seconds)
        self._settle(settlement)
        if settlement.due_at is not None:
            delay = (settlement.due_at - self._clock.now()).total_seconds()
            asyncio.get_running_loop().call_later(max(0.0, delay) + LEAD_SECONDS, self.wake)

    async def _send(self, attempt: Attempt, credentials: Credentials) -> Accepted | SendError:
        writing = False

        def may_write() -> bool:
            nonlocal writing
            writing = self.tenure.stands() and not self._stopping
            return writing

        try:
            body = payload.build(attempt.message, attempt.callback_data)
            return await self._client.send(self.number.phone_number_id, credentials.token, body, may_write)
        except SendError as error:
            return error
        except Exception as error:  # noqa: BLE001 - a poison message must not stop the others
            log.error("message.poison message_id=%s error=%s", attempt.message.message_id, type(error).__name__)
            kind = Unanswered if writing else Refused
            return kind(f"This service failed on the message: {type(error).__name__}")

    async def _heed(self, error: SendError, credentials: Credentials) -> None:
        """What concerns the whole number, not only this message."""
        if isinstance(error, Throttled) and error.scope != "recipient" and error.wait:
            self._pacer.hold(self._clock.monotonic() + error.wait.total_seconds())
        if isinstance(error, Unauthorised):
            try:
                await self._refused(error, credentials)
            except StoreUnavailable as trouble:
                log.warning("lane.pause_not_kept reason=%s", trouble)

    async def _credentials(self) -> Credentials | None:
        """The number's token, or None with a pause that says what is wrong with its secret."""
        source = self.number.credentials
        if source.cached or self._clock.now() < self._read_again_at:
            return source.cached
        try:
            return await asyncio.to_thread(source.get)
        except SecretProblem as problem:
            self._read_again_at = self._clock.now() + self._policy.token_recheck
            await self._pause("secret", str(problem), until=self._clock.now() + self._policy.token_recheck)
            return None

    async def _refused(self, error: Unauthorised, credentials: Credentials) -> None:
        """Read the secret once more; where that gives no other token, pause the number (G7)."""
        async with self._refusal:
            if self.number.credentials.get() is not credentials:
                return  # another message met the same refusal, and it was seen to
            try:
                fresh = await asyncio.to_thread(self.number.credentials.refresh, credentials)
            except SecretProblem as problem:
                await self._pause("secret", str(problem), until=self._clock.now() + self._policy.token_recheck)
                return
            if fresh.token != credentials.token and error.scope == "token":
                log.info("token.replaced phone_number_id=%s", self.number.phone_number_id)
                return
            step = verdict_on(error.code).next_step
            until = self._clock.now() + error.wait if error.wait else None
            mark = fingerprint(credentials.token) if error.scope == "token" else None
            await self._pause("refused", f"{error.title} (code {error.code}). {step}", until=until, mark=mark)

    async def _pause(self, reason: str, detail: str, until: datetime | None, mark: str | None = None) -> None:
        now = self._clock.now()
        pause = Pause(self.number.phone_number_id, reason, detail, since=now, until=until, token_fingerprint=mark)
        log.error("number.paused phone_number_id=%s reason=%s detail=%s", pause.phone_number_id, reason, detail)
        metrics.PAUSED.labels(reason).inc()
        self._recheck_at = now + self._policy.token_recheck
        await asyncio.to_thread(self._outbox.pause, pause)

    async def tidy(self, *, newly_ours: bool = False) -> None:
        """What a lane does beside sending: rescue, judge the unanswered, expire, look at a refused token."""
        lease, now = self.tenure.lease, self._clock.now()
        if lease is None:
            return
        rescued = await asyncio.to_thread(self._outbox.rescue, lease, now)
        if rescued:
            log.warning("lane.rescued phone_number_id=%s messages=%d", lease.phone_number_id, rescued)
            metrics.RESCUED.inc(rescued)
        if newly_ours or now >= self._judge_at:
            self._judge_at = now + min(self._policy.grace / 5, timedelta(seconds=15))
            resent = await asyncio.to_thread(self._outbox.judge_unanswered, lease, now, self._policy.grace)
            if resent:
                log.warning("lane.resends phone_number_id=%s messages=%d", lease.phone_number_id, resent)
                metrics.RESENT.inc(resent)
                self.wake()
        if newly_ours or now >= self._expire_at:
            self._expire_at = now + timedelta(seconds=15)
            metrics.EXPIRED.inc(await asyncio.to_thread(self._outbox.expire, lease, now))
        await self._recheck_token(now)

    async def _recheck_token(self, now: datetime) -> None:
        """Lift the pause for a refused token once the secret holds another one."""
        if now < self._recheck_at:
            return
        self._recheck_at = now + self._policy.token_recheck
        pause = await asyncio.to_thread(self._outbox.find_pause, self.number.phone_number_id, now)
        if pause is None or pause.token_fingerprint is None:
            return
        try:
            old = self.number.credentials.get()
            fresh = await asyncio.to_thread(self.number.credentials.refresh, old)
        except SecretProblem as problem:
            log.warning("token.unreadable phone_number_id=%s reason=%s", pause.phone_number_id, problem)
            return
        if fingerprint(fresh.token) != pause.token_fingerprint:
            await asyncio.to_thread(self._outbox.resume, pause.phone_number_id)
            log.info("number.resumed phone_number_id=%s", pause.phone_number_id)
            self.wake()


def _report(settlement: Settlement, seconds: float) -> None:
    """One line and one count per attempt: every fact and no content."""
    log.info(
        "message.attempted message_id=%s attempt=%d outcome=%s status=%s http_status=%s code=%s duration_ms=%s next_at=%s",
        settlement.message_id,
        settlement.attempt,
        settlement.outcome,
        settlement.status,
        settlement.http_status,
        settlement.code,
        settlement.duration_ms,
        settlement.due_at.isoformat() if settlement.due_at else None,
    )
    known = settlement.code is None or verdict_on(settlement.code) is not UNKNOWN
    metrics.ATTEMPTS.labels(settlement.outcome.value, settlement.code if known else "unknown").inc()
    metrics.ATTEMPT_SECONDS.observe(seconds)
    if not known:
        metrics.UNKNOWN_CODES.labels(settlement.code).inc()

"""What an answer means beyond its own message: the number goes slower, others wait, the token is read anew (G6, G7)."""

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta

from service import metrics
from service.dispatch.number import Clock, Number, Policy
from service.dispatch.spacing import Spacing
from service.dispatch.throttle import Pacer
from service.message import Attempt, Pause, PauseReason, Scope
from service.outbox.outbox import Outbox, PauseKey, StoreUnavailable
from service.secrets import Credentials, SecretProblem, fingerprint
from service.whatsapp.errors import Verdict, verdict_on
from service.whatsapp.pausing import Account, Place, pause_for
from service.whatsapp.send_error import SendError, Throttled, Unanswered, Unavailable

AT_MOST_EVERY = 1.0
"""Seconds within which the same pause is made once."""
LONG = timedelta(minutes=1)
"""A wait from which on an operator sees it, and the number's next dispatcher keeps it."""
SILENT_IN_A_ROW = 10
"""So many requests one after the other that nobody answered: Meta is down, and each more is one more in doubt."""

UNREACHED_IN_A_ROW = 10
"""So many one after the other that found nobody to talk to: it is not the one connection, and somebody should know."""

log = logging.getLogger(__name__)


class Brakes:
    """Of one number. What concerns others too becomes a pause in the store, which every dispatcher obeys."""

    def __init__(
        self, number: Number, *, outbox: Outbox, pacer: Pacer, spacing: Spacing, clock: Clock, policy: Policy
    ) -> None:
        self._number = number
        self._outbox = outbox
        self._pacer = pacer
        self._spacing = spacing
        self._clock = clock
        self._policy = policy
        self._token_key = (Scope.TOKEN, number.credentials.name)
        self._refusal = asyncio.Lock()
        self._recheck_at = self._read_again_at = clock.monotonic()
        self._made_at: dict[PauseKey, float] = {}
        self._silent = self._unreached_in_a_row = 0

    async def credentials(self) -> Credentials | None:
        """The number's token, or None with a pause that says what is wrong with its secret."""
        source = self._number.credentials
        if source.cached or self._clock.monotonic() < self._read_again_at:
            return source.cached
        try:
            return await asyncio.to_thread(source.get)
        except SecretProblem as problem:
            self._read_again_at = self._clock.monotonic() + self._policy.token_recheck.total_seconds()
            await self._pause_for_secret(problem)
            return None

    @property
    def is_unreached(self) -> bool:
        """Whether nobody is there to talk to, as far as the last requests tell."""
        return self._unreached_in_a_row >= UNREACHED_IN_A_ROW

    def answered(self) -> None:
        """Meta answered, whatever it said."""
        self._silent = self._unreached_in_a_row = 0

    async def heed(self, error: SendError, attempt: Attempt, credentials: Credentials) -> None:
        """Brake for what was answered; the error's wait is what its own message has to wait then."""
        now = self._clock.monotonic()
        if isinstance(error, Unanswered):
            self._unanswered(now)
            return
        if error.http_status is not None:
            self.answered()
        elif isinstance(error, Unavailable):
            self._unreached(error)
        verdict = verdict_on(error.code, error.subcode, error.http_status)
        if isinstance(error, Throttled) and error.scope is Scope.RECIPIENT:
            spaced = timedelta(seconds=self._spacing.refused(attempt.message.to, now))
            error.wait = max(error.wait or spaced, spaced)
        elif isinstance(error, Throttled) and error.scope is Scope.NUMBER and not verdict.pauses:
            self._slow_down(now)
            await self._hold(error, now)
        elif verdict.pauses:
            await self._pause_others(verdict, error, attempt, credentials)

    def _unanswered(self, now: float) -> None:
        """One proves nothing; where nothing is answered any more, few go until something is."""
        self._silent += 1
        self._unreached_in_a_row = 0
        if self._silent >= SILENT_IN_A_ROW:
            self._slow_down(now)
        if self._silent == SILENT_IN_A_ROW:
            log.error("number.unanswered phone_number_id=%s in_a_row=%d", self._number.phone_number_id, self._silent)

    def _unreached(self, error: Unavailable) -> None:
        """Nothing was sent, so nothing is in doubt, and all goes on by itself: it is only said."""
        self._unreached_in_a_row += 1
        if self._unreached_in_a_row == UNREACHED_IN_A_ROW:
            facts = self._number.phone_number_id, self._unreached_in_a_row, error.title
            log.error("number.unreached phone_number_id=%s in_a_row=%d reason=%s", *facts)

    def _slow_down(self, now: float) -> None:
        self._pacer.slow_down(now)
        metrics.SLOWED.labels(self._number.phone_number_id).inc()

    async def _hold(self, error: Throttled, now: float) -> None:
        """Hold the number as long as Meta asks; in memory where that is over before anybody could ask why."""
        wait = error.wait or timedelta(0)
        if wait < LONG:
            self._pacer.hold(now + wait.total_seconds())
            return
        since, code = self._clock.now(), error.code or error.http_status
        detail = f"Meta asks this number to wait (code {code}). Nothing to do: it goes on by itself."
        number = self._number.phone_number_id
        await self._pause(Pause(Scope.NUMBER, number, PauseReason.REFUSED, detail, since=since, until=since + wait))

    async def _pause_others(
        self, verdict: Verdict, error: SendError, attempt: Attempt, credentials: Credentials
    ) -> None:
        message, number = attempt.message, self._number
        account = Account(number.waba_id, number.credentials.name)
        place = Place(number.phone_number_id, message.template, account, message.country)
        pause = pause_for(verdict, error.code, place, self._clock.now(), error.wait)
        if pause is None:
            return
        if pause.scope is Scope.TOKEN and not isinstance(error, Throttled):
            await self._token_refused(pause, credentials)
        else:
            await self._pause(pause)

    async def _token_refused(self, pause: Pause, credentials: Credentials) -> None:
        """Read the secret once more; where that gives no other token, pause all that use it (G7)."""
        source = self._number.credentials
        async with self._refusal:
            if source.cached is not credentials:
                return  # another message met the same refusal, and it was seen to
            try:
                fresh = await asyncio.to_thread(source.refresh, credentials)
            except SecretProblem as problem:
                await self._pause_for_secret(problem)
                return
            if fresh.token != credentials.token:
                log.info("token.replaced phone_number_id=%s", self._number.phone_number_id)
                return
            await self._pause(replace(pause, token_fingerprint=fingerprint(credentials.token)))

    async def _pause_for_secret(self, problem: SecretProblem) -> None:
        now = self._clock.now()
        until = now + self._policy.token_recheck
        await self._pause(Pause(*self._token_key, PauseReason.SECRET, str(problem), since=now, until=until))

    async def _pause(self, pause: Pause) -> None:
        """Make it known, once for all the messages that meet the same refusal within a second."""
        key, now = (pause.scope, pause.key), self._clock.monotonic()
        if now - self._made_at.get(key, float("-inf")) < AT_MOST_EVERY:
            return
        self._made_at[key] = now
        metrics.count_pause(pause, log)
        self._recheck_at = now + self._policy.token_recheck.total_seconds()
        try:
            await asyncio.to_thread(self._outbox.pause, pause)
        except StoreUnavailable as trouble:
            del self._made_at[key]
            log.warning("pause.not_kept scope=%s reason=%s", pause.scope, trouble)

    async def recheck_token(self, now: datetime) -> None:
        """Lift the pause for a refused token once the secret holds another one."""
        monotonic = self._clock.monotonic()
        if monotonic < self._recheck_at:
            return
        self._recheck_at = monotonic + self._policy.token_recheck.total_seconds()
        standing = await asyncio.to_thread(self._outbox.find_pauses, [self._token_key], now)
        refused = [
            one
            for one in standing
            if one.token_fingerprint or (one.reason is PauseReason.REFUSED and one.until is None)
        ]
        if not refused:
            return
        source = self._number.credentials
        before = source.cached
        try:
            fresh = await asyncio.to_thread(source.refresh, before)
        except SecretProblem as problem:
            log.warning("token.unreadable phone_number_id=%s reason=%s", self._number.phone_number_id, problem)
            return
        # A refusal that came by notification does not say which token it was: then any change counts.
        known = fingerprint(before.token) if before else None
        if fingerprint(fresh.token) not in {one.token_fingerprint or known for one in refused}:
            await asyncio.to_thread(self._outbox.resume, [self._token_key])
            log.info("token.replaced phone_number_id=%s", self._number.phone_number_id)

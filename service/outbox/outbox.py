"""Every write, one transaction each. Synchronous; the dispatcher calls it from threads.

Any call may raise StoreUnavailable: nothing was stored then, and the same call may be made again.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine

from service.message import (
    Attempt,
    Door,
    Message,
    NumberFacts,
    ParsedEvent,
    Pause,
    Refusal,
    Rejection,
    Settlement,
    Status,
    StatusUpdate,
    Template,
)
from service.outbox import (
    accept,
    blocking,
    cancel,
    claims,
    daily,
    decisions,
    doors,
    doubt,
    leases,
    looking,
    numbers,
    pauses,
    queue,
    replay,
    statuses,
    tables,
    tally,
)
from service.outbox.accept import Receipt, ReceiptConflict
from service.outbox.announce import EVERYBODY, Work, work_of
from service.outbox.claims import Demand
from service.outbox.daily import Portfolio
from service.outbox.database import StoreUnavailable, reading, transaction, upsert
from service.outbox.decisions import Decision
from service.outbox.leases import Lease, Shares
from service.outbox.looking import Look
from service.outbox.pauses import PauseKey
from service.outbox.replay import Replayed, Terms
from service.outbox.search import Filter
from service.outbox.statuses import Applied, LateFailure
from service.outbox.together import Together
from service.outbox.unreadable import UNREADABLE

__all__ = [
    "Applied",
    "Demand",
    "LateFailure",
    "Lease",
    "Outbox",
    "PauseKey",
    "Portfolio",
    "Receipt",
    "ReceiptConflict",
    "Shares",
    "StoreUnavailable",
]

RECIPIENTS_AT_ONCE = 1_000
"""Events that come at the same moment go into one transaction up to so many recipients."""
ONE_MOMENT = timedelta(seconds=2)
"""… and were received so near to each other, which a parked one was not: which keys are free depends on when that was."""


class Outbox:
    """The durable queue of messages and the record of what became of them.

    `announce` is called after a commit that added work, and told whose; `max_tries` bounds how often a message is tried.
    """

    def __init__(
        self, engine: Engine, *, max_tries: int, announce: Callable[[Work], None] = lambda _work: None
    ) -> None:
        self._engine = engine
        self._max_tries = max_tries
        self._announce = announce
        self._adding = Together(self._add_all, lambda one: len(one[0].results), RECIPIENTS_AT_ONCE, _at_one_moment)

    def add(self, parsed: ParsedEvent, now: datetime) -> Receipt:
        """Keep an event with its messages and rejections; when this returns, they are on disk (G1).

        Raise ReceiptConflict where the receipt id is known with another body.
        """
        receipt = self._adding.write((parsed, now))
        if isinstance(receipt, ReceiptConflict):
            raise receipt
        if receipt.queued:
            self._announce(work_of(parsed.results))
        return receipt

    def _add_all(self, events: Sequence[tuple[ParsedEvent, datetime]]) -> Sequence[Receipt | ReceiptConflict]:
        with transaction(self._engine) as connection:
            return accept.add(connection, events)

    def rehearse(self, results: Sequence[Message | Rejection]) -> list[Message | Rejection]:
        """The results as `add` would have them for who must not get messages. Only reads."""
        with reading(self._engine) as connection:
            return blocking.reject(connection, results)

    def refuse(self, refusal: Refusal, http_status: int, answer: str, body: str, now: datetime) -> Receipt:
        """Keep an event of which nothing can be used, with the answer that says why. Raise ReceiptConflict."""
        with transaction(self._engine) as connection:
            return accept.refuse(connection, refusal, http_status, answer, body, now)

    def claim(self, demand: Demand, now: datetime) -> list[Attempt]:
        """Take messages that may go now, each as a new attempt. A row that cannot be read fails alone."""
        try:
            with transaction(self._engine) as connection:
                return claims.claim(connection, demand, now)
        except UNREADABLE:
            with transaction(self._engine) as connection:
                if not claims.put_unreadable_away(connection, demand, now):
                    raise
            return []

    def look(self, holder: str, now: datetime) -> Look:
        """Which of the numbers that `holder` serves have something to be done."""
        with reading(self._engine) as connection:
            return looking.look(connection, holder, now)

    def settle(self, settlements: Sequence[Settlement], now: datetime) -> None:
        """Record what attempts came to; apply notifications that were waiting for their wamid."""
        with transaction(self._engine) as connection:
            queue.settle(connection, settlements, now)
            statuses.adopt(connection, (s.wamid for s in settlements if s.wamid), now, self._max_tries)

    def rescue(self, lease: Lease, now: datetime) -> int:
        """Give up for unanswered what an earlier holder of the number was sending. How many."""
        with transaction(self._engine) as connection:
            return doubt.rescue(connection, lease, now)

    def expire(self, lease: Lease, now: datetime) -> int:
        """End what has waited past its time to live, in several transactions where it is much. How many."""
        expired = 0
        while True:
            with transaction(self._engine) as connection:
                some = queue.expire(connection, lease, now)
            expired += some
            if some < queue.EXPIRED_AT_ONCE:
                return expired

    def judge_unanswered(self, lease: Lease, now: datetime, grace: timedelta) -> int:
        """Queue again what, by evidence, Meta never took (G4). How many.

        The evidence is a long read and waits for nobody; only what it speaks for is written.
        """
        with reading(self._engine) as connection:
            lost = doubt.never_taken(connection, lease.phone_number_id, now, grace, self._max_tries)
        if not lost:
            return 0
        with transaction(self._engine) as connection:
            return doubt.queue_again(connection, lease, lost, now)

    def apply_statuses(
        self,
        updates: Sequence[StatusUpdate],
        now: datetime,
        pause_for: Callable[[LateFailure, datetime], Pause | None] = lambda _failure, _now: None,
    ) -> Applied:
        """Apply what a notification tells (G5); a failure that may be tried again puts its message back into the queue.

        `pause_for` says what a failure pauses for others: kept with it, or not at all.
        """
        with transaction(self._engine) as connection:
            applied = statuses.apply(connection, updates, now, self._max_tries)
            applied.pauses = list({pause for failure in applied.failed if (pause := pause_for(failure, now))})
            for pause in sorted(applied.pauses, key=lambda one: (one.scope, one.key)):
                pauses.pause(connection, pause)
            return applied

    def forget_unmatched(self, now: datetime) -> None:
        """Drop statuses that no attempt turned up for; apply those whose attempt did meanwhile."""
        with transaction(self._engine) as connection:
            statuses.forget_unmatched(connection, now, self._max_tries)

    def fold_moves(self) -> None:
        """Add up what was counted, so that counts are read from few rows (`tally`)."""
        folded = tally.FOLDED_AT_ONCE
        while folded == tally.FOLDED_AT_ONCE:
            with reading(self._engine) as connection:  # so that nothing to do costs no writer his turn
                if not tally.waits(connection):
                    return
            with transaction(self._engine) as connection:
                folded = tally.fold(connection)

    def acquire_lease(self, phone_number_id: str, holder: str) -> Lease | None:
        """Become the one who serves a number, if nobody does."""
        with transaction(self._engine) as connection:
            return leases.acquire(connection, phone_number_id, holder)

    def renew_lease(self, lease: Lease, rate: float | None = None) -> bool:
        """Prolong a lease, and keep what the number was found to carry; False: it is lost."""
        with transaction(self._engine) as connection:
            return leases.renew(connection, lease, rate)

    def release_lease(self, lease: Lease) -> None:
        """Give a number back."""
        with transaction(self._engine) as connection:
            leases.release(connection, lease)

    def report_for_work(self, holder: str) -> Shares:
        """Tell that a dispatcher lives; how the numbers are shared out."""
        with transaction(self._engine) as connection:
            return leases.report(connection, holder)

    def leave_work(self, holder: str) -> None:
        """Tell that a dispatcher ends."""
        with transaction(self._engine) as connection:
            leases.leave(connection, holder)

    def pause(self, pause: Pause) -> None:
        """Make what the pause names wait; only an operator's pause replaces an operator's."""
        with transaction(self._engine) as connection:
            pauses.pause(connection, pause)

    def resume(self, keys: Sequence[PauseKey], *, even_an_operators: bool = False) -> int:
        """Lift the pauses of these keys; without `even_an_operators` only those that no person made. How many."""
        with transaction(self._engine) as connection:
            resumed = pauses.resume(connection, keys, even_an_operators=even_an_operators)
        if resumed:
            self._announce(EVERYBODY)
        return resumed

    def lift_notified(self, keys: Sequence[PauseKey], before: datetime) -> int:
        """Lift those of these pauses that a notification of Meta's made before a moment. How many."""
        with reading(self._engine) as connection:  # so that nothing to do costs no writer his turn
            stale = pauses.notified(connection, set(keys), before)
        return self.resume(stale) if stale else 0

    def find_pauses(self, keys: Sequence[PauseKey], now: datetime) -> list[Pause]:
        """The pauses that stand for any of these keys, the earliest first."""
        with reading(self._engine) as connection:
            return pauses.find(connection, keys, now)

    def preview_replay(
        self, wanted: Filter, now: datetime, not_before: Mapping[int, timedelta], never: Collection[int]
    ) -> Replayed:
        """What `replay` would do."""
        with reading(self._engine) as connection:
            return replay.preview(connection, replay.replayable(wanted), Terms(now, not_before, never))

    def replay(
        self, wanted: Filter, now: datetime, not_before: Mapping[int, timedelta], never: Collection[int]
    ) -> Replayed:
        """Send again what failed, expired or was never answered, in several transactions where it is much.

        After a failure with a code of `not_before` it goes so long after it; with one of `never` not at all. After
        StoreUnavailable the same call takes what is left. Raise ValueError as `replay.replayable` does.
        """
        wanted, terms, total = replay.replayable(wanted), Terms(now, not_before, never), Replayed()
        after: str | None = ""
        while after is not None:
            with transaction(self._engine) as connection:
                some, after = replay.replay(connection, wanted, terms, after)
            if some.queued:
                self._announce(EVERYBODY)
            total += some
        return total

    def preview_cancel(self, wanted: Filter) -> int:
        """How many `cancel` would call off."""
        with reading(self._engine) as connection:
            return cancel.preview(connection, cancel.cancellable(wanted))

    def cancel(self, wanted: Filter, now: datetime) -> int:
        """Call off what is queued, in several transactions where it is much. How many.

        After StoreUnavailable the same call takes what is left. Raise ValueError as `cancel.cancellable` does.
        """
        wanted, total = cancel.cancellable(wanted), 0
        after: str | None = ""
        while after is not None:
            with transaction(self._engine) as connection:
                cancelled, after = cancel.cancel(connection, wanted, now, after)
            total += len(cancelled)
        return total

    def decide(self, message_id: str, decision: Decision, now: datetime) -> Status:
        """Settle a message that is unanswered or held as an operator says; its new status. Raise Undecidable."""
        with transaction(self._engine) as connection:
            status = decisions.decide(connection, message_id, decision, now)
        if status is Status.QUEUED:
            self._announce(EVERYBODY)
        return status

    def shelve(self, lease: Lease, waba_id: str | None, now: datetime, *, put_aside: bool = True) -> int:
        """Put back what no longer waits for a pause, and what does out of the way of the claims. How many moved."""
        moved = 0
        while True:
            with transaction(self._engine) as connection:
                some = pauses.shelve(connection, lease, waba_id, now, put_aside=put_aside)
            moved += some
            if some < pauses.SHELVED_AT_ONCE:
                return moved

    def set_daily_limit(self, portfolio: Portfolio, limit: int | None, now: datetime) -> None:
        """Keep how many different people the portfolio may write to within 24 hours; None for any number."""
        with transaction(self._engine) as connection:
            daily.set_limit(connection, portfolio, limit, now)

    def learn_door(self, phone_number_id: str, template: Template, door: Door, now: datetime) -> None:
        """Keep which of a number's calls Meta wants for a template."""
        with transaction(self._engine) as connection:
            doors.learn(connection, phone_number_id, template, door, now)

    def learned_doors(self, phone_number_id: str, now: datetime) -> dict[tuple[str, str], tuple[Door, datetime]]:
        """Which call Meta wants and since when, by template name and language, as far as it was learned lately."""
        with reading(self._engine) as connection:
            return doors.learned(connection, phone_number_id, now)

    def keep_number(self, phone_number_id: str, facts: NumberFacts, now: datetime) -> None:
        """Keep what Meta tells of a number, in place of what it told before."""
        with transaction(self._engine) as connection:
            numbers.keep(connection, phone_number_id, facts, now)

    def keep_number_problem(self, phone_number_id: str, problem: str, now: datetime) -> None:
        """Keep why Meta told nothing of a number; what it told before stays."""
        with transaction(self._engine) as connection:
            numbers.keep_problem(connection, phone_number_id, problem, now)

    def recent_sends(
        self, phone_number_id: str, since: datetime, busy_since: datetime | None = None
    ) -> list[tuple[str, datetime]]:
        """To whom a number sent, and when, the oldest first: those who got several since `since`, from `busy_since` on."""
        with reading(self._engine) as connection:
            return claims.recent_sends(connection, phone_number_id, since, busy_since)

    def prove_writable(self, now: datetime) -> None:
        """Write one row; raise StoreUnavailable where that fails."""
        with transaction(self._engine) as connection:
            statement = upsert(connection, tables.readiness).values(id=1, at=now)
            connection.execute(
                statement.on_conflict_do_update(index_elements=[tables.readiness.c.id], set_={"at": now})
            )


def _at_one_moment(one: tuple[ParsedEvent, datetime], other: tuple[ParsedEvent, datetime]) -> bool:
    return abs(one[0].event.received_at - other[0].event.received_at) <= ONE_MOMENT

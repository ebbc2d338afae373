"""Every write, one transaction each. Synchronous; the dispatcher calls it from threads.

Any call may raise StoreUnavailable: nothing was stored then, and the same call may be made again.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta

from sqlalchemy import Engine

from service.message import Attempt, ParsedEvent, Priority, Refusal, Settlement, StatusUpdate
from service.outbox import accept, doubt, leases, pauses, queue, statuses, tables
from service.outbox.accept import Receipt, ReceiptConflict
from service.outbox.database import StoreUnavailable, reading, transaction, upsert
from service.outbox.leases import Lease
from service.outbox.pauses import Pause
from service.outbox.statuses import Applied

__all__ = ["Applied", "Lease", "Outbox", "Pause", "Receipt", "ReceiptConflict", "StoreUnavailable"]


class Outbox:
    """The durable queue of messages and the record of what became of them.

    `announce` is called after a commit that added work; `max_tries` bounds how often a message is tried.
    """

    def __init__(self, engine: Engine, *, max_tries: int, announce: Callable[[], None] = lambda: None) -> None:
        self._engine = engine
        self._max_tries = max_tries
        self._announce = announce
        # SQLite has one writer. Threads of one process queue here, in order and at once; its own busy handler only
        # sleeps and retries, and would let some of them starve.
        self._turn: AbstractContextManager[object] = (
            threading.Lock() if engine.dialect.name == "sqlite" else nullcontext()
        )

    def add(self, parsed: ParsedEvent, now: datetime) -> Receipt:
        """Keep an event with its messages and rejections; when this returns, they are on disk (G1).

        Raise ReceiptConflict where the receipt id is known with another body.
        """
        with self._turn, transaction(self._engine) as connection:
            receipt = accept.add(connection, parsed, now)
        if receipt.queued:
            self._announce()
        return receipt

    def refuse(self, refusal: Refusal, http_status: int, answer: str, body: str, now: datetime) -> Receipt:
        """Keep an event of which nothing can be used, with the answer that says why. Raise ReceiptConflict."""
        with self._turn, transaction(self._engine) as connection:
            return accept.refuse(connection, refusal, http_status, answer, body, now)

    def claim(self, lease: Lease, limit: int, now: datetime, reserved: int = 0) -> list[Attempt]:
        """Take up to `limit` messages that may go now; the first `reserved` of them of normal priority."""
        with self._turn, transaction(self._engine) as connection:
            first = queue.claim(connection, lease, reserved, now, only=Priority.NORMAL) if reserved else []
            left = limit - len(first)
            return first + (queue.claim(connection, lease, left, now) if left > 0 else [])

    def settle(self, settlements: Sequence[Settlement], now: datetime) -> None:
        """Record what attempts came to; apply notifications that were waiting for their wamid."""
        with self._turn, transaction(self._engine) as connection:
            queue.settle(connection, settlements, now)
            statuses.adopt(connection, (s.wamid for s in settlements if s.wamid), now, self._max_tries)

    def rescue(self, lease: Lease, now: datetime) -> int:
        """Give up for unanswered what an earlier holder of the number was sending. How many."""
        with self._turn, transaction(self._engine) as connection:
            return doubt.rescue(connection, lease, now)

    def expire(self, lease: Lease, now: datetime) -> int:
        """End what has waited past its time to live, in several transactions where it is much. How many."""
        expired = 0
        while True:
            with self._turn, transaction(self._engine) as connection:
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
        with self._turn, transaction(self._engine) as connection:
            return doubt.queue_again(connection, lease, lost, now)

    def apply_statuses(self, updates: Sequence[StatusUpdate], now: datetime) -> Applied:
        """Apply what a notification tells (G5); a failure that may be tried again puts its message back into the queue."""
        with self._turn, transaction(self._engine) as connection:
            return statuses.apply(connection, updates, now, self._max_tries)

    def forget_unmatched(self, now: datetime) -> None:
        """Drop statuses that no attempt turned up for; apply those whose attempt did meanwhile."""
        with self._turn, transaction(self._engine) as connection:
            statuses.forget_unmatched(connection, now, self._max_tries)

    def acquire_lease(self, phone_number_id: str, holder: str) -> Lease | None:
        """Become the one who serves a number, if nobody does."""
        with self._turn, transaction(self._engine) as connection:
            return leases.acquire(connection, phone_number_id, holder)

    def renew_lease(self, lease: Lease) -> bool:
        """Prolong a lease; False: it is lost."""
        with self._turn, transaction(self._engine) as connection:
            return leases.renew(connection, lease)

    def release_lease(self, lease: Lease) -> None:
        """Give a number back."""
        with self._turn, transaction(self._engine) as connection:
            leases.release(connection, lease)

    def pause(self, pause: Pause) -> None:
        """Make a number's messages wait."""
        with self._turn, transaction(self._engine) as connection:
            pauses.pause(connection, pause)

    def resume(self, phone_number_id: str) -> bool:
        """Lift a number's pause; False where there was none."""
        with self._turn, transaction(self._engine) as connection:
            resumed = pauses.resume(connection, phone_number_id)
        if resumed:
            self._announce()
        return resumed

    def find_pause(self, phone_number_id: str, now: datetime) -> Pause | None:
        """The pause that a number is under."""
        with reading(self._engine) as connection:
            return pauses.find(connection, phone_number_id, now)

    def prove_writable(self, now: datetime) -> None:
        """Write one row; raise StoreUnavailable where that fails."""
        with self._turn, transaction(self._engine) as connection:
            statement = upsert(connection, tables.readiness).values(id=1, at=now)
            connection.execute(
                statement.on_conflict_do_update(index_elements=[tables.readiness.c.id], set_={"at": now})
            )

"""Values for the outbox's suite: one line each where a test needs them, and a desk that works with an outbox by name."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any, TypeVar

from sqlalchemy import Table, func, select, update

from service.message import (
    Attempt,
    Event,
    Message,
    Outcome,
    ParsedEvent,
    Pause,
    PauseReason,
    Rejection,
    Scope,
    Settlement,
    Status,
    StatusUpdate,
    Template,
)
from service.outbox import tables
from service.outbox.outbox import Applied, Demand, Lease, Portfolio, Receipt, StoreUnavailable
from service.outbox.report import Facts
from tests.conftest import Store

NOW = datetime(2026, 11, 1, 9, 0, 0, 123456, tzinfo=UTC)
NUMBER = "106540352242922"
PORTFOLIO = "default"
GRACE = timedelta(minutes=5)
MINUTE = timedelta(minutes=1)
CALLS_AGAIN = 3

T = TypeVar("T")


def later(**span: float) -> datetime:
    return NOW + timedelta(**span)


def message(n: int = 1, **changes: Any) -> Message:
    """The n-th message: every fact of it differs from the others'."""
    plain = Message(
        message_id=f"m{n:05}",
        recipient=f"endpoint{n}",
        to=f"+86138{n:08}",
        phone_number_id=NUMBER,
        template=Template("order_update", "en_US", '[{"type":"body"}]'),
        due_at=NOW,
        expires_at=later(days=1),
        key=f"key{n:05}",
    )
    return replace(plain, **changes)


def rejection(n: int = 1, **changes: Any) -> Rejection:
    plain = Rejection(f"endpoint{n}", "invalid_address", f"Endpoints.endpoint{n}.Address", "write it with +")
    return replace(plain, **changes)


def event(*results: Message | Rejection, n: int = 1, **changes: Any) -> ParsedEvent:
    """The n-th event: another receipt of another body."""
    plain = Event(
        event_id=f"e{n:05}",
        source="pinpoint",
        received_at=NOW,
        keys_expire_at=later(minutes=15),
        receipt_id=f"evt_{n}",
        body_sha256=f"{n:064}",
    )
    return ParsedEvent(replace(plain, **changes), list(results))


def news(attempt: Attempt | str, status: Status, **changes: Any) -> StatusUpdate:
    """What Meta tells about an attempt, by our name for it."""
    name = attempt if isinstance(attempt, str) else attempt.callback_data
    return replace(StatusUpdate(status, later(seconds=5), f"wamid.{name}", name), **changes)


def failed(attempt: Attempt | str, code: int = 131026, **changes: Any) -> StatusUpdate:
    return news(attempt, Status.FAILED, code=code, title="Undeliverable", details="no such person", **changes)


def settlement(attempt: Attempt, outcome: Outcome, status: Status, **changes: Any) -> Settlement:
    return replace(Settlement(attempt.message.message_id, attempt.number, outcome, status), **changes)


def accepted(attempt: Attempt, **changes: Any) -> Settlement:
    facts = {"http_status": 200, "wamid": f"wamid.{attempt.callback_data}", "duration_ms": 211} | changes
    return settlement(attempt, Outcome.ACCEPTED, Status.ACCEPTED, **facts)


def unanswered(attempt: Attempt, **changes: Any) -> Settlement:
    return settlement(attempt, Outcome.UNANSWERED, Status.UNANSWERED, **changes)


def queued_again(attempt: Attempt, **changes: Any) -> Settlement:
    facts = {"http_status": 503, "code": 131016, "title": "Service unavailable", "due_at": later(minutes=1)} | changes
    return settlement(attempt, Outcome.UNAVAILABLE, Status.QUEUED, **facts)


def pause_of(scope: Scope, key: str, reason: PauseReason = PauseReason.REFUSED, **changes: Any) -> Pause:
    return replace(Pause(scope, key, reason, "why", since=NOW), **changes)


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """The answers of all calls, made from a thread each that start together.

    Whom the store asks to call again does: a machine that stands still for a while is no fault of the store's.
    """
    barrier = Barrier(len(calls))

    def made(call: Callable[[], T]) -> T:
        barrier.wait(timeout=10)
        for _ in range(CALLS_AGAIN):
            with suppress(StoreUnavailable):
                return call()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(made, calls))


@dataclass(slots=True)
class Desk:
    """An outbox under a lease, and looks at what it has stored."""

    store: Store
    lease: Lease
    events: int = 0

    def add(self, *results: Message | Rejection, now: datetime = NOW, **changes: Any) -> Receipt:
        self.events += 1
        return self.store.outbox.add(event(*results, n=self.events, **changes), now)

    def claim(self, limit: int = 100, now: datetime = NOW, reserved: int = 0, **more: Any) -> list[Attempt]:
        return self.store.outbox.claim(Demand(self.lease, limit, reserved, **more), now)

    def claimed(self, *messages: Message, now: datetime = NOW) -> list[Attempt]:
        """Attempts for these messages, in their order."""
        self.add(*messages)
        found = {attempt.message.message_id: attempt for attempt in self.claim(len(messages), now)}
        return [found[one.message_id] for one in messages]

    def sending(self, **changes: Any) -> Attempt:
        """One message that is being sent."""
        return self.claimed(message(**changes))[0]

    def settle(self, *settlements: Settlement, now: datetime = NOW) -> None:
        self.store.outbox.settle(settlements, now)

    def tell(self, *updates: StatusUpdate, now: datetime = NOW) -> Applied:
        return self.store.outbox.apply_statuses(updates, now)

    def rescue(self, now: datetime = NOW) -> int:
        """Take the number over, as after a crash, and give up what the earlier holder was sending."""
        self.take_over()
        return self.store.outbox.rescue(self.lease, now)

    def take_over(self) -> None:
        self.let_the_lease_run_out()
        lease = self.store.outbox.acquire_lease(self.lease.phone_number_id, "the next")
        assert lease is not None
        self.lease = lease

    def let_the_lease_run_out(self) -> None:
        with self.store.engine.begin() as connection:
            connection.execute(update(tables.leases).values(expires_at=0.0))

    def beside(self, phone_number_id: str) -> "Desk":
        """A desk of another number on the same database; its events are counted apart."""
        lease = self.store.outbox.acquire_lease(phone_number_id, "beside")
        assert lease is not None
        return Desk(self.store, lease, events=1000 * len(self.store.report.served_numbers()))

    def pause(self, *pauses: Pause) -> None:
        for pause in pauses:
            self.store.outbox.pause(pause)

    def shelve(self, waba_id: str | None = None, now: datetime = NOW) -> int:
        return self.store.outbox.shelve(self.lease, waba_id, now)

    def allow(self, people: int | None, *others: str, now: datetime = NOW) -> None:
        """Let the portfolio of this number, and of others, write to so many people a day."""
        numbers = (self.lease.phone_number_id, *others)
        self.store.outbox.set_daily_limit(Portfolio(PORTFOLIO, numbers), people, now)

    def used(self) -> int:
        """How much of the portfolio's daily limit is used."""
        [(_, _, used)] = self.store.report.daily_usage()
        return used

    def judge(self, now: datetime, grace: timedelta = GRACE) -> int:
        return self.store.outbox.judge_unanswered(self.lease, now, grace)

    def row(self, of: Message | Attempt | str = "m00001") -> Facts:
        """The message's row."""
        name = of if isinstance(of, str) else of.message_id if isinstance(of, Message) else of.message.message_id
        facts = self.store.report.message(name)
        assert facts is not None
        return facts.message

    def status(self, of: Message | Attempt | str = "m00001") -> str:
        return str(self.row(of)["status"])

    def attempt(self, of: Attempt) -> Facts:
        """The attempt's row."""
        facts = self.store.report.message(of.message.message_id)
        assert facts is not None
        return facts.attempts[of.number - 1]

    def count(self, table: Table) -> int:
        with self.store.engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(table)).scalar_one())

    def is_empty(self) -> bool:
        return not any(self.count(table) for table in (tables.events, tables.messages, tables.keys, tables.rejections))

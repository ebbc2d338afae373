"""A dispatcher over a real store and a real socket, stepped round by round; its clock is moved by hand."""

import asyncio
import itertools
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Protocol, TypeVar

from sqlalchemy import text as sql

from service.dispatch.dispatcher import Dispatcher
from service.dispatch.lane import Lane
from service.dispatch.number import Clock, Number, Policy
from service.dispatch.tenure import Tenure
from service.message import Event, Message, ParsedEvent, Pause, Priority, Scope, Settlement, Template
from service.outbox.report import MessageFacts
from service.secrets import Credentials, Source
from service.web.reports import message_report
from service.whatsapp.client import Client
from tests.conftest import MAX_TRIES, Store
from tests.dispatch.cloud_api import CloudApi

NUMBER = "106540352242922"
T = TypeVar("T")


class Timepiece(Protocol):
    """Both clocks of a dispatcher."""

    @property
    def time(self) -> datetime: ...
    @property
    def seconds(self) -> float: ...


class SteppedClock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
        self.seconds = 1000.0

    def step(self, **span: float) -> None:
        """Let time pass."""
        passed = timedelta(**span)
        self.time += passed
        self.seconds += passed.total_seconds()


class RunningClock:
    """The machine's, for what only shows over real time."""

    @property
    def time(self) -> datetime:
        return datetime.now(UTC)

    @property
    def seconds(self) -> float:
        return time.monotonic()


class Secret:
    """A secret somewhere else, that somebody can change."""

    def __init__(self, token: str = "token-1") -> None:
        self.token = token
        self.reads = 0

    def read(self) -> Credentials:
        self.reads += 1
        return Credentials(self.token)


class Stage:
    """One dispatcher with one lane for each of `phone_number_ids`, by the name of `name`. Close it in the end."""

    def __init__(
        self,
        store: Store,
        cloud_api: CloudApi,
        clock: Timepiece,
        secret: Secret,
        name: str = "first",
        client: Client | None = None,
        phone_number_ids: Sequence[str] = (NUMBER,),
        **number_facts: Any,
    ) -> None:
        self.store = store
        self._clock = clock
        self.client = client = client or Client(cloud_api.url, "v25.0", answer_seconds=3.0)
        parts = Clock(lambda: clock.time, lambda: clock.seconds)
        policy = Policy(MAX_TRIES, grace=timedelta(minutes=5))

        def make_lane(number: Number, settle: Callable[[Settlement], None]) -> Lane:
            return Lane(
                number,
                outbox=store.outbox,
                client=client,
                tenure=Tenure(store.outbox, number.phone_number_id, name, parts.monotonic),
                settle=settle,
                clock=parts,
                policy=policy,
                rng=Random(7),
            )

        source = Source(secret.read, lambda: clock.seconds)
        facts = {"per_second": 1000.0, "credentials": source, **number_facts}
        numbers = [Number(phone_number_id=one, **facts) for one in phone_number_ids]
        self.dispatcher = Dispatcher(
            numbers, holder=name, outbox=store.outbox, client=client, clock=parts, make_lane=make_lane
        )
        self.lane = self.dispatcher.lanes[0]
        self._runner = asyncio.Runner()
        self._connected = False

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run this in the stage's own loop, over connections that stay open."""

        async def connected() -> T:
            if not self._connected:
                await self.client.__aenter__()
                self._connected = True
            return await work

        return self._runner.run(connected())

    def close(self) -> None:
        if self._connected:
            self._runner.run(self.client.__aexit__())
        self._runner.close()

    def run_once(self) -> int:
        """One round; how many messages were attempted."""
        return self.do(self.dispatcher.run_once())

    def tidy(self) -> None:
        self.do(self.lane.tidy())

    def take_over(self) -> None:
        """Become the holder of the number, which another stage held until its lease ran out."""
        with self.store.engine.begin() as connection:
            connection.execute(sql("UPDATE leases SET expires_at = 0"))
        self.do(self.lane.hold())

    def add(self, count: int = 1, **changes: Any) -> list[str]:
        """Put messages into the outbox; their ids."""
        now = self._clock.time
        event = Event(f"e{next(_ids)}", "pinpoint", now, now + timedelta(days=1))
        changes.setdefault("phone_number_id", self.lane.number.phone_number_id)
        messages = [_message(now, **changes) for _ in range(count)]
        self.store.outbox.add(ParsedEvent(event, list(messages)), now)
        return [message.message_id for message in messages]

    def status(self, message_id: str) -> str:
        return str(self.facts(message_id).message["status"])

    def states(self, message_ids: Sequence[str]) -> list[str]:
        return [self.status(message_id) for message_id in message_ids]

    def facts(self, message_id: str) -> MessageFacts:
        facts = self.store.report.message(message_id)
        assert facts is not None
        return facts

    def failure(self, message_id: str) -> Any:
        """What the report says of a message's failure."""
        return message_report(self.facts(message_id))["failure"]

    def pauses(self) -> list[Pause]:
        return self.store.report.pauses(self._clock.time)

    def resume(self, scope: Scope, key: str) -> None:
        """As an operator does."""
        assert self.store.outbox.resume([(scope, key)], even_an_operators=True) == 1


_ids = itertools.count(1)


def _message(now: datetime, **changes: Any) -> Message:
    number = next(_ids)
    facts: dict[str, Any] = {
        "message_id": f"m{number:06}",
        "recipient": f"ep{number}",
        "to": f"+86139{number:08}",
        "phone_number_id": NUMBER,
        "template": Template("hello", "en_US"),
        "due_at": now,
        "expires_at": now + timedelta(days=1),
        "key": f"k{number}",
        "priority": Priority.NORMAL,
    }
    return Message(**{**facts, **changes})

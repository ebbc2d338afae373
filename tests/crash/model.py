"""The channel's promises, small enough to be read: what a world of two dispatchers, one Meta and one operator may come to.

`Meta` knows the truth: which attempts it took, and what it has yet to tell of them. `World` drives the real outbox, and the
real reading of Meta's answers, one step at a time; what a dispatcher has claimed, written and heard is kept beside it, as it
would be in its memory, so that it can die between any two steps. After each step and at the end the store is held against the
truth:

    nothing is lost        what was accepted is there, and stands at a status that it may have come to
    nothing goes twice     Meta took a message again only if it had failed the first, or an operator wished it
    nothing is pretended   `sent` and what follows it only where Meta took it, `unanswered` at the end only where it did not
    nothing goes back      a moment of an attempt, once told, stays
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import Engine, select, update

from service.dispatch.retry import settle_accepted, settle_error
from service.message import MOVES, Attempt, Settlement, Status, StatusUpdate
from service.outbox import tables
from service.outbox.outbox import Demand, Lease, Outbox
from service.whatsapp.answer import Accepted, Answer, classify
from service.whatsapp.errors import verdict_on
from service.whatsapp.send_error import NotSent, SendError, Unanswered, Unavailable
from tests.outbox.making import NOW, NUMBER

GRACE = timedelta(minutes=5)
MAX_TRIES = 4
REACHED = {Status.ACCEPTED, Status.SENT, Status.DELIVERED, Status.READ}
ENDS = {Status.READ, Status.FAILED, Status.EXPIRED, Status.CANCELLED, Status.UNANSWERED}


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one request: whether Meta took it, and what the dispatcher hears (None: nothing)."""

    name: str
    taken: bool
    http_status: int | None
    body: Mapping[str, Any] | str = ""

    def heard(self, wamid: str) -> Accepted | SendError:
        """As the client hands it on."""
        if self.http_status is None:
            return Unanswered("No answer: ServerDisconnectedError")
        if self.http_status == 0:
            return Unavailable("Could not connect: ClientConnectorError")
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return classify(Answer(self.http_status, text.replace("WAMID", wamid).encode()))


def _error(code: int) -> dict[str, Any]:
    return {"error": {"code": code, "message": "so Meta says"}}


FATES = (
    Fate("accepted", True, 200, {"messages": [{"id": "WAMID", "message_status": "accepted"}]}),
    Fate("held", True, 200, {"messages": [{"id": "WAMID", "message_status": "held_for_quality_assessment"}]}),
    Fate("taken, no message id", True, 200, {"messages": []}),
    Fate("taken, reset", True, None),
    Fate("taken, a proxy's page", True, 502, "<html>bad gateway</html>"),
    Fate("taken, code 1 on 500", True, 500, _error(1)),
    Fate("lost, reset", False, None),
    Fate("lost, a proxy's page", False, 504, "<html>time-out</html>"),
    Fate("not connected", False, 0),
    Fate("the number is too fast", False, 429, _error(130429)),
    Fate("the pair is too fast", False, 400, _error(131056)),
    Fate("unavailable", False, 503, _error(131016)),
    Fate("the token is refused", False, 401, _error(190)),
    Fate("refused", False, 400, _error(132000)),
)


@dataclass(slots=True)
class Meta:
    """What really happened."""

    taken: dict[str, list[int]] = field(default_factory=dict)
    """The attempts of each message that were taken, in the order of their taking."""
    untold: list[tuple[datetime, StatusUpdate]] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    """Attempts of which was told that they failed, and that they may go again."""

    def take(self, attempt: Attempt, story: Sequence[Status], now: datetime) -> None:
        """Keep the message, and what there is to tell of it."""
        message_id = attempt.message.message_id
        self.taken.setdefault(message_id, []).append(attempt.number)
        for n, status in enumerate(story, 1):
            code = 131016 if status is Status.FAILED else None
            verdict = verdict_on(code)
            wait = verdict.wait if code else None
            at = now + timedelta(seconds=n)
            news = StatusUpdate(status, at, wamid(attempt), attempt.callback_data, code, retry_after=wait)
            self.untold.append((now, news))


def wamid(attempt: Attempt) -> str:
    """Meta's name for what it took."""
    return f"wamid.{attempt.callback_data}"


@dataclass(slots=True)
class Flight:
    """A message between its claim and its settlement, in a dispatcher's memory."""

    attempt: Attempt
    heard: Accepted | SendError | None = None
    is_written: bool = False


@dataclass(slots=True)
class Holder:
    """A dispatcher: the lease that it believes it has, and what it is sending."""

    name: str
    lease: Lease | None = None
    flights: list[Flight] = field(default_factory=list)


class World:
    """Everything, at one moment."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.outbox = Outbox(engine, max_tries=MAX_TRIES)
        self.now = NOW
        self.meta = Meta()
        self.holders = [Holder("one"), Holder("other")]
        self.accepted: set[str] = set()
        self.wished: set[str] = set()
        """Messages that an operator has decided."""
        self._before: dict[str, Status] = {}
        self._moments: dict[tuple[str, int, str], datetime | None] = {}

    @property
    def serving(self) -> Holder | None:
        """Who really holds the number: the newest epoch."""
        leased = [one for one in self.holders if one.lease]
        return max(leased, key=lambda one: one.lease.epoch if one.lease else 0, default=None)

    def take_over(self, holder: Holder) -> None:
        """The lease has run out, whoever believes in it; this one gets it, and gives up what was being sent."""
        with self.engine.begin() as connection:
            connection.execute(update(tables.leases).values(expires_at=0.0))
        holder.lease = self.outbox.acquire_lease(NUMBER, holder.name)
        holder.flights.clear()
        assert holder.lease is not None
        self.outbox.rescue(holder.lease, self.now)

    def claim(self, holder: Holder, limit: int) -> None:
        """Who lost the lease gets nothing, whatever it believes."""
        if holder.lease is None:
            return
        claimed = self.outbox.claim(Demand(holder.lease, limit), self.now)
        assert not claimed or holder is self.serving, "only who holds the lease is given messages"
        holder.flights += [Flight(attempt) for attempt in claimed]

    def write(self, holder: Holder, flight: Flight, fate: Fate, story: Sequence[Status]) -> None:
        """The request goes out, unless the lease's own deadline says no."""
        flight.is_written = True
        if holder is not self.serving or flight.attempt.message.expires_at <= self.now:
            flight.heard = NotSent("The lease or the message's time had run out")
            return
        if fate.taken:
            self.meta.take(flight.attempt, story, self.now)
        flight.heard = fate.heard(wamid(flight.attempt))

    def settle(self, holder: Holder, flight: Flight) -> None:
        """The answer is written down, however late."""
        holder.flights.remove(flight)
        self.outbox.settle([self._settlement(flight)], self.now)

    def _settlement(self, flight: Flight) -> Settlement:
        assert flight.heard is not None
        if isinstance(flight.heard, Accepted):
            return settle_accepted(flight.attempt, flight.heard, 10)
        return settle_error(flight.attempt, flight.heard, 10, now=self.now, rng=Random(1), max_tries=MAX_TRIES)

    def tell(self, news: Sequence[StatusUpdate]) -> None:
        """One notification of Meta's."""
        self.outbox.apply_statuses(news, self.now)
        self.meta.failed |= {str(one.callback_data) for one in news if one.status is Status.FAILED}

    def tell_what_is_older(self, than: timedelta) -> None:
        """What Meta promises: within the grace it tells of all that it took."""
        late = [news for taken_at, news in self.meta.untold if self.now - taken_at >= than]
        self.meta.untold = [(at, news) for at, news in self.meta.untold if news not in late]
        if late:
            self.tell(late)

    def check(self) -> None:
        """Hold the store against the truth."""
        with self.engine.connect() as connection:
            messages = connection.execute(select(tables.messages.c.message_id, tables.messages.c.status)).all()
            attempts = connection.execute(select(tables.attempts)).all()
        statuses = {row.message_id: Status(row.status) for row in messages}
        assert self.accepted == statuses.keys(), "what was accepted is there, and nothing else"
        for message_id, status in statuses.items():
            assert status in _reachable(self._before.get(message_id, Status.QUEUED)), (
                f"{message_id} may not come to {status}"
            )
            if status in REACHED:
                assert message_id in self.meta.taken or message_id in self.wished, (
                    f"{message_id} is only said to be {status}"
                )
        self._before = statuses
        for row in attempts:
            for name in ("sent_at", "delivered_at", "read_at", "failed_at"):
                told, tells = self._moments.get((row.message_id, row.attempt, name)), getattr(row, name)
                assert told in {None, tells}, "what was told of an attempt stays"
                self._moments[row.message_id, row.attempt, name] = tells
        for message_id, numbers in self.meta.taken.items():
            again = [n for n in numbers[:-1] if f"{message_id}.{n}" not in self.meta.failed]
            assert not again or message_id in self.wished, f"{message_id} went twice: attempts {numbers}"

    def check_ends(self) -> None:
        """Once all is quiet: Meta has told everything, and all time to live is over."""
        for message_id, status in self._before.items():
            if message_id in self.wished:
                assert status in ENDS | {Status.SENT}, f"{message_id} was decided, and is left at {status}"
                continue
            assert status in ENDS, f"{message_id} is left at {status}"
            taken = self.meta.taken.get(message_id, [])
            arrived = [n for n in taken if f"{message_id}.{n}" not in self.meta.failed]
            assert (status is Status.READ) == bool(arrived), (
                f"{message_id} is {status}; taken {taken}, arrived {arrived}"
            )


def _reachable(status: Status) -> set[Status]:
    """Where one step may lead: several moves, since one step may settle an answer and what was told before it."""
    found, new = {status}, {status}
    while new:
        new = {target for one in new for target in MOVES[one]} - found
        found |= new
    return found

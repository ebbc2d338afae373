"""Any order of events, answers, losses, restarts, hand-overs and notifications keeps the promises (G1, G3, G4, G5).

What they are stands in `model`.

`MODEL_EXAMPLES` (30, with `make proof` 300) is how many worlds are played for each database.
"""

import itertools
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from sqlalchemy import Engine

from service.message import Status
from service.outbox.decisions import Decision, Undecidable
from service.outbox.search import Filter
from tests.conftest import Store
from tests.crash.model import ENDS, FATES, GRACE, Flight, Holder, World
from tests.crash.playing import empty, play
from tests.outbox.making import event, later, message
from tests.outbox.recounting import check_counts

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "30"))
STORIES = (
    (Status.SENT, Status.DELIVERED, Status.READ),
    (Status.SENT, Status.READ),
    (Status.FAILED,),
    (Status.SENT, Status.FAILED),
)
ACCEPTED = FATES[0]

holders = st.sampled_from([0, 1])
anyone = st.integers(0, 1_000)


class Channel(RuleBasedStateMachine):
    """The rules: what may happen next."""

    engine: Engine
    played = 0

    @initialize()
    def begin(self) -> None:
        """An empty store, whoever played before."""
        empty(self.engine)
        type(self).played += 1
        self.world = World(self.engine)
        self.numbers = itertools.count(1)
        self.events: list[tuple[int, list[int]]] = []

    @rule(size=st.integers(1, 4))
    def an_event_comes(self, size: int) -> None:
        n = len(self.events) + 1
        self.events.append((n, [next(self.numbers) for _ in range(size)]))
        self._post(n, n)

    @precondition(lambda self: self.events)
    @rule(which=anyone, new_receipt=st.booleans())
    def an_event_comes_again(self, which: int, new_receipt: bool) -> None:
        n = which % len(self.events) + 1
        self._post(n, n + 1_000 * len(self.events) + which if new_receipt else n)

    def _post(self, n: int, receipt: int) -> None:
        now, (_, numbers) = self.world.now, self.events[n - 1]
        given = [
            message(one, message_id=f"m{one}r{receipt}", due_at=now, expires_at=now + timedelta(hours=6))
            for one in numbers
        ]
        window = {"received_at": now, "keys_expire_at": now + timedelta(days=9)}
        receipt_is = {
            "event_id": f"e{n}-{receipt}-{now:%d%H%M%S}",
            "receipt_id": f"evt_{receipt}",
            "body_sha256": f"{n}",
        }
        told = self.world.outbox.add(event(*given, n=n, **window, **receipt_is), now)
        if not self.world.accepted & {f"m{one}r{n}" for one in numbers}:
            assert told.queued == len(numbers)
            self.world.accepted |= {one.message_id for one in given}
        else:
            assert told.queued == 0, "the same recipients of the same event are accepted once"

    @rule(who=holders)
    def a_dispatcher_takes_the_number(self, who: int) -> None:
        self.world.take_over(self.world.holders[who])

    @rule(who=holders)
    def a_dispatcher_dies(self, who: int) -> None:
        """With all that it has claimed, written and heard, wherever each stands."""
        self.world.holders[who] = Holder(self.world.holders[who].name)

    @rule(who=holders, limit=st.integers(1, 5))
    def it_claims(self, who: int, limit: int) -> None:
        self.world.claim(self.world.holders[who], limit)

    @rule(who=holders, which=anyone, fate=st.sampled_from(FATES), story=st.sampled_from(STORIES))
    def it_writes(self, who: int, which: int, fate: object, story: tuple[Status, ...]) -> None:
        flight = self._flight(who, which, lambda one: not one.is_written)
        if flight:
            self.world.write(self.world.holders[who], flight, fate, story)  # type: ignore[arg-type]  # sampled from FATES

    @rule(who=holders, which=anyone)
    def it_settles(self, who: int, which: int) -> None:
        flight = self._flight(who, which, lambda one: one.heard is not None)
        if flight:
            self.world.settle(self.world.holders[who], flight)

    def _flight(self, who: int, which: int, fits: Callable[[Flight], bool]) -> Flight | None:
        found = [one for one in self.world.holders[who].flights if fits(one)]
        return found[which % len(found)] if found else None

    @precondition(lambda self: self.world.meta.untold)
    @rule(picks=st.lists(anyone, min_size=1, max_size=4), again=st.booleans())
    def meta_tells(self, picks: list[int], again: bool) -> None:
        """In any order, some of it twice, some of it of an attempt that is not the newest any more."""
        untold = self.world.meta.untold
        chosen = {pick % len(untold): untold[pick % len(untold)][1] for pick in picks}
        news = list(chosen.values()) * (2 if again else 1)
        if not again:
            self.world.meta.untold = [one for n, one in enumerate(untold) if n not in chosen]
        self.world.tell(news)

    @rule(who=holders)
    def there_is_evidence(self, who: int) -> None:
        """Twenty others of the same template are sent, taken and told of within the same minute."""
        holder = self.world.holders[who]
        if holder is not self.world.serving or holder.flights:
            return
        self.events.append((len(self.events) + 1, [next(self.numbers) for _ in range(20)]))
        self._post(len(self.events), len(self.events))
        self._send_all(holder)
        self.world.tell_what_is_older(timedelta(0))

    @rule(who=holders, minutes=st.sampled_from([0, 6, 400]))
    def a_dispatcher_judges(self, who: int, minutes: int) -> None:
        """Meta had its time, and has told of all that it took."""
        self.world.now += timedelta(minutes=minutes)
        self.world.tell_what_is_older(GRACE)
        lease = self.world.holders[who].lease
        if lease:
            self.world.outbox.judge_unanswered(lease, self.world.now, GRACE)
            self.world.outbox.expire(lease, self.world.now)

    @rule(seconds=st.sampled_from([1, 10, 70, 900]))
    def time_passes(self, seconds: int) -> None:
        self.world.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.world.accepted)
    @rule(which=anyone, decision=st.sampled_from(Decision))
    def an_operator_decides(self, which: int, decision: Decision) -> None:
        message_id = sorted(self.world.accepted)[which % len(self.world.accepted)]
        try:
            self.world.outbox.decide(message_id, decision, self.world.now)
        except Undecidable:
            return
        self.world.wished.add(message_id)

    @precondition(lambda self: self.world.accepted)
    @rule(which=anyone)
    def an_operator_cancels(self, which: int) -> None:
        message_id = sorted(self.world.accepted)[which % len(self.world.accepted)]
        self.world.outbox.cancel(Filter(message_ids=(message_id,)), self.world.now)

    @invariant()
    def the_promises_hold(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        """Calm: one dispatcher, no faults, everything told, and time enough."""
        holder = self.world.holders[0]
        self.world.take_over(holder)
        for minutes in (0, 10, 60, 60 * 7, 1):
            self.world.now += timedelta(minutes=minutes)
            self._send_all(holder)
            self.world.tell_what_is_older(timedelta(0))
            assert holder.lease is not None
            self.world.outbox.judge_unanswered(holder.lease, self.world.now, GRACE)
            self.world.outbox.expire(holder.lease, self.world.now)
            self.world.check()
        self.world.check_ends()
        check_counts(self.engine)

    def _send_all(self, holder: Holder) -> None:
        self.world.claim(holder, 500)
        for flight in list(holder.flights):
            self.world.write(holder, flight, ACCEPTED, STORIES[0])
            self.world.settle(holder, flight)


def _play(store: Store, examples: int, steps: int) -> None:
    played: type[Channel] = type("Channel", (Channel,), {"engine": store.engine, "played": 0})
    play(played, examples, steps)
    print(f"\n{store.engine.dialect.name}: {played.played} worlds of up to {steps} steps")
    assert played.played >= examples


@pytest.mark.timeout(300)
def test_whatever_happens_the_promises_hold(store: Store) -> None:
    _play(store, EXAMPLES, 30)


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_whatever_happens_for_long_the_promises_hold(store: Store) -> None:
    _play(store, max(EXAMPLES, 300), 60)


def test_a_channel_that_sends_twice_is_found_out(store: Store) -> None:
    """So that the model can fail: a message goes again although Meta has it and has not failed it."""
    world = World(store.engine)
    one = message(1, message_id="m1", expires_at=later(hours=6))
    world.outbox.add(event(replace(one)), world.now)
    world.accepted.add("m1")
    holder = world.holders[0]
    for number in (1, 2):
        world.take_over(holder)
        world.claim(holder, 1)
        world.write(holder, holder.flights[0], ACCEPTED, STORIES[0])
        world.check() if number == 1 else None
        with store.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE messages SET status = 'queued'")
    with pytest.raises(AssertionError, match="went twice"):
        world.check()
    assert Status.QUEUED not in ENDS

"""Real dispatchers that die, freeze and hand over at any moment keep the promises, whatever Meta answers (G1, G3, G4, G5).

`test_model` drives the outbox with a dispatcher of plain values; this one drives the dispatcher itself, over a real
socket. The promises stand in `model_dispatch`, Meta's truth in `model_meta`, the moments of a death in `model_mortal`.

`MODEL_EXAMPLES` (12, with `make proof` 300) is how many worlds are played for each database.
"""

import itertools
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
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

from service.message import Status, StatusUpdate
from service.outbox.decisions import Decision
from service.outbox.search import Filter
from tests.conftest import Store
from tests.crash.model_dispatch import World
from tests.crash.model_meta import ACCEPTED, FATES, READ, STORIES, Fate, Story, meta_answers
from tests.crash.model_mortal import Happening, Moment
from tests.crash.playing import play
from tests.dispatch.cloud_api import CloudApi

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "12"))
OF_A_BATCH = {Moment.CLAIMED, Moment.SETTLING, Moment.SETTLED}
"""What comes once a round; the rest once for each request."""

TAKEN, LOST = (next(one for one in FATES if one.name == name) for name in ("taken, reset", "lost, reset"))

dispatchers = st.sampled_from([0, 1])
anyone = st.integers(0, 1_000)
fates = st.lists(st.sampled_from(FATES), max_size=5)
stories = st.sampled_from(STORIES)


class Channel(RuleBasedStateMachine):
    """The rules: what may happen next."""

    store: Store
    server: CloudApi
    seen: Counter[str]

    @initialize()
    def begin(self) -> None:
        """An empty store, whoever played before."""
        self.seen["worlds"] += 1
        self.world = World(self.store, self.server)
        self.numbers = itertools.count(1)
        self.events: list[list[int]] = []
        self.evidence = 0

    @rule(size=st.integers(1, 5))
    def an_event_comes(self, size: int) -> None:
        self.events.append([next(self.numbers) for _ in range(size)])
        n = len(self.events)
        self.world.add(n, n, self.events[-1])

    @precondition(lambda self: self.events)
    @rule(which=anyone, new_receipt=st.booleans())
    def an_event_comes_again(self, which: int, new_receipt: bool) -> None:
        """With the same id, as a caller without an answer does; or with another, as one does who knows nothing of it."""
        n = which % len(self.events) + 1
        self.world.add(n, n + 1_000 * len(self.events) + which if new_receipt else n, self.events[n - 1])

    @rule(who=dispatchers, fates=fates, story=stories)
    def a_round(self, who: int, fates: list[Fate], story: Story) -> None:
        self.seen["attempts"] += self.world.round(who, fates, story)

    @rule(
        who=dispatchers,
        fates=fates,
        story=stories,
        moment=st.sampled_from(Moment),
        nth=st.integers(1, 3),
        happening=st.sampled_from(Happening),
    )
    def a_round_with_a_mishap(
        self, who: int, fates: list[Fate], story: Story, moment: Moment, nth: int, happening: Happening
    ) -> None:
        """It dies, it freezes until another has its number, or Meta is faster than its answer: at this very moment."""
        self.an_event_comes(nth)
        self.world.stage(who).take_over()
        self.seen["attempts"] += self.world.round(
            who, fates, story, moment, 1 if moment in OF_A_BATCH else nth, happening
        )

    @rule(who=dispatchers)
    def a_dispatcher_takes_the_number(self, who: int) -> None:
        """The other one may believe that it still holds it."""
        self.world.stage(who).take_over()

    @rule(who=dispatchers)
    def a_dispatcher_dies_between_rounds(self, who: int) -> None:
        self.world.bury(who)

    @rule(who=dispatchers)
    def a_dispatcher_tidies(self, who: int) -> None:
        """It rescues, judges what is unanswered, expires, looks at a refused token."""
        self.world.stage(who).tidy()

    @rule(seconds=st.sampled_from([1, 10, 70, 320, 1800, 4 * 3600]))
    def time_passes(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    @rule()
    def the_token_is_renewed(self) -> None:
        self.world.secret.token = f"token-{self.world.clock.seconds}"

    @precondition(lambda self: self.world.meta.untold)
    @rule(picks=st.lists(anyone, min_size=1, max_size=4), again=st.booleans())
    def meta_tells(self, picks: list[int], again: bool) -> None:
        """In any order, some of it twice, some of it of an attempt that is not the newest any more."""
        untold = self.world.meta.untold
        chosen = {pick % len(untold): untold[pick % len(untold)][1] for pick in picks}
        if not again:
            self.world.meta.untold = [one for n, one in enumerate(untold) if n not in chosen]
        self.world.tell(list(chosen.values()) * (2 if again else 1))

    @rule(status=st.sampled_from([Status.SENT, Status.READ, Status.FAILED]))
    def meta_tells_of_what_nobody_sent(self, status: Status) -> None:
        now = self.world.clock.time
        self.world.outbox.apply_statuses([StatusUpdate(status, now, "wamid.unheard", "unheard.1")], now)

    @precondition(lambda self: self.evidence < 2)
    @rule(who=dispatchers, minutes=st.sampled_from([0, 6]))
    def there_is_evidence(self, who: int, minutes: int) -> None:
        """Twenty others of the same template are sent, taken and told of within the same minute; then Meta has its time."""
        self.evidence += 1  # it takes long
        self.world.stage(who).take_over()
        for _ in range(4):
            self.an_event_comes(5)
        self.seen["attempts"] += self.world.send_all(who)
        self.world.tell_what_is_older(timedelta(0))
        self.world.pass_time(60 * minutes)
        self.world.stage(who).tidy()

    @precondition(lambda self: self.world.accepted)
    @rule(which=anyone, decision=st.sampled_from(Decision))
    def an_operator_decides(self, which: int, decision: Decision) -> None:
        self.world.decide(self._any_message(which), decision)

    @precondition(lambda self: self.world.accepted)
    @rule(which=anyone)
    def an_operator_cancels(self, which: int) -> None:
        self.world.outbox.cancel(Filter(message_ids=(self._any_message(which),)), self.world.clock.time)

    def _any_message(self, which: int) -> str:
        return sorted(self.world.accepted)[which % len(self.world.accepted)]

    @invariant()
    def the_promises_hold(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        """Calm, and the end."""
        try:
            self.world.check()
            self.world.calm()
            self.seen["messages"] += len(self.world.accepted)
            self.seen.update(self.world.met)
        finally:
            self.world.close()


def _play(store: Store, examples: int, steps: int) -> Counter[str]:
    """So many worlds of up to so many steps. What was met in them."""
    seen: Counter[str] = Counter()
    with meta_answers() as server:
        played: type[Channel] = type("Channel", (Channel,), {"store": store, "server": server, "seen": seen})
        play(played, examples, steps)
    facts = ", ".join(f"{what} {times}" for what, times in sorted(seen.items()))
    print(f"\n{store.engine.dialect.name}: up to {steps} steps each: {facts}")
    assert seen["worlds"] >= examples
    return seen


@pytest.mark.timeout(300)
def test_dispatchers_that_die_anywhere_keep_the_promises(store: Store) -> None:
    _play(store, EXAMPLES, 20)


@pytest.mark.proof
@pytest.mark.timeout(7200)
def test_dispatchers_that_die_anywhere_for_long_keep_the_promises(store: Store) -> None:
    seen = _play(store, max(EXAMPLES, 300), 40)
    assert not {name for name in _mishaps() if not seen[name]}, "this run proved nothing of a moment that nothing met"


def _mishaps() -> list[str]:
    return [f"{moment}: {happening}" for moment in Moment for happening in Happening]


@contextmanager
def _world(store: Store) -> Iterator[World]:
    """With one event of three."""
    with meta_answers() as server, closing(World(store, server)) as world:
        world.add(1, 1, [1, 2, 3])
        world.stage(0).take_over()
        yield world


@pytest.mark.timeout(120)
def test_each_mishap_at_each_moment_keeps_the_promises(store: Store) -> None:
    """One of three requests is accepted, one taken and one lost, both unanswered; it happens to the second, or to the batch."""
    met = Counter[str]()
    for moment, happening in itertools.product(Moment, Happening):
        with _world(store) as world:
            world.round(0, [ACCEPTED, TAKEN, LOST], READ, moment, 1 if moment in OF_A_BATCH else 2, happening)
            world.check()
            world.calm()
            met += world.met
    assert met == Counter(_mishaps())


def _again(world: World) -> None:
    """Somebody forgets all guards, and everything goes again."""
    with world.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE messages SET status = 'queued'")
    world.round(0)


@pytest.mark.parametrize(
    ("fate", "complaint"),
    [(ACCEPTED, "though Meta has m1r1.1"), (TAKEN, "though Meta has m1r1.1"), (LOST, "in doubt, without evidence")],
    ids=["accepted", "taken", "lost"],
)
def test_a_dispatcher_that_sends_again_is_found_out(store: Store, fate: Fate, complaint: str) -> None:
    with _world(store) as world:
        world.round(0, [fate] * 3)
        world.check()
        _again(world)
        with pytest.raises(AssertionError, match=complaint):
            world.check()


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("DELETE FROM messages WHERE message_id = 'm2r1'", "what was accepted is there"),
        ("UPDATE messages SET status = 'delivered' WHERE message_id = 'm2r1'", "there is no way|only said to be"),
        ("UPDATE attempts SET sent_at = NULL", "is told otherwise"),
    ],
    ids=["lost", "pretended", "undone"],
)
def test_a_store_that_does_not_say_the_truth_is_found_out(store: Store, statement: str, complaint: str) -> None:
    with _world(store) as world:
        world.round(0, [ACCEPTED, LOST, LOST])
        world.tell_what_is_older(timedelta(0))
        world.check()
        with world.engine.begin() as connection:
            connection.exec_driver_sql(statement)
        with pytest.raises(AssertionError, match=complaint):
            world.check()

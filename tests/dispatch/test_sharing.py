"""How dispatchers share the numbers out: a table of named cases, a small simulation, and two dispatchers that run."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.dispatch.sharing import CERTAIN_SECONDS, KEPT_SECONDS, PATIENCE_SECONDS, Roster
from service.outbox.leases import LEASE_SECONDS, LIVE_SECONDS
from service.whatsapp.client import Client
from tests.dispatch.cloud_api import CloudApi
from tests.dispatch.conftest import Stages
from tests.dispatch.stage import RunningClock, Stage

NUMBERS = ("1", "2", "3", "4")


def look(
    roster: Roster, served_by: Mapping[str, int], mine: Sequence[str] = (), free: Sequence[str] = (), now: float = 0.0
) -> None:
    """As seen when these numbers are free and the others served."""
    roster.look(served_by, set(NUMBERS) - set(free), NUMBERS, mine, now)


# --- who takes --------------------------------------------------------------------------------------------------------

TAKING: dict[str, tuple[dict[str, int], Sequence[str], float, bool]] = {
    # how many each serves, which are free, since when, whether a may take number 4
    "alone": ({"a": 0}, NUMBERS, 0.0, True),
    "alone, and some are ours": ({"a": 3}, ["4"], 0.0, True),
    "it is served": ({"a": 0, "b": 1}, ["1", "2", "3"], 0.0, False),
    "we serve the fewest": ({"a": 1, "b": 2}, ["4"], 0.0, True),
    "we serve as few as others": ({"a": 1, "b": 1, "c": 2}, ["4"], 0.0, True),
    "somebody serves fewer": ({"a": 2, "b": 1}, ["4"], 0.0, False),
    "somebody serves fewer and has not taken it for a while": ({"a": 2, "b": 1}, ["4"], 2.9, False),
    "somebody serves fewer and leaves it": ({"a": 2, "b": 1}, ["4"], PATIENCE_SECONDS, True),
}


@pytest.mark.parametrize("name", TAKING)
def test_who_may_take_a_number(name: str) -> None:
    served_by, free, since, wanted = TAKING[name]
    roster, mine = Roster("a"), NUMBERS[: served_by["a"]]
    look(roster, served_by, mine, free, now=100.0)
    assert roster.may_take("4", 100.0 + since) is wanted


def test_nobody_takes_anything_before_the_first_look() -> None:
    assert not Roster("a").may_take("1", 10_000.0)


def test_a_dispatcher_that_is_alone_takes_all() -> None:
    roster = Roster("a")
    look(roster, {"a": 0}, free=NUMBERS)
    for number in NUMBERS:
        assert roster.may_take(number, 0.0)
        roster.takes(number, 0.0)


def test_what_we_try_to_take_counts_at_once() -> None:
    roster = Roster("a")
    look(roster, {"a": 0, "b": 0}, free=NUMBERS)
    assert roster.may_take("1", 0.0)
    roster.takes("1", 0.0)
    assert not roster.may_take("2", 0.0), "the other one serves fewer now"


def test_the_patience_begins_when_a_number_becomes_free() -> None:
    roster = Roster("a")
    look(roster, {"a": 3, "b": 1}, ["1", "2", "3"], now=0.0)
    look(roster, {"a": 3, "b": 0}, ["1", "2", "3"], free=["4"], now=100.0)
    assert not roster.may_take("4", 102.0)
    look(roster, {"a": 3, "b": 1}, ["1", "2", "3"], now=102.0)
    look(roster, {"a": 3, "b": 0}, ["1", "2", "3"], free=["4"], now=103.0)
    assert not roster.may_take("4", 105.0), "it was served in between"
    assert roster.may_take("4", 106.0)


# --- who gives --------------------------------------------------------------------------------------------------------

GIVING: dict[str, tuple[dict[str, int], str | None]] = {
    "alone": ({"a": 4}, None),
    "as many as the other": ({"a": 2, "b": 2}, None),
    "one more than the other": ({"a": 2, "b": 1}, None),
    "two more than the other": ({"a": 3, "b": 1}, "3"),
    "all, and one has come": ({"a": 4, "b": 0}, "4"),
    "two more than one of several": ({"a": 3, "b": 2, "c": 1}, "3"),
    "fewer than the other": ({"a": 1, "b": 3}, None),
    "as many as another, whose name comes later": ({"a": 3, "b": 3, "c": 1}, None),
    "as many as another, whose name comes earlier": ({"A": 3, "a": 3, "c": 1}, "3"),
    "none": ({"a": 0, "b": 4}, None),
}


@pytest.mark.parametrize("name", GIVING)
def test_who_gives_a_number(name: str) -> None:
    served_by, wanted = GIVING[name]
    roster = Roster("a")
    look(roster, served_by, NUMBERS[: served_by["a"]])
    assert roster.giving is None, "it is too early to be certain"
    look(roster, served_by, NUMBERS[: served_by["a"]], now=CERTAIN_SECONDS)
    assert roster.giving == wanted


def test_a_number_that_was_given_and_that_nobody_took_is_kept_for_a_while() -> None:
    roster = Roster("a")
    look(roster, {"a": 4, "b": 0}, NUMBERS, now=-5.0)
    look(roster, {"a": 4, "b": 0}, NUMBERS)
    roster.gave("4", 1.0)
    assert not roster.may_take("4", 1.0)
    look(roster, {"a": 3, "b": 0}, NUMBERS[:3], free=["4"], now=2.0)
    assert not roster.may_take("4", 3.9), "the others have the choice"
    assert roster.may_take("4", 4.0)
    roster.takes("4", 4.0)
    look(roster, {"a": 4, "b": 0}, NUMBERS, now=5.0)
    assert roster.giving == "3"
    look(roster, {"a": 4, "b": 0}, NUMBERS, now=4.0 + KEPT_SECONDS)
    assert roster.giving == "4"


def test_a_number_that_somebody_took_may_come_back_and_be_given_again() -> None:
    roster = Roster("a")
    look(roster, {"a": 4, "b": 0}, NUMBERS)
    roster.gave("4", 1.0)
    look(roster, {"a": 3, "b": 1}, NUMBERS[:3], now=2.0)
    look(roster, {"a": 3}, NUMBERS[:3], free=["4"], now=20.0)
    assert roster.may_take("4", 20.0)
    roster.takes("4", 20.0)
    look(roster, {"a": 4, "b": 0}, NUMBERS, now=21.0)
    look(roster, {"a": 4, "b": 0}, NUMBERS, now=26.0)
    assert roster.giving == "4"


def test_a_number_that_was_given_to_somebody_who_has_gone_is_given_to_who_comes_next() -> None:
    roster = Roster("a")
    look(roster, {"a": 2, "b": 0}, NUMBERS[:2], now=-5.0)
    look(roster, {"a": 2, "b": 0}, NUMBERS[:2])
    roster.gave("2", 1.0)
    look(roster, {"a": 1}, NUMBERS[:1], free=["2"], now=2.0)
    look(roster, {"a": 1, "c": 0}, NUMBERS[:1], free=["2"], now=4.0)
    roster.takes("2", 4.0)
    look(roster, {"a": 2, "c": 0}, NUMBERS[:2], now=5.0)
    look(roster, {"a": 2, "c": 0}, NUMBERS[:2], now=10.0)
    assert roster.giving == "2"


# --- a simulation -----------------------------------------------------------------------------------------------------


@dataclass
class Fleet:
    """Dispatchers that look once a second. Where they look `together`, all do before any acts: what they see is hardly true."""

    numbers: Sequence[str]
    together: bool
    leases: dict[str, str] = field(default_factory=dict)
    rosters: dict[str, Roster] = field(default_factory=dict)
    dead: dict[str, float] = field(default_factory=dict)
    now: float = 0.0
    moves: int = 0

    def comes_or_goes(self, name: str, *, dies: bool = False) -> None:
        if name in self.rosters:
            del self.rosters[name]
            self.dead[name] = self.now if dies else float("-inf")
        elif name not in self.dead:
            self.rosters[name] = Roster(name)

    def served_by(self) -> dict[str, int]:
        counted = Counter(self.leases.values())
        alive = [name for name, died_at in self.dead.items() if self.now - died_at < LIVE_SECONDS]
        return {name: counted[name] for name in [*self.rosters, *alive]}

    def second(self, order: Random) -> None:
        self.now += 1.0
        for name in [name for name, died_at in self.dead.items() if self.now - died_at >= LEASE_SECONDS]:
            del self.dead[name]
            self.leases = {number: holder for number, holder in self.leases.items() if holder != name}
        names = order.sample(sorted(self.rosters), len(self.rosters))
        for name in names:
            self._look(name)
            if not self.together:
                self._act(name)
        if self.together:
            for name in order.sample(names, len(names)):
                self._act(name)

    def _look(self, name: str) -> None:
        mine = [number for number in self.numbers if self.leases.get(number) == name]
        self.rosters[name].look(self.served_by(), set(self.leases), self.numbers, mine, self.now)

    def _act(self, name: str) -> None:
        roster = self.rosters[name]
        for number in self.numbers:
            if roster.may_take(number, self.now) and self.leases.get(number) != name:
                roster.takes(number, self.now)
                self.moves += self.leases.setdefault(number, name) == name
        if (given := roster.giving) is not None:
            del self.leases[given]
            roster.gave(given, self.now)
            self.moves += 1


EVENTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 15)), max_size=5)
"""Which dispatcher comes, or goes where it is there; and how many seconds pass before the next event."""
played = settings(max_examples=40, deadline=None)


def _play(fleet: Fleet, events: list[tuple[int, int]], order: Random, *, dies: bool) -> None:
    """Somebody is there in the end; then as many seconds as it may take until all is well."""
    for who, seconds in [*events, (99, 0)]:
        fleet.comes_or_goes(f"dispatcher{who}", dies=dies)
        for _ in range(seconds):
            fleet.second(order)
    for _ in range(int(LEASE_SECONDS + PATIENCE_SECONDS) + 2 * len(fleet.numbers) + 2):
        fleet.second(order)


@played
@given(EVENTS, st.integers(0, 9), st.booleans(), st.randoms(use_true_random=False))
def test_whoever_comes_or_goes_nobody_serves_two_more_than_another_soon(
    events: list[tuple[int, int]], count: int, together: bool, order: Random
) -> None:
    fleet = Fleet([f"number{n}" for n in range(count)], together)
    _play(fleet, events, order, dies=False)

    counts = fleet.served_by().values()
    assert set(fleet.leases) == set(fleet.numbers)
    assert max(counts) - min(counts) <= 1
    moves = fleet.moves
    for _ in range(10):
        fleet.second(order)
    assert fleet.moves == moves, "and then nothing moves"


@played
@given(EVENTS, st.integers(0, 9), st.booleans(), st.randoms(use_true_random=False))
def test_whoever_dies_every_number_is_served_soon(
    events: list[tuple[int, int]], count: int, together: bool, order: Random
) -> None:
    fleet = Fleet([f"number{n}" for n in range(count)], together)
    _play(fleet, events, order, dies=True)
    assert set(fleet.leases) == set(fleet.numbers)


def test_nothing_is_given_to_a_dispatcher_that_has_died() -> None:
    fleet, order = Fleet(NUMBERS, together=False), Random(1)
    fleet.comes_or_goes("a")
    fleet.second(order)
    fleet.comes_or_goes("b")
    fleet.comes_or_goes("b", dies=True)
    moves = fleet.moves
    for _ in range(15):
        fleet.second(order)
        assert len(fleet.leases) == len(NUMBERS)
    assert fleet.moves == moves

    fleet.comes_or_goes("c")
    for _ in range(10):
        fleet.second(order)
    assert fleet.served_by() == {"a": 2, "c": 2}


# --- two that run -----------------------------------------------------------------------------------------------------


def _served(stage: Stage) -> set[str]:
    return {lane.number.phone_number_id for lane in stage.dispatcher.lanes if lane.tenure.stands()}


async def _until(condition: Callable[[], bool], seconds: float) -> float:
    """How long it took until it was so; fail where that is too long."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while not condition():
        assert loop.time() - begun < seconds
        await asyncio.sleep(0.02)
    return loop.time() - begun


def test_who_comes_gets_a_share_and_whose_who_goes_are_taken_over(stages: Stages, cloud_api: CloudApi) -> None:
    first, second = (
        stages(name, phone_number_ids=NUMBERS, clock=RunningClock(), client=Client(cloud_api.url, "v25.0"))
        for name in ("first", "second")
    )

    async def idle(_wake: object) -> None:
        await asyncio.Event().wait()

    async def run() -> None:
        stops = [asyncio.Event(), asyncio.Event()]
        running = [asyncio.create_task(first.dispatcher.run(stops[0], idle))]
        await _until(lambda: _served(first) == set(NUMBERS), seconds=20)

        running.append(asyncio.create_task(second.dispatcher.run(stops[1], idle)))
        await _until(lambda: len(_served(second)) == len(_served(first)) == 2, seconds=20)
        assert _served(first) | _served(second) == set(NUMBERS)
        messages = [message for number in NUMBERS for message in first.add(5, phone_number_id=number)]
        await _until(lambda: first.states(messages) == ["accepted"] * 20, seconds=20)

        stops[0].set()
        await running[0]
        await _until(lambda: _served(second) == set(NUMBERS), seconds=20)
        stops[1].set()
        await running[1]

    asyncio.run(run())
    assert len(cloud_api.requests) == 20, "each message once, whoever served its number"

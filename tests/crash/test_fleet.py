"""Three dispatchers share five numbers while one of them is killed, one stopped, and both come back (G4, G6).

`FLEET_SECONDS` (45) is how long each number needs for its campaign at its paced rate. Judged by the sandbox's journal: the run
is made once for each database, and each test holds one fact against what it left behind.
"""

import json
import math
import os
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service.outbox import tables
from service.outbox.database import open_engine
from tests.crash import judging
from tests.crash.judging import Gap, Sent
from tests.running import NUMBER, PATIENCE_SECONDS, System, campaign, running

SECONDS = float(os.environ.get("FLEET_SECONDS", "45"))
SHARE = 0.9
LIMITS = {NUMBER: 20, "222222222222222": 30, "333333333333333": 40, "444444444444444": 50, "555555555555555": 60}
FASTEST = "555555555555555"
SIZE = 50
FREQUENT = "+8613800138000"
TO_THE_FREQUENT = 45 + math.ceil(min(SECONDS / 5, 15))
"""One recipient gets the burst that Meta allows, and as many more as go out while the campaign runs: up to 60."""
MOVED = 1.0
"""A number that has work and sends nothing for so many seconds has lost its dispatcher."""
JITTER = 0.05
"""Of the way to the sandbox, in messages: a third of a second of the recipient's six."""
NAMES = ("a", "b", "c")
LEASE_SECONDS, LOOK_SECONDS = 12.0, 2.0
SPREAD_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Leaving:
    """A dispatcher that went, when, and what it served then."""

    name: str
    at: float
    numbers: list[str]


@dataclass(frozen=True, slots=True, repr=False)
class Run:
    """What one run left behind."""

    sent: list[Sent]
    counts: Counter[str]
    total: int
    shares: list[list[int]]
    killed: Leaving
    stopped: Leaving

    def worked(self, number: str) -> list[float]:
        """When the number sent its campaign; the frequent recipient's messages wait for other reasons."""
        return judging.moments([one for one in self.sent if one.to != FREQUENT], number)

    def moves(self, number: str) -> list[Gap]:
        return judging.gaps(self.worked(number), longer_than=MOVED)

    def used(self, number: str, *, moving: bool) -> float:
        """The part of its paced rate that the number used; `moving`: the gaps in which it changed hands count too."""
        return judging.rate(self.worked(number), [] if moving else self.moves(number)) / (LIMITS[number] * SHARE)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def run(
    request: pytest.FixtureRequest, migrated: Path, tmp_path_factory: pytest.TempPathFactory, sample: dict[str, Any]
) -> Run:
    folder = tmp_path_factory.mktemp("fleet")
    if request.param == "sqlite":
        database_url = f"sqlite:///{shutil.copy(migrated, folder)}"
    else:
        database_url = request.getfixturevalue("shared")
        engine = open_engine(database_url)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"TRUNCATE {', '.join(tables.metadata.tables)} RESTART IDENTITY")
        engine.dispose()
    numbers = "\n".join(f"[numbers.{number}]\nmessages_per_second = {limit}" for number, limit in LIMITS.items())
    settings = {"CHANNEL_SETTINGS": numbers, "RATE_SHARE": str(SHARE), "UNANSWERED_GRACE_SECONDS": "4"}
    with running(database_url, folder, **settings) as system:
        system.start_sandbox()
        system.start_web()
        made = _run(system, _post(system, sample))
        (folder / "journal.json").write_text(json.dumps(system.journal()))
    _print(request.param, made)
    return made


def _post(system: System, sample: dict[str, Any]) -> int:
    """The campaigns of all numbers, before anybody sends; how many messages."""
    for n in range(TO_THE_FREQUENT):
        event = campaign(sample, 9000 + n, size=1, phoneNumberId=FASTEST)
        next(iter(event["Endpoints"].values()))["Address"] = FREQUENT
        assert system.post_event(event).json()["accepted"] == 1
    total = TO_THE_FREQUENT
    for place, (number, limit) in enumerate(LIMITS.items()):
        events = math.ceil(SECONDS * limit * SHARE / SIZE)
        system.post_campaign(sample, range(place * 1000, place * 1000 + events), SIZE, phoneNumberId=number)
        total += events * SIZE
    return total


def _run(system: System, total: int) -> Run:
    for name in NAMES:
        system.start_dispatcher(name)
    shares = [_shares_once_even(system)]
    _go_on(system, total)
    killed = _leaving(system, NAMES)
    system.kill(killed.name)
    _go_on(system, total)
    stopped = _leaving(system, [name for name in NAMES if name != killed.name])
    assert system.stop(stopped.name) == 0
    _go_on(system, total)
    for name in (killed.name, stopped.name):
        system.start_dispatcher(name)
    shares.append(_shares_once_even(system))
    finish = SECONDS + 6 * TO_THE_FREQUENT + PATIENCE_SECONDS
    system.until(lambda: system.accepted() >= total, "all to be sent", finish)
    system.until_counts({"read": total}, seconds=60)
    return Run(judging.read(system.journal()), system.counts(), total, shares, killed, stopped)


def _go_on(system: System, total: int) -> None:
    """Until every number is served and a tenth of all has been sent since."""
    system.until(lambda: len(system.served()) == len(LIMITS), "every number to be served")
    enough = system.accepted() + total // 10
    assert enough < total, "this run proved nothing: the campaigns were over"
    system.until(lambda: system.accepted() >= enough, "another tenth to be sent", SECONDS + PATIENCE_SECONDS)


def _leaving(system: System, names: Sequence[str]) -> Leaving:
    """The one of them that serves the most numbers."""
    served = system.served()
    by = Counter(served.values())
    name = max(names, key=lambda name: by[name])
    return Leaving(name, time.time(), [number for number, holder in served.items() if holder == name])


def _shares_once_even(system: System) -> list[int]:
    """How many numbers each dispatcher serves, as soon as that is even, or after some seconds."""
    shares: list[int] = []

    def is_even() -> bool:
        by = Counter(system.served().values())
        shares[:] = sorted(by[name] for name in NAMES)
        return sum(shares) == len(LIMITS) and shares[-1] - shares[0] < 2

    deadline = time.monotonic() + SPREAD_SECONDS
    system.until(lambda: is_even() or time.monotonic() > deadline, "the numbers to be spread")
    return shares


def _print(kind: str, made: Run) -> None:
    moves = [gap.seconds for number in LIMITS for gap in made.moves(number)]
    frequent = [one.at for one in made.sent if one.to == FREQUENT]
    fullest = [f"{judging.most_in_a_second(judging.moments(made.sent, n))}/{limit}" for n, limit in LIMITS.items()]
    print(
        f"\n{kind}: messages {made.total}, twice {len(judging.sent_twice(made.sent))}; fullest second {' '.join(fullest)}; "
        f"rate used {' '.join(f'{made.used(n, moving=False):.0%}' for n in LIMITS)}, "
        f"with moves {' '.join(f'{made.used(n, moving=True):.0%}' for n in LIMITS)}; "
        f"moves {' '.join(f'{seconds:.1f} s' for seconds in moves)}; "
        f"after the graceful stop {_longest_after(made, made.stopped):.1f} s; "
        f"numbers each {made.shares}; the frequent recipient {judging.pair_overdraft(frequent):.2f} over its limit"
    )


def _longest_after(made: Run, leaving: Leaving) -> float:
    """The longest that a number which the leaving one served, and which had work left, sent nothing from then on."""
    around = (leaving.at - 1, leaving.at + LEASE_SECONDS)
    found = [judging.gaps([at for at in made.worked(n) if around[0] < at < around[1]]) for n in leaving.numbers]
    return max((judging.longest(gaps) for gaps in found), default=0.0)


pytestmark = [pytest.mark.proof, pytest.mark.timeout(300 + 8 * SECONDS)]


def test_every_message_is_sent_once(run: Run) -> None:
    assert judging.sent_twice(run.sent) == []
    assert run.counts == {"read": run.total}
    assert len(run.sent) == run.total
    assert run.killed.numbers, "this run proved nothing: the killed dispatcher served no number"
    assert run.stopped.numbers, "this run proved nothing: the stopped dispatcher served no number"


@pytest.mark.parametrize("number", LIMITS)
def test_no_second_holds_more_than_the_limit_of_a_number(run: Run, number: str) -> None:
    assert judging.most_in_a_second(judging.moments(run.sent, number)) <= LIMITS[number]


def test_no_recipient_gets_more_than_the_pair_limit(run: Run) -> None:
    frequent = [one.at for one in run.sent if one.to == FREQUENT]
    assert len(frequent) == TO_THE_FREQUENT
    assert judging.pair_overdraft(frequent) <= JITTER


@pytest.mark.parametrize("number", LIMITS)
def test_a_number_that_has_work_uses_its_rate(run: Run, number: str) -> None:
    assert run.used(number, moving=False) >= 0.85


@pytest.mark.parametrize("number", LIMITS)
def test_a_number_waits_no_longer_than_a_lease(run: Run, number: str) -> None:
    assert judging.longest(run.moves(number)) <= LEASE_SECONDS + LOOK_SECONDS


def test_a_graceful_stop_hands_its_numbers_over_at_once(run: Run) -> None:
    assert _longest_after(run, run.stopped) <= 2.0


def test_the_numbers_are_spread_over_the_dispatchers(run: Run) -> None:
    for shares in run.shares:
        assert sum(shares) == len(LIMITS)
        assert shares[-1] - shares[0] < 2, f"numbers that each dispatcher serves: {shares}"

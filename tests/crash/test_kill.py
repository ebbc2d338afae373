"""`kill -9` of dispatchers in mid-campaign: every recipient gets exactly one message (G4).

A round is 2,000 messages; 2 % of the requests are accepted and then dropped, 1 % dropped without. `KILL_ROUNDS` (1) makes
it longer, over the same database; `KILL_SEED` chooses the kills again that a run has printed.
"""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import pytest
from sqlalchemy import text

from tests.crash import judging
from tests.running import NUMBER, System, running

ROUNDS = int(os.environ.get("KILL_ROUNDS", "1"))
SEED = int(os.environ.get("KILL_SEED", SystemRandom().randrange(2**32)))
EVENTS, SIZE = 40, 50
TOTAL = EVENTS * SIZE
SETTINGS = {"MESSAGES_PER_SECOND": "400", "UNANSWERED_GRACE_SECONDS": "4", "LOG_LEVEL": "INFO"}


class Relay:
    """Dispatchers that are killed at random; at least one runs afterwards."""

    def __init__(self, system: System, rng: Random) -> None:
        self._system = system
        self._rng = rng
        self._names: Iterator[str] = (f"dispatcher-{n}" for n in count(1))
        self._running: list[str] = []
        self.killed: list[str] = []
        self.caught = 0
        """How many messages were being sent when one was killed."""

    def start(self) -> None:
        name = next(self._names)
        self._system.start_dispatcher(name)
        self._running.append(name)

    def kill_the_one_that_serves(self) -> None:
        """While it is sending: it is stopped for the look, since Meta's answers and notifications come within a moment."""
        victim = self._system.served()[NUMBER]
        self._system.until(lambda: self._stopped_while_sending(victim), "a dispatcher to be found sending")
        self._kill(victim)

    def _stopped_while_sending(self, victim: str) -> bool:
        self._system.freeze(victim)
        sending = self._system.counts()["sending"]
        if not sending:
            self._system.thaw(victim)
        self.caught += sending
        return sending > 0

    def kill_anyone(self) -> None:
        """Where nobody serves the number, one that waits for it; the next one waits already, or is started then."""
        if len(self._running) == 1 and self._rng.random() < 0.5:
            self.start()
        self._kill(self._rng.choice(self._running))

    def _kill(self, victim: str) -> None:
        self._system.kill(victim)
        self._running.remove(victim)
        self.killed.append(victim)
        if not self._running:
            self.start()


@pytest.mark.timeout(240 * ROUNDS)
def test_killed_dispatchers_lose_nothing_and_send_nothing_twice(
    database_url: str, tmp_path: Path, sample: dict[str, Any]
) -> None:
    rng = Random(SEED)
    print(f"\nKILL_SEED={SEED}")
    with running(database_url, tmp_path, **SETTINGS) as system:
        system.start_sandbox("--answer-after", "0.03")
        system.start_web()
        system.fault(kind="drop", accepted=True, every=50)
        system.fault(kind="drop", accepted=False, every=97)
        relay = Relay(system, rng)
        relay.start()
        for number in range(ROUNDS):
            _one_round(system, relay, rng, sample, number)
        settled, resent = _how_the_doubtful_ended(system)
        print(
            f"rounds {ROUNDS}, messages {ROUNDS * TOTAL}, kills {len(relay.killed)}, being sent at a kill {relay.caught}, "
            f"lost 0, twice 0; in doubt and settled by notification {settled}, sent again on evidence {resent}"
        )
        assert relay.caught > 0, "this run proved nothing: no kill met a message that was being sent"
        assert settled > 0, "this run proved nothing: no doubtful message was settled by its notification"
        assert resent > 0, "this run proved nothing: no doubtful message was sent again on evidence"


def _one_round(system: System, relay: Relay, rng: Random, sample: dict[str, Any], number: int) -> None:
    system.forget_journal()
    system.post_campaign(sample, range(number * EVENTS, (number + 1) * EVENTS), SIZE)
    first = rng.uniform(0.2, 0.6)
    _until_sent(system, first)
    relay.kill_the_one_that_serves()
    for part in sorted(rng.uniform(first, 1.0) for _ in range(rng.randint(1, 2))):
        _until_sent(system, part)
        relay.kill_anyone()
    system.until_counts({"read": (number + 1) * TOTAL}, seconds=120)

    sent = judging.read(system.journal())
    assert judging.sent_twice(sent) == []
    assert sorted(one.to for one in sent) == sorted(_recipients(number)), "every recipient got it once"


def _until_sent(system: System, part: float) -> None:
    system.until(lambda: system.accepted() >= part * TOTAL, f"{part:.0%} of a round to be sent")


def _recipients(number: int) -> list[str]:
    events = range(number * EVENTS, (number + 1) * EVENTS)
    return [f"+86139{event:04}{n:04}" for event in events for n in range(SIZE)]


def _how_the_doubtful_ended(system: System) -> tuple[int, int]:
    """How many attempts without an answer turned out taken, and how many messages were sent again after one."""
    with system.engine.connect() as connection:
        settled = connection.execute(
            text("SELECT count(*) FROM attempts WHERE http_status IS NULL AND outcome = 'accepted'")
        ).scalar_one()
        resent = connection.execute(
            text(
                "SELECT count(*) FROM attempts a JOIN attempts b ON b.message_id = a.message_id"
                " AND b.attempt = a.attempt + 1 WHERE a.outcome = 'unanswered' AND b.outcome = 'accepted'"
            )
        ).scalar_one()
    return settled, resent

"""A process dies by SIGKILL just before or just after a commit, at each step of a message's way: nothing lost, nothing twice.

What is left is done by whoever comes next: another dispatcher, the caller who posts his event again with its id, Meta who sends
its notification again. In CI each seam is met on one database, with `make proof` on both.
"""

import signal
import threading
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.crash import judging
from tests.running import System, campaign, free_port, receipt_id, running

EVENTS, SIZE = 6, 50
TOTAL = EVENTS * SIZE
SETTINGS = {"MESSAGES_PER_SECOND": "300", "UNANSWERED_GRACE_SECONDS": "4", "WEB_WORKERS": "1"}
OF_DISPATCHER = [(seam, when) for seam in ("take-over", "claim", "settle") for when in ("before", "after")]
OF_WEB = [(seam, when) for seam in ("accept", "notification") for when in ("before", "after")]


def here_or_with_proof(seams: list[tuple[str, str]]) -> list[Any]:
    """Each with each database; those that CI leaves out are marked."""
    chosen = []
    for number, (seam, when) in enumerate(seams):
        for place, kind in enumerate(("sqlite", "postgresql")):
            marks = () if (number + number // 2) % 2 == place else (pytest.mark.proof,)
            chosen.append(pytest.param(seam, when, kind, id=f"{when} {seam}, {kind}", marks=marks))
    return chosen


class Doomed:
    """A command that dies at its seam, and says when it has."""

    def __init__(
        self, system: System, folder: Path, seam: str, when: str, nth: int, *command: str, **settings: str
    ) -> None:
        self._flag = folder / "doom"
        self._flag.touch()
        self._system = system
        arguments = ["-m", "tests.crash.dying", seam, when, str(nth), str(self._flag), *command]
        system._start("doomed", arguments, **settings)

    def until_dead(self) -> None:
        """The process itself."""
        assert self._system._processes.pop("doomed").wait(60) == -signal.SIGKILL

    @property
    def has_struck(self) -> bool:
        return not self._flag.exists()


@pytest.mark.timeout(200)
@pytest.mark.parametrize(("seam", "when", "database_url"), here_or_with_proof(OF_DISPATCHER), indirect=["database_url"])
def test_a_dispatcher_dies(seam: str, when: str, database_url: str, tmp_path: Path, sample: dict[str, Any]) -> None:
    nth = 1 if seam == "take-over" else 5
    with running(database_url, tmp_path, **SETTINGS) as system:
        system.start_sandbox("--answer-after", "0.03")
        system.start_web()
        system.post_campaign(sample, range(EVENTS), SIZE)
        doomed = Doomed(system, tmp_path, seam, when, nth, "dispatcher", DISPATCHER_PORT=str(free_port()))
        doomed.until_dead()
        in_doubt = system.counts()["sending"]
        system.start_dispatcher()
        _judge(system, f"{when} {seam}", f"in doubt {in_doubt}")


@pytest.mark.timeout(200)
@pytest.mark.parametrize(("seam", "when", "database_url"), here_or_with_proof(OF_WEB), indirect=["database_url"])
def test_a_web_worker_dies(seam: str, when: str, database_url: str, tmp_path: Path, sample: dict[str, Any]) -> None:
    with running(database_url, tmp_path, **SETTINGS) as system:
        system.start_sandbox("--answer-after", "0.03")
        doomed = Doomed(system, tmp_path, seam, when, 3, "web")
        system.until(lambda: system._answers(f"{system.url}/readyz"), "the web service to be ready")
        again = sum(_post_until_taken(system, campaign(sample, number, SIZE)) for number in range(EVENTS))
        system.start_dispatcher()
        _judge(system, f"{when} {seam}", f"posted again {again}")
        assert doomed.has_struck, "this run proved nothing: no worker died"
        assert again > 0 or seam == "notification", "this run proved nothing: no caller was left without an answer"


def _post_until_taken(system: System, event: dict[str, Any]) -> int:
    """As the shim and its queue do: with the same id, until there is an answer. How often again."""
    name = receipt_id()
    for again in range(60):
        try:
            answer = system.post_event(event, name)
        except requests.RequestException:
            threading.Event().wait(0.2)
            continue
        if answer.status_code == 202:
            assert answer.json()["accepted"] == SIZE, "the answer is the first one's, also where that was never heard"
            return again
        assert answer.status_code == 503, answer.text
    raise AssertionError("the event was never taken")


def _judge(system: System, seam: str, beside: str) -> None:
    system.until_counts({"read": TOTAL}, seconds=90)
    sent = judging.read(system.journal())
    twice = judging.sent_twice(sent)
    facts = (
        seam,
        system.engine.dialect.name,
        TOTAL,
        f"lost {TOTAL - len({one.to for one in sent})}",
        f"twice {len(twice)}",
    )
    print("\n| " + " | ".join([*map(str, facts), beside]) + " |")
    assert twice == []
    assert len({one.to for one in sent}) == TOTAL

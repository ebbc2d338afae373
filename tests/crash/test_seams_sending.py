"""A dispatcher dies by SIGKILL around one request, between two commits: nothing lost, nothing twice (G4).

`test_seams` has the deaths at the commits. In CI the one seam is met that is worst, with `make proof` all, on both databases.
"""

import signal
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.crash import judging
from tests.crash.dying_sender import SEAMS
from tests.running import System, running

EVENTS, SIZE, NTH = 6, 50, 100
TOTAL = EVENTS * SIZE
SETTINGS = {"MESSAGES_PER_SECOND": "300", "UNANSWERED_GRACE_SECONDS": "4", "WEB_WORKERS": "1"}


def _here_or_with_proof() -> list[Any]:
    """Each with each database; those that CI leaves out are marked."""
    here = "after write", "postgresql"
    return [
        pytest.param(*case, id=", ".join(case), marks=() if case == here else (pytest.mark.proof,))
        for case in product(SEAMS, ("sqlite", "postgresql"))
    ]


@pytest.mark.timeout(200)
@pytest.mark.parametrize(("seam", "database_url"), _here_or_with_proof(), indirect=["database_url"])
def test_a_dispatcher_dies_around_a_request(
    seam: str, database_url: str, tmp_path: Path, sample: dict[str, Any]
) -> None:
    with running(database_url, tmp_path, **SETTINGS) as system:
        system.start_sandbox("--answer-after", "0.03")
        system.start_web()
        system.post_campaign(sample, range(EVENTS), SIZE)
        system._start("doomed", ["-m", "tests.crash.dying_sender", seam, str(NTH)])
        assert system._processes.pop("doomed").wait(60) == -signal.SIGKILL
        in_doubt = system.counts()["sending"]
        assert in_doubt > 0, "this run proved nothing: nothing was being sent when it died"
        system.start_dispatcher()
        _judge(system, seam, in_doubt)


def _judge(system: System, seam: str, in_doubt: int) -> None:
    system.until_counts({"read": TOTAL}, seconds=90)
    sent = judging.read(system.journal())
    twice, reached = judging.sent_twice(sent), {one.to for one in sent}
    facts = (system.engine.dialect.name, TOTAL, f"lost {TOTAL - len(reached)}", f"twice {len(twice)}")
    print("\n| " + " | ".join(map(str, (seam, *facts, f"in doubt {in_doubt}"))) + " |")
    assert twice == []
    assert len(reached) == TOTAL

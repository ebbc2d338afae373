"""Meta's notifications come an hour late, or never: what is in doubt stays so, and is not sent again on suspicion (G4).

Once they come after all, they settle what Meta took, and the evidence sends the rest. For that a minute stands for the hour.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.crash import judging
from tests.running import System, running

EVENTS, SIZE = 12, 50
TOTAL = EVENTS * SIZE
GRACE_SECONDS = 2
GRACES = 5
"""So many are waited for, after nothing is left to send."""

pytestmark = pytest.mark.proof


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "fault",
    [{"kind": "late", "seconds": 3600}, {"kind": "late", "seconds": 60}, {"kind": "silent"}],
    ids=["an hour late", "a minute late", "switched off"],
)
def test_without_notifications_nothing_in_doubt_is_sent_again(
    fault: dict[str, Any], database_url: str, tmp_path: Path, sample: dict[str, Any]
) -> None:
    """600 messages, 5 % of the requests accepted and then dropped, 3 % dropped without; one kill in mid-campaign."""
    settings = {"MESSAGES_PER_SECOND": "200", "UNANSWERED_GRACE_SECONDS": str(GRACE_SECONDS), "LOG_LEVEL": "INFO"}
    with running(database_url, tmp_path, **settings) as system:
        system.start_sandbox("--answer-after", "0.03")
        system.start_web()
        system.fault(**fault)
        system.fault(kind="drop", accepted=True, every=20)
        system.fault(kind="drop", accepted=False, every=33)
        system.start_dispatcher("first")
        system.post_campaign(sample, range(EVENTS), SIZE)
        system.until(lambda: system.accepted() > TOTAL // 3, "a third of the campaign to be sent")
        system.kill("first")
        system.start_dispatcher("second")
        system.until(lambda: _has_been_tried(system), "all messages to have been tried")
        at_rest, since = system.counts(), time.monotonic()
        system.until(lambda: time.monotonic() - since > GRACES * GRACE_SECONDS, "several grace periods to pass")

        sent = judging.read(system.journal())
        in_doubt = _unanswered(system)
        taken = in_doubt & {one.message_id for one in sent}
        (rescued,) = re.findall(r"lane\.rescued phone_number_id=\d+ messages=(\d+)", system.log("second"))
        print(
            f"\n{fault}: messages {TOTAL}, being sent at the kill {rescued}, unanswered {len(in_doubt)}, "
            f"of which Meta took {len(taken)}; twice {len(judging.sent_twice(sent))} after {GRACES} grace periods"
        )
        assert judging.sent_twice(sent) == []
        assert system.counts() == at_rest == {"accepted": TOTAL - len(in_doubt), "unanswered": len(in_doubt)}
        assert taken, "this run proved nothing: Meta took none of the messages in doubt"
        assert in_doubt - taken, "this run proved nothing: Meta took all of the messages in doubt"
        assert len({one.message_id for one in sent} | in_doubt) == TOTAL, "what is not in doubt arrived"
        assert _listed(system) == in_doubt
        if fault.get("seconds") == 60:
            system.mend()  # so that what goes again is neither dropped nor late
            system.until_counts({"read": TOTAL}, seconds=150)
            assert judging.sent_twice(judging.read(system.journal())) == []


def _has_been_tried(system: System) -> bool:
    counts = system.counts()
    return sum(counts.values()) == TOTAL and not counts["queued"] and not counts["sending"]


def _listed(system: System) -> set[str]:
    """What an operator is shown."""
    command = [sys.executable, "-m", "service", "unanswered", "--limit", str(TOTAL)]
    environment = {**os.environ, **system.settings}
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout
    return {line.split()[0] for line in shown.splitlines() if " old, Meta may tell until " in line}


def _unanswered(system: System) -> set[str]:
    with system.engine.connect() as connection:
        return set(connection.execute(text("SELECT message_id FROM messages WHERE status = 'unanswered'")).scalars())

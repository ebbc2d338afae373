"""A dispatcher is frozen in mid-campaign, another one does its work, it wakes: nothing is lost, nothing sent twice (G4, G6).

`FREEZE_SECONDS` (20; longer than a lease) is how long it is stopped at least. Frozen in the middle of a write it keeps what
it has locked. In PostgreSQL that must keep nobody else from working. SQLite has one lock for all, so all wait until it wakes.
"""

import os
import sqlite3
import threading
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import make_url, text

from tests.crash import judging
from tests.running import NUMBER, System, running

FREEZE_SECONDS = float(os.environ.get("FREEZE_SECONDS", "20"))
EVENTS, SIZE = 20, 50
TOTAL = EVENTS * SIZE
SETTINGS = {"MESSAGES_PER_SECOND": "150", "UNANSWERED_GRACE_SECONDS": "4", "LOG_LEVEL": "INFO"}

pytestmark = pytest.mark.proof


@pytest.mark.timeout(240 + 2 * FREEZE_SECONDS)
@pytest.mark.parametrize("writing", [False, True], ids=["between writes", "in mid-write"])
def test_a_frozen_dispatcher_sends_nothing_when_it_wakes(
    database_url: str, tmp_path: Path, sample: dict[str, Any], writing: bool
) -> None:
    with running(database_url, tmp_path, **SETTINGS) as system:
        system.start_sandbox("--answer-after", "0.03")
        system.start_web()
        for name in ("one", "other"):
            system.start_dispatcher(name)
        system.post_campaign(sample, range(EVENTS), SIZE)
        system.until(lambda: system.accepted() > TOTAL // 3, "a third of the campaign to be sent")
        frozen = system.served()[NUMBER]
        tries = _freeze(system, frozen, writing)
        since, frozen_at = time.monotonic(), time.time()

        all_wait = writing and system.engine.dialect.name == "sqlite"
        if not all_wait:
            assert system.counts()["queued"] > 0, "it was frozen in mid-campaign"
            system.until_counts({"read": TOTAL}, seconds=60)
        system.until(lambda: time.monotonic() - since > FREEZE_SECONDS, "it to have been frozen", 2 * FREEZE_SECONDS)
        assert "lease.lost" not in system.log(frozen)
        system.thaw(frozen)
        system.until(lambda: "lease.lost" in system.log(frozen), "it to find its lease lost")
        system.until_counts({"read": TOTAL}, seconds=60)
        assert system.stop(frozen) == 0, "it settled what it had in flight"

        sent = judging.read(system.journal())
        pause = judging.longest(judging.gaps([one.at for one in sent if one.at > frozen_at - 1]))
        print(
            f"\nfrozen {FREEZE_SECONDS:.0f} s {'in mid-write' if writing else 'between writes'} (found at try {tries}): "
            f"taken over after {pause:.1f} s; messages {TOTAL}, lost 0, twice {len(judging.sent_twice(sent))}"
        )
        assert judging.sent_twice(sent) == []
        assert len({one.to for one in sent}) == TOTAL, "every recipient got it"
        assert system.counts() == {"read": TOTAL}


def _freeze(system: System, name: str, writing: bool) -> int:
    """Freeze it while it writes to the database, or while it does not; how many moments it took to find such a one."""
    rng, pause, tries = Random(), threading.Event(), 1
    system.freeze(name)
    while _is_locked(system) != writing:
        system.thaw(name)
        tries += 1
        pause.wait(rng.uniform(0.01, 0.06))
        system.freeze(name)
    return tries


def _is_locked(system: System) -> bool:
    """Whether somebody keeps a lock for longer than anybody who runs."""
    if system.engine.dialect.name == "sqlite":
        return not _can_be_written(str(make_url(system.database_url).database))
    threading.Event().wait(0.3)
    with system.engine.connect() as connection:
        resting = "state = 'idle in transaction' AND clock_timestamp() - state_change > interval '0.2 s'"
        query = f"SELECT count(*) FROM pg_stat_activity WHERE {resting} AND backend_xid IS NOT NULL"
        return bool(connection.execute(text(query)).scalar_one())


def _can_be_written(path: str) -> bool:
    connection = sqlite3.connect(path, timeout=0.5)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
    return True

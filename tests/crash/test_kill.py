"""`kill -9` of the dispatcher in mid-campaign: every recipient gets exactly one message (G4)."""

import json
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.conftest import SAMPLES
from tests.running import System, campaign, running

EVENTS, SIZE = 40, 50
TOTAL = EVENTS * SIZE


@pytest.mark.timeout(300)
def test_a_killed_dispatcher_loses_nothing_and_sends_nothing_twice(database_url: str, tmp_path: Path) -> None:
    """2,000 messages; 2 % of the requests accepted and then dropped, 1 % dropped without; one kill, one restart."""
    settings = {"MESSAGES_PER_SECOND": "400", "UNANSWERED_GRACE_SECONDS": "4", "LOG_LEVEL": "INFO"}
    with running(database_url, tmp_path, **settings) as system:
        system.start_sandbox("--answer-after", "0.03")
        system.start_web()
        system.fault(kind="drop", accepted=True, every=50)
        system.fault(kind="drop", accepted=False, every=97)
        sample = json.loads((SAMPLES / "pinpoint_campaign_article.json").read_text())
        for number in range(EVENTS):
            assert system.post_event(campaign(sample, number, SIZE)).json()["accepted"] == SIZE

        system.start_dispatcher("first")
        system.until(lambda: len(system.journal()) > TOTAL // 3, "a third of the campaign to be sent")
        system.kill("first")
        assert 0 < system.counts()["queued"] < TOTAL, "the kill came in mid-campaign"
        system.mend()
        system.start_dispatcher("second")
        system.until(lambda: system.counts() == {"read": TOTAL}, f"all to be read, not {system.counts()}", seconds=120)

        _judge(system)


def _judge(system: System) -> None:
    accepted = Counter(line["to"] for line in system.journal())
    assert len(accepted) == TOTAL, "every recipient got it"
    assert set(accepted.values()) == {1}, "nobody got it twice"
    settled, resent = _how_the_doubtful_ended(system)
    print(f"in doubt and settled by notification: {settled}, sent again on evidence: {resent}")
    assert settled > 0, "this run proved nothing: no doubtful message was settled by its notification"
    assert resent > 0, "this run proved nothing: no doubtful message was sent again on evidence"


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

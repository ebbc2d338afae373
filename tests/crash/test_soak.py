"""Mixed traffic for a quarter of an hour, faults in turn: what it costs stays flat, nothing is lost, nothing sent twice.

`SOAK_SECONDS` (900) is how long. A campaign's event of 50 every half second, two direct messages a second, three notifications
a message; each ten seconds another fault of the Cloud API's begins. Claims are timed on a number of the test's own.
"""

import itertools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import requests
from sqlalchemy import make_url, text

from service.message import Outcome, Settlement, Status
from service.outbox.database import open_engine
from service.outbox.outbox import Demand, Outbox
from tests.crash import judging, soaking
from tests.outbox.making import event, message
from tests.running import NUMBER, System, running

SECONDS = float(os.environ.get("SOAK_SECONDS", "900"))
SAMPLES = 60
EVENT_EVERY, FAULT_EVERY = 0.5, 10.0
SIZE = 50
PROBE = "222222222222222"
DISPATCHERS = ("one", "other")
SETTINGS = {"MESSAGES_PER_SECOND": "200", "UNANSWERED_GRACE_SECONDS": "5"}
FAULTS: list[dict[str, Any]] = [
    {"kind": "drop", "accepted": True, "every": 40},
    {"kind": "error", "code": 130429, "every": 50},
    {"kind": "latency", "seconds": 0.5, "every": 3},
    {"kind": "raw", "http_status": 502, "body": "<html>bad gateway</html>", "every": 30},
    {"kind": "drop", "accepted": False, "every": 40},
    {"kind": "fails", "code": 131026, "every": 20},
    {"kind": "late", "seconds": 3, "every": 2},
    {"kind": "no_wamid", "every": 40},
]

pytestmark = pytest.mark.proof


@pytest.mark.timeout(2 * SECONDS + 300)
def test_what_it_costs_stays_flat(database_url: str, tmp_path: Path, sample: dict[str, Any]) -> None:
    with running(database_url, tmp_path, **SETTINGS) as system, _claims(database_url) as claim_ms:
        system.start_sandbox("--answer-after", "0.05")
        system.start_web()
        for name in DISPATCHERS:
            system.start_dispatcher(name)
        samples: list[soaking.Sample] = []
        with _traffic(system, sample) as sent:
            began = time.monotonic()
            for number in range(1, SAMPLES + 1):
                due = began + number * SECONDS / SAMPLES
                system.until(lambda: time.monotonic() >= due, "the next look", SECONDS)  # noqa: B023 - used at once
                samples.append(_look(system, claim_ms()))
        system.mend()
        system.until(lambda: _is_quiet(system), lambda: f"all to be finished: {_counts(system)}", 180)

        figures, journal, counts = soaking.judge(samples), judging.read(system.journal()), _counts(system)
        print(f"\n{system.engine.dialect.name}, {SECONDS:.0f} s: accepted {sent.accepted}, counts {counts}, ")
        print(f"in the journal {len(journal)}, twice {len(judging.sent_twice(journal))}; posts {dict(sent.answers)}")
        print("\n".join([soaking.HEAD, *map(str, figures)]))
        assert judging.sent_twice(journal) == []
        assert sum(counts.values()) == sent.accepted, "nothing is lost"
        assert {one.message_id for one in journal} >= _claimed_to_be_sent(system)
        assert [figure.what for figure in figures if not figure.is_flat] == []


class _Sent:
    """What was posted: recipients that were accepted, and the HTTP statuses."""

    def __init__(self) -> None:
        self.accepted = 0
        self.answers: dict[int, int] = {}

    def count(self, answer: requests.Response) -> None:
        self.answers[answer.status_code] = self.answers.get(answer.status_code, 0) + 1
        if answer.status_code == 202:
            self.accepted += answer.json()["accepted"]


@contextmanager
def _traffic(system: System, sample: dict[str, Any]) -> Iterator[_Sent]:
    """Campaigns and direct messages, and one fault after the other, until the block ends."""
    sent, stop = _Sent(), threading.Event()

    def post() -> None:
        key = {"Authorization": f"Bearer {system.api_key}"}
        for number in itertools.count():
            sent.count(system.post_event(upcoming(sample, number)))
            direct = {"to": f"+4930{number:08}", "template": {"name": "ordertimeoutnotification", "params": ["a", "b"]}}
            sent.count(requests.post(f"{system.url}/v1/messages", json={"messages": [direct]}, headers=key, timeout=30))
            if stop.wait(EVENT_EVERY):
                return

    def disturb() -> None:
        for fault in itertools.cycle(FAULTS):
            system.mend()
            system.fault(**fault)
            if stop.wait(FAULT_EVERY):
                return

    threads = [threading.Thread(target=work) for work in (post, disturb)]
    for thread in threads:
        thread.start()
    try:
        yield sent
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def upcoming(sample: dict[str, Any], number: int) -> dict[str, Any]:
    """The number-th event, of another campaign each minute; people come back after 10,000 events."""
    like = next(iter(sample["Endpoints"].values()))
    people = {
        f"ep{n}": {**like, "Address": f"+861{30 + number % 100:02}{number // 100 % 100:04}{n:04}"} for n in range(SIZE)
    }
    names = {"CampaignId": f"campaign-{number // 120}", "ActivityId": f"activity-{number}"}
    return {**sample, **names, "Endpoints": people}


@contextmanager
def _claims(database_url: str) -> Iterator[Any]:
    """Times claims on a number of its own: the median of five, in milliseconds."""
    engine = open_engine(database_url)
    outbox, numbers = Outbox(engine, max_tries=8), itertools.count(1)

    def time_some() -> float:
        lease = outbox.acquire_lease(PROBE, "probe")
        assert lease is not None
        took = []
        for number in itertools.islice(numbers, 5):
            now = datetime.now(UTC)
            facts = {"phone_number_id": PROBE, "due_at": now, "expires_at": now.replace(year=now.year + 1)}
            ours = [
                message(number * 100 + n, message_id=f"probe{number}x{n}", key=f"probe{number}x{n}", **facts)
                for n in range(50)
            ]
            outbox.add(event(*ours, n=number, event_id=f"probe{number}", receipt_id=None, received_at=now), now)
            began = time.perf_counter()
            claimed = outbox.claim(Demand(lease, 50), now)
            took.append(1000 * (time.perf_counter() - began))
            ids = [one.message.message_id for one in claimed]
            outbox.settle([Settlement(one, 1, Outcome.REFUSED, Status.FAILED) for one in ids], now)
        outbox.release_lease(lease)
        return median(took)

    yield time_some
    engine.dispose()


def _look(system: System, claim_ms: float) -> soaking.Sample:
    families = {name: soaking.family(system.pid(name)) for name in ("web", *DISPATCHERS)}
    return soaking.Sample(
        {name: soaking.memory(pids) for name, pids in families.items()},
        {name: soaking.handles(pids) for name, pids in families.items()},
        _connections(system, [pid for pids in families.values() for pid in pids]),
        claim_ms,
    )


def _connections(system: System, pids: list[int]) -> int:
    if system.engine.dialect.name == "sqlite":
        return soaking.files_open(pids, str(make_url(system.database_url).database))
    mine = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    with system.engine.connect() as connection:
        return int(connection.execute(text(mine)).scalar_one())


def _is_quiet(system: System) -> bool:
    """Whether nothing is under way, and each message that Meta took has been told of."""
    under_way = {"queued", "sending", "accepted", "sent", "delivered"}
    return not under_way & set(_counts(system))


def _counts(system: System) -> dict[str, int]:
    """Messages of the traffic by status."""
    query = text("SELECT status, count(*) AS number FROM messages WHERE phone_number_id = :number GROUP BY status")
    with system.engine.connect() as connection:
        return {row.status: row.number for row in connection.execute(query, {"number": NUMBER})}


def _claimed_to_be_sent(system: System) -> set[str]:
    query = text("SELECT message_id FROM messages WHERE status IN ('read', 'delivered', 'sent', 'accepted')")
    with system.engine.connect() as connection:
        return set(connection.execute(query).scalars())

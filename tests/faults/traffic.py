"""Events that go on coming while something is wrong, and the judgement of what became of their recipients.

Each event is posted again with its id until the service has taken it, as the parking queue would. Whatever an answer
was lost for, the event is one event.
"""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import requests
from sqlalchemy import select

from service.message import Status
from service.outbox import tables
from tests.crash import judging
from tests.faults.rows import Row
from tests.running import System, campaign, receipt_id

TAKEN = {Status.ACCEPTED, Status.SENT, Status.DELIVERED, Status.READ}
AGAIN_SECONDS = 0.5


class Traffic:
    """`events` of `size` recipients, `per_second` of them begun each second, from a thread of its own."""

    def __init__(
        self, system: System, sample: Mapping[str, Any], *, events: int = 30, size: int = 50, per_second: float = 4.0
    ) -> None:
        self._system = system
        self._sample = sample
        self._events, self._size, self._per_second = events, size, per_second
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)
        self.total = events * size
        self.accepted = 0
        """Recipients whose event got a 202."""
        self.answers: Counter[str] = Counter()
        """What posts came to: an HTTP status, or the name of what went wrong."""

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def until_accepted(self, seconds: float = 60) -> None:
        """Until the service has taken all of them."""
        self._system.until(lambda: self.accepted == self.total, lambda: f"all to be taken: {self.answers}", seconds)

    def until_part_sent(self, part: float, seconds: float = 60) -> None:
        """Until this part of them has reached the Cloud API."""
        self._system.until(lambda: self._system.accepted() >= part * self.total, f"{part:.0%} to be sent", seconds)

    def judge(self, fault: str, *, tried: int, recovered: float, seen: tuple[str, ...]) -> Row:
        """What the journal and the store say once all is quiet."""
        sent = judging.read(self._system.journal())
        with self._system.engine.connect() as connection:
            stored = connection.execute(select(tables.messages.c.message_id, tables.messages.c.status)).all()
        got = {one.message_id for one in sent}
        pretended = [row.message_id for row in stored if row.status in TAKEN and row.message_id not in got]
        return Row(
            fault,
            self._system.engine.dialect.name,
            tried,
            self.accepted,
            len(sent),
            lost=max(0, self.accepted - len(stored)) + len(pretended),
            twice=sum(times > 1 for times in Counter(one.to for one in sent).values()),
            recovered=recovered,
            seen=seen,
        )

    def _run(self) -> None:
        began = time.monotonic()
        waiting: list[tuple[int, str]] = []
        begun = 0
        while not self._stop.is_set() and (waiting or begun < self._events):
            due = min(self._events, int((time.monotonic() - began) * self._per_second) + 1)
            waiting += [(number, receipt_id()) for number in range(begun, due)]
            begun = max(begun, due)
            left = [one for one in waiting if not self._post(*one)]
            self._stop.wait(AGAIN_SECONDS if left else 1 / self._per_second)
            waiting = left

    def _post(self, number: int, name: str) -> bool:
        """Whether the service has taken it."""
        try:
            answer = self._system.post_event(campaign(self._sample, number, self._size), name, timeout=10)
        except requests.RequestException as error:
            self.answers[type(error).__name__] += 1
            return False
        self.answers[str(answer.status_code)] += 1
        if answer.status_code == 202:
            self.accepted += int(answer.json()["accepted"])
        return answer.status_code == 202

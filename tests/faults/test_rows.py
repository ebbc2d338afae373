"""The table of faults, and the judgement that fills it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from service.message import Outcome, Settlement, Status
from tests.conftest import Store
from tests.faults import rows
from tests.faults.rows import Row
from tests.faults.traffic import Traffic
from tests.outbox.making import NOW, NUMBER, Desk, message

ROW = Row("disk full", "sqlite", 1, 1200, 1200, 0, 0, 6.54, ("log of web: full", "alarm storage"))


class Judged:
    """As much of a system as the judgement looks at: the store, and what the Cloud API's journal says."""

    def __init__(self, engine: Engine, journal: Sequence[str]) -> None:
        self.engine = engine
        self._journal = journal

    def journal(self) -> list[dict[str, str]]:
        """A recipient for each message."""
        line = {"phone_number_id": NUMBER, "at": NOW.isoformat()}
        return [line | {"callback_data": one, "to": one.partition(".")[0]} for one in self._journal]


def judge(store: Store, journal: Sequence[str], accepted: int) -> Row:
    judged: Any = Judged(store.engine, journal)
    traffic = Traffic(judged, {})
    traffic.accepted = accepted
    return traffic.judge("x", tried=1, recovered=0.0, seen=())


def test_a_row_survives_its_way_through_a_report() -> None:
    assert rows.read([ROW.as_json()]) == [ROW]


def test_the_table_has_a_line_for_each_row_by_fault_and_database() -> None:
    other = replace(ROW, database="postgresql")
    table = rows.as_table([ROW, other, replace(ROW, fault="a clock")]).splitlines()
    assert [line.split(" | ")[:2] for line in table[2:]] == [
        ["| a clock", "sqlite"],
        ["| disk full", "postgresql"],
        ["| disk full", "sqlite"],
    ]
    assert table[-1] == "| disk full | sqlite | 1 | 1200 | 1200 | 0 | 0 | 6.5 | log of web: full; alarm storage |"


@pytest.fixture
def sent(store: Store) -> list[str]:
    """Three messages that were kept and sent, by their callback data."""
    lease = store.outbox.acquire_lease(NUMBER, "the first")
    assert lease is not None
    desk = Desk(store, lease)
    desk.add(*(message(n) for n in range(3)))
    attempts = desk.claim()
    store.outbox.settle(
        [Settlement(one.message.message_id, one.number, Outcome.ACCEPTED, Status.ACCEPTED) for one in attempts], NOW
    )
    return [one.callback_data for one in attempts]


def test_what_was_sent_once_is_neither_lost_nor_twice(store: Store, sent: list[str]) -> None:
    row = judge(store, sent, accepted=3)
    assert (row.accepted, row.sent, row.lost, row.twice) == (3, 3, 0, 0)
    assert row.database == store.engine.dialect.name


def test_what_was_accepted_and_is_not_kept_is_lost(store: Store, sent: list[str]) -> None:
    assert judge(store, sent, accepted=5).lost == 2


def test_what_stands_as_sent_and_never_arrived_is_lost(store: Store, sent: list[str]) -> None:
    assert judge(store, sent[1:], accepted=3).lost == 1


def test_who_got_two_messages_got_it_twice(store: Store, sent: list[str]) -> None:
    lines = [*sent, "another.1"]
    judged: Any = Judged(store.engine, lines)
    journal = [line | {"to": "the same"} if n in {0, 3} else line for n, line in enumerate(judged.journal())]
    judged.journal = lambda: journal
    traffic = Traffic(judged, {})
    assert traffic.judge("x", tried=1, recovered=0.0, seen=()).twice == 1


def test_what_arrived_under_two_attempts_is_twice(store: Store, sent: list[str]) -> None:
    again = sent[0].replace(".1", ".2")
    row = judge(store, [*sent, again], accepted=3)
    assert (row.sent, row.lost, row.twice) == (4, 0, 1)

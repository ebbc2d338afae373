"""What is done every few milliseconds or seconds costs the same however many finished messages there are.

Asserted on the database's own plan, not on time: every statement is explained with its own parameters.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, case, event, insert, text, update

from service.message import Status
from service.outbox import tables
from tests.outbox.making import GRACE, NOW, NUMBER, Desk, later, message

FINISHED = 10_000


@pytest.fixture
def full(desk: Desk) -> Desk:
    """A store with many finished messages, one every ten seconds, and a few that wait or are in doubt."""
    desk.add(*(message(n) for n in range(FINISHED)))
    status = case(
        (tables.messages.c.message_id.endswith("000"), Status.QUEUED.value),
        (tables.messages.c.message_id.endswith("001"), Status.UNANSWERED.value),
        else_=Status.READ.value,
    )
    facts = {"attempt": 1, "phone_number_id": NUMBER, "outcome": "accepted"}
    attempts = [{"message_id": f"m{n:05}", "started_at": later(seconds=-10 * n), **facts} for n in range(FINISHED)]
    with desk.store.engine.begin() as connection:
        connection.execute(update(tables.messages).values(status=status, status_at=later(hours=-1), attempts=1))
        connection.execute(insert(tables.attempts), attempts)
    with desk.store.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
    return desk


@contextmanager
def explained(engine: Engine) -> Iterator[list[str]]:
    """The plans of all statements about messages that run meanwhile."""
    plans: list[str] = []
    explain = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "

    def look(_connection: Any, cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if "messages" in statement and not many:
            cursor.execute(explain + statement, parameters)
            plans.append("\n".join(str(row[-1]) for row in cursor.fetchall()))

    event.listen(engine, "before_cursor_execute", look)
    yield plans
    event.remove(engine, "before_cursor_execute", look)


WORK: dict[str, tuple[str, Callable[[Desk], object]]] = {
    "claim": ("ix_messages_queue", lambda desk: desk.claim(limit=5)),
    "claim with reserved places": ("ix_messages_queue", lambda desk: desk.claim(limit=5, reserved=1)),
    "expire": ("ix_messages_expiry", lambda desk: desk.store.outbox.expire(desk.lease, NOW)),
    "rescue": ("ix_messages_doubt", lambda desk: desk.store.outbox.rescue(desk.lease, NOW)),
    "judge": ("ix_messages_doubt", lambda desk: desk.judge(NOW, GRACE)),
    "queues": ("ix_messages_", lambda desk: desk.store.report.queues()),
}


def test_recurring_work_reads_its_partial_index_and_never_the_whole_table(full: Desk) -> None:
    for name, (index, work) in WORK.items():
        with explained(full.store.engine) as plans:
            work(full)
        assert any(index in plan for plan in plans), (name, plans)
        for line in "\n".join(plans).splitlines():
            assert "Seq Scan on messages" not in line, name
            assert "Seq Scan on attempts" not in line, name
            assert "SCAN attempts" not in line, name
            assert "SCAN messages" not in line or "USING INDEX ix_messages_" in line, name

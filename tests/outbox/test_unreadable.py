"""A queued message whose row cannot be read fails alone, with a reason; those beside it are claimed (G2)."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import StatementError

from service.message import Status
from service.outbox.unreadable import TITLE
from tests.outbox.making import NOW, Desk, message

SPOILED = {
    "sqlite": {"a category": "category = 'NEVERHEARDOF'", "a moment": "due_at = '0000-99-99 25:00:00'"},
    "postgresql": {
        "a category": "category = 'NEVERHEARDOF'",
        "a moment": "due_at = '-infinity'",
        "a number": "attempts = 2147483647",
    },
}


@pytest.mark.parametrize("what", ["a category", "a moment", "a number"])
def test_a_row_that_cannot_be_read_fails_alone(desk: Desk, what: str) -> None:
    spoiled = SPOILED[desk.store.engine.dialect.name].get(what)
    if spoiled is None:
        return  # SQLite's numbers hold it
    desk.add(*(message(n) for n in range(5)))
    with desk.store.engine.begin() as connection:
        connection.execute(text(f"UPDATE messages SET {spoiled} WHERE message_id = 'm00002'"))
    assert desk.claim() == []
    assert [one.message.message_id for one in desk.claim()] == ["m00000", "m00001", "m00003", "m00004"]
    facts = desk.store.report.message("m00002")
    assert facts is not None
    assert (facts.message["status"], facts.attempts[-1]["title"]) == (Status.FAILED, TITLE)


def test_a_claim_that_fails_for_another_reason_fails_no_message(desk: Desk) -> None:
    desk.add(message())
    with pytest.raises(StatementError, match="needs its zone"):
        desk.claim(now=NOW.replace(tzinfo=None))
    assert [one.message.message_id for one in desk.claim()] == ["m00001"]

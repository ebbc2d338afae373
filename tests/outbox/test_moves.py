"""Whatever happens in whatever order, every move that the code makes is a legal one."""

from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from service.message import MOVES, Attempt, Outcome, Status
from service.outbox.consent import Consent
from service.people import Blocked, Suppression, SuppressionSource
from tests.outbox.making import (
    MINUTE,
    NOW,
    Desk,
    accepted,
    failed,
    later,
    message,
    news,
    queued_again,
    settlement,
    unanswered,
)
from tests.outbox.recounting import check_counts

numbers = count(20_000)

TRIGGER = "CREATE TRIGGER watch AFTER UPDATE OF status ON messages"
NOTE = "INSERT INTO moves_seen VALUES (OLD.status, NEW.status);"
SQLITE = (f"{TRIGGER} WHEN OLD.status <> NEW.status BEGIN {NOTE} END",)
POSTGRESQL = (
    f"CREATE FUNCTION note() RETURNS trigger AS 'BEGIN {NOTE} RETURN NULL; END' LANGUAGE plpgsql",
    f"{TRIGGER} FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION note()",
)


@pytest.fixture
def watched(desk: Desk) -> Iterator[Desk]:
    """A desk whose database itself writes down every move of a message."""
    is_sqlite = desk.store.engine.dialect.name == "sqlite"
    run(desk, "CREATE TABLE moves_seen (origin text, target text)", *(SQLITE if is_sqlite else POSTGRESQL))
    yield desk
    if not is_sqlite:
        run(desk, "DROP TRIGGER watch ON messages", "DROP FUNCTION note()", "DROP TABLE moves_seen")


def run(desk: Desk, *statements: str) -> None:
    with desk.store.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def moves(desk: Desk) -> set[tuple[Status, Status]]:
    with desk.store.engine.connect() as connection:
        return {(Status(row[0]), Status(row[1])) for row in connection.execute(text("SELECT * FROM moves_seen"))}


STEPS = (
    *("claim", "take over", "judge", "expire", "an hour passes", "stop", "start"),
    *("accepted", "held", "unanswered", "unavailable", "refused", "not sent", "expired"),
    *("sent", "delivered", "read", "failed", "failed for now"),
)


def answer(desk: Desk, step: str, attempt: Attempt) -> None:
    match step:
        case "accepted":
            desk.settle(accepted(attempt))
        case "held":
            desk.settle(settlement(attempt, Outcome.HELD, Status.HELD, wamid=f"wamid.{attempt.callback_data}"))
        case "unanswered":
            desk.settle(unanswered(attempt))
        case "unavailable":
            desk.settle(queued_again(attempt, due_at=NOW))
        case "refused":
            desk.settle(settlement(attempt, Outcome.REFUSED, Status.FAILED, code=131026))
        case "not sent":
            desk.settle(settlement(attempt, Outcome.NOT_SENT, Status.QUEUED, counts=False))
        case "expired":
            desk.settle(settlement(attempt, Outcome.UNAVAILABLE, Status.EXPIRED))
        case "failed for now":
            desk.tell(failed(attempt, 131016, retry_after=MINUTE))
        case _:
            desk.tell(news(attempt, Status(step)))


@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 5)), min_size=4, max_size=25))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_move_is_legal_and_tries_never_exceed_attempts(watched: Desk, steps: list[tuple[str, int]]) -> None:
    desk, hours = watched, 0
    first = message(next(numbers))
    attempts = desk.claimed(first)
    for step, which in steps:
        now = later(hours=hours)
        match step:
            case "claim":
                attempts += desk.claim(now=now)
            case "take over":
                desk.rescue(now=now)
            case "judge":
                requeue_on_evidence(desk, first.message_id)
            case "expire":
                desk.store.outbox.expire(desk.lease, now)
            case "stop":
                stop = Suppression(first.to, Blocked.ALL, SuppressionSource.OPERATOR, now)
                Consent(desk.store.engine).suppress([stop], now)
            case "start":
                Consent(desk.store.engine).lift(first.to, now)
            case "an hour passes":
                hours += 1
            case _:
                answer(desk, step, attempts[which % len(attempts)])
        row = desk.row(first)
        assert 0 <= row["tries"] <= row["attempts"] == len(attempts)
    Consent(desk.store.engine).lift(first.to, later(hours=hours))
    check_counts(desk.store.engine)
    cleared = (
        "messages",
        "events",
        "moves",
        "tallies",
    )  # so that the next example claims and counts its own message only
    run(desk, *(f"DELETE FROM {table}" for table in cleared))
    assert [(origin, target) for origin, target in moves(desk) if target not in MOVES[origin]] == []


def requeue_on_evidence(desk: Desk, message_id: str) -> None:
    """As `queue_again` does; the evidence itself is tested elsewhere."""
    with desk.store.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE messages SET status = 'queued' WHERE message_id = :name AND status = 'unanswered' AND NOT EXISTS"
                " (SELECT 1 FROM attempts WHERE attempts.message_id = messages.message_id AND wamid IS NOT NULL)"
            ),
            {"name": message_id},
        )

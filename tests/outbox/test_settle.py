"""What an attempt came to, and what that makes of its message."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from service.message import Outcome, Settlement, Status
from tests.outbox.making import (
    MINUTE,
    Desk,
    accepted,
    at_once,
    failed,
    later,
    message,
    news,
    queued_again,
    settlement,
    unanswered,
)

ENDS: dict[str, tuple[Outcome, Status, dict[str, Any], dict[str, Any]]] = {
    "accepted": (Outcome.ACCEPTED, Status.ACCEPTED, {"wamid": "wamid.A", "http_status": 200}, {"tries": 1}),
    "held": (Outcome.HELD, Status.HELD, {"wamid": "wamid.A", "http_status": 200}, {"tries": 1}),
    "throttled": (
        Outcome.THROTTLED,
        Status.QUEUED,
        {"due_at": later(seconds=4), "counts": False, "code": 131056},
        {"tries": 0, "due_at": later(seconds=4)},
    ),
    "unavailable": (
        Outcome.UNAVAILABLE,
        Status.QUEUED,
        {"due_at": later(seconds=9), "code": 131016, "http_status": 503},
        {"tries": 1, "due_at": later(seconds=9)},
    ),
    "unavailable for the last time": (Outcome.UNAVAILABLE, Status.FAILED, {"code": 131016}, {"tries": 1}),
    "no time left": (Outcome.UNAVAILABLE, Status.EXPIRED, {"due_at": later(days=2)}, {"tries": 1}),
    "refused": (
        Outcome.REFUSED,
        Status.FAILED,
        {"code": 132001, "title": "no such template", "details": "en_US", "fbtrace_id": "Axy", "http_status": 404},
        {"tries": 1},
    ),
    "unauthorised": (
        Outcome.UNAUTHORISED,
        Status.QUEUED,
        {"due_at": later(), "counts": False, "code": 190},
        {"tries": 0, "due_at": later()},
    ),
    "unanswered": (Outcome.UNANSWERED, Status.UNANSWERED, {}, {"tries": 1}),
    "not sent": (Outcome.NOT_SENT, Status.QUEUED, {"due_at": later(), "counts": False}, {"tries": 0}),
}


@pytest.mark.parametrize("name", ENDS)
def test_each_outcome_is_recorded_and_moves_its_message(desk: Desk, name: str) -> None:
    outcome, status, facts, row = ENDS[name]
    attempt = desk.sending()
    desk.settle(settlement(attempt, outcome, status, duration_ms=7, **facts), now=later(seconds=1))
    assert desk.row().items() >= {"status": status.value, "status_at": later(seconds=1), **row}.items()
    kept = {name: facts.get(name) for name in ("code", "title", "details", "fbtrace_id", "http_status", "wamid")}
    expected = {"outcome": outcome.value, "finished_at": later(seconds=1), "duration_ms": 7, **kept}
    assert desk.attempt(attempt).items() >= expected.items()


def test_a_batch_of_every_outcome_settles_each_message_by_its_own(desk: Desk) -> None:
    """Rows with and without each value, in one statement: what one row lacks must not come from another."""
    attempts = desk.claimed(*(message(n) for n in range(3 * len(ENDS))))
    ends = list(ENDS.values()) * 3
    batch = [
        settlement(attempt, outcome, status, **{**facts, **({"wamid": f"w{n}"} if "wamid" in facts else {})})
        for n, (attempt, (outcome, status, facts, _)) in enumerate(zip(attempts, ends, strict=True))
    ]
    desk.settle(*reversed(batch))
    for n, (attempt, (outcome, status, facts, row)) in enumerate(zip(attempts, ends, strict=True)):
        assert desk.row(attempt).items() >= {"status": status.value, **row}.items()
        kept = desk.attempt(attempt)
        assert kept["outcome"] == outcome.value
        assert kept["wamid"] == (f"w{n}" if "wamid" in facts else None)
        assert [kept[name] for name in ("code", "title")] == [facts.get(name) for name in ("code", "title")]


def test_nothing_to_settle_is_fine(desk: Desk) -> None:
    desk.settle()


def test_a_settlement_without_a_moment_leaves_the_message_due_when_it_was(desk: Desk) -> None:
    attempt = desk.sending()
    desk.settle(settlement(attempt, Outcome.NOT_SENT, Status.QUEUED, counts=False))
    assert desk.row()["due_at"] == attempt.message.due_at


def test_settling_the_same_again_changes_nothing(desk: Desk) -> None:
    """A commit whose answer was lost is made again."""
    first, second = desk.claimed(message(1), message(2))
    batch = [accepted(first), queued_again(second)]
    desk.settle(*batch, now=later(seconds=1))
    before = desk.row(first), desk.row(second), desk.attempt(first), desk.attempt(second)
    desk.settle(*batch, now=later(seconds=9))
    assert (desk.row(first), desk.row(second), desk.attempt(first), desk.attempt(second)) == before


def test_an_unknown_message_is_ignored(desk: Desk) -> None:
    attempt = desk.sending()
    desk.settle(Settlement("nobody", 1, Outcome.ACCEPTED, Status.ACCEPTED, wamid="w"), accepted(attempt))
    assert desk.status() == "accepted"


def test_a_late_accepted_counts_after_a_rescue(desk: Desk) -> None:
    attempt = desk.sending()
    desk.rescue()
    desk.settle(accepted(attempt))
    assert desk.status() == "accepted"
    assert desk.attempt(attempt).items() >= {"outcome": "accepted", "wamid": "wamid.m00001.1"}.items()
    assert desk.row()["tries"] == 1


@pytest.mark.parametrize("held", [False, True])
def test_a_late_accepted_counts_after_the_message_was_queued_again(desk: Desk, held: bool) -> None:
    attempt = desk.sending()
    desk.settle(unanswered(attempt))
    requeue(desk)
    late = settlement(attempt, Outcome.HELD, Status.HELD, wamid="w") if held else accepted(attempt)
    desk.settle(late)
    assert desk.status() == ("held" if held else "accepted")
    assert desk.claim(now=later(minutes=9)) == []
    assert desk.row()["tries"] == 1


def requeue(desk: Desk) -> None:
    """As judged on evidence."""
    with desk.store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE messages SET status = 'queued'")


def test_a_late_answer_to_an_older_attempt_is_kept_with_it_and_does_not_move_the_message(desk: Desk) -> None:
    first = desk.sending()
    desk.settle(unanswered(first))
    requeue(desk)
    [second] = desk.claim(now=later(minutes=6))
    desk.settle(accepted(first, wamid="wamid.late"), now=later(minutes=7))
    assert desk.status() == "sending"
    assert desk.attempt(first).items() >= {"outcome": "accepted", "wamid": "wamid.late"}.items()
    assert desk.attempt(second).items() >= {"outcome": None, "wamid": None}.items()
    desk.settle(accepted(second))
    assert desk.status() == "accepted"


def test_a_late_not_sent_after_a_rescue_queues_again_and_counts_no_try(desk: Desk) -> None:
    attempt = desk.sending()
    desk.rescue()
    assert desk.row()["tries"] == 1
    desk.settle(settlement(attempt, Outcome.NOT_SENT, Status.QUEUED, counts=False))
    assert desk.row().items() >= {"status": "queued", "tries": 0}.items()


def test_a_late_refusal_after_a_rescue_fails_the_message_and_counts_one_try(desk: Desk) -> None:
    attempt = desk.sending()
    desk.rescue()
    desk.settle(settlement(attempt, Outcome.REFUSED, Status.FAILED, code=132001))
    assert desk.row().items() >= {"status": "failed", "tries": 1}.items()
    assert desk.attempt(attempt).items() >= {"outcome": "refused", "code": 132001}.items()


@pytest.mark.parametrize("status", [Status.SENT, Status.DELIVERED, Status.READ])
def test_an_answer_after_its_notification_moves_nothing_back(desk: Desk, status: Status) -> None:
    attempt = desk.sending()
    desk.tell(news(attempt, status))
    desk.settle(accepted(attempt))
    assert desk.row().items() >= {"status": status.value, "tries": 1}.items()
    assert desk.attempt(attempt).items() >= {"outcome": "accepted", "http_status": 200, "duration_ms": 211}.items()


def test_a_failure_notified_before_the_answer_stands(desk: Desk) -> None:
    attempt = desk.sending()
    desk.tell(failed(attempt))
    desk.settle(accepted(attempt))
    assert desk.row().items() >= {"status": "failed", "tries": 1}.items()
    row = desk.attempt(attempt)
    assert (row["code"], row["title"], row["details"]) == (131026, "Undeliverable", "no such person")


def test_a_retryable_failure_notified_before_the_answer_waits_for_its_next_attempt(desk: Desk) -> None:
    attempt = desk.sending()
    desk.tell(failed(attempt, 131016, retry_after=MINUTE))
    desk.settle(accepted(attempt))
    assert desk.row().items() >= {"status": "queued", "due_at": later(minutes=1), "tries": 1}.items()


def test_unanswered_never_overwrites_what_is_known(desk: Desk) -> None:
    known, told = desk.claimed(message(1), message(2))
    desk.settle(accepted(known), now=later(seconds=1))
    desk.tell(news(told, Status.SENT))
    desk.settle(unanswered(known), unanswered(told), now=later(seconds=9))
    assert desk.attempt(known).items() >= {"outcome": "accepted", "finished_at": later(seconds=1)}.items()
    assert desk.attempt(told).items() >= {"outcome": "accepted", "sent_at": later(seconds=5)}.items()
    assert (desk.status(known), desk.status(told)) == ("accepted", "sent")


def test_a_certain_answer_is_not_replaced_by_another(desk: Desk) -> None:
    attempt = desk.sending()
    desk.settle(accepted(attempt))
    desk.settle(settlement(attempt, Outcome.REFUSED, Status.FAILED, code=131026))
    assert desk.status() == "accepted"
    assert desk.attempt(attempt).items() >= {"outcome": "accepted", "code": None}.items()


def test_settlements_and_notifications_of_the_same_messages_do_not_block_each_other(desk: Desk) -> None:
    attempts = desk.claimed(*(message(n) for n in range(300)))
    batches = [attempts, attempts[::-1], sorted(attempts, key=lambda attempt: attempt.message.to[-1])]
    settling = [partial(desk.settle, *(accepted(one) for one in batch)) for batch in batches]
    doubting = [partial(desk.settle, *(unanswered(one) for one in batch)) for batch in batches]
    telling = [partial(desk.tell, *(news(one, Status.DELIVERED) for one in batch)) for batch in batches]
    calls: list[Callable[[], object]] = [*settling, *doubting, *telling]
    at_once(calls)
    assert {desk.status(attempt) for attempt in attempts} == {"delivered"}

"""What an operator calls off: what is queued and nothing else, whoever claims at the same moment."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from service.message import MOVES, Outcome, Scope, Status
from service.outbox import cancel as cancels
from service.outbox.cancel import cancellable
from service.outbox.search import Filter
from tests.outbox.making import NOW, Desk, at_once, later, message, pause_of, queued_again, settlement
from tests.outbox.operated import set_message

CAMPAIGN = Filter(campaign_id="c1")


def cancel(desk: Desk, wanted: Filter = CAMPAIGN) -> int:
    """Preview and cancel, which must agree."""
    previewed = desk.store.outbox.preview_cancel(wanted)
    done = desk.store.outbox.cancel(wanted, later(hours=1))
    assert previewed == done
    return done


def test_what_is_queued_is_called_off_and_never_goes(desk: Desk) -> None:
    desk.add(message(1, campaign_id="c1"), message(2, campaign_id="c2"))
    assert cancel(desk) == 1
    assert desk.row().items() >= {"status": "cancelled", "status_at": later(hours=1)}.items()
    assert [attempt.message.message_id for attempt in desk.claim()] == ["m00002"]
    assert cancel(desk) == 0


def test_what_waits_for_a_pause_is_called_off_too(desk: Desk) -> None:
    desk.add(message(campaign_id="c1"))
    desk.pause(pause_of(Scope.CAMPAIGN, "c1"))
    desk.shelve()
    assert desk.row()["shelf"] == "campaign:c1"
    assert cancel(desk) == 1
    assert desk.row().items() >= {"status": "cancelled", "shelf": None}.items()
    desk.store.outbox.resume([(Scope.CAMPAIGN, "c1")], even_an_operators=True)
    assert (desk.shelve(), desk.claim()) == (0, [])


def test_what_is_to_be_tried_again_is_called_off_and_keeps_its_attempts(desk: Desk) -> None:
    attempt = desk.sending(campaign_id="c1")
    desk.settle(queued_again(attempt))
    assert cancel(desk, Filter(code=131016)) == 1
    assert desk.attempt(attempt)["code"] == 131016
    desk.settle(settlement(attempt, Outcome.ACCEPTED, Status.ACCEPTED, wamid="late"))
    assert desk.status() == "cancelled"


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.QUEUED])
def test_what_stands_otherwise_is_not_called_off_even_by_its_id(desk: Desk, status: Status) -> None:
    desk.add(message())
    set_message(desk, status=status.value)
    assert cancel(desk, Filter(["m00001"])) == 0
    assert desk.status() == status


def test_calling_off_is_a_legal_move_of_what_is_queued_only() -> None:
    assert [status for status in Status if Status.CANCELLED in MOVES[status]] == [Status.QUEUED]


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({}, "say which messages"),
        ({"message_ids": [], "statuses": [Status.QUEUED]}, "say which messages"),
        ({"statuses": [Status.QUEUED]}, "say which messages"),
        ({"campaign_id": "c1", "statuses": [Status.FAILED]}, "only messages that are queued can be cancelled"),
        ({"campaign_id": "c1", "statuses": [Status.QUEUED, Status.SENT]}, "only messages that are queued"),
    ],
)
def test_nobody_cancels_everything_by_accident(desk: Desk, facts: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        cancellable(Filter(**facts))
    with pytest.raises(ValueError, match=sentence):
        desk.store.outbox.cancel(Filter(**facts), NOW)


def test_a_large_cancellation_takes_several_transactions_and_misses_nothing(desk: Desk) -> None:
    large = cancels.CANCELLED_AT_ONCE + 1
    desk.add(*(message(n, campaign_id="c1") for n in range(large)))
    assert cancel(desk) == large
    assert desk.claim() == []


def test_a_message_is_either_claimed_or_called_off(desk: Desk) -> None:
    desk.add(*(message(n, campaign_id="c1") for n in range(300)))
    claimed: list[str] = []
    numbers: list[int] = []

    def claim() -> None:
        for _ in range(10):
            claimed.extend(attempt.message.message_id for attempt in desk.claim(limit=20))

    at_once([claim, lambda: numbers.append(desk.store.outbox.cancel(CAMPAIGN, NOW))])
    claimed += [attempt.message.message_id for attempt in desk.claim(limit=300)]
    statuses = [desk.status(f"m{n:05}") for n in range(300)]
    assert statuses.count("cancelled") == numbers[0]
    assert sorted(claimed) == [f"m{n:05}" for n in range(300) if statuses[n] == "sending"]
    assert len(claimed) == len(set(claimed)) == 300 - numbers[0]


@contextmanager
def once_before(desk: Desk, beginning: str, deed: Callable[[], object]) -> Iterator[None]:
    """Do it, from another thread, before the first statement that begins so."""
    done: list[str] = []

    def look(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if not done and statement.startswith(beginning):
            done.append(statement)
            at_once([deed])

    event.listen(desk.store.engine, "before_cursor_execute", look)
    yield
    event.remove(desk.store.engine, "before_cursor_execute", look)
    assert done


def test_a_message_that_is_claimed_after_it_was_found_is_not_called_off(desk: Desk) -> None:
    if desk.store.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer, and nothing comes in between")
    desk.add(message(1, campaign_id="c1"), message(2, campaign_id="c1", due_at=later(hours=1)))
    lock = "SELECT messages.message_id \nFROM messages \nWHERE messages.message_id ="
    with once_before(desk, lock, desk.claim):
        assert desk.store.outbox.cancel(CAMPAIGN, NOW) == 1
    assert (desk.status("m00001"), desk.status("m00002")) == ("sending", "cancelled")

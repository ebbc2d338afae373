"""What an operator decides of a message that was left open, and what becomes of it then."""

import pytest

from service.message import MOVES, Status
from service.outbox.announce import EVERYBODY, Work
from service.outbox.decisions import DECISIONS, Decision, Undecidable, UnknownMessage
from service.outbox.outbox import Outbox
from service.outbox.replay import REPLAYABLE
from tests.conftest import MAX_TRIES
from tests.outbox.making import NOW, Desk, accepted, later, news, unanswered
from tests.outbox.operated import doubtful, doubtful_again, of_campaign, set_message


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("decision", Decision)
def test_only_what_was_left_open_is_decided(desk: Desk, status: Status, decision: Decision) -> None:
    desk.sending()
    set_message(desk, status=status.value)
    becomes = DECISIONS.get(status, {}).get(decision)
    if becomes is not None:
        assert desk.store.outbox.decide("m00001", decision, NOW) is becomes
        assert desk.status() == becomes
        return
    with pytest.raises(Undecidable, match=f"message m00001 is {status}: .+"):
        desk.store.outbox.decide("m00001", decision, NOW)
    assert desk.status() == status


def test_every_decision_and_every_replay_is_a_legal_move() -> None:
    assert set(DECISIONS) == {Status.UNANSWERED, Status.HELD}
    for status, choices in DECISIONS.items():
        assert set(choices.values()) <= MOVES[status]
    assert all(Status.QUEUED in MOVES[status] for status in REPLAYABLE)


def test_the_newest_attempt_says_that_a_person_decided(desk: Desk) -> None:
    attempt = of_campaign(desk)
    desk.settle(unanswered(attempt, code=2, title="Service temporarily down", details="later"))
    desk.store.outbox.decide("m00001", Decision.FAILED, later(hours=1))
    facts = {"title": "Decided by an operator: failed", "details": None, "code": 2, "outcome": "unanswered"}
    assert desk.attempt(attempt).items() >= facts.items()
    assert desk.row()["status_at"] == later(hours=1)


@pytest.mark.parametrize("told", [Status.DELIVERED, Status.READ, Status.FAILED])
def test_a_notification_moves_on_what_was_decided_to_be_sent(desk: Desk, told: Status) -> None:
    attempt = doubtful(desk)
    desk.store.outbox.decide("m00001", Decision.SENT, NOW)
    desk.tell(news(attempt, told))
    assert desk.status() == told


def test_an_answer_that_comes_after_the_decision_is_kept_with_its_attempt(desk: Desk) -> None:
    attempt = doubtful(desk)
    desk.store.outbox.decide("m00001", Decision.SENT, NOW)
    desk.settle(accepted(attempt))
    assert desk.attempt(attempt).items() >= {"outcome": "accepted", "title": "Decided by an operator: sent"}.items()
    assert desk.status() == "sent"


def test_sending_again_keeps_the_tries_and_the_time_to_live(desk: Desk) -> None:
    doubtful(desk)
    before = desk.row()
    desk.store.outbox.decide("m00001", Decision.RESEND, later(hours=3))
    facts = {"due_at": later(hours=3), "tries": 1, "expires_at": before["expires_at"], "shelf": None}
    assert desk.row().items() >= facts.items()
    assert [attempt.number for attempt in desk.claim(now=later(hours=3))] == [2]


def test_sending_again_gives_a_new_time_to_live_where_the_old_one_is_over(desk: Desk) -> None:
    doubtful(desk)
    desk.store.outbox.decide("m00001", Decision.RESEND, later(hours=30))
    assert desk.row()["expires_at"] == later(hours=54)
    assert len(desk.claim(now=later(hours=30))) == 1


@pytest.mark.parametrize("told", [Status.SENT, Status.DELIVERED])
def test_what_meta_is_known_to_have_is_not_sent_again(desk: Desk, told: Status) -> None:
    desk.tell(news(doubtful_again(desk), told))
    with pytest.raises(Undecidable, match="Meta has an earlier attempt of it; decide sent or failed"):
        desk.store.outbox.decide("m00001", Decision.RESEND, NOW)
    assert desk.status() == "unanswered"
    assert desk.store.outbox.decide("m00001", Decision.SENT, NOW) is Status.SENT


def test_nothing_is_decided_of_a_message_that_is_none(desk: Desk) -> None:
    with pytest.raises(UnknownMessage, match="no message nobody"):
        desk.store.outbox.decide("nobody", Decision.SENT, NOW)


def test_the_dispatchers_are_told_where_something_is_to_be_sent_again(desk: Desk) -> None:
    told: list[Work] = []
    outbox = Outbox(desk.store.engine, max_tries=MAX_TRIES, announce=told.append)
    doubtful(desk, 1)
    doubtful(desk, 2)
    outbox.decide("m00001", Decision.SENT, NOW)
    assert told == []
    outbox.decide("m00002", Decision.RESEND, NOW)
    assert told == [EVERYBODY]

"""What an operator decides: which messages go again and when, which never, and what becomes of one that was left open."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import update

from service.message import MOVES, Outcome, Pause, PauseReason, Scope, Status, Template
from service.outbox import decisions, tables
from service.outbox.decisions import DECISIONS, REPLAYABLE, Decision, LeftOut, Replayed, Selection, Undecidable
from service.outbox.outbox import Outbox
from tests.conftest import MAX_TRIES
from tests.outbox.making import (
    NOW,
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

CAPPED, OPTED_OUT = 131049, 131050
DAY = timedelta(days=1)
FAILED_EARLY = Selection(campaign_id="c1")
ALL_STATUSES = Selection(campaign_id="c1", statuses=REPLAYABLE)


def replay(desk: Desk, selection: Selection = FAILED_EARLY, **hours: float) -> Replayed:
    """Preview and replay, which must agree."""
    terms = later(**hours), {CAPPED: DAY}, {OPTED_OUT}
    previewed = desk.store.outbox.preview_replay(selection, *terms)
    done = desk.store.outbox.replay(selection, *terms)
    assert previewed == done
    return done


def of_campaign(desk: Desk, n: int = 1, **changes: Any) -> Any:
    """The n-th message, being sent."""
    return desk.sending(n=n, campaign_id="c1", **changes)


def refused(desk: Desk, n: int = 1, code: int = 131026, **changes: Any) -> Any:
    """The n-th message, which Meta has refused."""
    attempt = of_campaign(desk, n, **changes)
    desk.settle(settlement(attempt, Outcome.REFUSED, Status.FAILED, code=code, title="Undeliverable", details="no one"))
    return attempt


def doubtful(desk: Desk, n: int = 1, **changes: Any) -> Any:
    """The n-th message, to which no answer came."""
    attempt = of_campaign(desk, n, **changes)
    desk.settle(unanswered(attempt))
    return attempt


def doubtful_again(desk: Desk) -> Any:
    """A message that went twice and got no answer either time; its first attempt."""
    attempt = of_campaign(desk)
    desk.settle(queued_again(attempt, due_at=NOW))
    [second] = desk.claim()
    desk.settle(unanswered(second))
    return attempt


def set_message(desk: Desk, **facts: Any) -> None:
    with desk.store.engine.begin() as connection:
        connection.execute(update(tables.messages).values(**facts))


# --- replay


def test_what_failed_goes_again_as_a_new_attempt_with_all_its_tries(desk: Desk) -> None:
    first = of_campaign(desk)
    desk.settle(queued_again(first, due_at=NOW))
    [second] = desk.claim()
    desk.settle(settlement(second, Outcome.REFUSED, Status.FAILED, code=131026))
    assert desk.row()["tries"] == 2
    assert replay(desk, hours=3) == Replayed(now=1)
    facts = {"status": "queued", "tries": 0, "status_at": later(hours=3), "due_at": later(hours=3)}
    assert desk.row().items() >= facts.items()
    [third] = desk.claim(now=later(hours=3))
    assert (third.number, third.tries) == (3, 0)


def test_what_expired_on_a_shelf_goes_again_from_the_queue(desk: Desk) -> None:
    outbox = desk.store.outbox
    desk.add(message(campaign_id="c1", expires_at=later(hours=1)))
    outbox.pause(Pause(Scope.CAMPAIGN, "c1", PauseReason.OPERATOR, "", since=NOW))
    outbox.shelve(desk.lease, None, NOW)
    assert outbox.expire(desk.lease, later(hours=2)) == 1
    assert desk.row()["shelf"] == "campaign:c1"
    outbox.resume([(Scope.CAMPAIGN, "c1")], even_an_operators=True)
    assert replay(desk, hours=2) == Replayed(now=1)
    assert desk.row()["shelf"] is None
    assert len(desk.claim(now=later(hours=2))) == 1


def test_what_was_not_answered_goes_again_only_where_that_is_asked_for(desk: Desk) -> None:
    doubtful(desk)
    assert replay(desk) == Replayed()
    assert desk.status() == "unanswered"
    assert replay(desk, ALL_STATUSES) == Replayed(now=1)
    assert desk.status() == "queued"


def test_a_message_lives_as_long_as_before_counted_from_the_replay(desk: Desk) -> None:
    """Also where its event had lain in a queue for longer than that, and however often it is sent again."""
    desk.add(message(campaign_id="c1", expires_at=later(hours=1)), now=later(hours=20))
    desk.store.outbox.expire(desk.lease, later(hours=20))
    for hours in (21, 48):
        assert replay(desk, hours=hours) == Replayed(now=1)
        assert desk.row()["expires_at"] == later(hours=hours + 1)
        assert desk.store.outbox.expire(desk.lease, later(hours=hours + 1)) == 1


@pytest.mark.parametrize(("hours", "due_after", "counted"), [(1, 24, Replayed(later=1)), (30, 30, Replayed(now=1))])
def test_a_wait_that_the_code_asks_for_counts_from_the_failure(
    desk: Desk, hours: float, due_after: float, counted: Replayed
) -> None:
    refused(desk, code=CAPPED)
    assert replay(desk, hours=hours) == counted
    assert desk.row()["due_at"] == later(hours=due_after)
    assert desk.row()["expires_at"] == later(hours=due_after + 24), "else it would expire before it may go"
    assert desk.claim(now=later(hours=due_after, seconds=-1)) == []
    assert len(desk.claim(now=later(hours=due_after))) == 1


def two_attempts(desk: Desk, *told: Status) -> None:
    """The first got no answer and is told of now; the second was refused."""
    first = of_campaign(desk)
    desk.settle(queued_again(first, due_at=NOW))
    [second] = desk.claim()
    desk.settle(settlement(second, Outcome.REFUSED, Status.FAILED, code=131026))
    desk.tell(*(news(first, status) for status in told))


def held_decided_failed(desk: Desk) -> None:
    attempt = of_campaign(desk)
    desk.settle(settlement(attempt, Outcome.HELD, Status.HELD, wamid="wamid.1"))
    desk.store.outbox.decide("m00001", Decision.FAILED, NOW)


LEFT_OUT: Mapping[str, tuple[Callable[[Desk], object], LeftOut]] = {
    "the recipient opted out": (lambda desk: refused(desk, code=OPTED_OUT), LeftOut.OPTED_OUT),
    "an earlier attempt was delivered": (lambda desk: two_attempts(desk, Status.DELIVERED), LeftOut.DELIVERED),
    "an earlier attempt was read": (lambda desk: two_attempts(desk, Status.READ), LeftOut.DELIVERED),
    "an earlier attempt was sent": (lambda desk: two_attempts(desk, Status.SENT), LeftOut.TAKEN),
    "unanswered, an earlier attempt was sent": (
        lambda desk: desk.tell(news(doubtful_again(desk), Status.SENT)),
        LeftOut.TAKEN,
    ),
    "Meta has it still, whatever was decided": (held_decided_failed, LeftOut.TAKEN),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_never_taken_is(desk: Desk, name: str) -> None:
    prepare, reason = LEFT_OUT[name]
    prepare(desk)
    before = desk.row()
    done = replay(desk, ALL_STATUSES, days=2)
    assert (done.queued, dict(done.left_out)) == (0, {reason: 1})
    assert desk.row() == before


GO_AGAIN: Mapping[str, Callable[[Desk], object]] = {
    "what Meta took and then let fail": lambda desk: desk.tell(*both(of_campaign(desk))),
    "what an earlier attempt of failed, too": lambda desk: two_attempts(desk, Status.SENT, Status.FAILED),
    "what was decided to have failed": lambda desk: (
        doubtful(desk),
        desk.store.outbox.decide("m00001", Decision.FAILED, NOW),
    ),
}


def both(attempt: Any) -> list[Any]:
    return [news(attempt, Status.SENT), failed(attempt)]


@pytest.mark.parametrize("name", GO_AGAIN)
def test_again_goes(desk: Desk, name: str) -> None:
    GO_AGAIN[name](desk)
    assert desk.status() == "failed"
    assert replay(desk) == Replayed(now=1)


UNTOUCHED = [status for status in Status if status not in REPLAYABLE]


@pytest.mark.parametrize("status", UNTOUCHED)
def test_what_stands_otherwise_is_not_meant_even_by_its_id(desk: Desk, status: Status) -> None:
    desk.add(message())
    set_message(desk, status=status.value)
    assert replay(desk, Selection(["m00001"], statuses=REPLAYABLE)) == Replayed()
    assert desk.status() == status


SELECTIONS: Mapping[str, tuple[Selection, set[str]]] = {
    "by id": (Selection(["m00001", "m00003", "nobody"]), {"m00001", "m00003"}),
    "by event": (Selection(event_id="e00001"), {"m00001"}),
    "by campaign": (Selection(campaign_id="c1"), {"m00001", "m00002", "m00003"}),
    "by template": (Selection(template="sale"), {"m00002"}),
    "by number": (Selection(phone_number_id="another"), set()),
    "by code": (Selection(code=132001), {"m00003"}),
    "by several": (Selection(campaign_id="c1", code=131026), {"m00001", "m00002"}),
    "by several that nothing fits": (Selection(["m00003"], code=131026), set()),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_selection_means_what_fits_all_of_it(desk: Desk, name: str) -> None:
    refused(desk, 1)
    refused(desk, 2, template=Template("sale", "de"))
    refused(desk, 3, code=132001)
    selection, ids = SELECTIONS[name]
    assert replay(desk, selection) == Replayed(now=len(ids))
    assert {name for name in ("m00001", "m00002", "m00003") if desk.status(name) == "queued"} == ids


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({}, "say which messages"),
        ({"statuses": REPLAYABLE}, "say which messages"),
        ({"campaign_id": "c1", "statuses": ()}, "failed, expired or unanswered can be sent again"),
        ({"campaign_id": "c1", "statuses": [Status.HELD]}, "failed, expired or unanswered can be sent again"),
    ],
)
def test_nobody_replays_everything_by_accident(facts: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Selection(**facts)


def test_a_large_replay_takes_several_transactions_and_misses_nothing(desk: Desk) -> None:
    large = decisions.REPLAYED_AT_ONCE + 1
    desk.add(*(message(n, campaign_id="c1") for n in range(large)))
    set_message(desk, status="failed")
    told: list[int] = []
    outbox = Outbox(desk.store.engine, max_tries=MAX_TRIES, announce=lambda: told.append(1))
    assert outbox.preview_replay(FAILED_EARLY, NOW, {}, ()) == Replayed(now=large)
    assert outbox.replay(FAILED_EARLY, NOW, {}, ()) == Replayed(now=large)
    assert len(told) == 2, "the dispatchers are told after each"
    assert outbox.replay(FAILED_EARLY, NOW, {}, ()) == Replayed()
    assert len(told) == 2


def test_of_two_who_replay_at_once_each_message_is_queued_by_one(desk: Desk) -> None:
    desk.add(*(message(n, campaign_id="c1") for n in range(200)))
    set_message(desk, status="failed")
    outboxes = [Outbox(desk.store.engine, max_tries=MAX_TRIES) for _ in range(4)]
    done = at_once([partial(outbox.replay, FAILED_EARLY, NOW, {}, ()) for outbox in outboxes])
    assert sum(one.now for one in done) == 200
    assert len(desk.claim(limit=300)) == 200


def test_news_of_the_attempt_before_still_counts(desk: Desk) -> None:
    first = refused(desk)
    replay(desk)
    desk.tell(news(first, Status.DELIVERED))
    assert desk.status() == "delivered"
    assert desk.claim() == []


# --- decide


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
    with pytest.raises(Undecidable, match="no message nobody"):
        desk.store.outbox.decide("nobody", Decision.SENT, NOW)


def test_the_dispatchers_are_told_where_something_is_to_be_sent_again(desk: Desk) -> None:
    told: list[int] = []
    outbox = Outbox(desk.store.engine, max_tries=MAX_TRIES, announce=lambda: told.append(1))
    doubtful(desk, 1)
    doubtful(desk, 2)
    outbox.decide("m00001", Decision.SENT, NOW)
    assert told == []
    outbox.decide("m00002", Decision.RESEND, NOW)
    assert told == [1]

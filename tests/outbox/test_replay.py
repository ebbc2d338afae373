"""What an operator sends again: which messages go and when, and which never."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from service.message import Outcome, Pause, PauseReason, Scope, Status, Template
from service.outbox import replay as replays
from service.outbox.announce import EVERYBODY, Work
from service.outbox.decisions import Decision
from service.outbox.outbox import Outbox
from service.outbox.replay import REPLAYABLE, LeftOut, Replayed, replayable
from service.outbox.search import Filter
from tests.conftest import MAX_TRIES
from tests.outbox.making import NOW, Desk, at_once, failed, later, message, news, queued_again, settlement
from tests.outbox.operated import doubtful, doubtful_again, of_campaign, refused, set_message

CAPPED, OPTED_OUT = 131049, 131050
DAY = timedelta(days=1)
FAILED_EARLY = Filter(campaign_id="c1")
ALL_STATUSES = Filter(campaign_id="c1", statuses=REPLAYABLE)


def replay(desk: Desk, wanted: Filter = FAILED_EARLY, **hours: float) -> Replayed:
    """Preview and replay, which must agree."""
    terms = later(**hours), {CAPPED: DAY}, {OPTED_OUT}
    previewed = desk.store.outbox.preview_replay(wanted, *terms)
    done = desk.store.outbox.replay(wanted, *terms)
    assert previewed == done
    return done


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
    assert replay(desk, Filter(["m00001"], statuses=REPLAYABLE)) == Replayed()
    assert desk.status() == status


FILTERS: Mapping[str, tuple[Filter, set[str]]] = {
    "by id": (Filter(["m00001", "m00003", "nobody"]), {"m00001", "m00003"}),
    "by event": (Filter(event_id="e00001"), {"m00001"}),
    "by campaign": (Filter(campaign_id="c1"), {"m00001", "m00002", "m00003"}),
    "by template": (Filter(template="sale"), {"m00002"}),
    "by number": (Filter(phone_number_id="another"), set()),
    "by code": (Filter(code=132001), {"m00003"}),
    "by reference": (Filter(reference="order-2"), {"m00002"}),
    "by address": (Filter(to="+8613800000003"), {"m00003"}),
    "by several": (Filter(campaign_id="c1", code=131026), {"m00001", "m00002"}),
    "by several that nothing fits": (Filter(["m00003"], code=131026), set()),
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_means_what_fits_all_of_it(desk: Desk, name: str) -> None:
    refused(desk, 1)
    refused(desk, 2, template=Template("sale", "de"), reference="order-2")
    refused(desk, 3, code=132001)
    wanted, ids = FILTERS[name]
    assert replay(desk, wanted) == Replayed(now=len(ids))
    assert {name for name in ("m00001", "m00002", "m00003") if desk.status(name) == "queued"} == ids


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({}, "say which messages"),
        ({"message_ids": [], "statuses": list(REPLAYABLE)}, "say which messages"),
        ({"statuses": REPLAYABLE}, "say which messages"),
        ({"campaign_id": "c1", "statuses": [Status.HELD]}, "failed, expired or unanswered can be sent again"),
    ],
)
def test_nobody_replays_everything_by_accident(facts: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        replayable(Filter(**facts))


def test_where_no_status_is_given_what_failed_or_expired_is_meant() -> None:
    assert replayable(FAILED_EARLY).statuses == (Status.FAILED, Status.EXPIRED)
    assert replayable(ALL_STATUSES) == ALL_STATUSES


def test_a_large_replay_takes_several_transactions_and_misses_nothing(desk: Desk) -> None:
    large = replays.REPLAYED_AT_ONCE + 1
    desk.add(*(message(n, campaign_id="c1") for n in range(large)))
    set_message(desk, status="failed")
    told: list[Work] = []
    outbox = Outbox(desk.store.engine, max_tries=MAX_TRIES, announce=told.append)
    assert outbox.preview_replay(FAILED_EARLY, NOW, {}, ()) == Replayed(now=large)
    assert outbox.replay(FAILED_EARLY, NOW, {}, ()) == Replayed(now=large)
    assert told == [EVERYBODY] * 2, "the dispatchers are told after each"
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

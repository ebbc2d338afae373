"""What people and machines read: a message, an event, the queues."""

import pytest

from service.message import Fault, Outcome, Pause, PauseReason, Refusal, Scope, Status, Template
from service.outbox import tables
from service.outbox.database import reading
from service.outbox.outbox import Portfolio
from service.outbox.overview import QueueFacts
from service.outbox.report import Unanswered
from tests.outbox.making import (
    NOW,
    NUMBER,
    Desk,
    accepted,
    event,
    failed,
    later,
    message,
    news,
    queued_again,
    rejection,
    settlement,
    unanswered,
)


def test_an_unknown_id_finds_nothing(desk: Desk) -> None:
    assert desk.store.report.message("nobody") is None
    assert desk.store.report.event("nothing") is None


def test_a_message_comes_with_its_attempts_oldest_first(desk: Desk) -> None:
    first = desk.sending()
    desk.settle(queued_again(first))
    [second] = desk.claim(now=later(minutes=1))
    desk.settle(accepted(second), now=later(minutes=1))
    desk.tell(news(second, Status.SENT), now=later(minutes=2))
    facts = desk.store.report.message("m00001")
    assert facts is not None
    assert facts.message.items() >= {"status": "sent", "attempts": 2, "to": "+8613800000001"}.items()
    assert [row["attempt"] for row in facts.attempts] == [1, 2]
    assert [row["outcome"] for row in facts.attempts] == ["unavailable", "accepted"]
    assert facts.attempts[1]["sent_at"] == later(seconds=5)


def test_a_message_is_found_by_the_name_that_meta_gave_it(desk: Desk) -> None:
    attempt, *_ = desk.claimed(message(1), message(2))
    assert desk.store.report.message_of_wamid("wamid.A") is None
    desk.settle(accepted(attempt, wamid="wamid.A"))
    assert desk.store.report.message_of_wamid("wamid.A") == attempt.message.message_id
    assert desk.store.report.message_of_wamid("wamid.\0") is None


def test_moments_are_aware_utc_to_the_microsecond(desk: Desk) -> None:
    desk.add(message())
    assert desk.row()["due_at"] == NOW
    assert desk.row()["due_at"].utcoffset().total_seconds() == 0


def test_an_event_counts_its_messages_by_status_and_failures_by_code(desk: Desk) -> None:
    attempts = desk.claimed(*(message(n) for n in range(6)))
    desk.settle(
        accepted(attempts[0]),
        accepted(attempts[1]),
        settlement(attempts[2], Outcome.REFUSED, Status.FAILED, code=132001),
        settlement(attempts[3], Outcome.REFUSED, Status.FAILED, code=132001),
        settlement(attempts[4], Outcome.REFUSED, Status.FAILED),
    )
    desk.tell(failed(attempts[1], 131026))
    desk.add(message(7))
    facts = desk.store.report.event("e00001")
    assert facts is not None
    assert facts.counts == {"accepted": 1, "failed": 4, "sending": 1}
    assert facts.failures == {132001: 2, 131026: 1, None: 1}
    assert facts.rejections == []


def test_only_the_newest_attempt_says_why_a_message_failed(desk: Desk) -> None:
    first = desk.sending()
    desk.settle(queued_again(first, code=131016))
    [second] = desk.claim(now=later(minutes=1))
    desk.settle(settlement(second, Outcome.REFUSED, Status.FAILED, code=131026))
    facts = desk.store.report.event("e00001")
    assert facts is not None
    assert facts.failures == {131026: 1}


def test_rejections_come_in_the_events_order(desk: Desk) -> None:
    desk.add(*(rejection(n) if n % 2 else message(n) for n in range(30)))
    facts = desk.store.report.event("e00001")
    assert facts is not None
    assert [row["position"] for row in facts.rejections] == list(range(1, 30, 2))
    assert facts.event["recipients"] == 30


def test_a_refused_event_is_found_with_its_answer(desk: Desk) -> None:
    refusal = Refusal(event().event, [Fault("Data", "missing", "give it")])
    desk.store.outbox.refuse(refusal, 422, '{"title":"x"}', "body", NOW)
    facts = desk.store.report.event("e00001")
    assert facts is not None
    assert facts.event.items() >= {"http_status": 422, "answer": '{"title":"x"}', "recipients": 0}.items()
    assert (facts.counts, facts.failures, facts.rejections) == ({}, {}, [])


def test_queues_tell_what_is_unfinished_per_number_and_since_when(desk: Desk) -> None:
    attempts = desk.claimed(*(message(n) for n in range(4)))
    desk.settle(accepted(attempts[0]), unanswered(attempts[1]), unanswered(attempts[2]))
    desk.add(
        message(10, due_at=later(minutes=-2)),
        message(11, due_at=later(minutes=-1)),
        message(12, phone_number_id="another", due_at=later(minutes=-3)),
    )
    assert sorted(desk.store.report.queues(), key=lambda queue: (queue.phone_number_id, queue.status)) == [
        QueueFacts(NUMBER, "queued", 2, later(minutes=-2)),
        QueueFacts(NUMBER, "sending", 1, NOW),
        QueueFacts(NUMBER, "unanswered", 2, NOW),
        QueueFacts("another", "queued", 1, later(minutes=-3)),
    ]


def test_one_report_is_one_moments_look(desk: Desk) -> None:
    """Statements of one report see the same, whatever is written between them, and hold nobody up."""
    desk.add(message(1))
    with reading(desk.store.engine) as connection:
        before = connection.execute(tables.messages.select()).all()
        desk.add(message(2))
        desk.claim()
        assert connection.execute(tables.messages.select()).all() == before
    with reading(desk.store.engine) as connection:
        assert len(connection.execute(tables.messages.select()).all()) == 2


def test_the_unanswered_are_told_oldest_first_and_how_long_meta_may_still_tell(desk: Desk) -> None:
    younger = desk.claimed(message(1), now=later(hours=1))
    older = desk.claimed(*(message(n, template=Template("sale", "de")) for n in (2, 3)))
    desk.settle(*map(unanswered, older), now=later(minutes=1))
    desk.settle(*map(unanswered, younger), now=later(hours=2))
    desk.claimed(message(4))
    found = desk.store.report.unanswered(10)
    assert [one.message_id for one in found] == ["m00002", "m00003", "m00001"]
    assert found[0] == Unanswered("m00002", "+8613800000002", NUMBER, "sale", "de", NOW, later(days=7))
    assert found[2].since == later(hours=1)
    assert desk.store.report.unanswered(2) == found[:2]


def test_the_age_of_an_unanswered_message_is_that_of_its_newest_attempt(desk: Desk) -> None:
    desk.settle(queued_again(desk.sending()))
    [second] = desk.claim(now=later(minutes=1))
    desk.settle(unanswered(second), now=later(minutes=2))
    assert [one.since for one in desk.store.report.unanswered(10)] == [later(minutes=1)]


def test_the_pauses_that_stand_are_told(desk: Desk) -> None:
    over = Pause(Scope.NUMBER, NUMBER, PauseReason.SECRET, "", since=NOW, until=later(minutes=1))
    stands = Pause(Scope.TEMPLATE, "sale/de", PauseReason.NOTIFIED, "paused by Meta", since=later(seconds=1))
    for pause in (stands, over):
        desk.store.outbox.pause(pause)
    assert desk.store.report.pauses(NOW) == [over, stands]
    assert desk.store.report.pauses(later(hours=1)) == [stands]


WAITING: dict[str, tuple[Scope, str, set[str] | None, int]] = {
    "a template": (Scope.TEMPLATE, "sale/de", None, 2),
    "a template in another language": (Scope.TEMPLATE, "sale/en_US", None, 0),
    "a template of one account": (Scope.TEMPLATE, "sale/de@77", {"another"}, 1),
    "a campaign": (Scope.CAMPAIGN, "c@1", None, 1),
    "a country": (Scope.COUNTRY, "CN", None, 2),
    "a country of one account": (Scope.COUNTRY, "CN@77", {"another"}, 0),
    "a number": (Scope.NUMBER, NUMBER, None, 3),
    "an account": (Scope.WABA, "77", {"another"}, 1),
    "a token of no number": (Scope.TOKEN, "environment", set(), 0),
    "a token": (Scope.TOKEN, "environment", {NUMBER, "another"}, 4),
}


@pytest.mark.parametrize("name", WAITING)
def test_what_a_pause_would_hold_is_counted_in_the_queue(desk: Desk, name: str) -> None:
    desk.claimed(message(9, template=Template("sale", "de"), campaign_id="c@1", country="CN"))
    desk.add(
        message(1, template=Template("sale", "de")),
        message(2, template=Template("sale", "de"), phone_number_id="another"),
        message(3, campaign_id="c@1", country="CN"),
        message(4, country="CN"),
    )
    scope, key, numbers, expected = WAITING[name]
    assert desk.store.report.waiting_for(scope, key, numbers) == expected


def test_every_number_that_was_ever_served_is_known(desk: Desk) -> None:
    desk.store.outbox.acquire_lease("1", "another")
    desk.let_the_lease_run_out()
    assert desk.store.report.served_numbers() == ["1", NUMBER]


def test_the_use_of_a_daily_limit_is_told(desk: Desk) -> None:
    portfolio = Portfolio("ours", (NUMBER,))
    desk.store.outbox.set_daily_limit(portfolio, 250, NOW)
    desk.add(message(1), message(2))
    desk.claim(portfolio="ours")
    assert desk.store.report.daily_usage() == [("ours", 250, 2)]
    desk.store.outbox.set_daily_limit(portfolio, None, NOW)
    assert desk.store.report.daily_usage() == []

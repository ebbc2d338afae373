"""What the console reads: numbers, campaigns, calls, refusals."""

from datetime import timedelta

from service.message import Fault, Outcome, Refusal, Status
from tests.outbox.making import NOW, NUMBER, Desk, accepted, event, later, message, rejection, settlement, unanswered

QUARTER = NOW.replace(minute=0, second=0, microsecond=0)


def test_campaigns_come_the_latest_first_a_page_at_a_time_folded_or_not(desk: Desk) -> None:
    for n in range(5):
        moment = NOW + timedelta(hours=n)
        desk.add(message(n, campaign_id=f"c{n}"), now=moment, campaign_id=f"c{n}")
        if n == 2:
            desk.store.outbox.fold_moves()
    report = desk.store.report
    first = report.campaigns(2)
    assert [row.campaign_id for row in first] == ["c4", "c3"]
    place = first[-1].first_at, first[-1].campaign_id
    assert [row.campaign_id for row in report.campaigns(9, place)] == ["c2", "c1", "c0"]


def test_campaigns_that_began_in_the_same_quarter_are_each_on_one_page(desk: Desk) -> None:
    for n in range(5):
        desk.add(message(n, campaign_id=f"c{n}"), campaign_id=f"c{n}")
    found, place = [], None
    while page := desk.store.report.campaigns(2, place):
        found += [row.campaign_id for row in page]
        place = page[-1].first_at, page[-1].campaign_id
    assert found == ["c4", "c3", "c2", "c1", "c0"]


def test_a_campaign_says_what_it_sends_and_a_journey_that_it_is_one(desk: Desk) -> None:
    desk.add(message(1, campaign_id="summer"), campaign_id="summer")
    desk.add(message(2, campaign_id="welcome"), journey_id="welcome", source="connect")
    summer, welcome = (desk.store.report.campaign(name) for name in ("summer", "welcome"))
    assert summer is not None
    assert (summer.source, summer.is_journey, summer.template, summer.language) == (
        *("pinpoint", False, "order_update", "en_US"),
    )
    assert (summer.phone_number_id, summer.first_at, summer.last_at) == (NUMBER, QUARTER, QUARTER)
    assert welcome is not None
    assert (welcome.source, welcome.is_journey) == ("connect", True)
    assert desk.store.report.campaign("none") is None


def test_a_campaign_of_rejections_only_sends_nothing(desk: Desk) -> None:
    desk.add(rejection(1), campaign_id="c")
    [row] = desk.store.report.campaigns(9)
    assert (row.template, row.tally.rejected) == (None, 1)
    assert [one["recipient"] for one in desk.store.report.rejections("c", "invalid_address", 9)] == ["endpoint1"]
    assert desk.store.report.rejections("c", "opted_out", 9) == []


def test_calls_without_a_campaign_are_listed_with_what_became_of_them(desk: Desk) -> None:
    desk.add(message(1, campaign_id="c"), campaign_id="c")
    desk.add(message(2), message(3), rejection(4), source="direct:billing")
    desk.add(message(5))
    [attempt, *_] = desk.claim(9)
    assert attempt.message.message_id == "m00001"
    newest, older = desk.store.report.batches(9)
    assert (newest.event_id, older.event_id) == ("e00003", "e00002")
    assert (older.source, older.recipients, older.statuses) == ("direct:billing", 3, {"sending": 2, "rejected": 1})
    assert [one.event_id for one in desk.store.report.batches(9, "e00003")] == ["e00002"]


def test_refused_events_are_kept_with_their_answer_and_their_body(desk: Desk) -> None:
    refusal = Refusal(event(n=7, campaign_id="c").event, [Fault("Endpoints", "missing", "name some")])
    desk.store.outbox.refuse(refusal, 422, '{"title":"Event refused"}', "the body", NOW)
    [row] = desk.store.report.refused(9)
    assert (row.event_id, row.http_status, row.answer, row.campaign_id, row.body) == (
        *("e00007", 422, '{"title":"Event refused"}', "c", None),
    )
    whole = desk.store.report.refused_event("e00007")
    assert whole is not None
    assert whole.body == "the body"
    desk.add(message(1))
    assert desk.store.report.refused_event("e00001") is None
    assert desk.store.report.refused(9, "e00007") == []


def test_a_number_shows_what_waits_how_fast_it_sends_and_who_serves_it(desk: Desk) -> None:
    desk.add(*(message(n, due_at=later(minutes=-n)) for n in range(1, 8)))
    first, second, third = desk.claim(3)
    desk.settle(accepted(first), unanswered(second), settlement(third, Outcome.REFUSED, Status.FAILED))
    [state, other] = desk.store.report.number_states(["999"], NOW + timedelta(seconds=5))
    assert (state.phone_number_id, state.is_served, state.waiting, state.unanswered) == (NUMBER, True, 4, 1)
    assert state.oldest_due_at == later(minutes=-4)
    assert state.sent_per_second == 0.3
    assert (other.phone_number_id, other.is_served, other.waiting, other.said) == ("999", False, 0, None)
    assert desk.store.report.number_states([], NOW + timedelta(minutes=1))[0].sent_per_second == 0
    desk.store.outbox.release_lease(desk.lease)
    assert not desk.store.report.number_states([], NOW)[0].is_served


def test_live_dispatchers_are_counted(desk: Desk) -> None:
    assert desk.store.report.live_dispatchers() == 0
    desk.store.outbox.report_for_work("a")
    desk.store.outbox.report_for_work("b")
    assert desk.store.report.live_dispatchers() == 2
    desk.store.outbox.leave_work("a")
    assert desk.store.report.live_dispatchers() == 1

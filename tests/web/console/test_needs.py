"""What needs a person, from facts alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from service.message import NumberFacts, Pause, PauseReason, Scope
from service.outbox.numbers import KnownNumber
from service.outbox.overview import NumberState
from service.web.console.needs import Need, Situation, needs

NOW = datetime(2026, 11, 1, 9, tzinfo=UTC)
WELL = NumberState("1", is_served=True)


def situation(**changes: Any) -> Situation:
    plain: dict[str, Any] = {
        "dispatchers": 1,
        "numbers": [WELL],
        "pauses": [],
        "usage": [],
        "unsendable": {},
        "refused_lately": 0,
        "failed_lately": 0,
        "accepted_lately": 0,
    }
    return Situation(NOW, **(plain | changes))


def only(**changes: Any) -> Need:
    (need,) = needs(situation(**changes))
    return need


def pause(scope: Scope = Scope.NUMBER, reason: PauseReason = PauseReason.REFUSED, **more: Any) -> Pause:
    return Pause(scope, "1", reason, "it said so", NOW, **more)


def known(**facts: Any) -> KnownNumber:
    problem = facts.pop("problem", None)
    return KnownNumber("1", NumberFacts(**facts), NOW, problem)


def test_where_all_is_well_nobody_is_needed() -> None:
    assert needs(situation()) == []
    assert needs(situation(usage=[("default", 1000, 899)], failed_lately=4, accepted_lately=100)) == []


def test_without_a_dispatcher_nothing_is_sent_and_that_comes_first() -> None:
    waiting = replace(WELL, waiting=1200, is_served=False)
    first, *_ = needs(situation(dispatchers=0, numbers=[waiting], refused_lately=1))
    assert (first.level, first.link) == ("bad", "doctor")
    assert "1,200 messages waiting, and nothing is sent" in first.text
    assert "nothing would be sent" in only(dispatchers=0).text


def test_a_number_that_nobody_serves_counts_only_where_something_waits() -> None:
    assert needs(situation(numbers=[replace(WELL, is_served=False)])) == []
    need = only(numbers=[replace(WELL, is_served=False, waiting=3)])
    assert "served by no dispatcher; waiting: 3 messages." in need.text


def test_a_pause_that_somebody_lifts_has_its_button() -> None:
    standing = pause()
    need = only(pauses=[standing])
    assert need.pause == standing
    assert need.text == "Number 1 is paused: it said so."


def test_a_pause_that_lifts_itself_needs_nobody() -> None:
    until = NOW + timedelta(minutes=5)
    assert needs(situation(pauses=[pause(until=until)])) == []
    assert only(pauses=[pause(Scope.TOKEN, PauseReason.SECRET, until=until)]).text.startswith("Token 1")
    assert only(pauses=[pause(Scope.WABA, until=until)]).text.startswith("Account 1")


def test_what_meta_says_of_a_number_is_told() -> None:
    assert "could not be asked" in only(numbers=[replace(WELL, said=known(problem="no answer"))]).text
    assert "low quality" in only(numbers=[replace(WELL, said=known(quality="RED"))]).text
    assert needs(situation(numbers=[replace(WELL, said=known(quality="GREEN", status="CONNECTED"))])) == []
    need = only(numbers=[replace(WELL, said=known(status="FLAGGED"))])
    assert (need.level, "is FLAGGED" in need.text) == ("bad", True)


def test_what_is_unanswered_is_summed_up_over_the_numbers() -> None:
    need = only(numbers=[replace(WELL, unanswered=2), replace(WELL, phone_number_id="2", unanswered=3)])
    assert (need.link, need.text) == ("unanswered", "5 messages got no answer from Meta; somebody has to decide.")


def test_templates_that_cannot_be_sent_are_told_by_status() -> None:
    found = needs(situation(unsendable={"REJECTED": 1, "PAUSED": 2}))
    assert [need.text for need in found] == [
        "2 templates cannot be sent: Meta says PAUSED.",
        "1 template cannot be sent: Meta says REJECTED.",
    ]


def test_a_daily_limit_that_is_nearly_used_is_told() -> None:
    assert "has written to 900 of 1,000 people" in only(usage=[("default", 1000, 900)]).text


def test_a_message_that_is_late_though_its_number_goes_on_is_told() -> None:
    late = replace(WELL, oldest_due_at=NOW - timedelta(hours=3))
    assert "is due since 3 h" in only(numbers=[late]).text
    assert needs(situation(numbers=[replace(late, is_served=False)])) == []
    paused = pause(until=NOW + timedelta(minutes=1))
    assert needs(situation(numbers=[late], pauses=[paused])) == []


def test_many_failures_and_refused_events_are_told() -> None:
    assert only(refused_lately=1).link == "refused"
    assert "5 messages failed in the last 24 hours, of 100 accepted" in only(failed_lately=5, accepted_lately=100).text

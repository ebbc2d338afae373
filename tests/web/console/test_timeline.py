"""The steps of a message from facts alone."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from service.message import Pause, PauseReason, Scope
from service.outbox.report import Facts, MessageFacts
from service.people import Inbound
from service.web.console.timeline import Entry, timeline
from tests.web.serving import NOW


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def attempt(n: int = 1, **changes: Any) -> Facts:
    empty = ("outcome", "http_status", "code", "title", "details", "fbtrace_id", "duration_ms", "door")
    moments = ("sent_at", "delivered_at", "read_at", "failed_at")
    return dict.fromkeys((*empty, *moments)) | {"attempt": n, "started_at": at(n)} | changes


def steps(*attempts: Facts, event: Facts | None = None, pauses: tuple[Pause, ...] = (), **changes: Any) -> list[Entry]:
    replies = changes.pop("replies", ())
    message = {"status": "sent", "status_at": at(9), "created_at": NOW, "due_at": NOW} | changes
    known = event or {"source": "direct:billing", "received_at": NOW, "added_at": NOW}
    return timeline(MessageFacts(message, list(attempts), replies), known, pauses, with_text=True)


def titles(entries: list[Entry]) -> list[str]:
    return [entry.title for entry in entries]


def test_a_message_begins_with_its_event() -> None:
    first, second, _ = steps(attempt(outcome="accepted"))
    assert (first.title, first.text) == ("Event received", "From Direct call, billing.")
    assert second.title == "Checked and accepted"


def test_a_message_whose_event_is_forgotten_begins_when_it_was_accepted() -> None:
    facts = MessageFacts({"status": "sent", "status_at": NOW, "created_at": NOW, "due_at": NOW}, [])
    assert titles(timeline(facts, None, [], with_text=False)) == ["Checked and accepted"]


def test_what_meta_told_stands_with_its_attempt_whenever_it_came() -> None:
    first = attempt(
        1, outcome="accepted", failed_at=at(0), code=131049, title="Not delivered", details="to protect them"
    )
    second = attempt(2, outcome="accepted", sent_at=at(1), delivered_at=at(2), read_at=at(3))
    found = steps(first, second)[2:]
    assert titles(found) == [
        "Attempt 1: Meta took it",
        "Meta told: failed (attempt 1)",
        "Attempt 2: Meta took it",
        "Meta told: sent (attempt 2)",
        "Meta told: delivered (attempt 2)",
        "Meta told: read (attempt 2)",
    ]
    assert (found[0].text, found[0].facts) == ("", [])
    assert found[1].text == "Meta says: Not delivered: to protect them."
    assert found[1].facts == [("Code", "131049")]


def test_one_attempt_is_not_numbered_in_what_meta_told() -> None:
    assert titles(steps(attempt(outcome="accepted", sent_at=at(1))))[-1] == "Meta told: sent"


def test_an_attempt_without_an_answer_yet_is_under_way() -> None:
    assert titles(steps(attempt(), status="sending"))[-1] == "Attempt 1: the request is under way"


def test_what_was_sent_again_says_so_before_the_attempt_that_followed() -> None:
    found = titles(steps(attempt(1, outcome="refused"), attempt(5, outcome="accepted"), created_at=at(3)))
    assert found[2:] == ["Attempt 1: Meta refused it", "Queued again", "Attempt 5: Meta took it"]
    waits = titles(steps(attempt(1, outcome="refused"), created_at=at(3), status="queued"))
    assert waits[2:] == ["Attempt 1: Meta refused it", "Queued again", "Due"]


def test_a_decision_is_no_word_of_metas() -> None:
    found = steps(attempt(outcome="unanswered", title="Decided by an operator: sent"))
    assert found[-1].text == "Decided by an operator: sent."


def test_replies_come_after_the_attempts() -> None:
    reply = Inbound("w", "1", "+49", "text", at(60), text="thanks")
    found = steps(attempt(outcome="accepted"), replies=[reply])
    assert (found[-1].title, found[-1].text) == ("The person answered (text)", "“thanks”")


@pytest.mark.parametrize(
    ("status", "title"),
    [("expired", "Expired"), ("suppressed", "Suppressed"), ("cancelled", "Cancelled"), ("queued", "Due")],
)
def test_it_ends_with_how_it_stands(status: str, title: str) -> None:
    assert titles(steps(status=status))[-1] == title


def test_what_is_unanswered_may_be_told_for_a_week() -> None:
    last = steps(attempt(outcome="unanswered"), status="unanswered")[-1]
    assert (last.title, last.at) == ("Not known yet", at(1) + timedelta(days=7))


def test_what_waits_for_pauses_names_each() -> None:
    pauses = (
        Pause(Scope.CAMPAIGN, "c", PauseReason.OPERATOR, "wrong price.", since=NOW),
        Pause(Scope.NUMBER, "1", PauseReason.REFUSED, "too many.", since=NOW, until=at(60)),
    )
    found = steps(status="queued", pauses=pauses)[2:]
    assert titles(found) == ["Waits: campaign c is paused", "Waits: phone number 1 is paused"]
    assert found[0].text == "Wrong price. An operator lifts it."

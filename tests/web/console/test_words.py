"""What the console calls things: everything that can be shown has its words."""

from datetime import UTC, datetime, timedelta

import pytest

from service.doctor.finding import Level
from service.message import Door, Outcome, Pause, PauseReason, Priority, Scope, Status
from service.outbox.search import Filter
from service.people import Blocked, SuppressionSource
from service.web.console import words
from service.web.console.actions import FIELDS
from service.web.filters import in_words

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CODES = (
    *("invalid_address", "opted_out", "inactive", "placeholder_missing", "invalid_params", "template_unknown"),
    *("template_not_approved", "template_mismatch", "unknown_message", "unknown_phone_number", "suppressed"),
    *("expired", "too_large"),
)
"""Of rejections, as the contract lists them."""


def test_everything_that_can_be_shown_has_its_words() -> None:
    assert set(words.STATUSES) == {*Status, "rejected"} == set(words.MARKS)
    assert set(words.REJECTIONS) == set(CODES)
    assert set(words.OUTCOMES) == set(Outcome)
    assert set(words.DOORS) == set(Door)
    assert set(words.PRIORITIES) == {priority.name.lower() for priority in Priority}
    assert set(words.FIELDS) == set(FIELDS)
    assert set(words.BLOCKED) == set(Blocked)
    assert set(words.SAID_BY) == set(SuppressionSource)
    assert set(words.LEVELS) == set(Level)
    assert set(words.SCOPES) == set(Scope) - {Scope.MESSAGE, Scope.RECIPIENT}


def pause(scope: Scope = Scope.NUMBER, reason: PauseReason = PauseReason.REFUSED, **more: object) -> Pause:
    return Pause(scope, "x", reason, "", NOW, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("standing", "by"),
    [
        (pause(reason=PauseReason.OPERATOR), "An operator lifts it"),
        (pause(reason=PauseReason.OPERATOR, until=NOW), "It lifts itself"),
        (pause(until=NOW), "It lifts itself"),
        (pause(), "An operator lifts it once it is mended"),
        (pause(Scope.TEMPLATE), "Meta lifts it, or an operator"),
        (pause(reason=PauseReason.NOTIFIED), "Meta lifts it, or an operator"),
        (pause(reason=PauseReason.SECRET), "It lifts itself once the secret holds a token that works"),
        (pause(Scope.TOKEN, token_fingerprint="f"), "It lifts itself once the secret holds a token that works"),
    ],
)
def test_who_lifts_a_pause_is_said(standing: Pause, by: str) -> None:
    assert words.lifted_by(standing) == by


def test_a_sentence_keeps_its_names() -> None:
    assert words.sentence("the request to Meta is under way") == "The request to Meta is under way."
    assert words.sentence("Done.") == "Done."
    assert words.sentence("") == ""


def test_what_was_done_is_one_of_our_sentences() -> None:
    assert words.done("replayed", "1234", "2") == "Queued again: 1,234. Left out: 2."
    assert words.done("paused", "0", "0") == "Paused. What is being sent just now still goes; 0 wait."
    for given in (("other", "1", "1"), ("replayed", "x", "1"), ("replayed", "-1", "1"), ("replayed", "²", "1")):
        assert words.done(*given) is None
    assert words.done("replayed", "1" * 12, "1") is None


def test_a_filter_in_words_shows_no_number_whole() -> None:
    wanted = Filter(
        to="+8613800138000",
        recipient="8613800138000",
        reference="order-17",
        statuses=[Status.FAILED, Status.EXPIRED],
        code=0,
        created_from=NOW + timedelta(hours=1),
    )
    assert in_words(wanted) == (
        "statuses expired failed, to +86••••••••000, recipient 861•••••••000, reference order-17, code 0, "
        "created_from 2026-11-01 01:00:00+00:00"
    ).replace("recipient 861•••••••000", "recipient +86••••••••000")
    assert in_words(Filter(message_ids=["b", "a"])) == "message_ids a b"
    assert in_words(Filter(message_ids=[f"m{n}" for n in range(21)])) == "message_ids 21 of them"
    assert in_words(Filter()) == ""

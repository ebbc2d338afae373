"""The vocabulary's own rules."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.message import MOVES, Attempt, Message, Status, Template, may_become, printable

ENDS = {Status.READ, Status.SUPPRESSED, Status.CANCELLED}
"""From `failed` and `expired` a person may send a message again."""


def test_every_status_has_its_moves() -> None:
    assert set(MOVES) == set(Status)


def test_exactly_the_ends_have_no_way_out() -> None:
    assert {status for status, targets in MOVES.items() if not targets} == ENDS


@pytest.mark.parametrize("status", Status)
def test_no_status_moves_to_itself(status: Status) -> None:
    assert status not in MOVES[status]


@pytest.mark.parametrize("status", Status)
def test_may_become_is_moves_read_backwards(status: Status) -> None:
    assert may_become(status) == {origin for origin in Status if status in MOVES[origin]}


def test_every_status_but_the_first_can_be_reached() -> None:
    reached = {Status.QUEUED}
    while more := {target for status in reached for target in MOVES[status]} - reached:
        reached |= more
    assert reached == set(Status)


@pytest.mark.parametrize(
    ("status", "never"),
    [
        (Status.SENT, Status.ACCEPTED),
        (Status.DELIVERED, Status.SENT),
        (Status.DELIVERED, Status.FAILED),
        (Status.DELIVERED, Status.QUEUED),
        (Status.HELD, Status.ACCEPTED),
        (Status.QUEUED, Status.UNANSWERED),
        (Status.UNANSWERED, Status.SENDING),
        (Status.ACCEPTED, Status.SENDING),
        (Status.ACCEPTED, Status.EXPIRED),
        (Status.SENT, Status.EXPIRED),
    ],
)
def test_what_meta_has_taken_does_not_go_back(status: Status, never: Status) -> None:
    assert never not in MOVES[status]


@pytest.mark.parametrize("status", [Status.SENDING, Status.ACCEPTED, Status.SENT, Status.HELD, Status.UNANSWERED])
def test_these_may_be_queued_again(status: Status) -> None:
    assert Status.QUEUED in MOVES[status]


def test_callback_data_names_message_and_attempt() -> None:
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    message = Message("0192", "test123", "+8613800138000", "1065", Template("t", "en_US"), moment, moment, key="k")
    assert Attempt(message, 3, moment).callback_data == "0192.3"


@given(st.text(st.characters(exclude_categories=())))
def test_printable_words_can_be_stored_anywhere(words: str) -> None:
    shown = printable(words)
    shown.encode("utf-8")
    assert "\0" not in shown


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_ordinary_words_stay_as_they_are(words: str) -> None:
    assert printable(words) == words

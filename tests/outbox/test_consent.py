"""Who is suppressed: whose word makes it and lifts it, whatever order the words come in (G8)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from service.message import Category, Outcome, Status
from service.outbox import tables
from service.outbox.consent import ADDED_AT_ONCE, Wanted, Wish
from service.people import Blocked, SuppressionSource
from tests.outbox.making import (
    NOW,
    Desk,
    accepted,
    at_once,
    failed,
    later,
    message,
    settlement,
)
from tests.outbox.suppressing import (
    IMPORT,
    OPERATOR,
    PREFERENCE,
    REFUSED,
    STOP,
    TO,
    consent,
    say,
    standing,
    start,
    stop,
    suppress,
    suppression,
)

# --- Meta's word: 131050 ----------------------------------------------------------------------------------------------


def opted_out(desk: Desk) -> None:
    attempt = desk.sending(to=TO)
    desk.add(message(2, to=TO, category=Category.MARKETING), message(3, to=TO, category=Category.UTILITY))
    facts = {"code": 131050, "opted_out": True}
    desk.settle(settlement(attempt, Outcome.REFUSED, Status.FAILED, **facts))


def test_an_answer_that_the_person_stopped_marketing_suppresses_marketing(desk: Desk) -> None:
    opted_out(desk)
    assert standing(desk) == [("marketing", "error_131050")]
    assert [desk.status(name) for name in ("m00001", "m00002", "m00003")] == ["failed", "suppressed", "queued"]


def test_a_notification_that_the_person_stopped_marketing_suppresses_marketing(desk: Desk) -> None:
    attempt = desk.sending(to=TO)
    desk.settle(accepted(attempt))
    desk.add(message(2, to=TO, category=Category.MARKETING))
    desk.tell(failed(attempt, 131050, opted_out=True))
    assert standing(desk) == [("marketing", "error_131050")]
    assert desk.status("m00002") == "suppressed"


def test_a_notification_that_came_before_its_attempt_was_known_suppresses_with_the_answer(desk: Desk) -> None:
    attempt = desk.sending(to=TO)
    desk.tell(failed(attempt, 131050, opted_out=True, callback_data=None))
    assert standing(desk) == []
    desk.settle(accepted(attempt))
    assert standing(desk) == [("marketing", "error_131050")]


def test_a_repeated_refusal_does_not_suppress_again_what_an_operator_lifted(desk: Desk) -> None:
    attempt = desk.sending(to=TO)
    desk.settle(accepted(attempt))
    desk.tell(failed(attempt, 131050, opted_out=True))
    assert consent(desk).lift(TO, NOW) == 1
    desk.tell(failed(attempt, 131050, opted_out=True))
    assert standing(desk) == []


def test_resume_lifts_what_meta_said(desk: Desk) -> None:
    opted_out(desk)
    say(desk, Wish((TO,), PREFERENCE, None, later(seconds=9)))
    assert standing(desk) == []


# --- whose word lifts what --------------------------------------------------------------------------------------------

EVERY = [
    suppression(blocked=blocked, source=source, since=later(hours=-1))
    for blocked in Blocked
    for source in SuppressionSource
]
STAYS_AFTER_START = sorted(
    (one.blocked.value, one.source.value) for one in EVERY if one.source in {PREFERENCE, REFUSED, OPERATOR}
)
STAYS_AFTER_RESUME = sorted(
    (one.blocked.value, one.source.value) for one in EVERY if one.source in {STOP, IMPORT, OPERATOR}
)


def test_start_lifts_stop_replies_and_imports_only(desk: Desk) -> None:
    suppress(desk, *EVERY)
    say(desk, start())
    assert standing(desk) == STAYS_AFTER_START


def test_resume_lifts_what_was_said_in_whatsapp_only(desk: Desk) -> None:
    suppress(desk, *EVERY)
    say(desk, Wish((TO,), PREFERENCE, None, NOW))
    assert standing(desk) == STAYS_AFTER_RESUME


def test_an_operator_lifts_everything_or_one_category(desk: Desk) -> None:
    suppress(desk, *EVERY)
    assert consent(desk).lift(TO, NOW, Blocked.MARKETING) == len(SuppressionSource)
    assert {blocked for blocked, _ in standing(desk)} == {"all"}
    assert consent(desk).lift(TO, NOW) == len(SuppressionSource)
    assert consent(desk).lift(TO, NOW) == 0


def test_nobody_lifts_for_somebody_else(desk: Desk) -> None:
    suppress(desk, suppression(source=STOP, since=later(hours=-1)))
    say(desk, start(to="+8613800000002"))
    assert consent(desk).lift("+8613800000002", NOW) == 0
    assert len(standing(desk)) == 1


# --- words come late and out of order ---------------------------------------------------------------------------------

S, HOUR = timedelta(seconds=1), timedelta(hours=1)
ORDERS: Mapping[str, tuple[list[Wish], bool]] = {
    "stop, start": ([stop(NOW - S), start()], False),
    "start, then an older stop": ([start(), stop(NOW - S)], False),
    "start, stop": ([start(NOW - S), stop()], True),
    "stop, then an older start": ([stop(), start(NOW - S)], True),
    "both in one second": ([start(), stop()], True),
    "both in one second, the other way": ([stop(), start()], True),
    "stop, start, the first stop again": ([stop(NOW - HOUR), start(NOW - S), stop(NOW - HOUR)], False),
    "stop, a newer stop, a start between them": ([stop(NOW - HOUR), stop(), start(NOW - S)], True),
    "start, an older start, a stop between them": ([start(), start(NOW - HOUR), stop(NOW - S)], False),
    "stop, start, stop, as they were said": ([stop(NOW - HOUR), start(NOW - S), stop()], True),
}


@pytest.mark.parametrize("in_one_notification", [True, False])
@pytest.mark.parametrize("name", ORDERS)
def test_the_newest_word_holds_in_whatever_order_they_come(desk: Desk, name: str, in_one_notification: bool) -> None:
    wishes, suppressed = ORDERS[name]
    if in_one_notification:
        say(desk, *wishes)
    else:
        for wish in wishes:
            say(desk, wish)
    assert bool(standing(desk)) is suppressed


def test_words_at_the_same_moment_come_to_the_newest(desk: Desk) -> None:
    for n in range(4):
        to = f"+49151000000{n}"
        words = [stop(NOW - HOUR, to=to), start(NOW - S, to=to), stop(NOW - 2 * S, to=to)]
        at_once([lambda wish=wish: say(desk, wish) for wish in words])  # type: ignore[misc]
    assert standing(desk) == []


def test_a_repeated_preference_does_not_suppress_again_what_an_operator_lifted(desk: Desk) -> None:
    wish = Wish((TO,), PREFERENCE, Blocked.MARKETING, NOW - HOUR)
    say(desk, wish)
    assert consent(desk).lift(TO, NOW) == 1
    say(desk, wish)
    assert standing(desk) == []
    say(desk, replace(wish, at=NOW))
    assert standing(desk) == [("marketing", "user_preferences")]


def test_an_operator_and_a_list_suppress_also_after_a_start(desk: Desk) -> None:
    say(desk, start())
    suppress(desk, suppression(since=NOW - HOUR), suppression(source=IMPORT, since=NOW - HOUR))
    assert standing(desk) == [("all", "import"), ("all", "operator")]


def test_repetition_changes_nothing(desk: Desk) -> None:
    say(desk, stop())
    before = rows(desk)
    say(desk, stop(), stop(NOW - S), now=later(hours=1))
    assert rows(desk) == before


def rows(desk: Desk) -> list[object]:
    with desk.store.engine.connect() as connection:
        return list(connection.execute(select(tables.suppressions)))


def test_the_reason_that_is_given_last_is_kept(desk: Desk) -> None:
    suppress(desk, suppression(reason="by phone"))
    suppress(desk, suppression(reason="by letter"))
    [found], _ = consent(desk).search(Wanted(), 10)
    assert found.reason == "by letter"


# --- many, and looking at them ----------------------------------------------------------------------------------------


def test_thousands_are_suppressed_with_what_is_queued_for_them(desk: Desk) -> None:
    many = 2 * ADDED_AT_ONCE + 10
    desk.add(*(message(n, to=f"+49{n:010}") for n in range(1, 2 * many, 100)))
    expected = len(range(1, many, 100))
    assert suppress(desk, *(suppression(f"+49{n:010}", source=IMPORT) for n in range(many))) == expected


def test_a_search_gives_every_suppression_once_page_by_page(desk: Desk) -> None:
    for hour in range(3):
        batch = [suppression(f"+4915100{hour}{n:04}", source=IMPORT) for n in range(7)]
        suppress(desk, *batch, now=later(hours=hour))
    say(desk, start())  # a word that was lifted is no suppression
    seen, place = consent(desk).search(Wanted(), 4)
    pages = 1
    while place:
        page, place = consent(desk).search(Wanted(), 4, place)
        seen += page
        pages += 1
    assert (len(seen), len({one.to for one in seen}), pages) == (21, 21, 6)
    assert [one.to[:9] for one in seen[::7]] == ["+49151002", "+49151001", "+49151000"]


WANTED: Mapping[str, tuple[Wanted, int]] = {
    "a person": (Wanted(to=TO), 2),
    "a category": (Wanted(blocked=Blocked.MARKETING), 1),
    "a source": (Wanted(source=STOP), 1),
    "since": (Wanted(since=later(hours=1)), 1),
    "all of it": (Wanted(TO, Blocked.ALL, OPERATOR, NOW), 1),
    "nobody": (Wanted(to="+49151"), 0),
}


@pytest.mark.parametrize("name", WANTED)
def test_a_search_finds_what_fits_all_that_is_given(desk: Desk, name: str) -> None:
    suppress(desk, suppression(), suppression(blocked=Blocked.MARKETING, source=IMPORT))
    suppress(desk, suppression("+4915100000000", source=STOP), now=later(hours=1))
    wanted, number = WANTED[name]
    found, more = consent(desk).search(wanted, 10)
    assert (len(found), more) == (number, None)

"""What notifications tell, in any order, repeated, early and late (G5)."""

from datetime import timedelta
from functools import partial
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, update

from service.message import Attempt, Outcome, Settlement, Status, StatusUpdate, Template
from service.outbox import tables
from service.outbox.decisions import Decision
from service.outbox.statuses import LateFailure
from service.outbox.unmatched import UNMATCHED_FOR
from tests.conftest import MAX_TRIES
from tests.outbox.making import (
    MINUTE,
    NOW,
    NUMBER,
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

numbers = count(10_000)

TRANSIENT = 131016


def sent(desk: Desk, n: int = 1) -> tuple[str, ...]:
    [attempt] = desk.claimed(message(n))
    desk.settle(accepted(attempt))
    return (attempt.callback_data,)


def test_statuses_move_the_message_and_keep_metas_moment_with_the_attempt(desk: Desk) -> None:
    attempt = desk.sending()
    desk.settle(accepted(attempt))
    for n, status in enumerate((Status.SENT, Status.DELIVERED, Status.READ), start=1):
        applied = desk.tell(news(attempt, status, at=later(seconds=n)), now=later(minutes=n))
        assert (applied.new, applied.known, applied.unmatched) == (1, 0, 0)
        assert desk.row().items() >= {"status": status.value, "status_at": later(minutes=n)}.items()
    moments = [desk.attempt(attempt)[f"{status}_at"] for status in ("sent", "delivered", "read", "failed")]
    assert moments == [later(seconds=1), later(seconds=2), later(seconds=3), None]


def test_a_late_sent_does_not_undo_delivered(desk: Desk) -> None:
    attempt = desk.sending()
    desk.tell(news(attempt, Status.DELIVERED))
    assert desk.tell(news(attempt, Status.SENT)).new == 1
    assert desk.status() == "delivered"
    assert desk.attempt(attempt)["sent_at"] == later(seconds=5)


def test_read_then_delivered_leaves_read(desk: Desk) -> None:
    attempt = desk.sending()
    desk.tell(news(attempt, Status.READ))
    desk.tell(news(attempt, Status.DELIVERED))
    assert desk.status() == "read"


def test_a_late_sent_does_not_undo_a_failure_that_is_to_be_tried_again(desk: Desk) -> None:
    attempt = desk.sending()
    desk.settle(accepted(attempt))
    desk.tell(failed(attempt, TRANSIENT, retry_after=MINUTE))
    desk.tell(news(attempt, Status.SENT))
    assert desk.status() == "queued"
    assert [again.number for again in desk.claim(now=later(minutes=1))] == [2]


def test_a_late_delivered_shows_that_it_arrived_after_all(desk: Desk) -> None:
    attempt = desk.sending()
    desk.tell(failed(attempt, TRANSIENT, retry_after=MINUTE))
    desk.tell(news(attempt, Status.DELIVERED))
    assert desk.status() == "delivered"
    assert desk.claim(now=later(minutes=9)) == []


@pytest.mark.parametrize("at_once_told", [True, False])
def test_duplicates_change_nothing(desk: Desk, at_once_told: bool) -> None:
    attempt = desk.sending()
    first = failed(attempt)
    again = failed(attempt, 999, at=later(hours=1))
    if at_once_told:
        applied = desk.tell(first, first, again)
        assert (applied.new, applied.known, [one.code for one in applied.failed]) == (1, 2, [131026])
    else:
        desk.tell(first)
        applied = desk.tell(first, again, now=later(hours=2))
        assert (applied.new, applied.known, applied.failed) == (0, 2, [])
    assert desk.attempt(attempt).items() >= {"code": 131026, "failed_at": later(seconds=5)}.items()
    assert desk.row()["status_at"] == NOW


SEQUENCES: dict[str, tuple[tuple[Status, ...], bool, str]] = {
    "sent": ((Status.SENT,), False, "sent"),
    "delivered": ((Status.SENT, Status.DELIVERED), False, "delivered"),
    "read": ((Status.SENT, Status.DELIVERED, Status.READ), False, "read"),
    "read without delivered": ((Status.SENT, Status.READ), False, "read"),
    "failed": ((Status.SENT, Status.FAILED), False, "failed"),
    "to be tried again": ((Status.SENT, Status.FAILED), True, "queued"),
    "arrived after all": ((Status.SENT, Status.FAILED, Status.DELIVERED), True, "delivered"),
}
ANSWERS = ("accepted", "unanswered", "rescued", "none")


@pytest.mark.parametrize("name", SEQUENCES)
@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_with_duplicates_beside_any_answer_comes_to_the_same_end(
    desk: Desk, name: str, data: st.DataObject
) -> None:
    statuses, retry, end = SEQUENCES[name]
    again = MINUTE if retry else None
    answer = data.draw(st.sampled_from(ANSWERS))
    repeated = [*statuses, *data.draw(st.lists(st.sampled_from(statuses), max_size=3))]
    steps: list[list[Status] | str] = [[status] for status in data.draw(st.permutations(repeated))]
    if data.draw(st.booleans()):
        steps = [data.draw(st.permutations(repeated))]
    steps.insert(data.draw(st.integers(0, len(steps))), answer)
    [attempt] = desk.claimed(message(next(numbers)))
    for step in steps:
        match step:
            case "accepted":
                desk.settle(accepted(attempt))
            case "unanswered":
                desk.settle(unanswered(attempt))
            case "rescued":
                desk.rescue()
            case list():
                desk.tell(*(news(attempt, one, retry_after=again if one is Status.FAILED else None) for one in step))
    row = desk.row(attempt)
    assert (row["status"], row["attempts"], row["tries"]) == (end, 1, 1)
    told = {status for status in ("sent", "delivered", "read", "failed") if desk.attempt(attempt)[f"{status}_at"]}
    assert told == {status.value for status in statuses}
    assert desk.attempt(attempt)["outcome"] == "accepted"


def test_news_of_an_older_attempt_does_not_touch_the_newer(desk: Desk) -> None:
    first = desk.sending()
    desk.settle(queued_again(first))
    [second] = desk.claim(now=later(minutes=1))
    desk.settle(accepted(second))
    applied = desk.tell(failed(first), failed(first))
    assert (applied.new, applied.known) == (1, 1)
    assert desk.status() == "accepted"
    assert desk.attempt(first)["failed_at"] is not None
    assert desk.attempt(second).items() >= {"failed_at": None, "code": None}.items()


def test_news_before_the_answer_finds_its_attempt_by_our_own_id(desk: Desk) -> None:
    attempt = desk.sending()
    assert desk.tell(news(attempt, Status.SENT)).new == 1
    assert desk.attempt(attempt).items() >= {"outcome": "accepted", "wamid": "wamid.m00001.1"}.items()
    assert desk.row().items() >= {"status": "sent", "tries": 1}.items()


def test_news_finds_its_attempt_by_the_wamid_where_meta_left_our_id_out(desk: Desk) -> None:
    attempt = desk.sending()
    desk.settle(accepted(attempt))
    assert desk.tell(news(attempt, Status.READ, callback_data=None)).new == 1
    assert desk.status() == "read"


STRANGE_NAMES = [
    None,
    "",
    "m00001",
    "m00001.",
    "m00001.2",
    "m00001.99999999999",
    "nobody.1",
    "order-17",
    "漢字.1",
    "m00001.١",
]


@pytest.mark.parametrize("name", STRANGE_NAMES)
def test_news_without_an_attempt_is_kept_and_adopted_once_its_wamid_is_known(desk: Desk, name: str | None) -> None:
    attempt = desk.sending()
    early = [news(attempt, status, callback_data=name) for status in (Status.DELIVERED, Status.SENT)]
    applied = desk.tell(*early, *early)
    assert (applied.new, applied.known, applied.unmatched) == (0, 0, 4)
    assert desk.count(tables.unmatched_statuses) == 2
    assert desk.status() == "sending"
    desk.settle(accepted(attempt), now=later(seconds=9))
    assert desk.status() == "delivered"
    assert desk.attempt(attempt).items() >= {"sent_at": later(seconds=5), "delivered_at": later(seconds=5)}.items()
    assert desk.count(tables.unmatched_statuses) == 0


@pytest.mark.parametrize("name", STRANGE_NAMES)
def test_news_under_no_name_of_ours_finds_its_attempt_by_the_wamid_at_the_latest_when_things_are_tidied(
    desk: Desk, name: str | None
) -> None:
    attempt = desk.sending()
    desk.settle(accepted(attempt))
    desk.tell(news(attempt, Status.DELIVERED, callback_data=name))
    desk.store.outbox.forget_unmatched(NOW)
    assert (desk.status(), desk.count(tables.unmatched_statuses)) == ("delivered", 0)


def test_a_failure_that_is_adopted_keeps_its_reason_and_may_be_tried_again(desk: Desk) -> None:
    attempt = desk.sending()
    desk.tell(failed(attempt, TRANSIENT, retry_after=MINUTE, callback_data=None))
    desk.settle(accepted(attempt))
    assert desk.row().items() >= {"status": "queued", "due_at": later(minutes=1)}.items()
    assert desk.attempt(attempt).items() >= {"code": TRANSIENT, "details": "no such person"}.items()


def test_news_that_came_in_beside_the_answer_is_applied_when_things_are_tidied(desk: Desk) -> None:
    """Two transactions at the same moment: the notification sees no wamid yet, the settlement no waiting notification."""
    attempt = desk.sending()
    desk.settle(accepted(attempt))
    facts = {"wamid": "wamid.m00001.1", "status": "read", "at": NOW, "retry": 0, "expires_at": later(days=7)}
    with desk.store.engine.begin() as connection:
        connection.execute(insert(tables.unmatched_statuses), facts)
    desk.store.outbox.forget_unmatched(NOW)
    assert desk.status() == "read"
    assert desk.count(tables.unmatched_statuses) == 0


def test_news_that_no_attempt_turns_up_for_is_forgotten_after_a_week(desk: Desk) -> None:
    desk.tell(news("nobody.1", Status.SENT))
    desk.store.outbox.forget_unmatched(NOW + UNMATCHED_FOR / 2)
    assert desk.count(tables.unmatched_statuses) == 1
    desk.store.outbox.forget_unmatched(NOW + UNMATCHED_FOR)
    assert desk.count(tables.unmatched_statuses) == 0


def test_unmatched_news_in_opposite_order_at_once_does_not_block(desk: Desk) -> None:
    updates = [news(f"nobody{n}.1", Status.SENT) for n in range(300)]
    applied = at_once([partial(desk.tell, *batch) for batch in (updates, updates[::-1]) * 3])
    assert [one.unmatched for one in applied] == [300] * 6
    assert desk.count(tables.unmatched_statuses) == 300


def test_the_same_notification_from_many_threads_is_applied_once(desk: Desk) -> None:
    attempts = desk.claimed(*(message(n) for n in range(100)))
    updates = [news(attempt, status) for attempt in attempts for status in (Status.SENT, Status.DELIVERED)]
    applied = at_once([partial(desk.tell, *batch) for batch in (updates, updates[::-1]) * 3])
    assert sum(one.new for one in applied) == 200
    assert sum(one.known for one in applied) == 5 * 200
    assert {desk.status(attempt) for attempt in attempts} == {"delivered"}


def test_a_batch_of_a_thousand_is_applied_whole(desk: Desk) -> None:
    attempts = desk.claimed(*(message(n) for n in range(400)))
    known = [news(one, status) for one in attempts for status in (Status.SENT, Status.DELIVERED)]
    strangers = [news(f"stranger{n}.1", Status.SENT) for n in range(200)]
    applied = desk.tell(*known[::2], *strangers, *known[1::2])
    assert (applied.new, applied.known, applied.unmatched) == (800, 0, 200)
    assert {desk.status(attempt) for attempt in attempts} == {"delivered"}


def test_news_of_two_attempts_of_one_message_in_one_batch(desk: Desk) -> None:
    first = desk.sending()
    desk.settle(queued_again(first))
    [second] = desk.claim(now=later(minutes=1))
    assert desk.tell(failed(first), news(second, Status.SENT)).new == 2
    assert desk.status() == "sent"


def test_a_failure_fails_the_message_with_metas_reason(desk: Desk) -> None:
    attempt = desk.sending()
    desk.settle(accepted(attempt))
    applied = desk.tell(failed(attempt))
    assert applied.failed == [LateFailure(131026, NUMBER, Template("order_update", "en_US"), None)]
    assert desk.status() == "failed"
    assert desk.attempt(attempt).items() >= {"code": 131026, "title": "Undeliverable"}.items()


@pytest.mark.parametrize("before", [None, Status.SENT])
def test_a_late_failure_that_may_be_tried_again_goes_back_to_the_queue(desk: Desk, before: Status | None) -> None:
    attempt = desk.sending()
    desk.settle(accepted(attempt))
    if before:
        desk.tell(news(attempt, before))
    desk.tell(failed(attempt, TRANSIENT, retry_after=MINUTE), now=later(seconds=30))
    expected = {"status": "queued", "due_at": later(seconds=90), "tries": 1}
    assert desk.row().items() >= expected.items()


@pytest.mark.parametrize(("tries", "status"), [(MAX_TRIES - 1, "queued"), (MAX_TRIES, "failed")])
def test_a_late_failure_goes_back_only_while_tries_remain(desk: Desk, tries: int, status: str) -> None:
    attempt = desk.sending()
    desk.settle(accepted(attempt))
    with desk.store.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE messages SET tries = {tries}")
    desk.tell(failed(attempt, TRANSIENT, retry_after=MINUTE))
    assert desk.status() == status


def test_failures_before_every_answer_use_up_the_tries_too(desk: Desk) -> None:
    [attempt] = desk.claimed(message())
    now = NOW
    for number in range(1, MAX_TRIES + 1):
        assert (attempt.number, attempt.tries) == (number, number - 1)
        desk.tell(failed(attempt, TRANSIENT, retry_after=MINUTE), now=now)
        desk.settle(accepted(attempt), now=now)
        now = desk.row()["due_at"]
        [attempt] = desk.claim(now=now) or [attempt]
    assert desk.row().items() >= {"status": "failed", "tries": MAX_TRIES}.items()


@pytest.mark.parametrize(("seconds", "status"), [(61, "queued"), (60, "failed"), (1, "failed")])
def test_a_late_failure_goes_back_only_while_time_remains(desk: Desk, seconds: int, status: str) -> None:
    attempt = desk.sending(expires_at=later(seconds=seconds))
    desk.settle(accepted(attempt))
    desk.tell(failed(attempt, TRANSIENT, retry_after=MINUTE))
    assert desk.status() == status


@pytest.mark.parametrize(
    ("first", "waits"),
    [
        (timedelta(seconds=4), [4, 16, 64, 256, 1024, 3600, 3600]),
        (MINUTE, [60, 240, 960, 3600, 3600, 3600, 3600]),
        (timedelta(hours=2), [7200] * 7),
    ],
    ids=str,
)
def test_who_fails_late_again_and_again_waits_four_times_as_long_up_to_an_hour_or_what_its_code_asks_for(
    desk: Desk, first: timedelta, waits: list[int]
) -> None:
    [attempt] = desk.claimed(message(expires_at=later(days=9)))
    now, waited = NOW, []
    for _ in range(MAX_TRIES - 1):
        desk.settle(accepted(attempt), now=now)
        desk.tell(failed(attempt, TRANSIENT, retry_after=first), now=now)
        due_at = desk.row()["due_at"]
        assert desk.claim(now=due_at - timedelta(seconds=1)) == []
        waited.append((due_at - now).total_seconds())
        now = due_at
        [attempt] = desk.claim(now=now)
    assert waited == waits
    desk.tell(failed(attempt, TRANSIENT, retry_after=first), now=now)
    assert desk.status() == "failed"


def test_attempts_that_did_not_count_do_not_make_the_wait_longer(desk: Desk) -> None:
    [attempt] = desk.claimed(message())
    for _ in range(3):
        desk.settle(settlement(attempt, Outcome.THROTTLED, Status.QUEUED, due_at=NOW, counts=False))
        [attempt] = desk.claim()
    desk.settle(accepted(attempt))
    desk.tell(failed(attempt, TRANSIENT, retry_after=MINUTE))
    assert desk.row().items() >= {"due_at": later(minutes=1), "tries": 1}.items()


@pytest.mark.parametrize("how", ["with its answer", "when things are tidied"])
def test_how_long_to_wait_is_kept_while_a_failure_waits_for_its_attempt(desk: Desk, how: str) -> None:
    attempt = desk.sending()
    wait = timedelta(hours=5, seconds=7)
    desk.tell(failed(attempt, TRANSIENT, retry_after=wait, callback_data=None))
    if how == "with its answer":
        desk.settle(accepted(attempt), now=later(minutes=1))
    else:
        with desk.store.engine.begin() as connection:
            connection.execute(update(tables.attempts).values(wamid=f"wamid.{attempt.callback_data}"))
        desk.store.outbox.forget_unmatched(later(minutes=1))
    assert desk.row().items() >= {"status": "queued", "due_at": later(minutes=1) + wait}.items()


def test_a_final_failure_that_waited_for_its_attempt_stays_final(desk: Desk) -> None:
    attempt = desk.sending()
    desk.tell(failed(attempt, callback_data=None))
    desk.settle(accepted(attempt))
    assert desk.status() == "failed"


def test_a_held_message_that_fails_for_now_goes_again(desk: Desk) -> None:
    attempt = desk.sending()
    desk.settle(settlement(attempt, Outcome.HELD, Status.HELD, wamid="w"))
    desk.tell(failed(attempt, TRANSIENT, retry_after=MINUTE))
    assert desk.row().items() >= {"status": "queued", "due_at": later(minutes=1), "tries": 1}.items()
    assert [again.number for again in desk.claim(now=later(minutes=1))] == [2]


def test_a_late_failure_says_what_it_may_concern_besides_its_message(desk: Desk) -> None:
    template, other = Template("sale", "zh_CN", '[{"type":"body"}]'), desk.beside("another")
    [one] = desk.claimed(message(1, template=template, country="CN"))
    [two] = other.claimed(message(2, phone_number_id="another", country="DE"))
    applied = desk.tell(failed(one, 132015), news(one, Status.SENT), failed(two, TRANSIENT, retry_after=MINUTE))
    assert sorted(applied.failed, key=lambda failure: str(failure.country)) == [
        LateFailure(132015, NUMBER, Template("sale", "zh_CN"), "CN"),
        LateFailure(TRANSIENT, "another", Template("order_update", "en_US"), "DE"),
    ]


@pytest.mark.parametrize("again", [None, MINUTE])
def test_an_older_attempts_failure_is_told_too_and_does_not_move_the_message(
    desk: Desk, again: timedelta | None
) -> None:
    first = desk.sending(country="CN")
    desk.settle(queued_again(first))
    [second] = desk.claim(now=later(minutes=1))
    applied = desk.tell(failed(first, 132015, retry_after=again), now=later(minutes=1))
    assert applied.failed == [LateFailure(132015, NUMBER, Template("order_update", "en_US"), "CN")]
    assert desk.row().items() >= {"status": "sending", "attempts": 2, "due_at": later(minutes=1)}.items()
    assert desk.attempt(first)["code"] == 132015
    applied = desk.tell(failed(second, 131026), failed(first, 132015))
    assert [one.code for one in applied.failed] == [131026]


@pytest.mark.parametrize("status", [Status.SENT, Status.DELIVERED, Status.READ, Status.FAILED])
def test_a_held_message_moves_on_when_it_is_notified(desk: Desk, status: Status) -> None:
    attempt = desk.sending()
    desk.settle(settlement(attempt, Outcome.HELD, Status.HELD, wamid="w"))
    desk.tell(news(attempt, status))
    assert desk.status() == status.value
    assert desk.attempt(attempt)["outcome"] == "held"


@pytest.mark.parametrize("status", [Status.SENT, Status.DELIVERED, Status.READ, Status.FAILED])
def test_news_settles_an_unanswered_message(desk: Desk, status: Status) -> None:
    attempt = desk.sending()
    desk.settle(unanswered(attempt))
    desk.tell(news(attempt, status))
    assert desk.status() == status.value
    assert desk.attempt(attempt)["outcome"] == "accepted"


def test_news_of_what_was_queued_again_on_evidence_takes_it_out_of_the_queue(desk: Desk) -> None:
    attempt = desk.sending()
    desk.settle(unanswered(attempt))
    with desk.store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE messages SET status = 'queued'")
    desk.tell(news(attempt, Status.SENT))
    assert desk.status() == "sent"
    assert desk.claim() == []


def test_a_transient_failure_of_what_was_queued_again_on_evidence_leaves_it_in_the_queue(desk: Desk) -> None:
    attempt = desk.sending()
    desk.settle(unanswered(attempt))
    with desk.store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE messages SET status = 'queued'")
    desk.tell(failed(attempt, TRANSIENT, retry_after=MINUTE))
    assert desk.status() == "queued"


NOT_TAKEN = {
    "throttled": (Outcome.THROTTLED, Status.QUEUED),
    "not sent": (Outcome.NOT_SENT, Status.QUEUED),
    "refused": (Outcome.REFUSED, Status.FAILED),
}


def resent(desk: Desk, outcome: Outcome, status: Status) -> Attempt:
    """An unanswered attempt after which an operator wished another, which Meta did not take; the first one."""
    first = desk.sending()
    desk.settle(unanswered(first))
    desk.store.outbox.decide("m00001", Decision.RESEND, NOW)
    [second] = desk.claim()
    desk.settle(settlement(second, outcome, status, due_at=NOW))
    return first


@pytest.mark.parametrize("status", [Status.SENT, Status.DELIVERED, Status.READ])
@pytest.mark.parametrize("how", ["throttled", "not sent"])
def test_what_arrived_after_all_does_not_go_again_where_meta_did_not_take_the_attempt_after_it(
    desk: Desk, how: str, status: Status
) -> None:
    first = resent(desk, *NOT_TAKEN[how])
    desk.tell(news(first, status))
    assert desk.status() == status.value
    assert desk.claim(now=later(hours=1)) == []


@pytest.mark.parametrize("first_news", [Status.SENT, Status.DELIVERED])
def test_news_of_an_older_attempt_leaves_a_newer_one_that_is_under_way(desk: Desk, first_news: Status) -> None:
    first = resent(desk, *NOT_TAKEN["throttled"])
    [third] = desk.claim()
    desk.tell(news(first, first_news))
    assert desk.status() == "sending"
    desk.settle(accepted(third))
    assert desk.status() == "accepted"


def test_what_has_failed_in_the_end_stays_failed_whatever_is_told_of_an_attempt_before(desk: Desk) -> None:
    first = resent(desk, *NOT_TAKEN["refused"])
    desk.tell(news(first, Status.DELIVERED))
    assert desk.status() == "failed"
    assert desk.attempt(first)["delivered_at"] is not None


def test_nothing_to_tell_is_fine(desk: Desk) -> None:
    applied = desk.tell()
    assert (applied.new, applied.known, applied.unmatched, applied.failed) == (0, 0, 0, [])


def test_odd_characters_of_metas_survive(desk: Desk) -> None:
    attempt = desk.sending()
    odd = "\U0001f600 漢字 ' \" \\ % :x"
    desk.tell(failed(attempt, 131026, wamid=odd))
    strange = StatusUpdate(Status.FAILED, NOW, odd + "!", odd, code=None, title=odd, details=odd)
    desk.tell(strange)
    desk.settle(Settlement("m00001", 1, Outcome.ACCEPTED, Status.ACCEPTED, wamid=odd + "!"))
    assert desk.attempt(attempt)["wamid"] == odd + "!"

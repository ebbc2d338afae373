"""What an attempt's end makes of its message: a table of named cases."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from service.dispatch.retry import LONGEST, UNREACHED_LONGEST, backoff, settle_accepted, settle_error
from service.message import MOVES, Attempt, Message, Outcome, Scope, Settlement, Status, Template
from service.whatsapp.answer import Accepted
from service.whatsapp.send_error import (
    NotSent,
    OptedOut,
    Refused,
    SendError,
    Throttled,
    Unanswered,
    Unauthorised,
    Unavailable,
    WrongDoor,
)

NOW = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def _attempt(number: int = 1, tries: int = 0, expires_in: timedelta = timedelta(days=1)) -> Attempt:
    message = Message(
        "m1", "ep1", "+8613800138000", "1", Template("hello", "en_US"), due_at=NOW, expires_at=NOW + expires_in, key="k"
    )
    return Attempt(message, number, NOW, tries)


def _settle(error: SendError, attempt: Attempt | None = None, max_tries: int = 8) -> Settlement:
    return settle_error(attempt or _attempt(), error, 12, now=NOW, rng=Random(1), max_tries=max_tries)


@pytest.mark.parametrize(
    ("error", "outcome", "status", "counts"),
    [
        (Throttled("slow", wait=SECOND, scope=Scope.NUMBER), Outcome.THROTTLED, Status.QUEUED, False),
        (Throttled("slow", scope=Scope.RECIPIENT), Outcome.THROTTLED, Status.QUEUED, False),
        (Unavailable("down", http_status=500), Outcome.UNAVAILABLE, Status.QUEUED, True),
        (Unavailable("no route"), Outcome.UNAVAILABLE, Status.QUEUED, False),
        (Refused("no"), Outcome.REFUSED, Status.FAILED, True),
        (OptedOut("no"), Outcome.REFUSED, Status.FAILED, True),
        (Unauthorised("who"), Outcome.UNAUTHORISED, Status.QUEUED, False),
        (Unanswered("?"), Outcome.UNANSWERED, Status.UNANSWERED, True),
        (NotSent("stop"), Outcome.NOT_SENT, Status.QUEUED, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, SendError) else "",
)
def test_each_kind_of_error(error: SendError, outcome: Outcome, status: Status, counts: bool) -> None:
    settlement = _settle(error)
    assert (settlement.outcome, settlement.status, settlement.counts) == (outcome, status, counts)
    assert settlement.status in MOVES[Status.SENDING]
    assert (settlement.due_at is not None) == (status is Status.QUEUED)


def test_only_an_opted_out_recipient_is_to_be_suppressed() -> None:
    assert _settle(OptedOut("no", code=131050)).opted_out
    assert not _settle(Refused("no", code=131026)).opted_out


def test_an_accepted_message_keeps_its_wamid() -> None:
    settlement = settle_accepted(_attempt(), Accepted("wamid.1"), 12)
    assert (settlement.status, settlement.wamid, settlement.http_status) == (Status.ACCEPTED, "wamid.1", 200)


def test_a_held_message_is_not_accepted_yet() -> None:
    assert settle_accepted(_attempt(), Accepted("wamid.1", held=True), 12).status is Status.HELD


def test_the_last_try_that_counts_fails_the_message() -> None:
    error = Unavailable("down", code=131016, http_status=500)
    assert _settle(error, _attempt(tries=6)).status is Status.QUEUED
    assert _settle(error, _attempt(tries=7)).status is Status.FAILED


def test_waiting_for_a_limit_never_fails_a_message() -> None:
    assert (
        _settle(Throttled("slow", wait=SECOND, scope=Scope.NUMBER), _attempt(number=500, tries=7)).status
        is Status.QUEUED
    )


def test_what_could_only_go_too_late_has_expired() -> None:
    error = Throttled("slow", wait=timedelta(minutes=1), scope=Scope.WABA)
    assert _settle(error, _attempt(expires_in=timedelta(seconds=59))).status is Status.EXPIRED


def test_a_throttled_message_waits_as_long_as_it_was_told() -> None:
    error = Throttled("pair", code=131056, scope=Scope.RECIPIENT, wait=timedelta(seconds=16))
    assert _settle(error, _attempt(number=7)).due_at == NOW + timedelta(seconds=16)


def test_what_is_held_back_for_its_recipient_waits_and_uses_up_no_try() -> None:
    settlement = _settle(NotSent("one at a time", wait=timedelta(seconds=6)))
    assert (settlement.due_at, settlement.counts) == (NOW + timedelta(seconds=6), False)


def test_through_the_wrong_door_it_goes_again_once_and_uses_up_no_try() -> None:
    error = WrongDoor("not here", code=131063)
    again = settle_error(_attempt(tries=7), error, 12, now=NOW, rng=Random(1), max_tries=8, switched=True)
    assert (again.status, again.due_at, again.counts) == (Status.QUEUED, NOW, False)
    assert _settle(error).status is Status.FAILED


def test_retry_after_is_a_lower_bound() -> None:
    due_at = _settle(Unavailable("down", http_status=503, wait=timedelta(minutes=10))).due_at
    assert due_at == NOW + timedelta(minutes=10)


def test_attempts_that_were_no_tries_put_off_no_first_failure() -> None:
    error = Unavailable("down", code=131016, http_status=500)
    for seed in range(50):
        put_back_often = _attempt(number=9, tries=0)
        again = settle_error(put_back_often, error, 12, now=NOW, rng=Random(seed), max_tries=8)
        assert again.due_at is not None
        assert again.due_at <= NOW + 4 * SECOND


def test_the_backoff_has_full_jitter_and_a_ceiling() -> None:
    rng = Random(3)
    for earlier, ceiling in ((0, 4), (1, 16), (2, 64), (3, 256), (9, 3600), (10**6, 3600)):
        waits = [backoff(earlier, rng).total_seconds() for _ in range(200)]
        assert max(waits) <= ceiling
        assert min(waits) < ceiling / 10
    assert max(backoff(9, rng, UNREACHED_LONGEST) for _ in range(200)) <= UNREACHED_LONGEST < LONGEST

"""The judges themselves: each finds what it is there to find."""

import pytest

from tests.crash.judging import (
    Sent,
    gaps,
    longest,
    most_in_a_second,
    pair_overdraft,
    rate,
    read,
    sent_twice,
)


def evenly(per_second: float, seconds: float, since: float = 0.0) -> list[float]:
    return [since + n / per_second for n in range(int(per_second * seconds))]


def line(callback_data: str, at: str) -> dict[str, str]:
    return {"callback_data": callback_data, "to": "+86139", "phone_number_id": "1", "at": at}


def test_a_second_attempt_that_was_accepted_too_is_a_message_sent_twice() -> None:
    sent = read(
        [
            line("m2.1", "2026-11-01T09:00:02+00:00"),
            line("m1.1", "2026-11-01T09:00:01+00:00"),
            line("m1.2", "2026-11-01T09:00:03.5+00:00"),
        ]
    )
    assert [one.message_id for one in sent] == ["m1", "m2", "m1"]
    assert sent_twice(sent) == ["m1"]
    assert sent_twice([Sent("m1", "+86139", "1", 0.0), Sent("m2", "+86139", "1", 0.0)]) == []


@pytest.mark.parametrize(
    ("at", "most"),
    [
        ([], 0),
        ([1.0], 1),
        (evenly(16, 3), 16),
        ([0.0, 0.9, 0.95, 1.0, 1.85], 4),
        ([*evenly(16, 1), *evenly(16, 1, since=0.96875)], 17),
    ],
    ids=["nothing", "one", "even", "a second that begins anywhere", "a hand-over that comes too soon"],
)
def test_the_fullest_second_is_found(at: list[float], most: int) -> None:
    assert most_in_a_second(at) == most


@pytest.mark.parametrize(
    ("at", "overdraft"),
    [
        ([], 0.0),
        ([0.0] * 45, 0.0),
        ([0.0] * 46, 1.0),
        ([*[0.0] * 45, *[6.0 * n for n in range(1, 16)]], 0.0),
        ([*[0.0] * 45, 3.0], 0.5),
        ([*[0.0] * 45, *[600.0] * 46], 1.0),
    ],
    ids=[
        "nothing",
        "a burst",
        "one too many",
        "every six seconds",
        "half too soon",
        "no more than a burst is saved up",
    ],
)
def test_what_goes_over_the_pair_limit_is_found(at: list[float], overdraft: float) -> None:
    assert pair_overdraft(at) == pytest.approx(overdraft)


def test_a_rate_may_leave_gaps_out() -> None:
    at = [*evenly(10, 5), *evenly(10, 5, since=14.9)]
    (gap,) = gaps(at, longer_than=1.0)
    assert (gap.since, gap.seconds) == pytest.approx((4.9, 10.0))
    assert longest([gap]) == pytest.approx(10.0)
    assert rate(at) == pytest.approx(99 / 19.8)
    assert rate(at, without=[gap]) == pytest.approx(10.0)
    assert longest(gaps(at, longer_than=60)) == 0.0

"""Quarters of an hour in, points out."""

from datetime import UTC, datetime, timedelta

import pytest

from service.outbox.tally import Quarter
from service.web.console.chart import HEIGHT, QUARTER, SERIES, WIDTH, chart

BEGIN = datetime(2026, 11, 1, 9, 7, 30, tzinfo=UTC)
FIRST = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)


def points(text: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (one.split(",") for one in text.split())]


def test_nothing_is_an_empty_chart_with_a_scale() -> None:
    drawn = chart([], BEGIN, BEGIN + timedelta(hours=1))
    assert drawn.is_empty
    assert [line.name for line in drawn.lines] == list(SERIES)
    assert [value for _, value in drawn.levels] == [0, 1, 2]
    assert drawn.rows == []


def test_each_quarter_has_its_place_and_the_missing_ones_are_nought() -> None:
    quarters = [Quarter(FIRST, accepted=3), Quarter(FIRST + 2 * QUARTER, accepted=4, failed=1)]
    drawn = chart(quarters, BEGIN, FIRST + 4 * QUARTER)
    accepted = points(drawn.lines[0].points)
    assert [x for x, _ in accepted] == [0, WIDTH / 3, 2 * WIDTH / 3, WIDTH]
    assert [y for _, y in accepted] == [HEIGHT / 4, HEIGHT, 0, HEIGHT]
    assert {line.name: line.total for line in drawn.lines} == dict.fromkeys(SERIES, 0) | {"accepted": 7, "failed": 1}
    assert drawn.rows == quarters
    assert not drawn.is_empty


@pytest.mark.parametrize(
    ("value", "top"),
    [
        (0, 2),
        (2, 2),
        (3, 4),
        (5, 6),
        (7, 8),
        (9, 10),
        (11, 20),
        (21, 40),
        (99, 100),
        (101, 200),
        (1_000_001, 2_000_000),
    ],
)
def test_the_scale_goes_up_to_a_round_number(value: int, top: int) -> None:
    drawn = chart([Quarter(FIRST, read=value)], BEGIN, BEGIN + QUARTER)
    assert drawn.levels == [(HEIGHT, 0), (HEIGHT / 2, top // 2), (0, top)]


def test_what_is_outside_is_not_drawn() -> None:
    drawn = chart(
        [Quarter(FIRST - QUARTER, accepted=9), Quarter(FIRST + 9 * QUARTER, accepted=9)], BEGIN, BEGIN + QUARTER
    )
    assert drawn.is_empty


def test_a_chart_of_no_time_has_one_quarter() -> None:
    drawn = chart([Quarter(FIRST, sent=1)], FIRST, FIRST)
    assert [len(points(line.points)) for line in drawn.lines] == [1] * len(SERIES)


@pytest.mark.parametrize("hours", [1, 6, 24, 168])
def test_there_are_a_few_moments_below_it(hours: int) -> None:
    drawn = chart([], FIRST, FIRST + timedelta(hours=hours))
    assert 4 <= len(drawn.times) <= 8
    assert drawn.times[0] == (0, FIRST)

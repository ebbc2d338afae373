"""How values are shown."""

from datetime import UTC, datetime, timedelta

import pytest

from service.web.console.page import moment, number, percent, span


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0, "0"), (1234567, "1,234,567"), (0.5, "0.5"), (99.94, "99.9"), (150.5, "150"), (72.0, "72")],
)
def test_numbers_have_their_thousands_apart(value: float | None, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        (None, "–"),
        (timedelta(0), "0 s"),
        (timedelta(seconds=-5), "0 s"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(seconds=60), "1 min"),
        (timedelta(seconds=61), "1 min 1 s"),
        (timedelta(minutes=125), "2 h 5 min"),
        (timedelta(days=2, hours=3, minutes=59), "2 d 3 h"),
    ],
)
def test_a_time_has_its_two_largest_units(time: timedelta | None, shown: str) -> None:
    assert span(time) == shown


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (0, 0, "–"),
        (0, 5, "0 %"),
        (5, 5, "100 %"),
        (1, 3, "33.3 %"),
        (1, 100_000, "<0.1 %"),
        (99_999, 100_000, "99.9 %"),
    ],
)
def test_a_part_is_never_rounded_to_all_or_nothing(part: float, whole: float, shown: str) -> None:
    assert percent(part, whole) == shown


def test_a_moment_is_for_people_and_for_browsers() -> None:
    at = datetime(2026, 11, 1, 9, 5, 30, 123456, tzinfo=UTC)
    assert moment(at) == '<time datetime="2026-11-01T09:05:30+00:00" data-local>01 Nov 2026, 09:05 UTC</time>'
    assert moment(None) == "–"

"""Counts without counting: what statements moved, added up."""

from datetime import UTC, datetime, timedelta

import pytest

from service.message import Outcome, Status
from service.outbox import tables, tally
from service.outbox.search import Filter
from service.outbox.tally import Quarter
from tests.outbox.making import Desk, accepted, at_once, failed, later, message, news, rejection, settlement

NINE = datetime(2026, 11, 1, 9, tzinfo=UTC)


def of(desk: Desk, campaign_id: str) -> tally.Tally:
    with desk.store.engine.connect() as connection:
        return tally.by_campaign(connection, [campaign_id])[campaign_id]


def quarters(desk: Desk, campaign_id: str | None = None) -> list[Quarter]:
    return desk.store.report.quarters(NINE - timedelta(days=1), campaign_id)


def waiting_rows(desk: Desk) -> int:
    with desk.store.engine.connect() as connection:
        return len(connection.execute(tables.moves.select()).all())


def test_a_campaign_is_counted_from_its_recipients_to_its_failures(desk: Desk) -> None:
    desk.add(*(message(n, campaign_id="c") for n in range(1, 5)), rejection(9), campaign_id="c")
    desk.add(message(1, campaign_id="c", message_id="again"), campaign_id="c")
    first, second, third, _ = desk.claim(4)
    desk.settle(accepted(first), accepted(second), settlement(third, Outcome.REFUSED, Status.FAILED, code=131026))
    desk.store.outbox.apply_statuses([news(first, Status.READ), failed(second, 131049)], later(minutes=1))
    counted = of(desk, "c")
    assert (counted.recipients, counted.messages, counted.rejected, counted.duplicates) == (6, 4, 1, 1)
    assert +counted.statuses == {"read": 1, "failed": 2, "sending": 1}
    assert +counted.failures == {"131026": 1, "131049": 1}
    assert counted.rejections == {"invalid_address": 1}
    assert [counted.reached(one) for one in (Status.ACCEPTED, Status.SENT, Status.READ)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("moment", "quarter"),
    [
        (NINE, NINE),
        (NINE + timedelta(minutes=14, seconds=59, microseconds=999_999), NINE),
        (NINE + timedelta(minutes=15), NINE + timedelta(minutes=15)),
        (NINE + timedelta(minutes=59, seconds=59), NINE + timedelta(minutes=45)),
        (NINE.replace(hour=0) - timedelta(microseconds=1), datetime(2026, 10, 31, 23, 45, tzinfo=UTC)),
    ],
)
def test_a_move_belongs_to_the_quarter_of_an_hour_in_which_it_was_made(
    desk: Desk, moment: datetime, quarter: datetime
) -> None:
    desk.add(message(campaign_id="c"), now=moment)
    assert [one.at for one in quarters(desk, "c")] == [quarter]


def test_who_is_told_at_once_that_a_message_was_read_has_been_told_that_it_arrived(desk: Desk) -> None:
    [attempt] = desk.claimed(message(campaign_id="c"))
    desk.settle(accepted(attempt))
    desk.store.outbox.apply_statuses([news(attempt, Status.READ)], later(minutes=20))
    assert quarters(desk, "c") == [
        Quarter(NINE, accepted=1),
        Quarter(NINE + timedelta(minutes=15), sent=1, delivered=1, read=1),
    ]


def test_what_belongs_to_no_campaign_counts_in_all_of_them_together_only(desk: Desk) -> None:
    desk.add(message(1), message(2, campaign_id="c"))
    assert (quarters(desk), quarters(desk, "c"), quarters(desk, "")) == (
        [Quarter(NINE, accepted=2)],
        [Quarter(NINE, accepted=1)],
        [Quarter(NINE, accepted=1)],
    )


def test_what_was_folded_takes_a_row_for_each_kind_of_move_however_many_there_were(desk: Desk) -> None:
    for n in range(4):
        desk.add(*(message(n * 50 + i, campaign_id="c") for i in range(50)), campaign_id="c")
    desk.store.outbox.fold_moves()
    with desk.store.engine.connect() as connection:
        sums = connection.execute(tables.tallies.select()).all()
    assert sorted((row.target, row.number) for row in sums) == [("queued", 200), ("recipients", 200)]


def test_folding_changes_no_count_and_leaves_nothing_to_fold(desk: Desk) -> None:
    desk.add(*(message(n, campaign_id="c") for n in range(5)), campaign_id="c")
    before = of(desk, "c"), quarters(desk)
    desk.store.outbox.fold_moves()
    assert (of(desk, "c"), quarters(desk)) == before
    assert waiting_rows(desk) == 0
    desk.store.outbox.fold_moves()
    assert (of(desk, "c"), quarters(desk)) == before


def test_dispatchers_that_fold_at_the_same_moment_count_everything_once(desk: Desk) -> None:
    for n in range(20):
        desk.add(message(n, campaign_id=f"c{n % 3}"), campaign_id=f"c{n % 3}")
    at_once([desk.store.outbox.fold_moves] * 4)
    assert [of(desk, f"c{n}").messages for n in range(3)] == [7, 7, 6]


def test_what_an_operator_sends_again_has_failed_no_longer(desk: Desk) -> None:
    [attempt] = desk.claimed(message(campaign_id="c"))
    desk.settle(settlement(attempt, Outcome.REFUSED, Status.FAILED, code=131026))
    desk.store.outbox.replay(Filter(campaign_id="c"), later(hours=1), {}, ())
    counted = of(desk, "c")
    assert (+counted.failures, +counted.statuses) == ({}, {"queued": 1})


def test_nothing_is_known_of_a_campaign_that_never_was(desk: Desk) -> None:
    with desk.store.engine.connect() as connection:
        assert tally.by_campaign(connection, ["none"]) == {}
    assert quarters(desk, "none") == []

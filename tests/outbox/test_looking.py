"""For which of its numbers a dispatcher has something to do: one look for all of them."""

from typing import Any

import pytest
from sqlalchemy import update

from service.message import Pause, PauseReason, Priority, Scope
from service.outbox import tables
from tests.outbox.making import NOW, NUMBER, Desk, later, message, pause_of

SECOND, THIRD = "222222222222222", "333333333333333"


def due(desk: Desk, holder: str, **later_by: float) -> list[str]:
    return sorted(desk.store.outbox.look(holder, later(**later_by)).due)


def test_a_number_is_named_once_a_message_of_any_priority_is_due(desk: Desk) -> None:
    holder = desk.lease.holder
    assert due(desk, holder) == []
    desk.add(message(1, due_at=later(seconds=5), priority=Priority.HIGH), message(2, due_at=later(seconds=3)))
    assert due(desk, holder, seconds=2) == []
    assert due(desk, holder, seconds=3) == [NUMBER]
    assert len(desk.claim(now=later(seconds=3))) == 1
    assert due(desk, holder, seconds=3) == []
    assert due(desk, holder, seconds=5) == [NUMBER]


def test_only_the_numbers_that_the_dispatcher_serves_are_named(desk: Desk) -> None:
    for number in (SECOND, THIRD):
        assert desk.store.outbox.acquire_lease(number, "both") is not None
    desk.add(*(message(n, phone_number_id=number) for n, number in enumerate((NUMBER, SECOND, THIRD))))
    assert due(desk, "both") == [SECOND, THIRD]
    assert due(desk, "nobody") == []
    desk.let_the_lease_run_out()
    assert due(desk, "both") == []


@pytest.mark.parametrize("facts", [{"status": "sending"}, {"status": "failed"}, {"shelf": "campaign:summer"}])
def test_what_no_claim_would_take_wakes_nobody(desk: Desk, facts: dict[str, Any]) -> None:
    desk.add(message(1))
    with desk.store.engine.begin() as connection:
        connection.execute(update(tables.messages).values(**facts))
    assert due(desk, desk.lease.holder) == []


def test_a_pause_hides_nothing_from_the_look(desk: Desk) -> None:
    desk.add(message(1))
    desk.pause(Pause(Scope.NUMBER, NUMBER, PauseReason.OPERATOR, "why", since=NOW))
    assert due(desk, desk.lease.holder) == [NUMBER]


def astray(desk: Desk) -> list[str]:
    return sorted(desk.store.outbox.look(desk.lease.holder, NOW).astray)


def test_what_lies_on_a_shelf_is_astray_whatever_its_pause(desk: Desk) -> None:
    desk.add(message(1, campaign_id="summer"))
    assert astray(desk) == []
    desk.pause(pause_of(Scope.CAMPAIGN, "summer"))
    assert desk.shelve() == 1
    assert astray(desk) == [NUMBER]
    desk.store.outbox.resume([(Scope.CAMPAIGN, "summer")])
    assert desk.shelve() == 1
    assert astray(desk) == []


def test_what_an_earlier_holder_was_sending_is_astray_and_what_the_present_one_sends_is_not(desk: Desk) -> None:
    desk.sending()
    assert astray(desk) == []
    desk.take_over()
    assert astray(desk) == [NUMBER]
    assert desk.store.outbox.rescue(desk.lease, NOW) == 1
    assert astray(desk) == []

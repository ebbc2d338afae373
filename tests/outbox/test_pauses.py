"""What waits until something is mended: exactly what a pause names, and on its shelf out of everybody's way (G7, G8)."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import func, select, update

from service.message import Attempt, Pause, PauseReason, Scope, Template
from service.outbox import claims, tables
from service.outbox.announce import EVERYBODY, Work
from service.outbox.database import transaction
from service.outbox.outbox import Demand, Outbox, PauseKey
from service.outbox.pauses import SHELVED_AT_ONCE
from tests.conftest import MAX_TRIES
from tests.outbox.making import NOW, NUMBER, Desk, accepted, at_once, later, message, pause_of

OTHER = "222222222222222"
SCOPES = {
    NUMBER: [(Scope.WABA, "W1"), (Scope.TOKEN, "secret")],
    OTHER: [(Scope.WABA, "W2"), (Scope.TOKEN, "other")],
}
WABAS = {NUMBER: "W1", OTHER: "W2"}
ORDER, SALE, CHINESE = (Template(*of) for of in (("order", "en"), ("sale", "en"), ("order", "zh_CN")))

MINE = [
    message(1, template=ORDER),
    message(2, template=SALE),
    message(3, template=CHINESE),
    message(4, template=ORDER, campaign_id="summer"),
    message(5, template=ORDER, country="DE"),
]
THEIRS = [
    message(6, template=ORDER, phone_number_id=OTHER),
    message(7, template=SALE, phone_number_id=OTHER, campaign_id="summer"),
    message(8, template=ORDER, phone_number_id=OTHER, country="DE"),
]

STOPPED: dict[str, tuple[Scope, str, set[int]]] = {
    "a number": (Scope.NUMBER, NUMBER, {1, 2, 3, 4, 5}),
    "an account": (Scope.WABA, "W1", {1, 2, 3, 4, 5}),
    "a token": (Scope.TOKEN, "secret", {1, 2, 3, 4, 5}),
    "a template in one language": (Scope.TEMPLATE, "order/en", {1, 4, 5, 6, 8}),
    "a template in another language": (Scope.TEMPLATE, "order/zh_CN", {3}),
    "a template of one account": (Scope.TEMPLATE, "order/en@W1", {1, 4, 5}),
    "a template of the other account": (Scope.TEMPLATE, "order/en@W2", {6, 8}),
    "a campaign": (Scope.CAMPAIGN, "summer", {4, 7}),
    "a country": (Scope.COUNTRY, "DE", {5, 8}),
    "a country of one account": (Scope.COUNTRY, "DE@W2", {8}),
    "a template in any language": (Scope.TEMPLATE, "order", set()),
    "a template of an account without messages": (Scope.TEMPLATE, "order/en@W3", set()),
    "a campaign of one account, which there is not": (Scope.CAMPAIGN, "summer@W1", set()),
    "the name of another scope": (Scope.CAMPAIGN, "order/en", set()),
    "nothing": (Scope.COUNTRY, "", set()),
    "a number that nobody has": (Scope.NUMBER, "333", set()),
}


def numbers_of(attempts: list[Attempt]) -> set[int]:
    return {int(attempt.message.message_id[1:]) for attempt in attempts}


def claim(desk: Desk, **more: Any) -> set[int]:
    number = desk.lease.phone_number_id
    return numbers_of(desk.claim(scopes=SCOPES[number], waba_id=WABAS[number], **more))


@pytest.mark.parametrize("shelved", [False, True])
@pytest.mark.parametrize("until", [None, later(minutes=5)], ids=["without an end", "with an end"])
@pytest.mark.parametrize("name", STOPPED)
def test_a_pause_stops_exactly_its_own(desk: Desk, name: str, until: datetime | None, shelved: bool) -> None:
    scope, key, stopped = STOPPED[name]
    desks = (desk, desk.beside(OTHER))
    desk.add(*MINE, *THEIRS)
    desk.pause(pause_of(scope, key, until=until))
    if shelved:
        of_messages = scope in {Scope.TEMPLATE, Scope.CAMPAIGN, Scope.COUNTRY}
        assert sum(one.shelve(WABAS[one.lease.phone_number_id]) for one in desks) == len(stopped) * of_messages
    earlier = later(minutes=5, seconds=-1)
    assert set[int]().union(*(claim(one, now=earlier) for one in desks)) == set(range(1, 9)) - stopped
    if until is None:
        assert desk.store.outbox.resume([(scope, key)]) == 1
    for one in desks:
        one.shelve(WABAS[one.lease.phone_number_id], later(minutes=5))
    assert set[int]().union(*(claim(one, now=later(minutes=5)) for one in desks)) == stopped


def test_a_number_whose_account_nobody_knows_obeys_only_what_holds_for_every_account(desk: Desk) -> None:
    desk.add(*MINE)
    desk.pause(pause_of(Scope.TEMPLATE, "order/en@W1"), pause_of(Scope.COUNTRY, "DE"))
    assert numbers_of(desk.claim()) == {1, 2, 3, 4}


def test_reserved_places_and_the_daily_limit_obey_pauses_too(desk: Desk) -> None:
    desk.add(*MINE)
    desk.allow(10)
    desk.pause(pause_of(Scope.CAMPAIGN, "summer"), pause_of(Scope.COUNTRY, "DE@W1"))
    assert claim(desk, reserved=10, limit=10, portfolio="default") == {1, 2, 3}


# --- who makes a pause, who lifts it ----------------------------------------------------------------------------------

KEY: PauseKey = (Scope.CAMPAIGN, "summer")
OPERATOR, REFUSED, NOTIFIED = PauseReason.OPERATOR, PauseReason.REFUSED, PauseReason.NOTIFIED
END = later(minutes=5)


def test_a_pause_is_found_as_it_was_made(desk: Desk) -> None:
    made = Pause(Scope.TOKEN, "漢字'\"", PauseReason.SECRET, "漢字 (190)", NOW, until=END, token_fingerprint="f" * 16)
    desk.pause(made)
    assert desk.store.outbox.find_pauses([(Scope.TOKEN, "漢字'\"")], NOW) == [made]
    assert desk.store.outbox.find_pauses([(Scope.TOKEN, "another"), (Scope.WABA, "漢字'\"")], NOW) == []
    assert desk.store.outbox.find_pauses([], NOW) == []


def test_those_that_stand_are_found_the_earliest_first(desk: Desk) -> None:
    first = pause_of(Scope.WABA, "W1", since=later(minutes=-1))
    second = pause_of(Scope.CAMPAIGN, "a", until=END)
    third = pause_of(Scope.NUMBER, NUMBER, since=later(seconds=1))
    desk.pause(third, second, first)
    keys = [(one.scope, one.key) for one in (second, third, first)]
    assert desk.store.outbox.find_pauses(keys, NOW) == desk.store.report.pauses(NOW) == [first, second, third]
    assert desk.store.outbox.find_pauses(keys[:2], END) == [third]
    assert desk.store.report.pauses(END) == [first, third]


REPLACED: dict[str, tuple[Pause, Pause, bool]] = {
    "by a newer refusal": (pause_of(*KEY), pause_of(*KEY, since=later(seconds=1), until=END), True),
    "a long wait by a short one": (pause_of(*KEY, until=later(hours=1)), pause_of(*KEY, until=END), False),
    "a short wait by a long one": (pause_of(*KEY, until=END), pause_of(*KEY, until=later(hours=1)), True),
    "a wait that has ended by a short one": (pause_of(*KEY, until=NOW), pause_of(*KEY, since=NOW, until=END), True),
    "by an operator's": (pause_of(*KEY), pause_of(*KEY, OPERATOR), True),
    "an operator's by an operator's": (pause_of(*KEY, OPERATOR), pause_of(*KEY, OPERATOR, until=END), True),
    "an operator's by a refusal": (pause_of(*KEY, OPERATOR), pause_of(*KEY, since=later(days=9)), False),
    "an operator's before its end": (
        pause_of(*KEY, OPERATOR, until=END),
        pause_of(*KEY, NOTIFIED, since=later(minutes=4)),
        False,
    ),
    "an operator's at its end": (pause_of(*KEY, OPERATOR, until=END), pause_of(*KEY, NOTIFIED, since=END), True),
}


@pytest.mark.parametrize("name", REPLACED)
def test_only_an_operator_replaces_what_an_operator_has_paused_and_still_stands(desk: Desk, name: str) -> None:
    older, newer, replaced = REPLACED[name]
    desk.pause(older, newer)
    assert desk.store.report.pauses(NOW) == [newer if replaced else older]


def test_resuming_lifts_what_no_person_paused_and_the_rest_only_when_told(desk: Desk) -> None:
    keys = [(Scope.CAMPAIGN, str(reason)) for reason in PauseReason]
    desk.pause(*(pause_of(*key, reason) for key, reason in zip(keys, PauseReason, strict=True)))
    assert desk.store.outbox.resume(keys) == 3
    assert [one.reason for one in desk.store.report.pauses(NOW)] == [OPERATOR]
    assert desk.store.outbox.resume(keys[:0], even_an_operators=True) == 0
    assert desk.store.outbox.resume(keys, even_an_operators=True) == 1
    assert desk.store.outbox.resume(keys, even_an_operators=True) == 0


def test_who_resumes_wakes_the_dispatchers_and_who_lifts_nothing_does_not(desk: Desk) -> None:
    told: list[Work] = []
    outbox = Outbox(desk.store.engine, max_tries=MAX_TRIES, announce=told.append)
    outbox.resume([KEY])
    desk.pause(pause_of(*KEY))
    assert told == []
    outbox.resume([KEY])
    assert told == [EVERYBODY]


def test_looking_for_pauses_waits_for_no_writer(desk: Desk) -> None:
    with desk.store.engine.begin():  # holds SQLite's only write lock
        assert desk.store.outbox.find_pauses([KEY], NOW) == desk.store.report.pauses(NOW) == []


def test_a_pause_that_is_made_while_a_claim_is_under_way_is_obeyed_by_the_next(desk: Desk) -> None:
    desk.add(*(message(n, campaign_id="summer") for n in range(20)))
    with ThreadPoolExecutor(1) as thread:
        with transaction(desk.store.engine) as connection:
            assert len(claims.claim(connection, Demand(desk.lease, 5), NOW)) == 5
            made = thread.submit(desk.pause, pause_of(*KEY))
        made.result(timeout=10)
    assert desk.claim() == []
    desk.store.outbox.resume([KEY])
    assert len(desk.claim()) == 15


def test_of_claims_beside_a_pause_each_takes_all_or_nothing_and_the_next_takes_nothing(desk: Desk) -> None:
    desk.add(*(message(n) for n in range(100)))
    taken: list[int] = []
    calls: list[Callable[[], object]] = [lambda: taken.append(len(desk.claim(limit=10)))] * 4
    calls.append(partial(desk.pause, pause_of(Scope.NUMBER, NUMBER)))
    at_once(calls)
    assert set(taken) <= {0, 10}
    assert desk.claim() == []


# --- the shelf --------------------------------------------------------------------------------------------------------


@contextmanager
def commits(desk: Desk) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_connection: object) -> None:
        seen.append("commit")

    sqlalchemy_event.listen(desk.store.engine, "commit", note)
    yield seen
    sqlalchemy_event.remove(desk.store.engine, "commit", note)


def ready(desk: Desk) -> int:
    """How many messages a claim may have to walk past."""
    with desk.store.engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(tables.messages).where(tables.READY)).scalar_one()


def test_a_large_campaign_goes_on_its_shelf_and_back_in_batches(desk: Desk) -> None:
    desk.add(message(0), *(message(n, campaign_id="summer") for n in range(1, SHELVED_AT_ONCE + 2)))
    desk.pause(pause_of(*KEY))
    for left in (1, SHELVED_AT_ONCE + 2):
        with commits(desk) as made:
            assert desk.shelve() == SHELVED_AT_ONCE + 1
        assert len(made) == 2
        assert ready(desk) == left
        assert desk.shelve() == 0
        desk.store.outbox.resume([KEY])
    assert len(desk.claim(limit=9999)) == SHELVED_AT_ONCE + 2


def test_what_arrives_for_a_paused_campaign_is_claimed_neither_before_nor_after_it_is_shelved(desk: Desk) -> None:
    desk.pause(pause_of(*KEY))
    for n in (1, 2):
        desk.add(message(n, campaign_id="summer"), message(n + 10))
        assert numbers_of(desk.claim()) == {n + 10}
        assert desk.shelve() == 1
        assert desk.claim() == []
    desk.store.outbox.resume([KEY])
    assert desk.shelve() == 2
    assert numbers_of(desk.claim()) == {1, 2}


def test_what_is_shelved_ends_when_its_time_is_over(desk: Desk) -> None:
    desk.add(*(message(n, campaign_id="summer", expires_at=later(hours=n)) for n in (1, 2)))
    desk.pause(pause_of(*KEY))
    assert desk.shelve() == 2
    assert desk.store.outbox.expire(desk.lease, later(hours=1)) == 1
    assert [desk.status(f"m{n:05}") for n in (1, 2)] == ["expired", "queued"]


def test_what_two_pauses_hold_waits_until_both_are_lifted(desk: Desk) -> None:
    desk.add(message(1, campaign_id="summer", country="DE"))
    pauses = [pause_of(*KEY), pause_of(Scope.COUNTRY, "DE")]
    desk.pause(*pauses)
    assert [desk.shelve(), desk.shelve()] == [1, 0]
    for one, taken in zip(pauses, (set[int](), {1}), strict=True):
        desk.store.outbox.resume([(one.scope, one.key)])
        desk.shelve()
        assert numbers_of(desk.claim()) == taken


def test_nothing_is_shelved_for_another_number_nor_under_a_lease_that_is_lost(desk: Desk) -> None:
    desk.add(message(1, campaign_id="summer"), message(2, campaign_id="summer", phone_number_id=OTHER))
    desk.pause(pause_of(*KEY))
    assert desk.beside(OTHER).shelve() == 1
    desk.let_the_lease_run_out()
    assert desk.shelve() == 0
    assert ready(desk) == 1


def test_what_a_pause_no_longer_reaches_once_its_numbers_account_is_another_comes_back(desk: Desk) -> None:
    """The shelf is only a matter of speed: the settings named a wrong account, and were mended."""
    desk.add(message(1, country="DE"))
    desk.pause(pause_of(Scope.COUNTRY, "DE@W1"))
    assert desk.shelve("W1") == 1
    desk.shelve("W2")
    assert numbers_of(desk.claim(waba_id="W2")) == {1}


def test_news_of_a_shelved_message_takes_it_off_the_queue(desk: Desk) -> None:
    """It was given up for lost and queued again; then its answer came."""
    attempt = desk.sending(campaign_id="summer")
    with desk.store.engine.begin() as connection:
        connection.execute(update(tables.messages).values(status="queued"))
    desk.pause(pause_of(*KEY))
    assert desk.shelve() == 1
    desk.settle(accepted(attempt))
    assert desk.status() == "accepted"
    desk.store.outbox.resume([KEY])
    assert desk.shelve() == 0
    assert desk.claim() == []

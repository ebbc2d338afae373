"""Messages by what they have in common, a page at a time, and what came of a campaign."""

from collections.abc import Mapping
from itertools import chain
from typing import Any

import pytest

from service.message import Outcome, Status, Template
from service.outbox import search as searching
from service.outbox.search import Filter, Search
from tests.outbox.making import NOW, NUMBER, Desk, later, message, queued_again, rejection, settlement


def found(desk: Desk, wanted: Filter = Filter(), limit: int = 100) -> list[str]:  # noqa: B008 - a frozen value
    page = Search(desk.store.engine).page(wanted, limit)
    assert page.last is None
    return [facts.message["message_id"] for facts in page.messages]


@pytest.fixture
def various(desk: Desk) -> Desk:
    """m00001 to m00004, of which each filter of FILTERS finds some."""
    first, second = desk.claimed(
        message(1, campaign_id="c1", reference="order-1"), message(2, template=Template("sale", "de"), campaign_id="c1")
    )
    desk.settle(
        settlement(first, Outcome.REFUSED, Status.FAILED, code=131026),
        settlement(second, Outcome.ACCEPTED, Status.ACCEPTED, wamid="w2"),
    )
    desk.add(message(3, to="US.13491208655302741918", phone_number_id="another"), now=later(hours=1))
    desk.add(message(4, recipient="=SUM(1)", template=Template("sale", "en_US")), now=later(hours=2))
    return desk


FILTERS: Mapping[str, tuple[Filter, list[int]]] = {
    "nothing": (Filter(), [4, 3, 2, 1]),
    "ids": (Filter(["m00003", "m00001", "m00001", "nobody"]), [3, 1]),
    "a status": (Filter(statuses=[Status.FAILED]), [1]),
    "any of several statuses": (Filter(statuses={Status.FAILED, Status.QUEUED}), [4, 3, 1]),
    "a campaign": (Filter(campaign_id="c1"), [2, 1]),
    "an event": (Filter(event_id="e00002"), [3]),
    "a template in every language": (Filter(template="sale"), [4, 2]),
    "a number": (Filter(phone_number_id=NUMBER), [4, 2, 1]),
    "an address": (Filter(to="+8613800000002"), [2]),
    "a user id": (Filter(to="US.13491208655302741918"), [3]),
    "the caller's name": (Filter(recipient="=SUM(1)"), [4]),
    "a reference": (Filter(reference="order-1"), [1]),
    "a code": (Filter(code=131026), [1]),
    "a code that none has": (Filter(code=0), []),
    "from a moment, which counts": (Filter(created_from=later(hours=1)), [4, 3]),
    "until a moment, which does not": (Filter(created_until=later(hours=1)), [2, 1]),
    "within a span": (Filter(created_from=later(hours=1), created_until=later(hours=2)), [3]),
    "all of several": (Filter(campaign_id="c1", template="sale", statuses=[Status.ACCEPTED]), [2]),
    "several that nothing fits": (Filter(campaign_id="c1", phone_number_id="another"), []),
    "part of a name": (Filter(template="sal"), []),
    "another case": (Filter(campaign_id="C1"), []),
    "a wildcard": (Filter(campaign_id="%"), []),
    "NUL": (Filter(campaign_id="\0", recipient="\0"), []),
    "half a character": (Filter(["\ud800"], reference="\ud800"), []),
    "very long": (Filter(["x" * 100_000], to="x" * 100_000), []),
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_finds_what_fits_newest_first(various: Desk, name: str) -> None:
    wanted, numbers = FILTERS[name]
    assert found(various, wanted) == [f"m{n:05}" for n in numbers]


def test_a_name_is_found_in_the_form_in_which_it_was_stored(desk: Desk) -> None:
    desk.add(message(1, recipient="a\\0b"), message(2, reference="\\ud800"))
    assert found(desk, Filter(recipient="a\0b")) == ["m00001"]
    assert found(desk, Filter(reference="\ud800")) == ["m00002"]


def test_a_code_is_that_of_the_newest_attempt(desk: Desk) -> None:
    desk.settle(queued_again(desk.sending(), code=131016, due_at=NOW))
    assert found(desk, Filter(code=131016)) == ["m00001"]
    [second] = desk.claim()
    assert found(desk, Filter(code=131016)) == []
    desk.settle(settlement(second, Outcome.REFUSED, Status.FAILED, code=131026))
    assert found(desk, Filter(code=131026)) == ["m00001"]


def test_a_message_comes_with_its_newest_attempt_and_without_its_content(desk: Desk) -> None:
    desk.settle(queued_again(desk.sending(), due_at=NOW))
    desk.claim()
    desk.add(message(2))
    waiting, sending = Search(desk.store.engine).page(Filter(), 10).messages
    assert waiting.attempts == []
    assert [attempt["attempt"] for attempt in sending.attempts] == [2]
    assert sending.message.items() <= desk.row().items()
    assert desk.row().keys() - sending.message.keys() == {"components"}


def test_a_page_goes_on_where_the_one_before_ended_also_among_messages_of_one_moment(desk: Desk) -> None:
    desk.add(*(message(n) for n in range(10)))
    search, after, pages = Search(desk.store.engine), None, []
    while True:
        page = search.page(Filter(), 3, after)
        pages.append([facts.message["message_id"] for facts in page.messages])
        after = page.last
        if after is None:
            break
    assert [len(page) for page in pages] == [3, 3, 3, 1]
    assert list(chain(*pages)) == [f"m{n:05}" for n in reversed(range(10))]


def test_a_last_page_that_is_full_is_the_last(desk: Desk) -> None:
    desk.add(*(message(n) for n in range(4)))
    search = Search(desk.store.engine)
    first = search.page(Filter(), 2)
    assert first.last == "m00002"
    assert search.page(Filter(), 2, first.last).last is None
    assert search.page(Filter(), 2, "m00000") == searching.Page([], None)


def test_what_is_added_meanwhile_moves_nothing(desk: Desk) -> None:
    desk.add(*(message(n) for n in range(6)))
    search = Search(desk.store.engine)
    first = search.page(Filter(), 3)
    desk.add(*(message(n) for n in range(6, 9)))
    second = search.page(Filter(), 3, first.last)
    seen = [facts.message["message_id"] for page in (first, second) for facts in page.messages]
    assert seen == [f"m{n:05}" for n in reversed(range(6))]


def test_a_stream_gives_all_in_lists_and_holds_nothing_open_between_them(desk: Desk) -> None:
    desk.add(*(message(n) for n in range(7)))
    seen = []
    for messages in Search(desk.store.engine).stream(Filter(), at_once=3):
        seen.append([facts.message["message_id"] for facts in messages])
        assert desk.store.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # both pools have it
        desk.add(message(100 + len(seen)))
    assert [len(page) for page in seen] == [3, 3, 1]
    assert list(chain(*seen)) == [f"m{n:05}" for n in reversed(range(7))]


def test_a_stream_of_nothing_is_one_empty_list(desk: Desk) -> None:
    assert list(Search(desk.store.engine).stream(Filter())) == [[]]


# --- campaigns


def test_a_campaign_is_summed_up_over_its_events(desk: Desk) -> None:
    desk.add(rejection(8), now=later(hours=2), campaign_id="c1", received_at=later(hours=2))
    desk.add(*(message(n, campaign_id="c1") for n in range(1, 6)), campaign_id="c1")
    attempts = desk.claim(5)
    desk.settle(
        settlement(attempts[0], Outcome.REFUSED, Status.FAILED, code=131026),
        settlement(attempts[1], Outcome.REFUSED, Status.FAILED, code=131026),
        settlement(attempts[2], Outcome.REFUSED, Status.FAILED),
        settlement(attempts[3], Outcome.ACCEPTED, Status.ACCEPTED, wamid="w"),
    )
    desk.add(message(6, campaign_id="c2"), rejection(9), campaign_id="c2")
    facts = Search(desk.store.engine).campaign("c1")
    assert facts == searching.CampaignFacts(
        campaign_id="c1",
        received_at=NOW,
        last_received_at=later(hours=2),
        events=2,
        recipients=6,
        rejected=1,
        counts={"failed": 3, "accepted": 1, "sending": 1},
        failures={131026: 2, None: 1},
    )


@pytest.mark.parametrize("named", [{"campaign_id": "x/ y?"}, {"journey_id": "x/ y?"}])
def test_a_campaign_or_a_journey_is_one_that_an_event_names(desk: Desk, named: dict[str, Any]) -> None:
    desk.add(message(campaign_id="x/ y?"), **named)
    facts = Search(desk.store.engine).campaign("x/ y?")
    assert facts is not None
    assert (facts.events, facts.recipients, facts.counts) == (1, 1, {"queued": 1})


@pytest.mark.parametrize("name", ["", "c2", "C1", "%", "\0", "\ud800", "x" * 10_000])
def test_what_no_event_names_is_no_campaign(desk: Desk, name: str) -> None:
    desk.add(message(campaign_id="c1"), campaign_id="c1")
    assert Search(desk.store.engine).campaign(name) is None

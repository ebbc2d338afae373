"""Nothing goes to who must not get it (G8): at accept, in the queue, at the claim, and in between."""

import random
from collections.abc import Callable, Mapping

import pytest
from sqlalchemy import select

from service.message import Category, Message, Rejection
from service.outbox import blocking, tables
from service.outbox.decisions import Decision
from service.people import Blocked, SuppressionSource
from tests.outbox.making import (
    MINUTE,
    NOW,
    Desk,
    accepted,
    at_once,
    event,
    failed,
    later,
    message,
    queued_again,
    unanswered,
)
from tests.outbox.suppressing import (
    CATEGORIES,
    STOP,
    TO,
    consent,
    suppress,
    suppression,
    sweep,
    unchecked,
)


def answers(desk: Desk, *messages: Message) -> list[str]:
    receipt = desk.add(*messages)
    assert receipt.queued + receipt.suppressed == len(messages)
    return ["accepted" if f'"{one.message_id}"' in receipt.answer else "suppressed" for one in messages]


# --- what is blocked --------------------------------------------------------------------------------------------------

BLOCKS: Mapping[Blocked, set[Category | None]] = {
    Blocked.MARKETING: {Category.MARKETING, None},
    Blocked.ALL: {Category.MARKETING, Category.UTILITY, None},
}


@pytest.mark.parametrize("blocked", Blocked)
def test_a_suppression_rejects_what_it_blocks_and_lets_the_rest_pass(desk: Desk, blocked: Blocked) -> None:
    suppress(desk, suppression(blocked=blocked))
    for n, category in enumerate(CATEGORIES):
        [answer] = answers(desk, message(n + 1, to=TO, category=category))
        assert answer == ("suppressed" if category in BLOCKS[blocked] else "accepted"), category


@pytest.mark.parametrize("blocked", Blocked)
def test_a_suppression_ends_what_it_blocks_of_the_queue(desk: Desk, blocked: Blocked) -> None:
    messages = [message(n + 1, to=TO, category=category) for n, category in enumerate(CATEGORIES)]
    desk.add(*messages, message(9))
    assert suppress(desk, suppression(blocked=blocked)) == len(BLOCKS[blocked])
    for one in messages:
        assert desk.status(one) == ("suppressed" if one.category in BLOCKS[blocked] else "queued")
    assert desk.status("m00009") == "queued"


@pytest.mark.parametrize("blocked", Blocked)
def test_the_rule_in_words_and_the_rule_in_the_statement_are_the_same(desk: Desk, blocked: Blocked) -> None:
    messages = [message(n + 1, to=TO, category=category) for n, category in enumerate(CATEGORIES)]
    desk.add(*messages)
    suppress(desk, suppression(blocked=blocked))
    assert [desk.status(one) == "suppressed" for one in messages] == [
        blocking.stops(blocked, one.category) for one in messages
    ]


def test_a_rejection_says_what_is_blocked_who_said_so_since_when_and_how_to_lift_it(desk: Desk) -> None:
    suppress(desk, suppression(source=STOP))
    desk.add(message(1, to=TO, path="Endpoints.ep1.Address"))
    with desk.store.engine.connect() as connection:
        [row] = connection.execute(select(tables.rejections))
    assert (row.code, row.path) == ("suppressed", "Endpoints.ep1.Address")
    assert row.detail == (
        "the person answered with a stop word (2026-11-01T09:00:00Z): nothing but authentication codes goes there, until the "
        "person answers with a start word, or an operator lifts it with DELETE /v1/suppressions or whatsapp-channel "
        "suppressions remove"
    )


@pytest.mark.parametrize("source", SuppressionSource)
def test_every_source_has_its_words(desk: Desk, source: SuppressionSource) -> None:
    suppress(desk, suppression(blocked=Blocked.MARKETING, source=source))
    desk.add(message(1, to=TO))
    with desk.store.engine.connect() as connection:
        [row] = connection.execute(select(tables.rejections))
    assert "no marketing goes there" in row.detail
    assert TO not in row.detail


def test_a_suppressed_message_uses_up_no_key(desk: Desk) -> None:
    suppress(desk)
    assert answers(desk, message(1, to=TO)) == ["suppressed"]
    consent(desk).lift(TO, NOW)
    assert answers(desk, message(1, message_id="later", to=TO)) == ["accepted"]


def test_one_suppressed_recipient_does_not_spoil_the_others(desk: Desk) -> None:
    suppress(desk)
    refused = Rejection("ep9", "invalid_address", "x", "y")
    receipt = desk.add(message(2), message(1, to=TO), refused, message(3))
    assert (receipt.queued, receipt.suppressed) == (2, 1)
    assert [desk.status(name) for name in ("m00002", "m00003")] == ["queued", "queued"]
    assert '"accepted":2,"duplicates":0,"rejected":2' in receipt.answer


def test_a_known_event_gets_its_first_answer_also_after_a_stop(desk: Desk) -> None:
    first = desk.store.outbox.add(event(message(1, to=TO)), NOW)
    suppress(desk)
    again = desk.store.outbox.add(event(message(2, to=TO)), NOW)
    assert (again.replayed, again.answer) == (True, first.answer)


# --- what is under way, and what comes in between ---------------------------------------------------------------------


@pytest.mark.parametrize("status", ["sending", "accepted"])
def test_what_is_under_way_is_not_touched(desk: Desk, status: str) -> None:
    attempt = desk.sending(to=TO)
    if status == "accepted":
        desk.settle(accepted(attempt))
    assert suppress(desk) == 0
    assert desk.status(attempt) == status


def test_what_would_be_queued_again_after_a_stop_is_suppressed(desk: Desk) -> None:
    attempt = desk.sending(to=TO)
    suppress(desk)
    desk.settle(queued_again(attempt))
    assert desk.status(attempt) == "suppressed"
    assert desk.attempt(attempt)["code"] == 131016


def test_a_late_failure_after_an_old_stop_is_suppressed(desk: Desk) -> None:
    attempt = desk.sending(to=TO)
    desk.settle(accepted(attempt))
    suppress(desk)
    desk.tell(failed(attempt, 131016, retry_after=MINUTE), now=later(hours=20))
    assert desk.status(attempt) == "suppressed"


def test_a_claim_never_gives_out_what_is_blocked_and_the_sweep_ends_it(desk: Desk) -> None:
    suppress(desk)
    unchecked(desk, message(1, to=TO), message(2, to=TO, category=Category.AUTHENTICATION))
    claimed = [attempt.message.message_id for attempt in desk.claim()]
    assert "m00001" not in claimed
    assert "m00002" in claimed
    assert desk.status("m00001") == "queued"
    assert sweep(desk) == 1
    assert desk.status("m00001") == "suppressed"


def test_the_upkeep_sweeps_beside_expiring(desk: Desk) -> None:
    suppress(desk)
    unchecked(desk, message(1, to=TO))
    assert desk.store.outbox.expire(desk.lease, NOW) == 0
    assert desk.status("m00001") == "suppressed"


def test_what_is_not_due_yet_is_swept_where_its_person_was_suppressed_lately(desk: Desk) -> None:
    suppress(desk)
    unchecked(desk, message(1, to=TO, due_at=later(hours=2)))
    assert sweep(desk, later(minutes=9)) == 1


def test_what_is_queued_again_long_after_the_stop_is_swept_when_it_is_due(desk: Desk) -> None:
    """As by a replay, or on evidence: whoever queues it need not ask."""
    suppress(desk)
    unchecked(desk, message(1, to=TO, due_at=later(hours=2), expires_at=later(days=2)))
    assert sweep(desk, later(hours=1)) == 0
    assert sweep(desk, later(hours=2)) == 1
    assert desk.status("m00001") == "suppressed"


def test_what_an_operator_sends_again_after_a_stop_does_not_go_and_ends_suppressed(desk: Desk) -> None:
    attempt = desk.sending(to=TO)
    desk.settle(unanswered(attempt))
    suppress(desk)
    moment = later(days=1, seconds=-1)
    desk.store.outbox.decide(attempt.message.message_id, Decision.RESEND, moment)
    assert desk.claim(now=moment) == []
    desk.store.outbox.expire(desk.lease, moment)
    assert desk.status(attempt) == "suppressed"


def test_what_no_sweep_found_ends_suppressed_and_not_expired(desk: Desk) -> None:
    suppress(desk)
    unchecked(desk, message(1, to=TO, due_at=later(hours=2), expires_at=later(hours=1)))
    desk.store.outbox.expire(desk.lease, later(hours=1))
    assert desk.status("m00001") == "suppressed"


def test_a_sweep_needs_its_lease_and_keeps_to_its_number(desk: Desk) -> None:
    suppress(desk)
    unchecked(desk, message(1, to=TO))
    other = desk.beside("222222222222222")
    assert sweep(other) == 0
    desk.let_the_lease_run_out()
    assert sweep(desk) == 0


def test_what_waits_on_a_shelf_is_suppressed_and_leaves_it(desk: Desk) -> None:
    desk.add(message(1, to=TO))
    with desk.store.engine.begin() as connection:
        connection.execute(tables.messages.update().values(shelf="campaign:x"))
    suppress(desk)
    assert (desk.status("m00001"), desk.row("m00001")["shelf"]) == ("suppressed", None)


def test_nothing_goes_to_who_is_suppressed_while_messages_are_accepted(desk: Desk) -> None:
    """Sixteen events and eight words at once, in any order: afterwards nothing for the suppressed can be claimed."""
    people = [f"+4915100000{n:02}" for n in range(16)]
    stopped = people[::2]
    calls: list[Callable[[], object]] = [
        lambda n=n, to=to: desk.store.outbox.add(event(message(n + 1, to=to), n=n + 1), NOW)  # type: ignore[misc]
        for n, to in enumerate(people)
    ]
    calls += [lambda to=to: suppress(desk, suppression(to)) for to in stopped]  # type: ignore[misc]
    random.Random(7).shuffle(calls)
    at_once(calls)
    assert {attempt.message.to for attempt in desk.claim()} == set(people) - set(stopped)
    sweep(desk)
    with desk.store.engine.connect() as connection:
        left = connection.execute(select(tables.messages.c.to).where(tables.messages.c.status == "queued")).all()
    assert left == []


def test_a_message_that_another_transaction_holds_is_left_for_the_sweep(desk: Desk) -> None:
    """Nobody waits for it: whoever answers Meta's webhook, or settles, must not."""
    if desk.store.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer")
    desk.add(message(1, to=TO))
    with desk.store.engine.begin() as holder:
        holder.execute(select(tables.messages).with_for_update())
        assert suppress(desk) == 0
    assert desk.claim() == []
    assert sweep(desk) == 1

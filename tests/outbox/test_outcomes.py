"""What is kept for publishing, who may claim it, and in which order."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import delete, insert, update

from service.message import Outcome, Status
from service.outbox import tables
from service.outbox.database import transaction
from service.outbox.outcomes import CLAIMED_FOR, NEWS, Outcomes, ReplyOutcome, StatusOutcome, keep, keep_reply
from tests.outbox.making import NOW, Desk, at_once, failed, later, message, news, queued_again, settlement

SECOND = timedelta(seconds=1)


@pytest.fixture
def desk(publishing: Desk) -> Desk:
    return publishing


def stand(desk: Desk, status: Status, *names: str, at: datetime = NOW) -> None:
    """The messages move to a status, and that is kept."""
    with transaction(desk.store.engine) as connection:
        moved = update(tables.messages).where(tables.messages.c.message_id.in_(names))
        connection.execute(moved.values(status=status.value, status_at=at))
        keep(connection, names, at)


def reply(desk: Desk, wamid: str = "wamid.1", message_id: str | None = None) -> None:
    """Somebody writes to us, and that is kept."""
    with transaction(desk.store.engine) as connection:
        facts = {"phone_number_id": "106540352242922", "sender": "+8613800138000", "kind": "button", "payload": "YES"}
        row = {"wamid": wamid, "at": NOW, "received_at": NOW, "message_id": message_id, "text": "Yes", **facts}
        connection.execute(insert(tables.inbound_messages).values(row))
        keep_reply(connection, wamid, NOW)


def claim(desk: Desk, limit: int = 100, now: datetime = NOW) -> list[StatusOutcome]:
    return [one for one in Outcomes(desk.store.engine).claim(limit, now) if isinstance(one, StatusOutcome)]


def told(desk: Desk, now: datetime = NOW) -> list[tuple[str, str]]:
    return [(one.message_id, one.status) for one in claim(desk, now=now)]


@pytest.mark.parametrize("status", list(Status))
def test_what_is_news_to_outsiders_is_kept_and_nothing_else(desk: Desk, status: Status) -> None:
    desk.add(message())
    stand(desk, status, "m00001")
    assert told(desk) == ([("m00001", status)] if status in NEWS else [])


def test_a_message_that_did_not_move_now_is_no_news(desk: Desk) -> None:
    desk.add(message(), message(2))
    stand(desk, Status.READ, "m00001")
    assert told(desk) == [("m00001", "read")]
    with transaction(desk.store.engine) as connection:
        keep(connection, ["m00001", "m00002"], later(seconds=9))
        keep(connection, [], NOW)
    assert desk.count(tables.outcomes) == 1


def test_an_outcome_tells_the_callers_own_names_of_the_message(desk: Desk) -> None:
    desk.add(message(campaign_id="c1", reference="order-17"))
    stand(desk, Status.DELIVERED, "m00001")
    assert claim(desk) == [
        StatusOutcome(
            outcome_id=1,
            message_id="m00001",
            event_id="e00001",
            campaign_id="c1",
            recipient="endpoint1",
            reference="order-17",
            to="+8613800000001",
            phone_number_id="106540352242922",
            template="order_update",
            language="en_US",
            status="delivered",
            at=NOW,
        )
    ]


def test_a_failure_tells_metas_code_and_words(desk: Desk) -> None:
    attempt = desk.sending()
    desk.tell(failed(attempt))
    with transaction(desk.store.engine) as connection:
        keep(connection, ["m00001"], NOW)
    assert [(one.code, one.title) for one in claim(desk)] == [(131026, "Undeliverable")]


def test_the_code_of_another_attempt_is_not_told(desk: Desk) -> None:
    attempt = desk.sending()
    desk.settle(queued_again(attempt))
    stand(desk, Status.FAILED, "m00001")
    stand(desk, Status.QUEUED, "m00001", at=later(seconds=1))
    assert [(one.status, one.code) for one in claim(desk)] == [("failed", None)]


def test_a_reply_names_the_message_that_it_answers(desk: Desk) -> None:
    desk.add(message(campaign_id="c1", reference="order-17"))
    reply(desk, message_id="m00001")
    reply(desk, "wamid.2")
    number, sender = "106540352242922", "+8613800138000"
    facts = ("button", "Yes", "YES", NOW)
    assert Outcomes(desk.store.engine).claim(10, NOW) == [
        ReplyOutcome(1, "wamid.1", number, sender, *facts, "m00001", "e00001", "c1", "endpoint1", "order-17"),
        ReplyOutcome(2, "wamid.2", number, sender, *facts),
    ]


def test_what_is_claimed_is_not_claimed_again_until_its_time_is_over(desk: Desk) -> None:
    desk.add(message())
    stand(desk, Status.READ, "m00001")
    assert len(claim(desk)) == 1
    assert claim(desk, now=NOW + CLAIMED_FOR - SECOND) == []
    assert len(claim(desk, now=NOW + CLAIMED_FOR)) == 1


def test_what_is_done_is_gone(desk: Desk) -> None:
    desk.add(message(), message(2))
    stand(desk, Status.READ, "m00001", "m00002")
    first = claim(desk, limit=1)
    Outcomes(desk.store.engine).done([one.outcome_id for one in first])
    assert told(desk, later(hours=1)) == [("m00002", "read")]


def test_what_was_put_back_waits_until_then(desk: Desk) -> None:
    desk.add(message())
    stand(desk, Status.READ, "m00001")
    claim(desk)
    Outcomes(desk.store.engine).put_back([1], later(seconds=4))
    assert told(desk, later(seconds=3)) == []
    assert told(desk, later(seconds=4)) == [("m00001", "read")]


def test_the_oldest_go_first(desk: Desk) -> None:
    desk.add(*(message(n) for n in range(1, 6)))
    for n in (3, 1, 5, 2, 4):
        stand(desk, Status.READ, f"m{n:05}")
    assert [one.message_id for one in claim(desk, limit=3)] == ["m00003", "m00001", "m00005"]
    assert [one.message_id for one in claim(desk, limit=3)] == ["m00002", "m00004"]


def test_a_later_status_of_a_message_waits_until_the_earlier_one_is_published(desk: Desk) -> None:
    desk.add(message())
    stand(desk, Status.DELIVERED, "m00001")
    stand(desk, Status.READ, "m00001", at=later(seconds=1))
    outcomes = Outcomes(desk.store.engine)
    assert told(desk) == [("m00001", "delivered")]
    assert told(desk) == []
    outcomes.put_back([1], later(seconds=9))
    assert told(desk, later(seconds=8)) == []
    assert told(desk, later(seconds=9)) == [("m00001", "delivered")]
    outcomes.done([1])
    assert told(desk, later(seconds=9)) == [("m00001", "read")]


def test_of_two_who_claim_at_once_each_gets_its_own(desk: Desk) -> None:
    desk.add(*(message(n) for n in range(1, 41)))
    stand(desk, Status.DELIVERED, *(f"m{n:05}" for n in range(1, 41)))
    stand(desk, Status.READ, *(f"m{n:05}" for n in range(1, 41)), at=later(seconds=1))
    calls: list[Callable[[], list[StatusOutcome]]] = [lambda: claim(desk, limit=10)] * 4
    claimed = [one for some in at_once(calls) for one in some]
    assert len({one.message_id for one in claimed}) == len(claimed)
    assert {one.status for one in claimed} == {"delivered"}


def test_an_outcome_of_a_message_that_is_gone_is_forgotten(desk: Desk) -> None:
    desk.add(message(), message(2))
    stand(desk, Status.READ, "m00001", "m00002")
    with transaction(desk.store.engine) as connection:
        connection.execute(delete(tables.messages).where(tables.messages.c.message_id == "m00001"))
    assert told(desk) == [("m00002", "read")]
    assert desk.count(tables.outcomes) == 1


def test_what_is_not_committed_is_not_kept(desk: Desk) -> None:
    def crash() -> None:
        with transaction(desk.store.engine) as connection:
            keep_reply(connection, "wamid.1", NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        crash()
    assert desk.count(tables.outcomes) == 0


def test_an_unanswered_message_is_news_and_what_becomes_of_it_later_too(desk: Desk) -> None:
    attempt = desk.sending()
    desk.settle(settlement(attempt, Outcome.UNANSWERED, Status.UNANSWERED))
    with transaction(desk.store.engine) as connection:
        keep(connection, ["m00001"], NOW)
    assert told(desk) == [("m00001", "unanswered")]
    Outcomes(desk.store.engine).done([1])
    desk.tell(news(attempt, Status.DELIVERED), now=later(seconds=5))
    with transaction(desk.store.engine) as connection:
        keep(connection, ["m00001"], later(seconds=5))
    assert told(desk) == [("m00001", "delivered")]

"""Every move to something that outsiders are told of is kept for publishing, once, where outcomes are published at all."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from service.message import Status
from service.outbox.consent import Consent
from service.outbox.database import KEEPS_OUTCOMES
from service.outbox.decisions import Decision
from service.outbox.inbound import Inbox
from service.outbox.outcomes import Outcomes, ReplyOutcome, StatusOutcome
from service.outbox.search import Filter
from service.people import Blocked, Inbound, Suppression, SuppressionSource
from tests.conftest import Store
from tests.outbox.making import NOW, NUMBER, Desk, accepted, failed, later, message, news, queued_again, unanswered


@pytest.fixture
def desk(publishing: Desk) -> Desk:
    return publishing


def told(desk: Desk) -> list[tuple[str, str]]:
    """What is to be published, all of it: as long as somebody publishes, the next of each message comes out."""
    outcomes, found = Outcomes(desk.store.engine), []
    while some := outcomes.claim(100, NOW):
        found += [(one.message_id, one.status) for one in some if isinstance(one, StatusOutcome)]
        outcomes.done([one.outcome_id for one in some])
    return found


def suppress(desk: Desk, to: str) -> None:
    person = Suppression(to, Blocked.ALL, SuppressionSource.OPERATOR, NOW)
    Consent(desk.store.engine).suppress([person], NOW)


def by_notification(desk: Desk) -> None:
    attempt = desk.sending()
    desk.settle(accepted(attempt))
    desk.tell(news(attempt, Status.DELIVERED))
    desk.tell(news(attempt, Status.DELIVERED), news(attempt, Status.READ), now=later(seconds=1))


def by_late_failure(desk: Desk) -> None:
    attempt = desk.sending()
    desk.settle(accepted(attempt))
    desk.tell(failed(attempt), failed(attempt))


def by_answer(desk: Desk) -> None:
    attempt = desk.sending()
    desk.settle(replace(queued_again(attempt), status=Status.FAILED, due_at=None))


def by_no_answer(desk: Desk) -> None:
    desk.settle(unanswered(desk.sending()))


def by_a_crash(desk: Desk) -> None:
    desk.sending()
    desk.rescue()


def by_time(desk: Desk) -> None:
    desk.add(message())
    desk.store.outbox.expire(desk.lease, later(days=2))


def by_an_operator(desk: Desk) -> None:
    desk.settle(unanswered(desk.sending()))
    desk.store.outbox.decide("m00001", Decision.FAILED, later(seconds=1))


def by_cancelling(desk: Desk) -> None:
    desk.add(message())
    desk.store.outbox.cancel(Filter(message_ids=("m00001",)), NOW)


def by_suppression(desk: Desk) -> None:
    desk.add(message())
    suppress(desk, message().to)


def by_suppression_before_the_next_attempt(desk: Desk) -> None:
    attempt = desk.sending()
    suppress(desk, message().to)
    desk.settle(queued_again(attempt))


WAYS: dict[str, tuple[Callable[[Desk], None], list[str]]] = {
    "notification": (by_notification, ["delivered", "read"]),
    "late failure": (by_late_failure, ["failed"]),
    "answer": (by_answer, ["failed"]),
    "no answer": (by_no_answer, ["unanswered"]),
    "crash": (by_a_crash, ["unanswered"]),
    "time": (by_time, ["expired"]),
    "operator": (by_an_operator, ["unanswered", "failed"]),
    "cancelling": (by_cancelling, ["cancelled"]),
    "suppression": (by_suppression, ["suppressed"]),
    "suppression before the next attempt": (by_suppression_before_the_next_attempt, ["suppressed"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_a_message_comes_to_is_kept_once(desk: Desk, way: str) -> None:
    happens, statuses = WAYS[way]
    happens(desk)
    assert told(desk) == [("m00001", status) for status in statuses]


def test_a_reply_is_kept_once(desk: Desk) -> None:
    attempt = desk.sending()
    desk.settle(accepted(attempt))
    reply = Inbound("wamid.reply", NUMBER, attempt.message.to, "text", NOW, None, "yes", None, "wamid.m00001.1")
    for _ in range(2):
        Inbox(desk.store.engine).take([reply, reply], {}, [], NOW)
    [outcome] = Outcomes(desk.store.engine).claim(10, NOW)
    assert isinstance(outcome, ReplyOutcome)
    assert (outcome.wamid, outcome.message_id, outcome.text) == ("wamid.reply", "m00001", "yes")


def test_where_nothing_is_published_nothing_is_kept(store: Store) -> None:
    lease = store.outbox.acquire_lease(NUMBER, "the first")
    assert lease is not None
    plain = Desk(store, lease)
    assert not plain.store.engine.get_execution_options()[KEEPS_OUTCOMES]
    by_notification(plain)
    assert Outcomes(store.engine).claim(10, NOW + timedelta(days=1)) == []

"""What a crash leaves in doubt, and the evidence on which it is sent again (G4)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from service.message import Attempt, Outcome, Status, Template
from service.outbox import doubt
from service.outbox.outbox import Demand
from tests.conftest import MAX_TRIES
from tests.outbox.making import (
    GRACE,
    NOW,
    Desk,
    accepted,
    at_once,
    event,
    later,
    message,
    news,
    queued_again,
    settlement,
    unanswered,
)

JUDGED_AT = NOW + GRACE


def test_what_an_earlier_holder_was_sending_is_given_up_for_unanswered(desk: Desk) -> None:
    attempt = desk.sending()
    assert desk.rescue(now=later(seconds=20)) == 1
    expected = {"status": "unanswered", "status_at": later(seconds=20), "tries": 1}
    assert desk.row().items() >= expected.items()
    assert desk.attempt(attempt).items() >= {"outcome": "unanswered", "finished_at": later(seconds=20)}.items()


def test_what_we_are_sending_ourselves_is_not_rescued(desk: Desk) -> None:
    desk.take_over()
    desk.sending()
    assert desk.store.outbox.rescue(desk.lease, NOW) == 0
    assert desk.status() == "sending"


def test_only_what_is_being_sent_is_rescued(desk: Desk) -> None:
    attempts = desk.claimed(*(message(n) for n in range(4)))
    desk.settle(accepted(attempts[0]), unanswered(attempts[1]), queued_again(attempts[2]))
    assert desk.rescue() == 1
    assert [desk.status(attempt) for attempt in attempts] == ["accepted", "unanswered", "queued", "unanswered"]


def test_another_numbers_messages_are_not_rescued(desk: Desk) -> None:
    other = desk.store.outbox.acquire_lease("another", "the first")
    assert other is not None
    desk.add(message(phone_number_id="another"))
    assert len(desk.store.outbox.claim(Demand(other, 1), NOW)) == 1
    assert desk.rescue() == 0


def test_nothing_is_rescued_under_a_lease_that_has_run_out(desk: Desk) -> None:
    desk.sending()
    desk.take_over()
    desk.let_the_lease_run_out()
    assert desk.store.outbox.rescue(desk.lease, NOW) == 0


def test_a_rescue_and_the_news_of_the_same_messages_do_not_block_each_other(desk: Desk) -> None:
    attempts = desk.claimed(*(message(n) for n in range(300)))
    desk.take_over()
    telling = [partial(desk.tell, *(news(one, Status.SENT) for one in batch)) for batch in (attempts, attempts[::-1])]
    calls: list[Callable[[], object]] = [partial(desk.store.outbox.rescue, desk.lease, NOW), *telling]
    at_once(calls)
    assert {desk.status(attempt) for attempt in attempts} == {"sent"}


@dataclass(slots=True)
class Scene:
    """One unanswered message, and peers of its number, template and language that were accepted beside it."""

    desk: Desk
    doubtful: Attempt
    peers: list[Attempt]

    def judged(self, now: datetime = JUDGED_AT) -> str:
        self.desk.judge(now)
        return self.desk.status(self.doubtful)


@pytest.fixture
def scene(desk: Desk) -> Scene:
    """All the evidence that G4 asks for, and not one peer more."""
    attempts = desk.claimed(*(message(n) for n in range(doubt.EVIDENCE + 1)))
    peers = attempts[1:]
    desk.settle(unanswered(attempts[0]), *(accepted(peer) for peer in peers))
    desk.tell(*(news(peer, Status.SENT) for peer in peers))
    return Scene(desk, attempts[0], peers)


def add_peer(scene: Scene, started_at: datetime, **changes: object) -> Attempt:
    """One more accepted message."""
    [peer] = scene.desk.claimed(message(500, **changes), now=started_at)
    scene.desk.settle(accepted(peer))
    return peer


def test_what_by_all_evidence_meta_never_took_goes_again(scene: Scene) -> None:
    assert scene.desk.judge(JUDGED_AT) == 1
    expected = {"status": "queued", "status_at": JUDGED_AT, "due_at": JUDGED_AT, "tries": 1}
    assert scene.desk.row(scene.doubtful).items() >= expected.items()
    [again] = scene.desk.claim(now=JUDGED_AT)
    assert (again.callback_data, again.tries) == ("m00000.2", 1)


def test_nothing_is_judged_before_meta_had_its_time(scene: Scene) -> None:
    assert scene.judged(JUDGED_AT - timedelta(microseconds=1)) == "unanswered"


def test_the_time_counts_from_when_it_was_given_up(desk: Desk) -> None:
    attempts = desk.claimed(*(message(n) for n in range(doubt.EVIDENCE + 1)))
    desk.settle(*(accepted(peer) for peer in attempts[1:]))
    desk.tell(*(news(peer, Status.SENT) for peer in attempts[1:]))
    desk.rescue(now=later(minutes=2))
    assert desk.judge(later(minutes=2) + GRACE - timedelta(seconds=1)) == 0
    assert desk.judge(later(minutes=2) + GRACE) == 1


def test_nineteen_peers_are_no_evidence(scene: Scene) -> None:
    with scene.desk.store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE attempts SET outcome = 'refused' WHERE message_id = 'm00001'")
    assert scene.judged() == "unanswered"


def test_one_peer_that_was_not_notified_spoils_the_evidence(scene: Scene) -> None:
    add_peer(scene, NOW)
    assert scene.judged() == "unanswered"


def test_a_peer_counts_as_notified_by_any_status(scene: Scene) -> None:
    for status in (Status.DELIVERED, Status.READ, Status.FAILED):
        number = 500 + list(Status).index(status)
        [peer] = scene.desk.claimed(message(number))
        scene.desk.settle(accepted(peer))
        scene.desk.tell(news(peer, status))
    assert scene.judged() == "queued"


def test_one_held_peer_spoils_the_evidence_even_when_it_was_notified(scene: Scene) -> None:
    [peer] = scene.desk.claimed(message(500))
    scene.desk.settle(settlement(peer, Outcome.HELD, Status.HELD, wamid="w"))
    scene.desk.tell(news(peer, Status.SENT))
    assert scene.judged() == "unanswered"


@pytest.mark.parametrize("seconds", [-61, -60.000001, 60.000001, 61])
def test_a_peer_farther_than_a_minute_away_tells_nothing(scene: Scene, seconds: float) -> None:
    add_peer(scene, later(seconds=seconds), due_at=later(minutes=-2))
    assert scene.judged() == "queued"


@pytest.mark.parametrize("seconds", [-60, -59.9, 59.9, 60])
def test_a_peer_within_a_minute_tells(scene: Scene, seconds: float) -> None:
    add_peer(scene, later(seconds=seconds), due_at=later(minutes=-2))
    assert scene.judged() == "unanswered"


def test_peers_of_which_twenty_are_too_far_away_are_no_evidence(desk: Desk) -> None:
    peers = desk.claimed(*(message(n) for n in range(1, 21)))
    desk.settle(*(accepted(peer) for peer in peers))
    desk.tell(*(news(peer, Status.SENT) for peer in peers))
    [doubtful] = desk.claimed(message(0), now=later(seconds=61))
    desk.settle(unanswered(doubtful))
    assert desk.judge(later(minutes=9)) == 0


@pytest.mark.parametrize("other", [Template("another", "en_US"), Template("order_update", "zh_CN")])
def test_a_peer_of_another_template_or_language_tells_nothing(scene: Scene, other: Template) -> None:
    add_peer(scene, NOW, template=other)
    assert scene.judged() == "queued"


@pytest.mark.parametrize("other", [Template("another", "en_US"), Template("order_update", "zh_CN")])
def test_peers_of_another_template_or_language_are_no_evidence(scene: Scene, other: Template) -> None:
    lonely = add_peer(scene, NOW, template=other)
    with scene.desk.store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE messages SET status = 'unanswered' WHERE message_id = 'm00500'")
        connection.exec_driver_sql(
            "UPDATE attempts SET outcome = 'unanswered', wamid = NULL WHERE message_id = 'm00500'"
        )
    scene.desk.judge(JUDGED_AT)
    assert scene.desk.status(lonely) == "unanswered"


def test_peers_of_another_number_are_no_evidence(scene: Scene) -> None:
    other = scene.desk.store.outbox.acquire_lease("another", "the first")
    assert other is not None
    scene.desk.add(message(500, phone_number_id="another"))
    [lonely] = scene.desk.store.outbox.claim(Demand(other, 1), NOW)
    scene.desk.settle(unanswered(lonely))
    assert scene.desk.store.outbox.judge_unanswered(other, JUDGED_AT, GRACE) == 0


def test_what_has_expired_meanwhile_stays_unanswered(scene: Scene) -> None:
    assert scene.judged(later(days=1)) == "unanswered"
    assert scene.judged(later(days=1) - timedelta(seconds=1)) == "queued"


def test_what_has_been_tried_often_enough_stays_unanswered(scene: Scene) -> None:
    with scene.desk.store.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE messages SET tries = {MAX_TRIES} WHERE message_id = 'm00000'")
    assert scene.judged() == "unanswered"


def test_nothing_is_judged_under_a_lease_that_has_run_out(scene: Scene) -> None:
    scene.desk.let_the_lease_run_out()
    assert scene.judged() == "unanswered"


def test_a_message_any_attempt_of_which_reached_meta_never_goes_again(scene: Scene) -> None:
    """Attempt 1 is unanswered twice over; the late answer to it comes while attempt 2 is in doubt."""
    scene.desk.judge(JUDGED_AT)
    [second] = scene.desk.claim(now=JUDGED_AT)
    scene.desk.settle(unanswered(second), now=JUDGED_AT)
    scene.desk.settle(accepted(scene.doubtful, wamid="late"), now=JUDGED_AT)
    peers = scene.desk.claimed(*(message(n) for n in range(100, 120)), now=JUDGED_AT)
    scene.desk.settle(*(accepted(peer) for peer in peers))
    scene.desk.tell(*(news(peer, Status.SENT) for peer in peers))
    assert scene.judged(JUDGED_AT + GRACE) == "unanswered"


def test_news_between_the_evidence_and_the_writing_keeps_it_from_going_again(scene: Scene) -> None:
    """The evidence is read first; a notification may come before it is acted upon."""
    store, number = scene.desk.store, scene.doubtful.message.phone_number_id
    with store.engine.connect() as connection:
        lost = doubt.never_taken(connection, number, JUDGED_AT, GRACE, MAX_TRIES)
    assert lost == [("m00000", 1)]
    scene.desk.tell(news(scene.doubtful, Status.DELIVERED))
    with store.engine.begin() as connection:
        assert doubt.queue_again(connection, scene.desk.lease, lost, JUDGED_AT) == 0
    assert scene.desk.status(scene.doubtful) == "delivered"


def test_an_older_attempts_answer_between_the_evidence_and_the_writing_keeps_it_from_going_again(scene: Scene) -> None:
    """The message stays unanswered, since its newest attempt is: only that Meta has it tells."""
    scene.desk.judge(JUDGED_AT)
    [second] = scene.desk.claim(now=JUDGED_AT)
    scene.desk.settle(unanswered(second), now=JUDGED_AT)
    peers = scene.desk.claimed(*(message(n) for n in range(100, 120)), now=JUDGED_AT)
    scene.desk.settle(*(accepted(peer) for peer in peers))
    scene.desk.tell(*(news(peer, Status.SENT) for peer in peers))
    store, number = scene.desk.store, scene.doubtful.message.phone_number_id
    with store.engine.connect() as connection:
        lost = doubt.never_taken(connection, number, JUDGED_AT + GRACE, GRACE, MAX_TRIES)
    assert lost == [("m00000", 2)]
    scene.desk.settle(accepted(scene.doubtful, wamid="late"), now=JUDGED_AT)
    with store.engine.begin() as connection:
        assert doubt.queue_again(connection, scene.desk.lease, lost, JUDGED_AT + GRACE) == 0
    assert scene.desk.status(scene.doubtful) == "unanswered"


def test_all_that_share_the_evidence_go_again_and_the_others_stay(scene: Scene) -> None:
    with scene.desk.store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE messages SET template_name = 'another' WHERE message_id < 'm00011'")
    attempts = scene.desk.claimed(*(message(n) for n in range(600, 612)))
    scene.desk.settle(*(unanswered(one) for one in attempts))
    peers = scene.desk.claimed(*(message(n) for n in range(700, 710)))
    scene.desk.settle(*(accepted(one) for one in peers))
    scene.desk.tell(*(news(one, Status.READ) for one in peers))
    assert scene.desk.judge(JUDGED_AT) == 12
    assert {scene.desk.status(one) for one in attempts} == {"queued"}
    assert scene.desk.status(scene.doubtful) == "unanswered"


def test_what_stays_doubtful_does_not_keep_others_from_their_turn(scene: Scene) -> None:
    """More lonely cases than are judged at once, each with a template of its own, all older than the one with evidence."""
    lonely = [
        message(n, template=Template(f"template{n}", "en_US"), due_at=later(minutes=-1))
        for n in range(1000, 1000 + 2 * doubt.VERDICTS_AT_ONCE)
    ]
    attempts = scene.desk.claimed(*lonely, now=later(minutes=-1))
    early = later(minutes=-1)
    scene.desk.settle(*(unanswered(one) for one in attempts), now=early)
    moments = (JUDGED_AT + timedelta(seconds=15 * n) for n in range(40))
    assert any(scene.judged(now) == "queued" for now in moments)


def test_what_waited_too_long_expires(desk: Desk) -> None:
    desk.add(message(1, expires_at=later(seconds=5)), message(2, expires_at=later(seconds=6)))
    assert desk.store.outbox.expire(desk.lease, later(seconds=5)) == 1
    assert desk.row("m00001").items() >= {"status": "expired", "status_at": later(seconds=5)}.items()
    assert desk.status("m00002") == "queued"


def test_only_what_waits_expires(desk: Desk) -> None:
    attempts = desk.claimed(*(message(n) for n in range(3)))
    desk.settle(accepted(attempts[0]), unanswered(attempts[1]))
    assert desk.store.outbox.expire(desk.lease, later(days=2)) == 0


def test_nothing_expires_under_a_lease_that_has_run_out_or_of_another_number(desk: Desk) -> None:
    desk.add(message(1), message(2, phone_number_id="another"))
    late = later(days=2)
    assert desk.store.outbox.expire(replace(desk.lease, epoch=7), late) == 0
    assert desk.store.outbox.expire(desk.lease, late) == 1
    assert desk.status("m00002") == "queued"


def test_a_large_campaign_expires_whole(desk: Desk) -> None:
    desk.store.outbox.add(event(*(message(n, phone_number_id="another") for n in range(5_001))), NOW)
    lease = desk.store.outbox.acquire_lease("another", "the first")  # only now: adding them may outlast a lease
    assert lease
    assert desk.store.outbox.expire(lease, later(days=2)) == 5_001

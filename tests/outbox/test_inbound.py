"""What people write is kept once each, with the message that they answer and the suppression that it causes."""

from dataclasses import replace

from sqlalchemy import select

from service.outbox import tables
from service.outbox.consent import Consent, Wanted, Wish
from service.outbox.inbound import Inbox
from service.people import Blocked, Inbound, SuppressionSource
from tests.outbox.making import NOW, Desk, accepted, at_once, later, message

TO = "+8613800000001"
REPLY = Inbound("wamid.in1", "106540352242922", TO, "text", NOW, None, "STOP")


def inbox(desk: Desk) -> Inbox:
    return Inbox(desk.store.engine)


def wish(at: object = NOW, blocked: Blocked | None = Blocked.ALL, answers: str | None = None) -> Wish:
    return Wish((TO,), SuppressionSource.STOP_REPLY, blocked, NOW if at is NOW else later(hours=1), answers)


def suppressed(desk: Desk) -> list[str]:
    found, _ = Consent(desk.store.engine).search(Wanted(), 100)
    return sorted(one.to for one in found)


def test_a_reply_is_kept_whole(desk: Desk) -> None:
    reply = replace(REPLY, kind="button", user_id="US.1", text="Stop", payload="p")
    assert inbox(desk).take([reply], {}, [], later(seconds=3)).new == 1
    with desk.store.engine.connect() as connection:
        [row] = connection.execute(select(tables.inbound_messages)).mappings()
    assert dict(row) == {
        "wamid": "wamid.in1",
        "phone_number_id": "106540352242922",
        "sender": TO,
        "user_id": "US.1",
        "kind": "button",
        "text": "Stop",
        "payload": "p",
        "at": NOW,
        "received_at": later(seconds=3),
        "message_id": None,
    }


def test_a_reply_finds_the_message_that_it_answers(desk: Desk) -> None:
    attempt = desk.sending(to=TO)
    desk.settle(accepted(attempt))
    wamid = f"wamid.{attempt.callback_data}"
    second = replace(REPLY, wamid="wamid.in0", at=later(seconds=1), answers=wamid)
    inbox(desk).take([second, replace(REPLY, answers=wamid), replace(REPLY, wamid="wamid.in3")], {}, [], NOW)
    found = inbox(desk).of_message(attempt.message.message_id)
    assert [one.wamid for one in found] == ["wamid.in1", "wamid.in0"]
    assert (found[0].text, found[0].at, found[0].sender) == ("STOP", NOW, TO)
    assert inbox(desk).of_message("m99999") == []


def test_the_same_reply_is_kept_once_in_one_notification_or_in_two(desk: Desk) -> None:
    assert inbox(desk).take([REPLY, REPLY], {}, [], NOW).new == 1
    assert inbox(desk).take([replace(REPLY, text="another")], {}, [], NOW).new == 0
    assert desk.count(tables.inbound_messages) == 1


def test_the_same_reply_at_the_same_moment_is_kept_once(desk: Desk) -> None:
    taken = at_once([lambda: inbox(desk).take([REPLY], {REPLY.wamid: wish()}, [], NOW)] * 6)
    assert sorted(one.new for one in taken) == [0, 0, 0, 0, 0, 1]
    assert suppressed(desk) == [TO]


def test_notifications_with_the_same_replies_in_another_order_do_not_block_each_other(desk: Desk) -> None:
    replies = [replace(REPLY, wamid=f"wamid.{n}") for n in range(50)]
    wishes = {one.wamid: wish() for one in replies}
    inboxes = [lambda order=order: inbox(desk).take(order, wishes, [], NOW) for order in (replies, replies[::-1])]
    assert sum(one.new for one in at_once(inboxes * 3)) == 50


def test_a_stop_ends_what_is_queued_in_the_transaction_that_keeps_it(desk: Desk) -> None:
    desk.add(message(1, to=TO), message(2))
    taken = inbox(desk).take([REPLY], {REPLY.wamid: wish()}, [], NOW)
    assert (taken.new, taken.withheld) == (1, 1)
    assert (desk.status("m00001"), desk.status("m00002")) == ("suppressed", "queued")


def test_a_stop_is_also_for_whom_the_answered_message_went_to(desk: Desk) -> None:
    """Meta may know the person under another number than was dialled."""
    attempt = desk.sending(to="+5511987654321")
    desk.settle(accepted(attempt))
    wamid = f"wamid.{attempt.callback_data}"
    inbox(desk).take([replace(REPLY, answers=wamid)], {REPLY.wamid: wish(answers=wamid)}, [], NOW)
    assert suppressed(desk) == ["+5511987654321", TO]
    again = replace(REPLY, wamid="wamid.in2", text="START", answers=wamid)
    inbox(desk).take([again], {again.wamid: wish(at=None, blocked=None, answers=wamid)}, [], NOW)
    assert suppressed(desk) == []


def test_a_repeated_stop_does_not_suppress_again_what_an_operator_lifted(desk: Desk) -> None:
    inbox(desk).take([REPLY], {REPLY.wamid: wish()}, [], NOW)
    assert Consent(desk.store.engine).lift(TO, NOW) == 1
    inbox(desk).take([REPLY], {REPLY.wamid: wish()}, [], NOW)
    assert suppressed(desk) == []


def test_a_reply_to_somebody_elses_message_is_kept_all_the_same(desk: Desk) -> None:
    reply = replace(REPLY, phone_number_id="another systems number", answers="wamid.theirs")
    assert inbox(desk).take([reply], {REPLY.wamid: wish(answers="wamid.theirs")}, [], NOW).new == 1
    assert suppressed(desk) == [TO]

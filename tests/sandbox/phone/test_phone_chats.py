"""Chats out of a journal at a moment, without a server: how far a message is, and what is kept."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.catalogue import Catalogue, default_templates
from sandbox.cloud_api import Message
from sandbox.faults import UNDISTURBED, Course, Fails, Held, Late, NoWamid, Silent
from sandbox.inbound import Draft, Inbound, Tap
from sandbox.journal import Accepted, Journal, Kept
from sandbox.notifications import Delays
from sandbox.phone.chats import Received, Sent, chat, chats, progress_of
from sandbox.templates import Template

ADA, LINUS = "+8613800138000", "+447700900123"
AT = datetime(2026, 11, 1, 9, tzinfo=UTC)
DELAYS = Delays(sent=1, delivered=2, read=3)
FAILS = Fails(131026)


def kept(wamid: str, to: str = ADA, at: datetime = AT, course: Course = UNDISTURBED) -> Kept:
    template = Catalogue(default_templates()).find("ordertimeoutnotification", "en_US")
    assert isinstance(template, Template)
    message = Message(to, to, template.name, template.language, template.category, None)
    texts = [{"type": "text", "text": text} for text in ("Ada", wamid)]
    body = {"template": {"components": [{"type": "body", "parameters": texts}]}}
    return Kept(Accepted(message, "1", wamid, at), json.dumps(body).encode(), template, course)


def inbound(wamid: str, sender: str = ADA, at: datetime = AT, tap: Tap | None = None) -> Inbound:
    return Inbound(Draft(sender, "1", "STOP", tap), wamid, at)


def journal(*accepted: Kept, sent_back: tuple[Inbound, ...] = (), size: int = 100) -> Journal:
    filled = Journal(kept=size)
    for one in accepted:
        filled.add(one)
    for other in sent_back:
        filled.inbox.add(other)
    return filled


# case: (the faults it met, seconds since it was accepted, how far it is, since how many seconds)
PROGRESS: dict[str, tuple[Course, float, str, float]] = {
    "at once": (UNDISTURBED, 0, "accepted", 0),
    "just before": (UNDISTURBED, 0.999, "accepted", 0),
    "sent": (UNDISTURBED, 1, "sent", 1),
    "delivered": (UNDISTURBED, 2.5, "delivered", 2),
    "read": (UNDISTURBED, 3, "read", 3),
    "days later": (UNDISTURBED, 10**6, "read", 3),
    "told late": (Course(lateness=Late(3600)), 2, "delivered", 2),
    "not failed yet": (Course(outcome=FAILS), 0.5, "accepted", 0),
    "failed": (Course(outcome=FAILS), 3600, "failed", 1),
    "failed and told late": (Course(outcome=FAILS, lateness=Late(3600)), 1, "failed", 1),
    "silent": (Course(outcome=Silent()), 3600, "accepted", 0),
    "held": (Course(answer=Held()), 3, "read", 3),
    "answered without a wamid": (Course(answer=NoWamid()), 3, "read", 3),
}


@pytest.mark.parametrize("case", PROGRESS)
def test_how_far_a_message_is_follows_from_its_plan(case: str) -> None:
    course, seconds, status, since = PROGRESS[case]
    progress = progress_of(kept("w", course=course), DELAYS, AT + timedelta(seconds=seconds))
    assert (progress.status, progress.at) == (status, AT + timedelta(seconds=since))
    assert progress.reason == ("131026 Message undeliverable" if status == "failed" else "")


def test_a_chat_is_what_both_sides_sent_in_order() -> None:
    later = AT + timedelta(seconds=5)
    tap = Tap("first", 0, "payload")
    everything = journal(
        kept("first"),
        kept("other", to=LINUS),
        kept("second", at=later),
        sent_back=(inbound("reply", at=AT + timedelta(seconds=1), tap=tap), inbound("other reply", sender=LINUS)),
    )
    first, reply, second = chat(ADA, everything, DELAYS, later).entries
    assert isinstance(first, Received)
    assert isinstance(reply, Sent)
    assert isinstance(second, Received)
    assert (first.wamid, reply.wamid, second.wamid) == ("first", "reply", "second")
    assert (first.tapped, second.tapped) == (frozenset({0}), frozenset())
    assert reply.quoted.startswith("Hi Ada, the first in your order")


def test_a_reply_to_a_message_that_was_forgotten_quotes_nothing() -> None:
    (reply,) = chat(ADA, journal(sent_back=(inbound("reply", tap=Tap("gone", 0, "p")),)), DELAYS, AT).entries
    assert isinstance(reply, Sent)
    assert reply.quoted == ""


def test_a_person_is_listed_once_by_what_came_last() -> None:
    everything = journal(
        kept("a", to=ADA),
        kept("b", to=LINUS, at=AT + timedelta(seconds=1)),
        sent_back=(inbound("c", sender=ADA, at=AT + timedelta(seconds=2)),),
    )
    lines, count = chats(everything, DELAYS, AT)
    assert [(line.who, line.preview[:4], line.is_own) for line in lines] == [
        (ADA, "STOP", True),
        (LINUS, "Hi A", False),
    ]
    assert count == 2


def test_the_oldest_goes_when_there_are_too_many() -> None:
    replies = tuple(inbound(f"r{number}") for number in range(3))
    everything = journal(*(kept(f"w{number}") for number in range(3)), sent_back=replies, size=2)
    for reply in replies:
        everything.inbox.mark_taken(reply)
    entries: list[Any] = list(chat(ADA, everything, DELAYS, AT).entries)
    assert {entry.wamid for entry in entries} == {"w1", "w2", "r1", "r2"}
    assert [everything.inbox.is_taken(reply) for reply in replies] == [False, True, True]
    assert len(everything) == 3, "every line stays"

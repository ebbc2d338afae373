"""Which fault meets which request, and what is said about a fault that cannot be."""

import re
from typing import Any

import pytest

from sandbox.errors import InputError
from sandbox.fault_json import parse_fault
from sandbox.faults import Drop, Error, Fails, Fault, Late, Latency, Selection, Silent, WebhookDown, select
from sandbox.switchboard import Switchboard

ADA, LINUS = "+8613800138000", "+8613800138001"
NUMBER = "106540352242922"

# case: (selection, the recipients of the requests, "x" for each that it meets)
SELECTIONS: dict[str, tuple[Selection, list[str], str]] = {
    "every request": (Selection(), [ADA] * 4, "xxxx"),
    "the next two": (Selection(next=2), [ADA] * 4, "xx.."),
    "each third": (Selection(every=3), [ADA] * 7, "..x..x."),
    "the next of each second": (Selection(next=1, every=2), [ADA] * 5, ".x..."),
    "one recipient": (Selection(to=LINUS), [ADA, LINUS, ADA, LINUS], ".x.x"),
    "the next one for a recipient": (Selection(next=1, to=LINUS), [ADA, LINUS, LINUS], ".x."),
    "each second for a recipient": (Selection(every=2, to=LINUS), [LINUS, ADA, LINUS, ADA], "..x."),
    "one number": (Selection(phone_number_id=NUMBER), [ADA, LINUS], "xx"),
    "another number": (Selection(phone_number_id="1"), [ADA, LINUS], ".."),
}


@pytest.mark.parametrize("case", SELECTIONS)
def test_a_selection(case: str) -> None:
    selection, recipients, expected = SELECTIONS[case]
    faults: tuple[Fault, ...] = (Fault("f", Drop(), selection),)
    met = ""
    for to in recipients:
        faults, course = select(faults, NUMBER, to)
        met += "x" if course.answer else "."
    assert met == expected
    assert faults[0].hits == expected.count("x")


def test_faults_of_different_aspects_combine() -> None:
    effects = (Latency(1), Drop(), Fails(131026), Late(60))
    _, course = select(tuple(Fault("f", effect) for effect in effects), NUMBER, ADA)
    assert (course.delay, course.answer, course.outcome, course.lateness) == effects


def test_an_earlier_fault_keeps_a_later_one_of_its_aspect_from_counting() -> None:
    faults: tuple[Fault, ...] = (Fault("a", Error(130429), Selection(next=1)), Fault("b", Drop(), Selection(next=1)))
    faults, first = select(faults, NUMBER, ADA)
    assert (first.answer, faults[1].seen) == (Error(130429), 0)
    faults, second = select(faults, NUMBER, ADA)
    assert (second.answer, faults[1].hits) == (Drop(), 1)
    assert select(faults, NUMBER, ADA)[1].answer is None


@pytest.mark.parametrize(
    ("effect", "is_looked_at"),
    [
        (Silent(), True),
        (Drop(), True),
        (Drop(accepted=False), False),
        (Error(2), False),
        (Error(2, accepted=True), True),
    ],
)
def test_whether_a_request_is_looked_at(effect: Any, is_looked_at: bool) -> None:
    assert select((Fault("f", effect),), NUMBER, ADA)[1].is_looked_at is is_looked_at


def test_a_webhook_is_down_from_the_moment_it_is_said_until_it_is_taken_back() -> None:
    now = 100.0
    switchboard = Switchboard(lambda: now)
    assert switchboard.webhook_held_until() == 0
    fault = switchboard.add(WebhookDown(30), Selection())
    assert switchboard.webhook_held_until() == 130
    assert switchboard.course_for(NUMBER, ADA).is_looked_at
    assert switchboard.remove(fault.fault_id)
    assert switchboard.webhook_held_until() == 0


GOOD: dict[str, dict[str, Any]] = {
    "error": {"kind": "error", "code": 130429, "http_status": 429, "details": "x", "headers": {"Retry-After": "3"}},
    "an error after acceptance": {"kind": "error", "code": 2, "accepted": True},
    "latency": {"kind": "latency", "seconds": 0.5, "every": 10},
    "drop": {"kind": "drop", "accepted": False, "to": ADA},
    "hang": {"kind": "hang", "phone_number_id": NUMBER},
    "raw": {"kind": "raw", "http_status": 502, "body": "<html>"},
    "no_wamid": {"kind": "no_wamid", "next": 1},
    "held": {"kind": "held", "to": "US.1349"},
    "fails": {"kind": "fails", "code": 131049, "title": "t", "details": "d"},
    "late": {"kind": "late", "seconds": 3600},
    "silent": {"kind": "silent"},
    "webhook_down": {"kind": "webhook_down", "seconds": 5},
}

BAD: dict[str, tuple[object, str]] = {
    "no object": ([], "A fault must be a JSON object"),
    "no kind": ({}, "kind must be one of error, latency"),
    "an odd kind": ({"kind": ["drop"]}, "kind must be one of"),
    "a misspelt field": ({"kind": "drop", "nxt": 1}, "nxt is no field of kind drop; it has accepted, next, every"),
    "a field of another kind": ({"kind": "drop", "code": 1}, "code is no field of kind drop"),
    "a field that is needed": ({"kind": "error"}, "code is needed for kind error: a whole number"),
    "a code in quotes": ({"kind": "error", "code": "190"}, "code must be a whole number"),
    "an impossible HTTP status": ({"kind": "error", "code": 1, "http_status": 99}, "from 200 to 599"),
    "headers that are no strings": ({"kind": "error", "code": 1, "headers": {"Retry-After": 3}}, "object of strings"),
    "a header that breaks the line": ({"kind": "raw", "http_status": 502, "headers": {"A": "b\r\nC: d"}}, "headers"),
    "negative seconds": ({"kind": "latency", "seconds": -1}, "seconds must be a number of seconds"),
    "seconds without end": ({"kind": "latency", "seconds": float("nan")}, "seconds must be"),
    "no next one": ({"kind": "drop", "next": 0}, "next must be a whole number from 1"),
    "true for a number": ({"kind": "drop", "every": True}, "every must be a whole number from 1"),
    "a recipient without plus": ({"kind": "drop", "to": "8613800138000"}, "E.164 with +"),
    "a selection for the webhook": ({"kind": "webhook_down", "seconds": 1, "next": 1}, "next is no field of kind webh"),
}


@pytest.mark.parametrize("case", GOOD)
def test_every_kind_keeps_what_it_is_given(case: str) -> None:
    effect, selection = parse_fault(GOOD[case])
    for name, value in GOOD[case].items():
        if name != "kind":
            assert getattr(selection if hasattr(selection, name) else effect, name) == value


@pytest.mark.parametrize("case", BAD)
def test_a_bad_fault_is_explained(case: str) -> None:
    given, sentence = BAD[case]
    with pytest.raises(InputError, match=re.escape(sentence)):
        parse_fault(given)

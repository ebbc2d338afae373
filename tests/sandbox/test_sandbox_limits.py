"""What a number refuses when it is set: by the moments and recipients of its messages, and by the door."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.cloud_api import Door, Message
from sandbox.limits import Pairs
from sandbox.numbers import Number, NumberSettings

START = datetime(2026, 11, 1, 9, 0, 0, 123456, tzinfo=UTC)
ADA, LINUS = "+8613800138000", "US.13491208655302741918"
Sent = Sequence[tuple[float, str]]
REFUSED = {None: ".", 130429: "r", 131056: "p"}


def message(to: str = ADA, category: str = "UTILITY") -> Message:
    return Message(to, to, "t", "en_US", category, None)


def marks(number: Number, sent: Sent) -> str:
    """For each message, so many seconds after the start: "." taken, "r" too fast, "p" too many to one."""
    refusals = [number.refuse_or_count(message(to), "messages", START + timedelta(seconds=at)) for at, to in sent]
    return "".join(REFUSED[refusal.code if refusal else None] for refusal in refusals)


# case: (messages per second, the seconds at which messages come, what becomes of them)
RATES: dict[str, tuple[int, list[float], str]] = {
    "as many as may": (3, [0, 0, 0], "..."),
    "one too many": (3, [0, 0.5, 0.9, 0.999999], "...r"),
    "a second after the first": (3, [0, 0.5, 0.9, 1.0], "...."),
    "the window moves, it does not start anew": (3, [0.8, 0.9, 0.95, 1.1, 1.85, 1.9], "...r.."),
    "a refused one does not count": (2, [0, 0, 0.1, 0.2, 0.3, 1.0, 1.0, 1.0], "..rrr..r"),
    "one a second": (1, [0, 0.999999, 1.0, 1.5, 2.0], ".r.r."),
    "after a long silence no more than ever": (2, [0, 3600, 3600, 3600], "...r"),
}


@pytest.mark.parametrize("case", RATES)
def test_messages_per_second(case: str) -> None:
    per_second, moments, expected = RATES[case]
    number = Number(NumberSettings("1", messages_per_second=per_second))
    assert marks(number, [(at, ADA) for at in moments]) == expected


# case: (when messages to whom come, what becomes of them)
PAIRS: dict[str, tuple[Sent, str]] = {
    "forty-five at once": ([(0, ADA)] * 46, "." * 45 + "p"),
    "one more each six seconds": (
        [(0, ADA)] * 45 + [(5.999999, ADA), (6, ADA), (6, ADA), (12, ADA), (17, ADA)],
        "." * 45 + "p.p.p",
    ),
    "what waits longer gains more": ([(0, ADA)] * 45 + [(18.5, ADA)] * 4, "." * 45 + "...p"),
    "full again after 270 s, and no fuller": ([(0, ADA)] * 45 + [(270, ADA)] * 46, "." * 90 + "p"),
    "a refused one costs nothing": ([(0, ADA)] * 60 + [(6, ADA)], "." * 45 + "p" * 15 + "."),
    "ten a minute go on for ever": ([(6.0 * count, ADA) for count in range(200)], "." * 200),
    "another recipient has tokens of their own": ([(0, ADA)] * 46 + [(0, LINUS)] * 46, ("." * 45 + "p") * 2),
}


@pytest.mark.parametrize("case", PAIRS)
def test_messages_to_one_recipient(case: str) -> None:
    sent, expected = PAIRS[case]
    assert marks(Number(NumberSettings("1", pair_limit=True)), sent) == expected


def test_a_message_one_limit_refuses_does_not_count_against_the_other() -> None:
    number = Number(NumberSettings("1", messages_per_second=46, pair_limit=True))
    assert marks(number, [(0, ADA)] * 50 + [(0, LINUS)] * 2) == "." * 45 + "p" * 5 + ".r"
    assert marks(number, [(1, LINUS)] * 45) == "." * 44 + "p", "the one that came too fast cost no token"


def test_without_settings_nothing_is_refused() -> None:
    number = Number(NumberSettings("1"))
    assert marks(number, [(0, ADA)] * 1000) == "." * 1000


def test_the_recipient_who_has_got_nothing_for_longest_is_forgotten_first() -> None:
    pairs = Pairs(kept=2)
    for to in ("+1", "+2", "+1", "+3"):
        for _ in range(45):
            pairs.count(to, START)
    assert [pairs.is_reached(to, START) for to in ("+1", "+2", "+3")] == [True, False, True]
    assert len(pairs) == 2


# (marketing_door, category, door): the code, None where it is taken
DOORS: dict[tuple[str, str, Door], int | None] = {
    ("either", "MARKETING", "messages"): None,
    ("either", "MARKETING", "marketing_messages"): None,
    ("only", "MARKETING", "messages"): 131063,
    ("only", "MARKETING", "marketing_messages"): None,
    ("only", "UTILITY", "messages"): None,
    ("never", "MARKETING", "messages"): None,
    ("never", "MARKETING", "marketing_messages"): 131055,
    ("never", "AUTHENTICATION", "messages"): None,
}


@pytest.mark.parametrize("case", DOORS)
def test_the_door_for_marketing(case: tuple[str, str, Door]) -> None:
    setting, category, door = case
    number = Number(NumberSettings("1", marketing_door=setting))
    refusal = number.refuse_or_count(message(category=category), door, START)
    assert (refusal.code if refusal else None) == DOORS[case]


def test_a_closed_door_costs_no_token() -> None:
    number = Number(NumberSettings("1", messages_per_second=1, marketing_door="only"))
    assert number.refuse_or_count(message(category="MARKETING"), "messages", START)
    assert marks(number, [(0, ADA), (0, ADA)]) == ".r"

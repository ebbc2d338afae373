"""What the sandbox's journal proves. Pure: its lines in, figures out; moments are seconds since 1970."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

PAIR_SECONDS, PAIR_BURST = 6.0, 45
"""Meta's limit for one recipient of one number: one message in 6 s, 45 at once."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One message that the Cloud API accepted."""

    message_id: str
    to: str
    phone_number_id: str
    at: float


@dataclass(frozen=True, slots=True)
class Gap:
    """Nothing was sent for so many seconds from `since` on."""

    since: float
    seconds: float


def read(lines: Iterable[Mapping[str, str]]) -> list[Sent]:
    """The journal, the earliest first."""
    sent = [
        Sent(
            message_id=line["callback_data"].partition(".")[0],
            to=line["to"],
            phone_number_id=line["phone_number_id"],
            at=datetime.fromisoformat(line["at"]).timestamp(),
        )
        for line in lines
    ]
    return sorted(sent, key=lambda one: one.at)


def sent_twice(sent: Iterable[Sent]) -> list[str]:
    """The messages that the Cloud API accepted more than once."""
    return [message_id for message_id, times in Counter(one.message_id for one in sent).items() if times > 1]


def moments(sent: Iterable[Sent], phone_number_id: str) -> list[float]:
    """When this number sent."""
    return [one.at for one in sent if one.phone_number_id == phone_number_id]


def most_in_a_second(at: Sequence[float]) -> int:
    """How many the fullest second holds, wherever it begins."""
    most = first = 0
    for last, moment in enumerate(at):
        while moment - at[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def pair_overdraft(at: Sequence[float]) -> float:
    """By how many messages one recipient's moments go over the pair limit at worst; 0 where they keep it."""
    level, before, worst = float(PAIR_BURST), at[0] if at else 0.0, 0.0
    for moment in at:
        level = min(PAIR_BURST, level + (moment - before) / PAIR_SECONDS) - 1
        before, worst = moment, max(worst, -level)
    return worst


def gaps(at: Sequence[float], longer_than: float = 0.0) -> list[Gap]:
    """The pauses between one message and the next."""
    return [Gap(one, following - one) for one, following in pairwise(at) if following - one > longer_than]


def longest(found: Iterable[Gap]) -> float:
    """Seconds of the longest; 0 where there is none."""
    return max((gap.seconds for gap in found), default=0.0)


def rate(at: Sequence[float], without: Sequence[Gap] = ()) -> float:
    """Messages a second from the first to the last, apart from the gaps given."""
    seconds = at[-1] - at[0] - sum(gap.seconds for gap in without)
    return (len(at) - 1 - len(without)) / seconds

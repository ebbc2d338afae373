"""Two limits of Meta's on what a number may send. Pure: every moment is an argument, and none is earlier than the last.

    Rate    so many messages of a number in any second          130429
    Pairs   so many messages of a number to one recipient       131056

Only accepted messages count. Source: Meta's pages "Throughput" (November 2025) and "About the platform" (December 2025).
"""

from collections import OrderedDict, deque
from datetime import datetime, timedelta

SECOND = timedelta(seconds=1)
PAIR_BURST = 45  # messages at once to a recipient who has got none for long
PAIR_PAUSE = timedelta(seconds=6)  # until one more may go
PAIRS_KEPT = 100_000  # recipients; at Meta's 1,000 messages a second a bucket is forgotten after 100 s at the earliest


class Rate:
    """At most `per_second` messages within the last 1.0 s. It remembers as many moments."""

    def __init__(self, per_second: int) -> None:
        self._latest: deque[datetime] = deque(maxlen=per_second)

    def is_reached(self, at: datetime) -> bool:
        """Whether one more at this moment would be too many."""
        return len(self._latest) == self._latest.maxlen and at - self._latest[0] < SECOND

    def count(self, at: datetime) -> None:
        """One more was accepted."""
        self._latest.append(at)


class Pairs:
    """A bucket of 45 tokens for each recipient, which gains one each 6 s; of too many recipients the longest silent goes.

    A bucket is kept as the moment at which it is full again.
    """

    def __init__(self, kept: int = PAIRS_KEPT) -> None:
        self._kept = kept
        self._full_at: OrderedDict[str, datetime] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def is_reached(self, to: str, at: datetime) -> bool:
        """Whether less than one token is left for this recipient."""
        return self._full_at.get(to, at) - at > (PAIR_BURST - 1) * PAIR_PAUSE

    def count(self, to: str, at: datetime) -> None:
        """One more was accepted."""
        self._full_at[to] = max(self._full_at.pop(to, at), at) + PAIR_PAUSE
        if len(self._full_at) > self._kept:
            self._full_at.popitem(last=False)

"""What a lane has claimed and not begun: the urgent goes first, whatever was claimed before it. Pure.

A message that is claimed has no slot of its own: when a slot comes, it takes whoever is first by then.
"""

from collections import deque
from collections.abc import Iterable

from service.message import Attempt, Priority

IN_A_ROW = 9
"""So many urgent ones may go before a normal one that is claimed: every tenth slot is a normal one's."""


class Line:
    """Those of one number, by priority and then in the order of their claims."""

    def __init__(self) -> None:
        self._urgent: deque[Attempt] = deque()
        self._normal: deque[Attempt] = deque()
        self._in_a_row = 0

    def join(self, attempts: Iterable[Attempt]) -> None:
        """They have been claimed."""
        for attempt in attempts:
            (self._urgent if attempt.message.priority is Priority.HIGH else self._normal).append(attempt)

    def first(self) -> Attempt:
        """Take the one that goes now; raise IndexError where nobody waits."""
        if self._normal and (not self._urgent or self._in_a_row >= IN_A_ROW):
            self._in_a_row = 0
            return self._normal.popleft()
        self._in_a_row += 1
        return self._urgent.popleft()

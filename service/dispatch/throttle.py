"""When the next messages of a number may go: evenly, without bursts (G6). Pure; times are seconds of one monotonic clock."""

CATCH_UP_SECONDS = 0.05
"""How much of a delay of our own (a slow claim, a busy loop) is made good. Less than the tenth of a limit that RATE_SHARE
leaves free, so no second ever holds more than the limit."""


class Pacer:
    """Slots at equal distance. A number that was idle starts at once, but gets nothing for the time it was idle."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1.0 / per_second
        self._next = float("-inf")
        self._busy = False
        self._taken = 0

    def plan(self, now: float, horizon: float, at_most: int) -> list[float]:
        """The slots from now to `now + horizon`, at most so many. Planning takes none of them."""
        slot = max(self._next, now - CATCH_UP_SECONDS if self._busy else now)
        slots: list[float] = []
        while slot <= now + horizon and len(slots) < at_most:
            slots.append(slot)
            slot += self._interval
        return slots

    def take(self, planned: list[float], used: int) -> list[float]:
        """Use the first `used` of the planned slots; the number is idle where that is not all of them."""
        self._busy = used == len(planned)
        self._taken += used
        if used:
            self._next = planned[used - 1] + self._interval
        return planned[:used]

    def reserved(self, planned: int) -> int:
        """How many of the next slots belong to messages of normal priority: every tenth."""
        return (self._taken + planned) // 10 - self._taken // 10

    def hold(self, until: float) -> None:
        """Nothing goes before `until`."""
        self._next = max(self._next, until)
        self._busy = False

    def next_at(self) -> float:
        """The earliest moment of the next slot."""
        return self._next

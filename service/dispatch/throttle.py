"""When the next messages of a number may go: evenly, without bursts (G6). Pure; times are seconds of one monotonic clock."""

CATCH_UP_SECONDS = 1.0
"""How much of a delay of our own (a slow claim, a busy loop) is made good; what is older has lapsed …"""
CLOSEST = 0.98
"""… by sending at this part of the usual distance, never nearer: within what RATE_SHARE leaves free of the limit."""
SLOWER = 0.7
"""What is left of the rate when Meta says that it is too high (130429) …"""
SLOWER_AT_MOST_EVERY = 1.0
"""… once for all the answers of this many seconds, which speak of the same rate."""
RECOVERY = 0.01
"""How much of the full rate is won back each second: from SLOWER to the whole in half a minute."""
CLOSE_TOGETHER_SECONDS = 0.01
"""So much may a turn be late at any rate: a busy process is always later than a thousandth of a second."""
FINEST_SECONDS = 0.0009
"""Meta gives no number more than 1,000 messages a second. Above that nothing is told apart but the slots of a claim."""
SLOWEST = 1.0
"""Messages a second that are tried in any case."""


class Pacer:
    """Slots at equal distance. A number that was idle starts at once, but gets nothing for the time it was idle.

    Additive increase, multiplicative decrease: the rate falls when Meta refuses it and climbs back by itself, up to `full`,
    the messages a second that the number's limit allows.
    """

    def __init__(self, per_second: float) -> None:
        self.full = per_second
        self._low = per_second
        self._low_at = float("-inf")
        self._interval = 1.0 / per_second
        self._next = float("-inf")
        self._begin = float("-inf")
        self._not_before = float("-inf")
        self._turn = float("-inf")
        self._busy = False
        self._taken = 0
        self._given_up = self._lapsed = 0.0

    def rate(self, now: float) -> float:
        """Messages a second at this moment."""
        if self._low_at == float("-inf"):
            return self.full
        return min(self.full, self._low + self.full * RECOVERY * max(0.0, now - self._low_at))

    def learned(self, now: float) -> float | None:
        """The rate, where it is below the full one because Meta said so."""
        rate = self.rate(now)
        return rate if rate < self.full else None

    def slow_down(self, now: float) -> None:
        """Meta has said that the rate is too high."""
        if now - self._low_at < SLOWER_AT_MOST_EVERY:
            return
        self.begin_at(max(min(SLOWEST, self.full), self.rate(now) * SLOWER), now)

    def begin_at(self, rate: float, now: float) -> None:
        """Go on from this rate, which was learned here or by an earlier holder of the number."""
        self._low, self._low_at = rate, now

    def plan(self, now: float, horizon: float, at_most: int) -> list[float]:
        """The slots from now to `now + horizon`, at most so many. Planning takes none of them."""
        self._interval = 1.0 / self.rate(now)
        self._begin = due = max(self._next, now - CATCH_UP_SECONDS if self._busy else now)
        self._given_up = due - self._next if self._busy else 0.0
        slot = max(due, self._not_before, now)
        slots: list[float] = []
        while slot <= now + horizon and len(slots) < at_most:
            slots.append(slot)
            due += self._interval
            slot = max(due, slot + self._interval * CLOSEST)
        return slots

    def take(self, planned: list[float], used: int) -> list[float]:
        """Use the first `used` of the planned slots; the number is idle where that is not all of them."""
        self._busy = used == len(planned)
        self._taken += used
        if used:
            self._lapsed += self._given_up / self._interval
            self._next = self._begin + used * self._interval
            self._not_before = planned[used - 1] + self._interval * CLOSEST
        return planned[:used]

    def lapsed(self) -> float:
        """How many messages the pace would have allowed since this was last asked, and waited, and had no slot in time.

        The time counts from one claim that took all it had asked for to the next that found messages, CATCH_UP_SECONDS less:
        what was held up by the database, by this process, or by Meta's answers for as many requests as may be in flight.
        Nothing counts while nothing is due, while the number is held or paused, or before it is ours.
        """
        lapsed, self._lapsed = self._lapsed, 0.0
        return lapsed

    def turn(self, now: float) -> float:
        """Seconds until a request may be written whose slot has come: those that are late do not go all at once."""
        if self._interval < FINEST_SECONDS:
            return 0.0
        at = max(now, self._turn)
        self._turn = at + self._interval * CLOSEST
        return at - now

    def behind(self, now: float) -> float:
        """Seconds by which the turns that were given are behind their slots: what was claimed waits so long to be written."""
        return max(0.0, self._turn - now - self._interval)

    def has_passed(self, late: float) -> bool:
        """Whether a turn that is so many seconds ago is over: another one is needed, or those behind it would crowd."""
        return self._interval >= FINEST_SECONDS and late > max(self._interval, CLOSE_TOGETHER_SECONDS)

    def reserved(self, planned: int) -> int:
        """How many of the next slots belong to messages of normal priority: every tenth."""
        return (self._taken + planned) // 10 - self._taken // 10

    def hold(self, until: float) -> None:
        """Nothing goes before `until`."""
        self._next = max(self._next, until)
        self._not_before = max(self._not_before, until)
        self._busy = False

    def next_at(self) -> float:
        """The earliest moment of the next slot."""
        return max(self._next, self._not_before)

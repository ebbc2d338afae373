"""How many requests of a number are under way at once: few, and more of them while Meta is what they wait for.

A connection costs a handshake and 60 KB. Where answers take long, another one gets more through. Where this
process is what takes the time, another one only has all of them wait for each other.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from math import inf

from service.dispatch.throttle import Pacer

AT_FIRST = 32
AT_MOST = 1000
AHEAD_SECONDS, AHEAD = 0.05, 400
"""What is claimed beyond those that may be under way: for so long, at most so many, and half of it or more at once."""
LONG = 3.0
"""Answers take long where even the quickest takes so many times as long as whoever is let in waits for this process."""
WIDER_EVERY_SECONDS = 0.005
"""One more at most: a handshake takes half of that, of this process alone."""
REMEMBERED_SECONDS = 30.0
"""The quickest answer counts for so long, and once more for as long: the first of a new while says little alone."""
WEIGHT = 0.02
"""Of the newest in a moving average."""


class Gate:
    """Lets in `width` at once, the others as these leave, in their order. An asynchronous context manager, for each request."""

    def __init__(self, pacer: Pacer, monotonic: Callable[[], float]) -> None:
        self._pacer = pacer
        self._monotonic = monotonic
        self._width = AT_FIRST
        self._inside = 0
        self._waiting: deque[asyncio.Future[float]] = deque()
        self._answers = 0
        self._quickest = self._before = inf
        self._forget_at = self._wider_at = -inf
        self._lag = 0.0
        self._stands_open = False

    @property
    def width(self) -> int:
        """How many may be under way."""
        return min(self._width, self._most())

    def room(self, claimed: int) -> int:
        """How many more to claim where so many are; 0 where it is not worth a transaction yet."""
        ahead = min(AHEAD, int(self._pacer.full * AHEAD_SECONDS))
        most = min(self._width + ahead, self._most())
        room = most - claimed
        return room if room >= max(1, (most - self.width) // 2) else 0

    def answered(self, seconds: float) -> None:
        """Meta took one and has said so after so long. One more may be inside, where that is long and somebody waits.

        The first have waited for their connections, which says nothing of Meta; later it is the quickest that counts.
        """
        self._answers += 1
        if self._answers <= AT_FIRST:
            return
        now = self._monotonic()
        if now >= self._forget_at:
            self._before, self._quickest, self._forget_at = self._quickest, inf, now + REMEMBERED_SECONDS
        self._quickest = min(self._quickest, seconds)
        if self._waiting and now >= self._wider_at and min(self._before, self._quickest) > LONG * self._lag:
            self._width, self._wider_at = min(self._width + 1, self._most()), now + WIDER_EVERY_SECONDS

    def open(self) -> None:
        """Keep nobody any more: whoever comes in now finds that nothing may be written."""
        self._stands_open = True
        self._let_in()

    def _most(self) -> int:
        return int(min(AT_MOST, max(16, self._pacer.full)))  # a second's worth; Meta answers in a third

    async def __aenter__(self) -> None:
        if self._inside < self.width or self._stands_open:
            self._inside += 1
            return
        turn: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        let_in_at = await turn
        self._lag += WEIGHT * (self._monotonic() - let_in_at - self._lag)

    async def __aexit__(self, *_: object) -> None:
        self._inside -= 1
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting and (self._inside < self.width or self._stands_open):
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(self._monotonic())
                self._inside += 1

"""Erases what is old enough, every few minutes, beside the sending and slower than it."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime

from service import metrics
from service.outbox.outbox import StoreUnavailable
from service.outbox.retention import Retention

ROUND_SECONDS = 300.0
REST_SECONDS = 0.1
"""At least so long others have the store to themselves after each transaction, and as long as that took."""

log = logging.getLogger(__name__)


class Eraser:
    """Each dispatcher has one; they pass over each other's rows."""

    def __init__(self, retention: Retention, *, now: Callable[[], datetime]) -> None:
        self._retention = retention
        self._now = now

    async def run(self, _serves: Callable[[str], bool]) -> None:
        """A round every ROUND_SECONDS, for ever."""
        clock = asyncio.get_running_loop().time
        while True:
            begun = clock()
            await self.round()
            await asyncio.sleep(begun + ROUND_SECONDS - clock())

    async def round(self) -> Counter[str]:
        """Erase what is due, or as much as can be in ROUND_SECONDS; a line says how much."""
        clock = asyncio.get_running_loop().time
        end, erased = clock() + ROUND_SECONDS, Counter[str]()
        steps = self._retention.steps(self._now())
        try:
            begun = clock()
            while begun < end and (step := await asyncio.to_thread(next, steps, None)) is not None:
                erased[step.what] += step.number
                metrics.ERASED.labels(step.what).inc(step.number)
                await asyncio.sleep(max(REST_SECONDS, clock() - begun))
                begun = clock()
        except StoreUnavailable as error:
            log.warning("retention.waits reason=%s", error)
        if erased.total():
            log.info("retention.erased %s", " ".join(f"{what}={number}" for what, number in sorted(erased.items())))
        return erased

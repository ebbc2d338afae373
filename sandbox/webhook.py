"""Posts notifications to the webhook: signed, in batches, again and again until they are taken.

    plan ──► waiting (by due time) ──every 20 ms──► batch ≤ 1,000 ──► POST ──200──► done
                                                      ▲                │ anything else
                                                      └── 0.2 s … 5 s ─┘

As Meta does, an answer other than 200 gets the same bytes again later, while other batches go on. What waits are the
status updates of messages, changes of templates, and what people sent to the business; of the last it says when each was
taken.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterable

import aiohttp

from sandbox.inbound import Inbound
from sandbox.notifications import News, build, signature

TICK = 0.02  # seconds in which due updates gather into a batch
BATCH = 1000  # updates in one notification; Meta's limit
AT_ONCE = 4  # POSTs in flight
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds before the same batch is posted again
TIMEOUT = aiohttp.ClientTimeout(total=10)


def pause_before(redelivery: int) -> float:
    """Seconds before the first (1), second, … redelivery of a batch."""
    return float(min(FIRST_PAUSE * 2 ** min(redelivery - 1, 10), LONGEST_PAUSE))


class Webhook:
    """The updates that wait, and the POSTs that carry them.

    `url` may be replaced while it runs. `held_until` says until which moment of the loop's clock nothing may be posted.
    `mark_taken` is called once with each message of a person, when the POST it was in has been answered with 200.
    """

    def __init__(
        self,
        url: str,
        app_secret: str,
        session: aiohttp.ClientSession,
        held_until: Callable[[], float],
        mark_taken: Callable[[Inbound], None],
    ) -> None:
        self.url = url
        self.delivered = 0  # updates the webhook has answered with 200
        self.refused = 0  # POSTs that were not
        self._app_secret = app_secret
        self._session = session
        self._held_until = held_until
        self._mark_taken = mark_taken
        self._waiting: list[tuple[float, int, News]] = []
        self._order = itertools.count()
        self._woken = asyncio.Event()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._clock = asyncio.get_running_loop().time

    @property
    def waiting(self) -> int:
        """Updates that have not been in a POST yet."""
        return len(self._waiting)

    def add(self, planned: Iterable[tuple[float, News]]) -> None:
        """Have each delivered in so many seconds."""
        now = self._clock()
        for delay, news in planned:
            heapq.heappush(self._waiting, (now + delay, next(self._order), news))
        self._woken.set()

    async def run(self) -> None:
        """Deliver until cancelled. A free slot comes first, so that a slow webhook gets larger batches."""
        async with asyncio.TaskGroup() as deliveries:
            while True:
                await self._until_due()
                await self._slots.acquire()
                if batch := self._take_due():
                    deliveries.create_task(self._deliver(batch))
                else:
                    self._slots.release()

    async def _until_due(self) -> None:
        while not self._waiting or self._waiting[0][0] > self._clock() or self._is_held():
            if not self._waiting:
                self._woken.clear()
                await self._woken.wait()
            await asyncio.sleep(TICK)

    def _is_held(self) -> bool:
        return self._held_until() > self._clock()

    def _take_due(self) -> list[News]:
        batch: list[News] = []
        now = self._clock()
        while self._waiting and self._waiting[0][0] <= now and len(batch) < BATCH:
            batch.append(heapq.heappop(self._waiting)[2])
        return batch

    async def _deliver(self, batch: list[News]) -> None:
        """Post one batch until it is taken. It holds its slot only while it is being posted."""
        body = build(batch)
        for redelivery in itertools.count(1):
            try:
                is_taken = await self._post(body)
            finally:
                self._slots.release()
            if is_taken:
                self._count_taken(batch)
                return
            self.refused += 1
            await asyncio.sleep(pause_before(redelivery))
            while self._is_held():  # noqa: ASYNC110 - it ends at a moment of the clock, which a fault may move
                await asyncio.sleep(TICK)
            await self._slots.acquire()

    def _count_taken(self, batch: list[News]) -> None:
        self.delivered += len(batch)
        for news in batch:
            if isinstance(news, Inbound):
                self._mark_taken(news)

    async def _post(self, body: bytes) -> bool:
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": signature(body, self._app_secret)}
        try:
            async with self._session.post(self.url, data=body, headers=headers, timeout=TIMEOUT) as answer:
                await answer.read()
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

"""A queue's messages for the function, as Lambda's event source mapping for SQS has them, with ReportBatchItemFailures.

receive a batch → invoke → delete what is done. A message that is not deleted is in the queue again after the queue's own
visibility timeout; how often, and where it goes then, is the queue's redrive policy.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

import asyncio
import json
import uuid
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sandbox.lambda_host.function import Function, Throttled
from sandbox.lambda_host.invocation import Invocation, trace_id

if TYPE_CHECKING:
    from sandbox.lambda_host.sqs import Queue  # with boto3, which takes a while: only for who has a queue

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds before SQS is asked again, or the function that had no room
SHUTDOWN = 2.0  # seconds for what is done to be deleted when the host stops

T = TypeVar("T")
Records = list[dict[str, Any]]


class QueueFault(Exception):
    """SQS did not do what it was asked, for the reason given; it may later."""


@dataclass
class QueueCounts:
    """Messages since the start of the host; `failed` were received and not deleted: they come back."""

    received: int = 0
    deleted: int = 0
    failed: int = 0


class EventSource:
    """Polls `queue` from `start` to `stop`, at most `queue_concurrency` batches of the settings at once.

    `show` gets a line for each fault of SQS and each answer of the function that Lambda does not understand.
    """

    def __init__(
        self,
        queue: "Queue",
        function: Function,
        *,
        show: Callable[[str], None],
        now: Callable[[], datetime],
        new_id: Callable[[], uuid.UUID],
    ) -> None:
        self.counts = QueueCounts()
        self._queue = queue
        self._function = function
        self._show = show
        self._now = now
        self._new_id = new_id
        self._room = asyncio.Semaphore(function.settings.queue_concurrency)
        self._throttled_wait = FIRST_WAIT
        self._polling: asyncio.Task[None] | None = None
        self._batches: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to poll, in the background."""
        self._polling = asyncio.create_task(self._poll())

    def stop(self) -> None:
        """Receive no more. Batches run on; what a last receive brings comes back to the queue."""
        if self._polling is not None:
            self._polling.cancel()

    async def close(self) -> None:
        """After `stop` and `Function.close`: delete what is done, and leave the rest to the queue."""
        if self._batches:
            _, late = await asyncio.wait(self._batches, timeout=SHUTDOWN)
            for batch in late:
                batch.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._polling is not None:
            with suppress(asyncio.CancelledError):
                await self._polling
        self._queue.close()

    async def _poll(self) -> None:
        while True:
            await self._room.acquire()
            records = await self._insist(self._receive)
            if not records:
                self._room.release()
                continue
            self.counts.received += len(records)
            batch = asyncio.create_task(self._run(records))
            self._batches.add(batch)
            batch.add_done_callback(self._batches.discard)

    async def _run(self, records: Records) -> None:
        deleted = 0
        try:
            done = await self._done(records)
            if done:
                deleted = await self._insist(lambda: self._queue.delete(done))
        finally:
            self.counts.deleted += deleted
            self.counts.failed += len(records) - deleted
            self._room.release()

    async def _done(self, records: Records) -> Records:
        """Invoke the function; the records that it has done with."""
        ids = {record["messageId"] for record in records}
        try:
            result = await self._function.invoke(self._invocation(records))
        except (Throttled, OSError):
            await self._wait_for_room()
            return []
        self._throttled_wait = FIRST_WAIT
        if result.failed:
            return []
        try:
            failed = failed_ids(result.body, ids)
        except ValueError as fault:
            self._show(f"Queue {self._queue.name}: {fault}; the whole batch ({len(records)}) comes back.")
            return []
        return [record for record in records if record["messageId"] not in failed]

    async def _wait_for_room(self) -> None:
        """The batch keeps its place meanwhile, so that fewer are received the longer there is no room."""
        wait, self._throttled_wait = self._throttled_wait, min(self._throttled_wait * 2, LONGEST_WAIT)
        await asyncio.sleep(wait)

    def _invocation(self, records: Records) -> Invocation:
        return Invocation(
            request_id=str(self._new_id()),
            payload=json.dumps({"Records": records}, separators=(",", ":")).encode(),
            arn=self._function.settings.arn,
            trace_id=trace_id(self._now(), self._new_id()),
        )

    def _receive(self) -> Records:
        return self._queue.receive(self._function.settings.queue_batch_size)

    async def _insist(self, call: Callable[[], T]) -> T:
        """In a thread, and again until SQS does it."""
        wait = FIRST_WAIT
        while True:
            try:
                return await asyncio.to_thread(call)
            except QueueFault as fault:
                self._show(f"Queue {self._queue.name}: {fault}; tried again in {wait:g} s.")
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)


def failed_ids(answer: bytes, ids: Collection[str]) -> set[str]:
    """Which of a batch's message ids the function wants again.

    None for `null`, `{}`, and a list of failures that is absent, null or empty. Raises ValueError where Lambda takes the
    whole batch for failed: no JSON of this form, an id that is missing, null, empty or not in the batch.
    """
    try:
        failed = {failure["itemIdentifier"] for failure in _failures(json.loads(answer))}
    except (ValueError, LookupError, TypeError, RecursionError):
        raise ValueError("the function's answer is no batch response") from None
    if not failed <= set(ids):
        raise ValueError("the function's answer names a message that is not in the batch")
    return failed


def _failures(report: object) -> list[Any]:
    match report:
        case None | {"batchItemFailures": None}:
            return []
        case {"batchItemFailures": list(failures)}:
            return failures
        case dict() if "batchItemFailures" not in report:
            return []
    raise ValueError(report)

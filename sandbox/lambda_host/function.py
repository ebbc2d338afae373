"""The function: which of its environments runs an invocation, and the events that run later and again."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from sandbox.lambda_host.environment import Environment
from sandbox.lambda_host.invocation import Invocation, Result, Settings

FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0  # seconds before an event for which there was no room is tried again


class Throttled(Exception):
    """Every environment is busy, and there may be no more: not run, try again later."""


@dataclass
class Counts:
    """Of this host since its start; `errors` are invocations that failed, `dropped` events that did so each time."""

    invocations: int = 0
    errors: int = 0
    throttled: int = 0
    dropped: int = 0


class Function:
    """Environments on demand, at most `concurrency`; the one that was used last is used next.

    `new_environment` makes a cold one; `show` gets a line for each event that is given up.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        new_environment: Callable[[], Environment],
        show: Callable[[str], None],
    ) -> None:
        self.settings = settings
        self.counts = Counts()
        self._new_environment = new_environment
        self._show = show
        self._idle: list[Environment] = []
        self._busy: set[Environment] = set()
        self._events: set[asyncio.Task[None]] = set()
        self._closing = False

    @property
    def busy(self) -> int:
        """Environments that run an invocation, or start for one."""
        return len(self._busy)

    @property
    def idle(self) -> int:
        """Environments that wait warm."""
        return sum(environment.is_warm for environment in self._idle)

    @property
    def waiting(self) -> int:
        """Events that were accepted and are not done: they run, or wait to be tried again."""
        return len(self._events)

    async def invoke(self, invocation: Invocation) -> Result:
        """Run it once, now.

        Raises:
            Throttled: there is no environment for it.
            OSError: this machine cannot start a process.
        """
        environment = await self._take()
        try:
            result = await environment.invoke(invocation)
        finally:
            await self._put_back(environment)
        self.counts.invocations += 1
        self.counts.errors += result.failed
        return result

    def accept(self, invocation: Invocation) -> None:
        """Run it in the background, as long as this process lives; again after each of `retry_after` while it fails."""
        task = asyncio.create_task(self._run_event(invocation))
        self._events.add(task)
        task.add_done_callback(self._events.discard)

    async def close(self) -> None:
        """Drop the events that wait, and end every environment; what runs in one ends as an error of the function."""
        self._closing = True
        for event in list(self._events):
            event.cancel()
        await asyncio.gather(*(environment.close() for environment in [*self._busy, *self._idle]))
        await asyncio.gather(*self._events, return_exceptions=True)

    async def _take(self) -> Environment:
        environment = await self._last_used() or self._one_more()
        self._busy.add(environment)
        return environment

    async def _last_used(self) -> Environment | None:
        while self._idle:
            environment = self._idle.pop()
            if environment.is_warm:
                return environment
            await environment.close()  # its process has died since
        return None

    def _one_more(self) -> Environment:
        if self._closing or len(self._busy) >= self.settings.concurrency:
            self.counts.throttled += 1
            raise Throttled
        return self._new_environment()

    async def _put_back(self, environment: Environment) -> None:
        if not environment.is_warm:
            await environment.close()
        self._busy.discard(environment)
        if environment.is_warm:
            self._idle.append(environment)

    async def _run_event(self, invocation: Invocation) -> None:
        for wait in (*self.settings.retry_after, None):
            result = await self._invoke_when_there_is_room(invocation)
            if not result.failed:
                return
            if wait is not None:
                await asyncio.sleep(wait)
        self.counts.dropped += 1
        self._show(f"Event {invocation.request_id} failed {1 + len(self.settings.retry_after)} times and is dropped.")

    async def _invoke_when_there_is_room(self, invocation: Invocation) -> Result:
        """Throttling does not count as a failure; Lambda waits 1 s, then ever longer, up to 5 minutes."""
        wait = FIRST_WAIT
        while True:
            with suppress(Throttled, OSError):
                return await self.invoke(invocation)
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)

"""One execution environment: init where it is cold, then one invocation at a time, as long as its process lives.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.lambda_host import report
from sandbox.lambda_host.invocation import Ending, Invocation, Result, Settings
from sandbox.lambda_host.log import Log
from sandbox.lambda_host.runtime import GRACE, Runtime, Stop


@dataclass(frozen=True, slots=True)
class Init:
    """One init phase: how long it took, and how it failed, if it did."""

    seconds: float
    failure: Ending | None


class Environment:
    """Runs the function in a process of its own; `now` gives aware UTC, `show` gets each line of the log."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        *,
        show: Callable[[str], None],
        now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._now = now
        self._log = Log(show)
        self._runtime: Runtime | None = None
        self._closing = False

    @property
    def is_warm(self) -> bool:
        """Whether it can take an invocation without an init phase."""
        return self._runtime is not None and self._runtime.is_at_rest

    async def invoke(self, invocation: Invocation) -> Result:
        """Run the function once. Where this is a cold start, the init phase comes first and has its own limit.

        An init phase that failed is tried again as a part of the invocation, within the function's time-out: so
        Lambda does it. Raises OSError where no process can be started.
        """
        timeout = self._settings.timeout
        first = None if self.is_warm else await self._init(invocation, self._settings.init_timeout, "init")
        began = _clock()
        init = first
        if first and first.failure and not self._closing:
            init = await self._init(invocation, timeout, "invoke")
        self._log.write(report.start_line(invocation.request_id))
        if init and init.failure:
            ending = init.failure
        else:
            ending = await self._run(invocation, timeout - (_clock() - began))
        init_seconds = first.seconds if first and not first.failure else None
        return self._reported(invocation, ending, min(_clock() - began, timeout), init_seconds)

    async def close(self) -> None:
        """End the process; an invocation that still runs in it ends as one whose runtime exited."""
        self._closing = True
        if self._runtime is not None:
            await self._runtime.end(grace=GRACE)
        self._log.close()

    async def _init(self, invocation: Invocation, limit: float, phase: str) -> Init:
        began = _clock()
        self._runtime = runtime = await Runtime.start(self._settings.handler, self._environ, self._log)
        stop = await runtime.settle(limit)
        seconds = min(_clock() - began, limit)
        if stop is Stop.AT_REST and runtime.ending is None:
            return Init(seconds, failure=None)
        failure = await self._failure(runtime, invocation, stop)
        self._log.write(report.init_report_line(seconds, phase=phase, status=failure.status))
        return Init(seconds, failure)

    async def _run(self, invocation: Invocation, limit: float) -> Ending:
        runtime = self._runtime
        assert runtime is not None, "init comes first"
        deadline = self._now() + timedelta(seconds=limit)
        runtime.hand(invocation, int(deadline.timestamp() * 1000))
        stop = await runtime.settle(limit)
        if stop is not Stop.TIMED_OUT and runtime.ending is not None:
            return runtime.ending
        return await self._failure(runtime, invocation, stop)

    async def _failure(self, runtime: Runtime, invocation: Invocation, stop: Stop) -> Ending:
        """How it failed; the process has ended when this returns."""
        status = await runtime.end()
        if stop is Stop.TIMED_OUT:
            return report.timed_out(invocation.request_id, self._settings.timeout, self._now())
        return runtime.ending or report.exited(invocation.request_id, status)

    def _reported(self, invocation: Invocation, ending: Ending, seconds: float, init: float | None) -> Result:
        assert self._runtime is not None, "an invocation had a process"
        if ending.line:
            self._log.write(ending.line)
        self._log.write(report.end_line(invocation.request_id))
        line = report.report_line(
            invocation.request_id,
            seconds=seconds,
            init_seconds=init,
            memory=self._settings.memory,
            memory_used=self._runtime.peak_memory(),
            status=ending.status,
        )
        self._log.write(line)
        return Result(ending.body, ending.failed, self._log.take())


def _clock() -> float:
    return asyncio.get_running_loop().time()

"""One process of AWS's runtime client with its Runtime API, from its start to its end."""

import asyncio
import contextlib
import enum
import fcntl
import os
import signal
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from sandbox.lambda_host.invocation import LATEST, Ending, Invocation, Settings
from sandbox.lambda_host.log import Log
from sandbox.lambda_host.runtime_api import RuntimeApi

GRACE = 2.0  # seconds between SIGTERM and SIGKILL; Lambda's own shutdown phase lasts no longer


class Stop(enum.Enum):
    """Why a wait for the process is over."""

    AT_REST = enum.auto()
    EXITED = enum.auto()
    TIMED_OUT = enum.auto()


class Runtime:
    """A process that was started with `start` and must be ended with `end`.

    Its standard output and error go to `log`. It leads a session of its own: Ctrl-C at the host is not for it, and
    what it has started ends with it. `lifeline` is a file whose closing kills them all (see `_tie`).
    """

    def __init__(self, api: RuntimeApi, process: asyncio.subprocess.Process, lifeline: int) -> None:
        self._api = api
        self._process = process
        self._lifeline = lifeline
        self._exit = asyncio.create_task(self._watch())
        self._peak_kb = 0

    @classmethod
    async def start(cls, handler: str, environ: Mapping[str, str], log: Log) -> "Runtime":
        """Raises OSError where the machine has no process, port or file left."""
        api = RuntimeApi()
        held, lifeline = os.pipe()
        try:
            address = await api.listen()
            process = await _spawn(handler, {**environ, "AWS_LAMBDA_RUNTIME_API": address}, log.open(), held)
        except BaseException:
            os.close(lifeline)
            await api.close()
            raise
        finally:
            os.close(held)
        return cls(api, process, lifeline)

    @property
    def is_at_rest(self) -> bool:
        """Whether it lives and waits for an invocation."""
        return self._api.at_rest.is_set() and self._process.returncode is None and not self._exit.done()

    @property
    def ending(self) -> Ending | None:
        """What the process answered last; None where it did not."""
        return self._api.ending

    def peak_memory(self) -> int:
        """Most memory it has used, in MB; where the process has ended, as it was when last looked at."""
        status = Path(f"/proc/{self._process.pid}/status")
        with contextlib.suppress(OSError, StopIteration):  # it has ended, or no Linux
            line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
            self._peak_kb = int(line.split()[1])
        return -(-self._peak_kb // 1024)

    def hand(self, invocation: Invocation, deadline_ms: int) -> None:
        """Give it an invocation; it must be at rest."""
        self.peak_memory()  # once it has ended, there is nothing to look at
        self._api.hand(invocation, deadline_ms)

    async def settle(self, seconds: float) -> Stop:
        """Wait until it is at rest or has exited, at most so many seconds."""
        rest = asyncio.create_task(self._api.at_rest.wait())
        await asyncio.wait({rest, self._exit}, timeout=max(seconds, 0.0), return_when=asyncio.FIRST_COMPLETED)
        rest.cancel()
        if self._api.at_rest.is_set():
            return Stop.AT_REST
        return Stop.EXITED if self._exit.done() else Stop.TIMED_OUT

    async def end(self, *, grace: float = 0.0) -> int:
        """End the process and all that it has started; its exit status, negative for a signal.

        With `grace` it gets SIGTERM and so many seconds. A process that exited by itself keeps its status.
        """
        self.peak_memory()
        if grace and not self._exit.done():
            self._signal(signal.SIGTERM)
            await asyncio.wait({self._exit}, timeout=grace)
        if not self._exit.done():
            self._signal(signal.SIGKILL)
        status = await self._exit
        await self._api.close()
        return status

    async def _watch(self) -> int:
        status = await self._process.wait()
        self._signal(signal.SIGKILL)  # at once: the number of the session may belong to others later
        os.close(self._lifeline)
        return status

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


async def _spawn(handler: str, environ: Mapping[str, str], output: int, held: int) -> asyncio.subprocess.Process:
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "awslambdaric", handler),
            env=environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[held],
            start_new_session=True,
        )
    finally:
        os.close(output)
    _tie(held, process.pid)
    return process


def _tie(held: int, session: int) -> None:
    """Have the kernel kill the session when nobody holds the other end of this pipe any more.

    So no process outlives a host that was killed. One that waits for its next invocation would end by itself, since
    its connection breaks; one that is busy would end when it answers, and one that hangs would not.
    """
    with contextlib.suppress(OSError):  # it has ended already, or the kernel cannot do it
        fcntl.fcntl(held, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(held, fcntl.F_SETOWN, -session)
        fcntl.fcntl(held, fcntl.F_SETFL, fcntl.fcntl(held, fcntl.F_GETFL) | os.O_ASYNC)


def missing() -> str | None:
    """What keeps the runtime client from running here, in one sentence; None where nothing does."""
    if all(find_spec(module) for module in ("awslambdaric", "runtime_client")):  # the latter is its compiled part
        return None
    return "AWS's runtime client is missing: pip install awslambdaric, into the Python that runs this (Linux only)."


def function_environ(settings: Settings, inherited: Mapping[str, str], log_stream: str) -> dict[str, str]:
    """The variables that Lambda sets, over those of the function.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    """
    major, minor = sys.version_info[:2]
    return {
        **inherited,
        "_HANDLER": settings.handler,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{major}.{minor}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings.memory),
        "AWS_LAMBDA_FUNCTION_NAME": settings.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": LATEST,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{settings.function_name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_REGION": settings.region,
        "LAMBDA_TASK_ROOT": str(Path.cwd()),
        "TZ": ":UTC",
    }

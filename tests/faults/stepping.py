"""`python -m tests.faults.stepping FILE`: a dispatcher as the service runs it, whose wall clock a test sets.

FILE holds by how many seconds the clock is wrong. Moments are the wall clock's, spans the monotonic one's, which nobody sets.
"""

import asyncio
import signal
import sys
from datetime import datetime, timedelta
from pathlib import Path

from prometheus_client import REGISTRY

from service import wiring
from service.config import Settings, environment
from service.dispatch import health
from service.dispatch.number import Clock
from service.logs import set_up_logging


class WrongClock:
    """Of a machine whose administrator, or time server, sets it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def now(self) -> datetime:
        return wiring.now() + timedelta(seconds=float(self._file.read_text()))


async def dispatch(settings: Settings, clock: WrongClock) -> None:
    """As `whatsapp-channel dispatcher`."""
    runner = wiring.build_dispatcher(settings, Clock(clock.now, wiring.monotonic))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    since_last_beat = lambda: wiring.monotonic() - runner.beat  # noqa: E731 - a value, passed on
    async with health.serve("127.0.0.1", settings.dispatcher_port, since_last_beat, REGISTRY):
        await runner.run(stop, wiring.build_wakeup(settings))


def main() -> None:
    settings = Settings.from_environment(environment())
    set_up_logging(settings.log_level)
    asyncio.run(dispatch(settings, WrongClock(Path(sys.argv[1]))))


if __name__ == "__main__":
    main()

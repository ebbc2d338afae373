"""The command `dispatcher`, as in a container."""

import asyncio
import gc
import signal
import sys

import click
from prometheus_client import REGISTRY

from service import wiring
from service.config import ConfigError, Settings, environment
from service.dispatch import health
from service.logs import set_up_logging

SWITCH_SECONDS = 0.0005
"""How long a thread keeps Python's lock from the others: the loop that paces must not wait 5 ms for each of the store's."""

COLLECT_EACH = 20_000
"""So many new objects before Python looks for cycles in them; its own 700 are those of a few requests."""


@click.command()
@click.option("--host", default="0.0.0.0", show_default=True, help="The address to listen on.")  # noqa: S104
def dispatcher(host: str) -> None:
    """Run a dispatcher: claims messages, paces them, sends them.

    Any number of them share the work; each phone number is served by one at a time. SIGTERM: finishes what is in flight.
    """
    settings = Settings.from_environment(environment())
    set_up_logging(settings.log_level)
    if not settings.numbers:
        raise ConfigError(["FB_BUSINESS_PHONE_ID: set the phone number's id, or list numbers in CHANNEL_SETTINGS"])
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()  # what is loaded stays, and is not looked through again
    gc.set_threshold(COLLECT_EACH, 10, 10)
    asyncio.run(_dispatch(settings, host))


async def _dispatch(settings: Settings, host: str) -> None:
    runner = wiring.build_dispatcher(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    since_last_beat = lambda: wiring.monotonic() - runner.beat  # noqa: E731 - a value, passed on
    with wiring.telling(settings):
        async with health.serve(host, settings.dispatcher_port, since_last_beat, REGISTRY):
            await runner.run(stop, wiring.build_wakeup(settings))

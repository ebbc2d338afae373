"""The commands that run one piece, as in a container: `web`, `dispatcher`, `migrate`."""

import asyncio
import os
import signal
import sys
import tempfile

import click
from prometheus_client import REGISTRY

from service import wiring
from service.config import ConfigError, Settings, environment
from service.dispatch import health
from service.logs import set_up_logging
from service.outbox import migrations

_HOST = click.option("--host", default="0.0.0.0", show_default=True, help="The address to listen on.")  # noqa: S104


@click.command()
@_HOST
def web(host: str) -> None:
    """Run the web service (gunicorn) on PORT.

    Takes events from the shim and notifications from Meta; reports. Never sends.
    """
    settings = Settings.from_environment(environment())
    wiring.build_web_app(settings)  # a setting that cannot be used stops here, with a sentence, not in every worker
    # prometheus_client looks for this directory when it is imported, so gunicorn must start with it set
    directory = tempfile.mkdtemp(prefix="whatsapp-channel-metrics-")
    gunicorn = ["-m", "gunicorn", "--config", "python:service.web.server", "--bind", f"{host}:{settings.port}"]
    arguments = [sys.executable, *gunicorn, "service.wiring:web_app()"]
    os.execve(sys.executable, arguments, {**environment(), "PROMETHEUS_MULTIPROC_DIR": directory})  # noqa: S606


@click.command()
@_HOST
def dispatcher(host: str) -> None:
    """Run a dispatcher: claims messages, paces them, sends them.

    Any number of them share the work; each phone number is served by one at a time. SIGTERM: finishes what is in flight.
    """
    settings = Settings.from_environment(environment())
    set_up_logging(settings.log_level)
    if not settings.numbers:
        raise ConfigError(["FB_BUSINESS_PHONE_ID: set the phone number's id, or list numbers in CHANNEL_SETTINGS"])
    asyncio.run(_dispatch(settings, host))


async def _dispatch(settings: Settings, host: str) -> None:
    runner = wiring.build_dispatcher(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    since_last_beat = lambda: wiring.monotonic() - runner.beat  # noqa: E731 - a value, passed on
    async with health.serve(host, settings.dispatcher_port, since_last_beat, REGISTRY):
        await runner.run(stop, wiring.build_wakeup(settings))


@click.command()
def migrate() -> None:
    """Bring the database to the newest schema. Safe to run again and by several at once."""
    settings = Settings.from_environment(environment())
    engine = wiring.open_store(settings).engine
    migrations.migrate(engine)
    click.echo("the database has the newest schema")

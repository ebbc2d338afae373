"""The commands that run one piece, as in a container: `web`, `dispatcher`, `migrate`."""

import asyncio
import os
import signal
import sys
import tempfile

import click
from prometheus_client import REGISTRY

from service import wiring
from service.cli.pause import resume_command
from service.config import ConfigError, Settings, environment
from service.dispatch import health
from service.logs import set_up_logging
from service.message import Pause, PauseReason, Scope
from service.outbox import migrations

SWITCH_SECONDS = 0.0005
"""How long a thread keeps Python's lock from the others: the loop that paces must not wait 5 ms for each of the store's."""

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
    sys.setswitchinterval(SWITCH_SECONDS)
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
@click.option("--paused", is_flag=True, help="Pause every number then: for a database that was restored from a backup.")
def migrate(paused: bool) -> None:
    """Bring the database to the newest schema. Safe to run again and by several at once.

    A backup knows nothing of what was sent since. With --paused, before any dispatcher runs, nothing goes out until an
    operator has looked at that and resumes the numbers.

    \b
    whatsapp-channel migrate --paused
    """
    settings = Settings.from_environment(environment())
    store = wiring.open_store(settings)
    migrations.migrate(store.engine)
    click.echo("the database has the newest schema")
    if paused:
        _pause_every_number(settings, store)


def _pause_every_number(settings: Settings, store: wiring.Store) -> None:
    """Those of the settings, and those that were ever served with this database."""
    detail = "restored from a backup: look at what was sent since, then resume"
    numbers = sorted({*settings.numbers, *store.report.served_numbers()})
    for number in numbers:
        store.outbox.pause(Pause(Scope.NUMBER, number, PauseReason.OPERATOR, detail, since=wiring.now()))
        click.echo(f"number {number} is paused; to go on: {resume_command(Scope.NUMBER, number)}")
    if not numbers:
        click.echo(
            "no number is known, so none is paused; set FB_BUSINESS_PHONE_ID or CHANNEL_SETTINGS and run it again"
        )

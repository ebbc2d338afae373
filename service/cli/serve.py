"""The commands that run something: `up`, `web`, `dispatcher`, `migrate`."""

import asyncio
import base64
import hashlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass

import click
from prometheus_client import REGISTRY

from service import wiring
from service.config import ConfigError, Settings, environment
from service.dispatch import health
from service.logs import set_up_logging
from service.outbox import migrations

_STOP_SECONDS = 30.0


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


@click.command()
@click.option("--no-sandbox", is_flag=True, help="Send to WHATSAPP_API_URL instead of a sandbox of its own.")
@click.option("--sandbox-port", default=8090, show_default=True, help="Where the sandbox listens.")
def up(no_sandbox: bool, sandbox_port: int) -> None:
    r"""Run everything on this machine: migrate, then web, dispatcher and a sandbox in Meta's place.

    \b
    whatsapp-channel up                       try it, nothing leaves this machine
    whatsapp-channel up --no-sandbox          with FB_BUSINESS_PHONE_ID and a token: really send
    """
    given = dict(environment())
    chosen = given if no_sandbox else {**_made_for_this_run(), **given, **_sandbox_credentials(sandbox_port)}
    if not no_sandbox:
        chosen.pop("FB_SECRET_ARN", None)
    settings = Settings.from_environment(chosen)
    for port in (settings.port, settings.dispatcher_port, *(() if no_sandbox else (sandbox_port,))):
        _need_free(port)
    migrations.migrate(wiring.open_store(settings).engine)
    pieces = [Piece(name, ["-m", "service.cli", name, "--host", "127.0.0.1"]) for name in ("web", "dispatcher")]
    if not no_sandbox:
        webhook = f"http://127.0.0.1:{settings.port}/webhooks/whatsapp"
        pieces.insert(0, Piece("sandbox", ["-m", "sandbox", "--port", str(sandbox_port), "--webhook-url", webhook]))
    for name in ("SIGNING_KEYS", "API_KEY"):
        if name in chosen and name not in given:
            click.echo(f"made for this run: {name}={chosen[name]}")
    sys.exit(_supervise(pieces, chosen, settings))


def _sandbox_credentials(port: int) -> dict[str, str]:
    """The sandbox's own dummies; they win over real ones, which a sandbox must never see."""
    return {
        "FB_APP_TOKEN": "sandbox-token",
        "FB_APP_SECRET": "sandbox-app-secret",
        "WEBHOOK_VERIFY_TOKEN": "sandbox-verify-token",
        "WHATSAPP_API_URL": f"http://127.0.0.1:{port}",
    }


def _made_for_this_run() -> dict[str, str]:
    """What a run without any setting gets."""
    api_key = f"wck_{secrets.token_urlsafe(24)}"
    return {
        "FB_BUSINESS_PHONE_ID": "106540352242922",
        "SIGNING_KEYS": "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode(),
        "API_KEY": api_key,
        "API_KEYS": api_key_entry("local", "send+read+operate+pii", api_key),
    }


def api_key_entry(name: str, scopes: str, key: str) -> str:
    """What API_KEYS holds of a key: its name, its scopes and its hash."""
    return f"{name}:{scopes}:{hashlib.sha256(key.encode()).hexdigest()}"


def _need_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            hint = "stop what listens there, or set PORT, DISPATCHER_PORT or --sandbox-port"
            raise ConfigError([f"port {port} is taken ({error.strerror}); {hint}"]) from error


@dataclass(frozen=True, slots=True)
class Piece:
    """One process of `up`."""

    name: str
    arguments: list[str]


def _supervise(pieces: list[Piece], chosen: Mapping[str, str], settings: Settings) -> int:
    """Run all pieces until one ends or somebody stops us; then stop all. The exit status."""
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda signum, _frame: stopping.append(signum))
    running = {
        piece.name: subprocess.Popen([sys.executable, *piece.arguments], env=dict(chosen), start_new_session=True)  # noqa: S603 - our own modules
        for piece in pieces
    }
    click.echo(f"up: http://127.0.0.1:{settings.port} (Ctrl-C stops everything)")
    ended: list[str] = []
    while not stopping and not ended:
        time.sleep(0.1)
        ended = [name for name, process in running.items() if process.poll() is not None]
    for name in ended:
        click.echo(f"{name} has ended by itself (exit {running[name].returncode}); stopping the rest", err=True)
    for process in running.values():
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    for process in running.values():
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
    return 1 if ended else 0

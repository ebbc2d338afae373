"""`whatsapp-channel up`: everything on one machine, and a campaign to watch."""

import base64
import importlib.util
import os
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click
import requests
from rich.console import Console

from service import wiring
from service.cli.follow import Campaign, show
from service.cli.processes import Piece, Processes
from service.cli.signpost import Places, signpost
from service.config import ConfigError, Settings, environment
from service.outbox import migrations
from service.outbox.database import discard_sqlite
from service.web.auth import api_key_entry
from service.web.console.people import console_user_entry

HERE = "127.0.0.1"
VAR = Path("var")
LOG, KEYS = VAR / "up.log", VAR / "up.env"
LEAST_FREE_BYTES = 50 * 1024 * 1024
FUNCTION = "lambda_shim"

PERSON = "operator"
"""Who signs in to the console of this run."""

UNHURRIED = ["--sent-after", "0.3", "--delivered-after", "1.2", "--read-after", "3"]
"""Seconds from a message to its ticks, so that a person can watch them move."""

_EVENT = click.Path(exists=True, dir_okay=False, path_type=Path)
_PORT = click.IntRange(1, 65535)


@click.command()
@click.option("--no-sandbox", is_flag=True, help="Send to WHATSAPP_API_URL instead of a sandbox of its own.")
@click.option("--sandbox-port", default=8090, show_default=True, type=_PORT, help="Where the sandbox listens.")
@click.option("--lambda-port", default=9000, show_default=True, type=_PORT, help="Where the Lambda host listens.")
@click.option("--send", "events", multiple=True, type=_EVENT, help="Send this event and show what becomes of it.")
@click.option("--fresh", is_flag=True, help="Begin with an empty database (SQLite only): what it held is gone.")
def up(no_sandbox: bool, sandbox_port: int, lambda_port: int, events: tuple[Path, ...], fresh: bool) -> None:
    """Run everything on this machine until Ctrl-C: web, dispatcher, the shim in a Lambda host, a sandbox in Meta's place.

    With --send, events go through the shim, and the pieces log to var/up.log instead of the terminal. Keys that are not
    set are made for this run; var/up.env has them for another terminal: `. var/up.env`.

    \b
    whatsapp-channel up                              try it, nothing leaves this machine
    whatsapp-channel up --fresh --send event.json    watch a campaign
    whatsapp-channel up --no-sandbox                 with FB_BUSINESS_PHONE_ID and a token: really send
    """
    given = dict(environment())
    made = {} if no_sandbox else _made_for_this_run(given)
    dummies = {} if no_sandbox else _sandbox_credentials(sandbox_port)
    chosen = {**given, **made, **dummies}
    settings = Settings.from_environment(chosen)
    places = Places(
        service=address(settings.port),
        dispatcher=address(settings.dispatcher_port),
        sandbox=None if no_sandbox else address(sandbox_port),
        lambda_host=address(lambda_port) if importlib.util.find_spec("awslambdaric") else None,
    )
    campaign = Campaign(events, places.lambda_host, chosen)
    campaign.check()
    need_free(places)
    VAR.mkdir(exist_ok=True)
    need_space(VAR, LEAST_FREE_BYTES)
    _prepare(settings, fresh=fresh)
    chosen["SERVICE_URL"] = places.service
    here = {"DATABASE_URL": _absolute(settings.database_url), "PORT": str(settings.port), "SERVICE_URL": places.service}
    with _keys({**here, **dummies}, made) as keys:
        processes = Processes(_pieces(places), chosen, LOG if events else None)
        try:
            _run(processes, campaign, places, settings, keys, made.get("CONSOLE_PASSWORD"))
        finally:
            processes.stop()


def _run(
    processes: Processes,
    campaign: Campaign,
    places: Places,
    settings: Settings,
    keys: Path | None,
    password: str | None,
) -> None:
    """Start, show the campaign, say where to look, wait. Where somebody stops us, what fails for that is no news."""
    console = Console()
    console.print(f"Starting {processes.names} …")
    try:
        processes.start()
        processes.wait_until_ready()
        store = wiring.open_store(settings)
        rows = show(campaign, store.report, processes, console) if campaign.events else []
        store.engine.dispose()
        if not processes.stopping:
            signpost(places, rows, keys, processes.log, console, password)
            processes.wait()
    except (ConfigError, requests.RequestException):
        if not processes.stopping:
            raise
    console.print("Stopping …")


def address(port: int) -> str:
    """Where a piece with this port answers."""
    return f"http://{HERE}:{port}"


def _pieces(places: Places) -> list[Piece]:
    """Every piece with a place. The Lambda host has none where AWS's runtime client is not installed (it is for Linux)."""
    pieces = [
        Piece("web", ["-m", "service", "web", "--host", HERE], f"{places.service}/healthz"),
        Piece("dispatcher", ["-m", "service", "dispatcher", "--host", HERE], f"{places.dispatcher}/healthz"),
    ]
    if places.sandbox:
        options = ["--port", _port(places.sandbox), "--webhook-url", f"{places.service}/webhooks/whatsapp"]
        pieces.append(
            Piece("sandbox", ["-m", "sandbox", *options, *UNHURRIED], f"{places.sandbox}/sandbox/healthz"),
        )
    if places.lambda_host:
        options = ["--port", _port(places.lambda_host), "--function-name", FUNCTION]
        pieces.append(Piece("lambda host", ["-m", "sandbox.lambda_host", *options], f"{places.lambda_host}/healthz"))
    return pieces


def _absolute(database_url: str) -> str:
    """The same database from any folder."""
    scheme, _, path = database_url.partition("sqlite:///")
    return f"sqlite:///{Path(path).absolute()}" if path and not scheme else database_url


def _port(address: str) -> str:
    return address.rpartition(":")[2]


def _made_for_this_run(given: Mapping[str, str]) -> dict[str, str]:
    """What a run without any setting gets."""
    api_key = f"wck_{secrets.token_urlsafe(24)}"
    made = {
        "FB_BUSINESS_PHONE_ID": "106540352242922",
        "SIGNING_KEYS": "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode(),
    }
    if "API_KEYS" not in given:
        made |= {"API_KEY": api_key, "API_KEYS": api_key_entry("local", "send+read+operate+pii", api_key)}
    if "CONSOLE_USERS" not in given:
        password = secrets.token_urlsafe(12)
        entry = console_user_entry(PERSON, "operate", password, secrets.token_bytes(16))
        made |= {"CONSOLE_PASSWORD": password, "CONSOLE_USERS": entry}
    return {name: value for name, value in made.items() if not given.get(name)}


def _sandbox_credentials(port: int) -> dict[str, str]:
    """The sandbox's own dummies; they win over real ones, which a sandbox must never see."""
    return {
        "FB_SECRET_ARN": "",
        "FB_APP_TOKEN": "sandbox-token",
        "FB_APP_SECRET": "sandbox-app-secret",
        "WEBHOOK_VERIFY_TOKEN": "sandbox-verify-token",
        "WHATSAPP_BUSINESS_ACCOUNT_ID": "102290129340398",
        "WHATSAPP_API_URL": f"http://{HERE}:{port}",
    }


def need_free(places: Places) -> None:
    """Raise ConfigError where something listens on one of the ports already."""
    options = {places.service: "PORT", places.dispatcher: "DISPATCHER_PORT"}
    options |= {places.sandbox or "": "--sandbox-port", places.lambda_host or "": "--lambda-port"}
    ports = [_port(place) for place in (places.service, places.dispatcher, places.sandbox, places.lambda_host) if place]
    if len(set(ports)) < len(ports):
        raise ConfigError([f"PORT, DISPATCHER_PORT, --sandbox-port, --lambda-port: one port is named twice, {ports}"])
    for place, option in options.items():
        if not place:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HERE, int(_port(place))))
            except OSError as error:
                hint = f"stop what listens there (an earlier run?), or choose another with {option}"
                raise ConfigError([f"port {_port(place)} is taken ({error.strerror}); {hint}"]) from error


def need_space(folder: Path, least: int) -> None:
    """Raise ConfigError where the disk of this folder has less than so many bytes free."""
    free = shutil.disk_usage(folder).free
    if free < least:
        megabytes = f"{free / 2**20:.0f} MB free, {least / 2**20:.0f} MB are needed"
        raise ConfigError([f"the disk that holds {folder.absolute()} has {megabytes}; make room and try again"])


def _prepare(settings: Settings, *, fresh: bool) -> None:
    if fresh:
        try:
            discard_sqlite(settings.database_url)
        except ValueError as error:
            raise ConfigError([f"DATABASE_URL: {error}"]) from error
    store = wiring.open_store(settings)
    migrations.migrate(store.engine)
    store.engine.dispose()


@contextmanager
def _keys(settings: Mapping[str, str], made: Mapping[str, str]) -> Iterator[Path | None]:
    """The file with what a second terminal needs, for as long as the keys in it hold; None where no key was made."""
    if not made:
        yield None
        return
    KEYS.unlink(missing_ok=True)
    with os.fdopen(os.open(KEYS, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # for this user only
        file.writelines(f"export {name}='{value}'\n" for name, value in {**settings, **made}.items())
    try:
        yield KEYS
    finally:
        KEYS.unlink(missing_ok=True)

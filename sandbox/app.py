"""Lists the routes, and starts and stops the server with all that belongs to it."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

import aiohttp
from aiohttp import web

from sandbox import account_routes, control_routes, graph_routes
from sandbox.catalogue import Catalogue, default_templates
from sandbox.graph_routes import SANDBOX
from sandbox.journal import Journal
from sandbox.phone import routes as phone_routes
from sandbox.state import Sandbox, Settings
from sandbox.switchboard import Switchboard
from sandbox.webhook import Webhook

VERSION = r"/{version:v\d+\.\d+}"
SHUTDOWN = 1.0  # seconds that requests in flight get when the server stops

ROUTES = [
    web.get("/", phone_routes.to_chats),
    web.post(VERSION + "/{phone_number_id}/{door:messages|marketing_messages}", graph_routes.post_message),
    web.get(VERSION + "/debug_token", account_routes.debug_token),
    web.get(VERSION + "/{phone_number_id}", graph_routes.number),
    web.get(VERSION + "/{waba_id}/message_templates", graph_routes.list_templates),
    web.get(VERSION + "/{waba_id}/subscribed_apps", account_routes.subscribed_apps),
]
CONTROL_ROUTES = [
    web.get("/healthz", control_routes.healthz),
    web.get("/accepted", control_routes.accepted),
    web.delete("/accepted", control_routes.forget_accepted),
    web.get("/messages", control_routes.messages),
    web.post("/faults", control_routes.add_fault),
    web.get("/faults", control_routes.faults),
    web.delete("/faults", control_routes.clear_faults),
    web.delete("/faults/{fault_id}", control_routes.remove_fault),
    web.post("/numbers", control_routes.set_number),
    web.get("/numbers", control_routes.numbers),
    web.delete("/numbers", control_routes.forget_numbers),
    web.post("/templates", control_routes.add_templates),
    web.get("/templates", control_routes.templates),
    web.post("/token", control_routes.replace_token),
    web.post("/account", account_routes.set_account),
    web.get("/account", account_routes.account),
    web.delete("/account", account_routes.forget_account),
    web.post("/webhook", control_routes.replace_webhook),
]


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox that answers at `url`."""

    url: str
    sandbox: Sandbox


@asynccontextmanager
async def serve(settings: Settings, *, now: Callable[[], datetime], rng: random.Random) -> AsyncIterator[Running]:
    """A sandbox that listens for as long as the context lasts; what waits to be notified is dropped at its end.

    Raises:
        OSError: the port is taken, or the journal or a TLS file cannot be opened.
    """
    async with AsyncExitStack() as stack:
        tls = _tls(settings)
        sandbox = await _sandbox(settings, stack, now=now, rng=rng)
        runner = web.AppRunner(_application(sandbox), access_log=None, shutdown_timeout=SHUTDOWN)
        stack.push_async_callback(runner.cleanup)
        stack.callback(sandbox.stopping.set)
        await runner.setup()
        site = web.TCPSite(runner, settings.host, settings.port, backlog=1024, ssl_context=tls)
        await site.start()
        scheme = "https" if settings.tls_cert else "http"
        yield Running(f"{scheme}://{settings.host}:{runner.addresses[0][1]}", sandbox)


async def _sandbox(
    settings: Settings, stack: AsyncExitStack, *, now: Callable[[], datetime], rng: random.Random
) -> Sandbox:
    """Everything a sandbox is made of; `stack` takes it apart again."""
    switchboard = Switchboard(asyncio.get_running_loop().time)
    session = await stack.enter_async_context(aiohttp.ClientSession())
    journal = Journal(stack.enter_context(_open_journal(settings)))
    webhook = Webhook(
        settings.webhook_url,
        settings.app_secret,
        session,
        switchboard.webhook_held_until,
        mark_taken=journal.inbox.mark_taken,
    )
    stack.push_async_callback(_cancel, asyncio.create_task(webhook.run()))
    return Sandbox(
        settings,
        catalogue=Catalogue(default_templates()),
        journal=journal,
        switchboard=switchboard,
        webhook=webhook,
        now=now,
        rng=rng,
    )


def _application(sandbox: Sandbox) -> web.Application:
    control = web.Application(middlewares=[control_routes.explain])
    control[SANDBOX] = sandbox
    control.add_routes(CONTROL_ROUTES)
    app = web.Application()
    app[SANDBOX] = sandbox
    app.add_routes(ROUTES)
    app.add_subapp("/sandbox", control)
    app.add_subapp("/phone", phone_routes.application(sandbox))
    return app


def _open_journal(settings: Settings) -> AbstractContextManager[BinaryIO | None]:
    """Unbuffered, so that a line is with the system when `write` returns: it outlives this process."""
    return settings.journal.open("ab", buffering=0) if settings.journal else nullcontext()


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.tls_cert, settings.tls_key)
    return context


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

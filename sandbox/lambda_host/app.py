"""Lists the routes, and starts and stops the server with the function's environments."""

import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime

from aiohttp import web

from sandbox.lambda_host import invoke_api
from sandbox.lambda_host.environment import Environment
from sandbox.lambda_host.event_source import EventSource
from sandbox.lambda_host.function import Function
from sandbox.lambda_host.invocation import LATEST, Settings
from sandbox.lambda_host.runtime import function_environ

SHUTDOWN = 1.0  # seconds for answers to leave when the environments have ended

ROUTES = [
    web.post(invoke_api.INVOCATIONS, invoke_api.invoke),
    web.get("/healthz", invoke_api.healthz),
    web.route("*", "/{path:.*}", invoke_api.unknown),
]


@asynccontextmanager
async def serve(
    settings: Settings,
    *,
    environ: Mapping[str, str],
    show: Callable[[str], None],
    now: Callable[[], datetime],
    new_id: Callable[[], uuid.UUID],
) -> AsyncIterator[str]:
    """A host that answers at the URL it yields, as long as the context lasts; its processes end with it.

    `environ` is the function's, `show` gets each line of its log. Raises OSError where the port is taken.
    """

    def new_environment() -> Environment:
        stream = f"{now():%Y/%m/%d}/[{LATEST}]{new_id().hex}"
        return Environment(settings, function_environ(settings, environ, stream), show=show, now=now)

    function = Function(settings, new_environment=new_environment, show=show)
    app = web.Application(client_max_size=max(invoke_api.LIMITS.values()), middlewares=[invoke_api.explain])
    app[invoke_api.FUNCTION], app[invoke_api.NOW], app[invoke_api.NEW_ID] = function, now, new_id
    event_source = _event_source(function, show=show, now=now, new_id=new_id)
    app[invoke_api.EVENT_SOURCE] = event_source
    app.add_routes(ROUTES)
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN)
        stack.push_async_callback(runner.cleanup)
        if event_source is not None:
            stack.push_async_callback(event_source.close)
        stack.push_async_callback(function.close)
        await runner.setup()
        site = web.TCPSite(runner, settings.host, settings.port, backlog=1024)
        await site.start()
        stack.push_async_callback(site.stop)
        if event_source is not None:
            event_source.start()
            stack.callback(event_source.stop)
        yield f"http://{settings.host}:{runner.addresses[0][1]}"


def _event_source(
    function: Function, *, show: Callable[[str], None], now: Callable[[], datetime], new_id: Callable[[], uuid.UUID]
) -> EventSource | None:
    settings = function.settings
    if settings.queue_url is None:
        return None
    from sandbox.lambda_host.sqs import Queue  # noqa: PLC0415 - boto3 takes a while, which only a queue is worth

    queue = Queue(settings.queue_url, region=settings.region, connections=settings.queue_concurrency + 1)
    return EventSource(queue, function, show=show, now=now, new_id=new_id)

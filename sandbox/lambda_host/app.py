"""Lists the routes, and starts and stops the server with the function's environments."""

import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime

from aiohttp import web

from sandbox.lambda_host import invoke_api
from sandbox.lambda_host.environment import Environment
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
    app.add_routes(ROUTES)
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN)
        stack.push_async_callback(runner.cleanup)
        stack.push_async_callback(function.close)
        await runner.setup()
        site = web.TCPSite(runner, settings.host, settings.port, backlog=1024)
        await site.start()
        stack.push_async_callback(site.stop)
        yield f"http://{settings.host}:{runner.addresses[0][1]}"

"""The dispatcher's own small port: `/healthz` is 200 while its loop turns, `/metrics` is Prometheus."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

STUCK_SECONDS = 10.0


@asynccontextmanager
async def serve(
    host: str, port: int, since_last_beat: Callable[[], float], registry: CollectorRegistry
) -> AsyncIterator[None]:
    """Listen there while in context."""

    async def healthz(_request: web.Request) -> web.Response:
        stuck = since_last_beat() > STUCK_SECONDS
        return web.Response(status=503 if stuck else 200, text="stuck\n" if stuck else "ok\n")

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()

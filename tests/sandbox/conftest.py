"""A real sandbox and a real webhook on free ports of this machine, both in the test's own event loop.

The loop runs only while `api`, `send` or `told` wait for something; between them the world stands still.
"""

import asyncio
import hashlib
import hmac
import json
import random
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sandbox.app import Running, serve
from sandbox.notifications import Delays
from sandbox.state import Settings

NOW = datetime(2026, 11, 1, 9, 0, 0, 123456, tzinfo=UTC)
SECRET = "the app's secret"
DEADLINE = 10  # seconds any test waits for anything
MESSAGES = "/v25.0/106540352242922/messages"

Answer = tuple[int, Any]


@pytest.fixture
def sample() -> Callable[[str], Any]:
    """The content of a file of tests/samples."""
    folder = Path(__file__).parents[1] / "samples"
    return lambda name: json.loads((folder / name).read_text("utf-8"))


@pytest.fixture
def message() -> Callable[..., dict[str, Any]]:
    """The body of a message that Meta takes, with some of its keys changed; None takes one away."""

    def build(**changes: object) -> dict[str, Any]:
        texts = [{"type": "text", "text": "Ada"}, {"type": "text", "text": "T Shirt"}]
        template = {
            "name": "ordertimeoutnotification",
            "language": {"code": "en_US"},
            "components": [{"type": "body", "parameters": texts}],
        }
        body = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": "+8613800138000",
            "type": "template",
            "template": template,
            "biz_opaque_callback_data": "m1.1",
        }
        return {key: value for key, value in {**body, **changes}.items() if value is not None}

    return build


@pytest.fixture
def sale() -> dict[str, Any]:
    """The `template` of a message with a template of category MARKETING."""
    texts = [{"type": "text", "text": "Ada"}, {"type": "text", "text": "20 %"}]
    return {
        "name": "season_sale",
        "language": {"code": "en_US"},
        "components": [
            {"type": "header", "parameters": [{"type": "image", "image": {"id": "1"}}]},
            {"type": "body", "parameters": texts},
        ],
    }


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def webhook_answers() -> deque[int]:
    """HTTP statuses the webhook answers with, one a POST; 200 when there is none left."""
    return deque()


@pytest.fixture
def notifications() -> list[Any]:
    """Every notification the webhook has got, in the order of arrival, whatever it answered."""
    return []


@pytest.fixture
def arrived() -> asyncio.Event:
    """Set by each notification that reaches the webhook."""
    return asyncio.Event()


@pytest.fixture
def webhook_url(
    runner: asyncio.Runner, webhook_answers: deque[int], notifications: list[Any], arrived: asyncio.Event
) -> Iterator[str]:
    """A webhook that checks signatures over the bytes it got, and echoes Meta's challenge."""

    async def receive(request: web.Request) -> web.Response:
        raw = await request.read()
        expected = "sha256=" + hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
        if request.headers["X-Hub-Signature-256"] != expected:
            return web.Response(status=401)
        notifications.append(json.loads(raw))
        arrived.set()
        return web.Response(status=webhook_answers.popleft() if webhook_answers else 200)

    async def challenge(request: web.Request) -> web.Response:
        is_meta = request.query["hub.verify_token"] == "the verify token"
        return web.Response(text=request.query["hub.challenge"]) if is_meta else web.Response(status=403)

    app = web.Application()
    app.add_routes([web.post("/hook", receive), web.get("/hook", challenge)])
    server = web.AppRunner(app, access_log=None)
    runner.run(server.setup())
    runner.run(web.TCPSite(server, "127.0.0.1", 0).start())
    yield f"http://127.0.0.1:{server.addresses[0][1]}/hook"
    runner.run(server.cleanup())


@pytest.fixture
def running(runner: asyncio.Runner, webhook_url: str) -> Iterator[Running]:
    settings = Settings(
        port=0,
        app_secret=SECRET,
        verify_token="the verify token",
        webhook_url=webhook_url,
        delays=Delays(sent=0.01, delivered=0.02, read=0.03),
    )
    served = serve(settings, now=lambda: NOW, rng=random.Random(7))
    yield runner.run(served.__aenter__())
    runner.run(served.__aexit__(None, None, None))


@pytest.fixture
def api(runner: asyncio.Runner, running: Running) -> Callable[..., Answer]:
    """One request: its status, and its body as JSON where it is JSON, else as text. Raises what aiohttp raises."""

    async def ask(method: str, path: str, body: object, headers: dict[str, str], seconds: float) -> Answer:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body)
        timeout = aiohttp.ClientTimeout(total=seconds)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(method, running.url + path, data=data, headers=headers) as answer,
        ):
            text = await answer.text()
            return answer.status, json.loads(text) if answer.content_type == "application/json" else text

    def call(method: str, path: str, body: object = None, *, seconds: float = DEADLINE, **headers: str) -> Answer:
        return runner.run(ask(method, path, body, headers, seconds))

    return call


@pytest.fixture
def send(api: Callable[..., Answer], message: Callable[..., dict[str, Any]]) -> Callable[..., Answer]:
    """POST /messages, or to another path, with a message of which some keys are changed."""

    def post(
        *, token: str = "sandbox-token", seconds: float = DEADLINE, path: str = MESSAGES, **changes: object
    ) -> Answer:
        return api("POST", path, message(**changes), seconds=seconds, Authorization=f"Bearer {token}")

    return post


@pytest.fixture
def next_changes(
    runner: asyncio.Runner, notifications: list[Any], arrived: asyncio.Event
) -> Callable[[], dict[str, list[Any]]]:
    """Waits for a notification and takes all that have come; their changes by account."""

    async def wait() -> dict[str, list[Any]]:
        async with asyncio.timeout(DEADLINE):
            while not notifications:
                arrived.clear()
                await arrived.wait()
        entries = [entry for one in notifications for entry in one["entry"]]
        notifications.clear()
        return {entry["id"]: entry["changes"] for entry in entries}

    return lambda: runner.run(wait())


@pytest.fixture
def told(runner: asyncio.Runner, notifications: list[Any], arrived: asyncio.Event) -> Callable[[int], list[Any]]:
    """Waits until the webhook has been told so many statuses; all of them."""

    def statuses() -> list[Any]:
        changes = [change for one in notifications for entry in one["entry"] for change in entry["changes"]]
        return [status for change in changes for status in change["value"].get("statuses", [])]

    async def wait(count: int) -> list[Any]:
        async with asyncio.timeout(DEADLINE):
            while len(statuses()) < count:
                arrived.clear()
                await arrived.wait()
        return statuses()

    return lambda count: runner.run(wait(count))

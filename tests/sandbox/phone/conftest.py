"""A sandbox whose clock a test moves, a browser's requests to its phone page, and what its webhook hears of people."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import aiohttp
import pytest

from sandbox.app import Running, serve
from sandbox.notifications import Delays
from sandbox.state import Settings
from tests.sandbox.conftest import DEADLINE, SECRET
from tests.sandbox.phone.looking import Clock, Page


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def running(runner: asyncio.Runner, webhook_url: str, clock: Clock) -> Iterator[Running]:
    """Sent after a minute, delivered after two, read after three."""
    delays = Delays(sent=60, delivered=120, read=180)
    settings = Settings(port=0, app_secret=SECRET, webhook_url=webhook_url, delays=delays)
    served = serve(settings, now=clock, rng=random.Random(7))
    yield runner.run(served.__aenter__())
    runner.run(served.__aexit__(None, None, None))


@pytest.fixture
def browse(runner: asyncio.Runner, running: Running) -> Callable[..., Page]:
    """One request of a browser that follows no redirect; `form` makes it a POST."""

    async def ask(path: str, form: Mapping[str, str] | None, headers: Mapping[str, str]) -> Page:
        method = "GET" if form is None else "POST"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, running.url + path, data=form, headers=headers, allow_redirects=False) as answer,
        ):
            return Page(answer.status, answer.headers, await answer.text())

    return lambda path, form=None, **headers: runner.run(ask(path, form, headers))


@pytest.fixture
def heard(runner: asyncio.Runner, notifications: list[Any], arrived: asyncio.Event) -> Callable[[int], list[Any]]:
    """Waits until the webhook has got so many changes with messages of people; all of them."""

    def changes() -> list[Any]:
        all_changes = [change for one in notifications for entry in one["entry"] for change in entry["changes"]]
        return [change for change in all_changes if "messages" in change["value"]]

    async def wait(count: int) -> list[Any]:
        async with asyncio.timeout(DEADLINE):
            while len(changes()) < count:
                arrived.clear()
                await arrived.wait()
        return changes()

    return lambda count: runner.run(wait(count))


@pytest.fixture
def until_shown(runner: asyncio.Runner, browse: Callable[..., Page]) -> Callable[[str, str], str]:
    """Looks at a page until something is on it."""

    def look(path: str, what: str) -> str:
        deadline = time.monotonic() + DEADLINE
        while what not in (page := browse(path).text):
            assert time.monotonic() < deadline, f"waited in vain for {what!r} in:\n{page}"
            runner.run(asyncio.sleep(0.01))
        return page

    return look

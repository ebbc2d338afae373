"""A real Chromium before a real sandbox, and a webhook that keeps what it is told."""

import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from tests.browser.watching import Phone, Webhook

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Response

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SECRET = "sandbox-app-secret"
READY = "sandbox listening on "
PATIENCE_SECONDS = 20


def _missing(sentence: str) -> NoReturn:
    """Skips, or fails where CI=true: there everything is to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """The system's Chromium."""
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only this suite needs it
    except ImportError:
        _missing("Playwright is not installed: make browser-test brings it")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        _missing("there is no Chromium on the PATH: on Debian, apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


def _complaints(kind: str, text: str) -> list[str]:
    """What the console calls an error, but for answers of 4xx: a test may want a POST refused."""
    return [text] if kind == "error" and not text.startswith("Failed to load resource") else []


def _gone(answer: "Response") -> list[str]:
    """What a page asked for in vain."""
    return [answer.url] if answer.request.method == "GET" and answer.status >= 400 else []


@pytest.fixture
def visit(browser: "Browser") -> Iterator[Callable[..., "Page"]]:
    """A page of a browser with some settings; at the end none has gone elsewhere, nor complained."""
    contexts: list[BrowserContext] = []
    asked: list[str] = []
    complaints: list[str] = []

    def open_page(**settings: Any) -> "Page":
        context = browser.new_context(**{"viewport": {"width": 390, "height": 844}, **settings})
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.extend(_complaints(line.type, line.text)))
        page.on("response", lambda answer: complaints.extend(_gone(answer)))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith("http://127.0.0.1:")] == []
    assert complaints == []


@pytest.fixture
def page(visit: Callable[..., "Page"]) -> "Page":
    """A page as wide as a phone."""
    return visit()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """Takes every notification whose signature is right, and keeps it."""
    news: list[Any] = []
    arrived = threading.Condition()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            expected = "sha256=" + hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
            is_genuine = self.headers["X-Hub-Signature-256"] == expected
            if is_genuine:
                with arrived:
                    news.append(json.loads(raw))
                    arrived.notify_all()
            self.send_response(200 if is_genuine else 401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name is the library's
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Webhook(f"http://127.0.0.1:{server.server_port}/hook", news, arrived)
        server.shutdown()
        thread.join()


@pytest.fixture
def start(webhook: Webhook) -> Iterator[Callable[..., Phone]]:
    """Starts a sandbox; what still runs at the end is stopped."""
    started: list[subprocess.Popen[str]] = []

    def run(*options: str) -> Phone:
        command = [sys.executable, "-m", "sandbox", "--port", "0", "--webhook-url", webhook.url, *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(READY), line
        return Phone(line.removeprefix(READY).strip(), process)

    yield run
    for process in started:
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)


@pytest.fixture
def phone(start: Callable[..., Phone]) -> Phone:
    """A sandbox whose messages are read at once."""
    return start()

"""The one HTTP call: a body goes to the Cloud API, an answer comes back or a SendError says how far the request got.

Before a connection was handed to the request nothing was written: Unavailable. After that, whatever goes wrong, Meta may
have taken the message: Unanswered. There is no third case, and no retry in here.
"""

import ssl
from collections.abc import Callable
from contextvars import ContextVar

import aiohttp
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from service.whatsapp.answer import Accepted, Answer, classify
from service.whatsapp.errors import NotSent, Unanswered, Unavailable

CONNECT_SECONDS = 3.0
"""To get a connection, name look-up and TLS included. A lease's margin is longer than this."""
ANSWER_SECONDS = 30.0
"""To answer; Meta's own load-test page reckons with 0.35 s."""
IDLE_SECONDS = 20.0
"""Shorter than Meta's edge keeps a quiet connection: one that the peer just closed makes an innocent send doubtful."""

Fence = Callable[[], bool]


class Client:
    """Sends over kept-alive TLS connections, as many as its callers use at once. Use as an async context manager."""

    def __init__(self, base_url: str, version: str, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._base = f"{base_url.rstrip('/')}/{version}"
        self._timeout = aiohttp.ClientTimeout(
            total=None, connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=answer_seconds
        )
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Client":
        self._session = aiohttp.ClientSession(
            connector=_FencedConnector(
                limit=0,
                keepalive_timeout=IDLE_SECONDS,
                ttl_dns_cache=30,
                ssl=ssl.create_default_context(),
            ),
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Content-Type": "application/json"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, phone_number_id: str, token: str, body: bytes, may_write: Fence = lambda: True) -> Accepted:
        """POST one message; raise a SendError where it was not accepted.

        `may_write` is asked at the last moment before the first byte: False raises NotSent.
        """
        assert self._session is not None, "use the client as a context manager"
        progress = _Progress(may_write)
        _progress.set(progress)
        try:
            async with self._session.post(
                f"{self._base}/{phone_number_id}/messages",
                data=body,
                headers={"Authorization": f"Bearer {token}"},
                allow_redirects=False,
            ) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                answer = Answer(response.status, await response.read(), headers)
        except NotSent:
            raise
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            if progress.writing:
                raise Unanswered(f"No answer: {type(error).__name__}") from error
            raise Unavailable(f"Could not connect: {type(error).__name__}") from error
        outcome = classify(answer)
        if isinstance(outcome, Accepted):
            return outcome
        raise outcome


class _Progress:
    """How far one request got."""

    def __init__(self, may_write: Fence) -> None:
        self.may_write = may_write
        self.writing = False


_progress: ContextVar[_Progress] = ContextVar("progress of the request that this task sends")


class _FencedConnector(aiohttp.TCPConnector):
    """Asks once more when a connection is there, right before the request is written to it."""

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own signature
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        progress = _progress.get()
        if not progress.may_write():
            connection.release()
            raise NotSent("The lease had run out, or the dispatcher stops")
        progress.writing = True
        return connection

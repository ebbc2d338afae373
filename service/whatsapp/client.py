"""The one HTTP call that sends: a body goes to the Cloud API, an answer comes back or a SendError says how far it got.

Before the first byte was handed to the connection nothing was written: Unavailable. After that, whatever goes wrong, Meta may
have taken the message: Unanswered. There is no third case, and no retry in here. Beside it, the question what Meta says of a
number.
"""

import asyncio
import ssl
from asyncio import sslproto
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from service.message import Door, NumberFacts
from service.whatsapp.answer import Accepted, Answer, classify
from service.whatsapp.limits import ALL_FIELDS, parse_number
from service.whatsapp.send_error import NotSent, SendError, Unanswered, Unavailable

CONNECT_SECONDS = 3.0
"""To get a connection, name look-up and TLS included. A lease's margin is longer than this."""
OPENING_AT_ONCE = 16
"""So many connections are opened at the same time: a thousand handshakes at once would take longer than CONNECT_SECONDS."""
ANSWER_SECONDS = 30.0
"""To answer; Meta's own load-test page reckons with 0.35 s."""
IDLE_SECONDS = 20.0
"""Shorter than Meta's edge keeps a quiet connection: one that the peer just closed makes an innocent send doubtful."""
READ_AT_ONCE = 16 * 1024
"""Bytes that a TLS connection reads, and keeps room for: a record, which holds Meta's answer many times over. Python's own are
256 KB, four fifths of what a connection takes in memory."""

_HELD_BACK = "The lease or the message's time had run out, or the dispatcher stops"
_SHORT = aiohttp.ClientTimeout(total=2 * CONNECT_SECONDS)

Fence = Callable[[], bool]

sslproto.SSLProtocol.max_size = READ_AT_ONCE


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
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(
        self,
        phone_number_id: str,
        token: str,
        body: bytes,
        may_write: Fence = lambda: True,
        door: Door = Door.MESSAGES,
    ) -> Accepted:
        """POST one message; raise a SendError where it was not accepted.

        `may_write` is asked in the call that writes the first byte: False raises NotSent.
        """
        assert self._session is not None, "use the client as a context manager"
        progress = _Progress(may_write)
        _progress.set(progress)
        try:
            async with self._session.post(
                f"{self._base}/{phone_number_id}/{door.value}",
                data=aiohttp.BytesPayload(body, content_type="application/json"),
                headers={"Authorization": f"Bearer {token}"},
                allow_redirects=False,
            ) as response:
                answer = await _read(response)
        except NotSent:
            raise
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            if progress.refused:
                raise NotSent(_HELD_BACK) from None
            if progress.writing:
                raise Unanswered(f"No answer: {type(error).__name__}") from error
            raise Unavailable(f"Could not connect: {type(error).__name__}") from error
        outcome = classify(answer)
        if isinstance(outcome, Accepted):
            return outcome
        raise outcome

    async def number(self, phone_number_id: str, token: str) -> NumberFacts:
        """What Meta says of the number; raise a SendError where it does not."""
        assert self._session is not None, "use the client as a context manager"
        _progress.set(_Progress(lambda: True))
        try:
            async with self._session.get(
                f"{self._base}/{phone_number_id}",
                params={"fields": ALL_FIELDS},
                headers={"Authorization": f"Bearer {token}"},
                timeout=_SHORT,
                allow_redirects=False,
            ) as response:
                answer = await _read(response)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"No answer: {type(error).__name__}") from error
        facts = parse_number(answer.body) if answer.http_status == 200 else None
        if facts is not None:
            return facts
        outcome = classify(answer)
        if isinstance(outcome, SendError) and (outcome.code is not None or answer.http_status >= 400):
            raise outcome
        raise Unavailable("No answer that can be used", http_status=answer.http_status)


async def _read(response: aiohttp.ClientResponse) -> Answer:
    return Answer(response.status, await response.read(), response.headers)


class _Progress:
    """How far one request got."""

    def __init__(self, may_write: Fence) -> None:
        self._may_write = may_write
        self.writing = False
        self.refused = False

    def begin(self) -> None:
        """The first byte is about to leave; raise NotSent where it may not."""
        if self.writing:
            return
        if not self._may_write():
            self.refused = True
            raise NotSent(_HELD_BACK)
        self.writing = True


_progress: ContextVar[_Progress] = ContextVar("progress of the request that this task sends")


class _FencedConnector(aiohttp.TCPConnector):
    """Hands out connections that ask before the first byte of a request, in the very call that writes it.

    A process can be frozen at any moment: what lies between the question and the write is what a lease cannot cover.
    """

    def __init__(self, **facts: Any) -> None:
        super().__init__(**facts)
        self._being_opened = 0

    def _available_connections(self, key: ConnectionKey) -> int:
        """Who gets none of these waits, in order, for one that comes free or for its turn to open one, whichever is first."""
        return OPENING_AT_ONCE - self._being_opened + len(self._conns.get(key, ()))

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        super()._release(key, protocol, should_close=should_close)
        self._release_waiter()

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own signature
    ) -> ResponseHandler:
        self._being_opened += 1
        try:
            return await super()._create_connection(req, traces, timeout)
        finally:
            self._being_opened -= 1
            self._release_waiter()

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own signature
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        protocol = connection.protocol
        if protocol is not None and protocol.transport is not None:
            transport: Any = protocol.transport
            if not isinstance(transport, _FencedTransport):
                protocol.transport = transport = cast("Any", _FencedTransport(transport))
            transport.progress = _progress.get()
        return connection


class _FencedTransport:
    """A connection's transport, which asks how far its newest request got."""

    progress: _Progress

    def __init__(self, bare: asyncio.Transport) -> None:
        self._bare = bare

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Ask, then write."""
        self.progress.begin()
        self._bare.write(data)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Ask, then write."""
        self.progress.begin()
        self._bare.writelines(list_of_data)

    def __getattr__(self, name: str) -> Any:
        """All the rest is the transport's own."""
        return getattr(self._bare, name)

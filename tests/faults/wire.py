"""The wire to somebody on this machine, which a test can cut: nothing is changed at either end of it.

mend     what is said goes through
refuse   nobody listens there, and who was talking is cut off
hang     whoever comes is let in and hears nothing, and who was talking hears nothing more
answer   somebody else answers, always with these bytes
"""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Wire:
    """Leads to `target`, a URL of this machine; `url` is its other end."""

    def __init__(self, target: str) -> None:
        self._to = urlsplit(target).port
        self._port = 0
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.came = 0
        """How many connections have been begun."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)
        self._thread.start()
        self._call(self._become(self._pass_on))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        return self._port

    def mend(self) -> None:
        self._call(self._become(self._pass_on))

    def refuse(self) -> None:
        self._call(self._become(None))

    def hang(self) -> None:
        self._call(self._become(_keep_silent))

    def answer(self, http_status: int, body: bytes, content_type: str = "application/json") -> None:
        head = f"HTTP/1.1 {http_status} -\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"

        async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _read_request(reader)
            writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
            await writer.drain()

        self._call(self._become(reply))

    def cut(self) -> None:
        """Cut everybody off who is talking; whoever comes is served as before."""
        self._call(self._cut())

    def close(self) -> None:
        self._call(self._become(None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _call(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(20)

    async def _become(self, serve: Serve | None) -> None:
        """Serve whoever comes from now on in this way; None: listen no more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut()
        if serve is None:
            return

        async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self.came += 1
            self._open[task] = writer
            try:
                with contextlib.suppress(
                    OSError, asyncio.IncompleteReadError, asyncio.CancelledError
                ):  # `_cut` cancels
                    await serve(reader, writer)
            finally:
                writer.close()
                del self._open[task]

        self._server = await asyncio.start_server(begin, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        talking = dict(self._open)
        for task, writer in talking.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        ways = [asyncio.create_task(_pump(reader, back)), asyncio.create_task(_pump(there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            back.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while some := await reader.read(65536):
        writer.write(some)
        await writer.drain()


async def _keep_silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass


async def _read_request(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length:")[2].split(b"\r\n", 1)[0].strip()
    await reader.readexactly(int(length or 0))


@contextmanager
def wire(target: str) -> Iterator[Wire]:
    """A whole one; it is gone at the end."""
    made = Wire(target)
    try:
        yield made
    finally:
        made.close()

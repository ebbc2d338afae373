"""What one environment prints: shown line by line as it comes, its end kept for the caller of the invocation."""

import asyncio
import os
from collections.abc import Callable

TAIL_BYTES = 4096  # "the last 4 KB of the execution log": https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
CHUNK = 65_536


class Log:
    """The log of one environment; `show` gets each line as text without its end.

    What the function printed before it answered is in the pipe when its answer arrives. So a `drain` at that moment
    has all of it, and no wait is needed.
    """

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._pipe: int | None = None
        self._line = b""
        self._tail = bytearray()

    def open(self) -> int:
        """A new pipe; its writing end, which the caller closes when the process has it."""
        self.close()
        self._pipe, writing = os.pipe()
        os.set_blocking(self._pipe, False)
        asyncio.get_running_loop().add_reader(self._pipe, self.drain)
        return writing

    def write(self, text: str) -> None:
        """Lambda's own line (or lines), after all that was printed so far."""
        self.drain()
        self._end_line()
        for line in text.split("\n"):
            self._add(line.encode())

    def drain(self) -> None:
        """Take what waits in the pipe, without waiting for more."""
        while self._pipe is not None:
            try:
                chunk = os.read(self._pipe, CHUNK)
            except BlockingIOError:
                return
            if not chunk:
                self.close()
                return
            *lines, self._line = (self._line + chunk).split(b"\n")
            for line in lines:
                self._add(line)

    def take(self) -> bytes:
        """The end of what was logged since it was last taken."""
        tail = bytes(self._tail)
        self._tail.clear()
        return tail

    def close(self) -> None:
        """Stop listening, whoever still holds the other end."""
        if self._pipe is not None:
            asyncio.get_running_loop().remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = None
        self._end_line()

    def _end_line(self) -> None:
        if self._line:
            line, self._line = self._line, b""
            self._add(line)

    def _add(self, line: bytes) -> None:
        line = line.replace(b"\r", b"\n")  # awslambdaric's line ends within one record
        self._tail += line + b"\n"
        del self._tail[:-TAIL_BYTES]
        self._show(line.decode(errors="replace"))

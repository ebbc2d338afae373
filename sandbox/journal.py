"""What was accepted: one line per message, written before the answer, and the bodies of the latest messages.

The lines are the evidence of tests that kill the sender: a message without a line was never accepted.
"""

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from sandbox.cloud_api import Message
from sandbox.compact import compact

KEPT_BODIES = 10_000


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that was accepted, under the wamid that names it from now on."""

    message: Message
    phone_number_id: str
    wamid: str
    at: datetime

    def line(self) -> bytes:
        """Its line in the journal, without the end of line."""
        facts = {
            "to": self.message.to,
            "callback_data": self.message.callback_data,
            "at": self.at.isoformat(timespec="microseconds"),
            "phone_number_id": self.phone_number_id,
            "template": self.message.template,
            "wamid": self.wamid,
        }
        return compact(facts)


class Journal:
    """Every line in memory and, when given, in a file opened unbuffered for appending."""

    def __init__(self, file: BinaryIO | None = None, kept_bodies: int = KEPT_BODIES) -> None:
        self._file = file
        self._lines: list[bytes] = []
        self._bodies: deque[tuple[str, bytes]] = deque(maxlen=kept_bodies)

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, accepted: Accepted, body: bytes) -> None:
        """Write its line, and keep the body exactly as it arrived."""
        line = accepted.line()
        if self._file is not None:
            self._file.write(line + b"\n")
        self._lines.append(line)
        self._bodies.append((accepted.message.to, body))

    def as_ndjson(self) -> bytes:
        """Every line, oldest first."""
        return b"".join(line + b"\n" for line in self._lines)

    def as_array(self) -> bytes:
        """The same as one JSON array."""
        return b"[" + b",".join(self._lines) + b"]"

    def bodies(self, to: str | None) -> bytes:
        """The kept bodies as a JSON array, oldest first; of one recipient, or of all when None."""
        return b"[" + b",".join(body for person, body in self._bodies if to in {None, person}) + b"]"

    def clear(self) -> None:
        """Forget lines and bodies. What was appended to the file stays there."""
        self._lines.clear()
        self._bodies.clear()

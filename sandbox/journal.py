"""What was accepted: one line per message, written before the answer, and the latest messages as they came.

The lines are the evidence of tests that kill the sender: a message without a line was never accepted. What people sent
back is kept beside it, in the inbox, for as long as this process runs.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from sandbox.cloud_api import WABA_ID, Door, Message
from sandbox.compact import compact
from sandbox.faults import Course
from sandbox.inbound import Inbound
from sandbox.templates import Template

KEPT = 10_000  # messages, and as many that people sent back


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that was accepted at `door` from a number of the account `waba_id`, under the wamid that now names it."""

    message: Message
    phone_number_id: str
    wamid: str
    at: datetime
    door: Door = "messages"
    waba_id: str = WABA_ID

    def line(self) -> bytes:
        """Its line in the journal, without the end of line."""
        facts = {
            "to": self.message.to,
            "callback_data": self.message.callback_data,
            "at": self.at.isoformat(timespec="microseconds"),
            "phone_number_id": self.phone_number_id,
            "template": self.message.template,
            "wamid": self.wamid,
            "door": self.door,
        }
        return compact(facts)


@dataclass(frozen=True, slots=True)
class Kept:
    """An accepted message with all that a phone needs to show it, unread until somebody looks.

    `template` is the one it was sent with, whatever became of it since.
    """

    accepted: Accepted
    body: bytes
    template: Template
    course: Course


class Inbox:
    """What people sent to the business, oldest first, and which of it the webhook has taken."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._inbound: dict[str, Inbound] = {}
        self._taken: set[str] = set()

    def add(self, inbound: Inbound) -> None:
        """Keep one more; the oldest goes when there are too many."""
        self._inbound[inbound.wamid] = inbound
        if len(self._inbound) > self._kept:
            oldest = next(iter(self._inbound))
            del self._inbound[oldest]
            self._taken.discard(oldest)

    def mark_taken(self, inbound: Inbound) -> None:
        """The webhook has answered it with 200."""
        if inbound.wamid in self._inbound:
            self._taken.add(inbound.wamid)

    def is_taken(self, inbound: Inbound) -> bool:
        """Whether the webhook has answered it with 200."""
        return inbound.wamid in self._taken

    def all(self) -> Iterable[Inbound]:
        """Every message that is kept."""
        return self._inbound.values()

    def clear(self) -> None:
        """Forget them."""
        self._inbound.clear()
        self._taken.clear()


class Journal:
    """Every line in memory and, when given, in a file opened unbuffered for appending."""

    def __init__(self, file: BinaryIO | None = None, kept: int = KEPT) -> None:
        self.inbox = Inbox(kept)
        self._file = file
        self._lines: list[bytes] = []
        self._latest: deque[Kept] = deque(maxlen=kept)

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, kept: Kept) -> None:
        """Write its line, and keep it with the body exactly as it arrived."""
        line = kept.accepted.line()
        if self._file is not None:
            self._file.write(line + b"\n")
        self._lines.append(line)
        self._latest.append(kept)

    def as_ndjson(self) -> bytes:
        """Every line, oldest first."""
        return b"".join(line + b"\n" for line in self._lines)

    def as_array(self) -> bytes:
        """The same as one JSON array."""
        return b"[" + b",".join(self._lines) + b"]"

    def latest(self) -> Iterable[Kept]:
        """The messages that are kept, oldest first."""
        return self._latest

    def bodies(self, to: str | None) -> bytes:
        """The kept bodies as a JSON array, oldest first; of one recipient, or of all when None."""
        kept = (one.body for one in self._latest if to in {None, one.accepted.message.to})
        return b"[" + b",".join(kept) + b"]"

    def clear(self) -> None:
        """Forget lines, messages and the inbox. What was appended to the file stays there."""
        self._lines.clear()
        self._latest.clear()
        self.inbox.clear()

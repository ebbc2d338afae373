"""A flood of notifications, as Meta posts them: of one campaign, each status several times, in any order, in batches.

Flood.rounds   what is told of the messages in the journal, mixed up, with items in it that nobody can read
pour           posts it from several callers at once, and again where it was not taken
forge          posts what nobody signed, or somebody else
memory         what the processes that take it use, at each moment
"""

import hashlib
import hmac
import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import requests

from tests.faults.own_postgres import children
from tests.running import NUMBER, System

SECRET = b"sandbox-app-secret"
STATUSES = ("sent", "delivered", "read")
BATCH = 1000
"""Meta's limit for the updates in one notification."""
WABA = "102290129340398"
AGAIN = 131016
"""Meta's code for a service that was unavailable: a message that failed of it is sent again."""
GARBAGE: tuple[Any, ...] = (
    None,
    17,
    [],
    {},
    "a text",
    {"status": "read"},
    {"id": "wamid.NOBODYS", "status": 5, "timestamp": "1791486000"},
    {"id": "wamid.NOBODYS", "status": "read", "timestamp": "yesterday"},
    {"id": ["wamid.NOBODYS"], "status": "read", "timestamp": "1791486000"},
    {"id": "wamid.NOBODYS", "status": "read", "timestamp": "9" * 40},
    {
        "id": "wamid.NOBODYS",
        "status": "sent",
        "timestamp": "1791486000",
        "biz_opaque_callback_data": "x\x00\ud800" * 90,
    },
    {"id": "wamid.NOBODYS", "status": "failed", "timestamp": "1791486000", "errors": {"code": []}},
)
"""What stands among the good ones."""


def update(line: Mapping[str, str], status: str, at: int, **more: Any) -> dict[str, Any]:
    """One status of a message, from its line in the journal."""
    return {
        **more,
        "id": line["wamid"],
        "status": status,
        "timestamp": str(at),
        "recipient_id": line["to"].removeprefix("+"),
        "biz_opaque_callback_data": line["callback_data"],
    }


def notification(items: Iterable[Any], padding: int = 0) -> bytes:
    """A body with these items; with so many bytes that say nothing."""
    metadata = {"display_phone_number": "15550783881", "phone_number_id": NUMBER}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": list(items), "padding": "x" * padding}
    change = {"field": "messages", "value": value}
    return json.dumps({"object": "whatsapp_business_account", "entry": [{"id": WABA, "changes": [change]}]}).encode()


class Flood:
    """What is told of these lines of the journal, each status `times` times."""

    def __init__(self, lines: Iterable[Mapping[str, str]], rng: Random, times: int = 3) -> None:
        now = int(time.time())
        self._rng = rng
        self.items: list[Any] = [
            update(line, status, now + n) for line in lines for n, status in enumerate(STATUSES) for _ in range(times)
        ]
        rng.shuffle(self.items)

    def batches(self, padding: int = 0) -> Iterator[bytes]:
        """In bodies of as many as Meta sends at most, each with all the garbage in it."""
        room = BATCH - len(GARBAGE)
        for begin in range(0, len(self.items), room):
            mixed = [*self.items[begin : begin + room], *GARBAGE]
            self._rng.shuffle(mixed)
            yield notification(mixed, padding)

    def singles(self, many: int) -> Iterator[bytes]:
        """So many of them again, one by one."""
        for item in self._rng.sample(self.items, many):
            yield notification([item])


def late_failures(lines: Iterable[Mapping[str, str]]) -> list[Any]:
    """That each of them failed, of which Meta was the cause: where it could be true, such a message would go again."""
    errors = [{"code": AGAIN, "title": "Service unavailable"}]
    return [update(line, "failed", int(time.time()), errors=errors) for line in lines]


def pour(system: System, bodies: Iterable[bytes], callers: int = 6) -> Counter[str]:
    """Post all of them; what is not answered with 200 is posted again, as Meta does. What the answers were."""
    answers: Counter[str] = Counter()

    def post(body: bytes) -> None:
        for _ in range(20):
            answer = _posted(system, body, _signature(SECRET, body))
            answers[answer] += 1
            if answer == "200":
                return
            threading.Event().wait(0.5)
        raise AssertionError(f"a notification was never taken: {answers}")

    with ThreadPoolExecutor(callers) as threads:
        for _ in threads.map(post, bodies):
            pass
    return answers


def forge(system: System, body: bytes) -> Counter[str]:
    """Post it with no signature and with each kind that is not right for it; what the answers were."""
    right = _signature(SECRET, body)
    wrong = (
        None,
        "",
        "sha256=",
        _signature(b"somebody-elses-secret", body),
        _signature(SECRET, body + b" "),
        right.removeprefix("sha256="),
        right.replace("sha256", "sha1"),
        right[:-1],
    )
    return Counter(_posted(system, body, one) for one in wrong)


def _signature(secret: bytes, body: bytes) -> str:
    return f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"


def _posted(system: System, body: bytes, signature: str | None) -> str:
    """The HTTP status of the answer, or "none"."""
    signed = {} if signature is None else {"X-Hub-Signature-256": signature}
    headers = {"Content-Type": "application/json", **signed}
    try:
        return str(requests.post(f"{system.url}/webhooks/whatsapp", data=body, headers=headers, timeout=30).status_code)
    except requests.RequestException:
        return "none"


def memory(system: System) -> int:
    """Megabytes that the workers of the web service hold."""
    return sum(_resident(pid) for pid in children(system.pid("web"))) // 1024


def _resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))


@contextmanager
def watched(system: System) -> Iterator[list[int]]:
    """What `memory` is, twice a second."""
    stop, seen = threading.Event(), [memory(system)]

    def watch() -> None:
        while not stop.wait(0.5):
            seen.append(memory(system))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join(10)

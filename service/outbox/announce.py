"""Tells the dispatchers which numbers have work.

PostgreSQL: a NOTIFY after the commit, from a thread of its own. A NOTIFY inside the transaction would make all commits queue
behind one lock; from the thread, any number of commits that come within a few milliseconds make one. SQLite needs none: the
dispatcher watches the file.
"""

import json
import logging
import threading
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from sqlalchemy import Connection, Engine

from service.message import Message, Priority, Rejection
from service.outbox.database import StoreUnavailable, without_transaction

CHANNEL = "whatsapp_channel_work"
EVERY_SECONDS = 0.005
"""How soon after one announcement the next may follow: what comes meanwhile goes into that one."""
KEPT_SECONDS = 1.0
"""For how long after the last announcement its connection is kept for the next."""
TROUBLE_SECONDS = 1.0
LONGEST = 7_999
"""Bytes that PostgreSQL takes (https://www.postgresql.org/docs/current/sql-notify.html)."""

Work: TypeAlias = Mapping[str, Priority]
"""The most urgent priority of what has come, for each phone number id."""

ALL = "*"
EVERYBODY: Work = {ALL: Priority.NORMAL}
"""Any number may have work, nobody knows which."""

_NOTIFY = "SELECT pg_notify(%s, %s)"

log = logging.getLogger(__name__)


def work_of(results: Iterable[Message | Rejection]) -> Work:
    """What these messages are to those who send them."""
    work: dict[str, Priority] = {}
    for item in results:
        if isinstance(item, Message):
            _add(work, {item.phone_number_id: item.priority})
    return work


def write(work: Work) -> str:
    """As it is announced: JSON, or an announcement to everybody where that would be too long."""
    words = json.dumps(work, separators=(",", ":"))
    return words if len(words) <= LONGEST else json.dumps({ALL: min(work.values())})


def read(words: str) -> Work:
    """What was announced. Whatever cannot be read concerns everybody, as does a NOTIFY without a word."""
    try:
        return {str(number): Priority(priority) for number, priority in json.loads(words).items()} or EVERYBODY
    except (ValueError, AttributeError):
        return EVERYBODY


def _add(work: dict[str, Priority], more: Work) -> None:
    for number, priority in more.items():
        work[number] = min(priority, work.get(number, priority))


class Announcer:
    """Call it after a commit that added work. The thread starts with the first call, so after a web server has forked."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._untold: dict[str, Priority] = {}
        self._called, self._pause = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def __call__(self, work: Work) -> None:
        """Return at once; the dispatchers hear of it within a few milliseconds."""
        with self._lock:
            _add(self._untold, work)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)
                self._thread.start()
            self._called.set()

    def _run(self) -> None:
        while True:
            self._called.wait()
            try:
                with without_transaction(self._engine) as connection:
                    self._tell(connection)
            except StoreUnavailable as error:
                log.warning("work.not_announced reason=%s", error)  # the dispatchers, who look twice a second, find it
                self._pause.wait(TROUBLE_SECONDS)

    def _tell(self, connection: Connection) -> None:
        """Whatever comes, until nothing does for a while."""
        while self._called.wait(KEPT_SECONDS):
            with self._lock:
                self._called.clear()
                work, self._untold = self._untold, {}
            connection.exec_driver_sql(_NOTIFY, (CHANNEL, write(work)))
            self._pause.wait(EVERY_SECONDS)

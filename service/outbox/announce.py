"""Tells the dispatchers that there is work.

PostgreSQL: one NOTIFY after the commit, from a thread of its own. A NOTIFY inside the transaction would make all commits
queue behind one lock; from the thread, any number of commits that come while one is under way make one more. SQLite needs
none: the dispatcher watches the file.
"""

import logging
import threading

from sqlalchemy import Engine, text

from service.outbox.database import StoreUnavailable, transaction

CHANNEL = "whatsapp_channel_work"

log = logging.getLogger(__name__)


class Announcer:
    """Call it after a commit that added work. The thread starts with the first call, so after a web server has forked."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._work = threading.Event()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def __call__(self) -> None:
        """Return at once; the dispatchers hear of it within about a millisecond."""
        self._work.set()
        with self._start:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._work.wait()
            self._work.clear()
            try:
                with transaction(self._engine) as connection:
                    connection.execute(text(f"NOTIFY {CHANNEL}"))
            except StoreUnavailable as error:
                log.warning("work.not_announced reason=%s", error)  # the dispatchers' slow poll finds it

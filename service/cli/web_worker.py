"""gunicorn's worker with threads, which gives a client only so long.

gunicorn waits for a client's first byte without a thread, but for all that follow with one, and for ever: as many clients as
there are threads, each with a byte a second, would keep everybody else out. And it waits up to two seconds for a client to
close, one client after the other, in the loop that serves all.
"""

import contextlib
import logging
import socket
import sys
import time
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from service.secrets import SecretProblem

READ_SECONDS = 15.0
"""6 MB, the longest body, within it is 3.4 Mbit/s. Nothing but reading ends then: an answer may take longer."""
AGAIN_SECONDS = 1.0
"""How soon keys in a secret that could not be used are asked for again."""

log = logging.getLogger(__name__)


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Closes the reading side of connections that have been at one request for too long; each thread closes its own."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._begun: dict[TConn, float] = {}

    def load_wsgi(self) -> None:
        """Wait for keys in a secret that cannot be used: gunicorn ends all other workers too, if one cannot begin."""
        while self.alive:
            try:
                return super().load_wsgi()  # type: ignore[no-any-return]
            except SecretProblem as problem:
                log.error("worker.waits reason=%s", problem)
                self.notify()
                time.sleep(AGAIN_SECONDS)
        sys.exit(0)

    def handle(self, conn: TConn) -> Any:
        """One request, in a thread. False: the connection is not kept, and is closed here."""
        self._begun[conn] = time.monotonic()
        try:
            kept = super().handle(conn)
        finally:
            self._begun.pop(conn, None)
        if kept is False:
            with contextlib.suppress(OSError):  # it is gone already
                conn.close(graceful=True)
            conn.close = _closed_already
        return kept

    def murder_pending(self) -> None:
        """The worker's own loop looks here at least every second."""
        super().murder_pending()
        late = time.monotonic() - READ_SECONDS
        for conn, begun in list(self._begun.items()):
            if begun <= late:
                self._begun.pop(conn, None)
                with contextlib.suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RD)


def _closed_already(graceful: bool = False) -> None:
    """What the loop calls afterwards, which must not wait."""

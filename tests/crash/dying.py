"""`python -m tests.crash.dying SEAM WHEN NTH FLAG COMMAND`: a command of the service that is killed at a chosen moment.

SEAM names the transaction (`SEAMS`), WHEN is `before` or `after` its commit, NTH says the how-manieth of them. It dies as by
kill -9, once: whoever takes FLAG, a file, away. What is started in its place, such as another worker of gunicorn's, lives.
"""

import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Pool, event

from service.cli import main as run

SEAMS = {
    "accept": r"INSERT INTO messages",
    "claim": r"UPDATE messages SET .*lease_epoch=",
    "settle": r"UPDATE attempts SET .*duration_ms=",
    "notification": r"UPDATE attempts SET .*delivered_at=",
    "take-over": r"INSERT INTO leases",
}
"""What the statement looks like by which the transaction is known."""


class Doom:
    """Counts the transactions of one kind, and kills this process at the one."""

    def __init__(self, seam: str, when: str, nth: int, flag: Path) -> None:
        self._known_by = re.compile(SEAMS[seam], re.S)
        self._when, self._left, self._flag = when, nth, flag
        event.listen(Engine, "before_cursor_execute", self._look)
        event.listen(Engine, "commit", self._before)
        event.listen(Pool, "checkin", self._after)

    def _look(self, connection: Connection, _cursor: Any, statement: str, *_more: Any) -> None:
        if self._known_by.search(statement):
            connection.info["doomed"] = True

    def _before(self, connection: Connection) -> None:
        if self._when == "before" and connection.info.pop("doomed", False):
            self._die()

    def _after(self, _connection: Any, record: Any) -> None:
        if self._when == "after" and record.info.pop("doomed", False):
            self._die()

    def _die(self) -> None:
        self._left -= 1
        if self._left > 0:
            return
        try:
            self._flag.unlink()
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    seam, when, nth, flag, *command = sys.argv[1:]
    Doom(seam, when, int(nth), Path(flag))
    sys.argv = ["whatsapp-channel", *command]
    run()


if __name__ == "__main__":
    main()

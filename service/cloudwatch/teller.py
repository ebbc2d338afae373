"""Writes the lines: at the start and each period, in a thread of its own, and at the end, so that nothing counted is lost.

A process that is killed takes with it what it has counted since its last lines.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from threading import Event, Lock, Thread

from service.cloudwatch.lines import Family, Totals, lines
from service.outbox.database import StoreUnavailable

LEAVE_SECONDS = 2.0
"""How long the end waits for a reading of the store that has begun."""

log = logging.getLogger(__name__)

Read = Callable[[], Iterable[Family]]
"""What Prometheus would be told now; may raise StoreUnavailable."""


class Teller:
    """`counted` is what this process counts and is written at the end too; `measured` is read from elsewhere.

    `write` takes one line at a time, without its end; it may raise OSError.
    """

    def __init__(
        self,
        counted: Read,
        measured: Sequence[Read],
        *,
        write: Callable[[str], None],
        now: Callable[[], datetime],
        namespace: str,
        every: timedelta,
    ) -> None:
        self._write = write
        self._now = now
        self._namespace = namespace
        self._every = every
        self._counted = _Told(counted)
        self._measured = [_Told(read) for read in measured]
        self._stop = Event()
        self._thread = Thread(target=self._run, name="cloudwatch", daemon=True)

    def start(self) -> None:
        """Write now, and each period from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Write what was counted since, and end."""
        self._stop.set()
        self._thread.join(LEAVE_SECONDS)
        self._tell(self._counted)

    def _run(self) -> None:
        while True:
            for source in (self._counted, *self._measured):
                self._tell(source)
            if self._stop.wait(self._every.total_seconds()):
                return

    def _tell(self, source: "_Told") -> None:
        """One source's lines; where that fails, what was counted is in the next."""
        try:
            source.tell(self._write, self._now(), self._namespace)
        except (StoreUnavailable, OSError) as error:
            log.warning("cloudwatch.waits reason=%s", error)


class _Told:
    """A source, and what was told of it last."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._before: Totals = {}
        self._lock = Lock()

    def tell(self, write: Callable[[str], None], now: datetime, namespace: str) -> None:
        with self._lock:
            found, totals = lines(self._read(), self._before, now, namespace)
            for line in found:
                write(line)
            self._before = totals

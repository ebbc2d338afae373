"""The pieces of the channel as processes of their own: started together, stopped together."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from service.config import ConfigError

READY_SECONDS = 60.0
STOP_SECONDS = 30.0
TICK = 0.1
SHOWN_LINES = 12


@dataclass(frozen=True, slots=True)
class Piece:
    """One process: what Python is to run, and the address that answers 200 once it is ready."""

    name: str
    arguments: Sequence[str]
    ready_at: str


class Processes:
    """Running pieces. Ctrl-C, SIGTERM and a closed terminal set `stopping`; every piece has a session of its own.

    `log` is the file they log to, None for our own output.
    """

    def __init__(self, pieces: Sequence[Piece], environment: Mapping[str, str], log: Path | None) -> None:
        self.stopping = False
        self._pieces = pieces
        self._environment = dict(environment)
        self.log = log
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop_requested)

    @property
    def names(self) -> str:
        """The pieces, for people."""
        return ", ".join(piece.name for piece in self._pieces)

    def wait_until_ready(self) -> None:
        """Return when every piece answers, or somebody stops us. Raises ConfigError where one has ended or is too slow."""
        waiting = [piece.ready_at for piece in self._pieces]
        deadline = time.monotonic() + READY_SECONDS
        while waiting and not self.stopping:
            self.check()
            if _answers(waiting[0]):
                waiting.pop(0)
                continue
            if time.monotonic() > deadline:
                raise ConfigError([f"{waiting[0]} does not answer after {READY_SECONDS:.0f} s{self._last_lines()}"])
            time.sleep(TICK)

    def wait(self, until: Callable[[], bool] = lambda: False, pause: float = TICK) -> None:
        """Return when `until` holds or somebody stops us; it is asked again after `pause` seconds."""
        while not self.stopping and not until():
            self.check()
            time.sleep(pause)

    def check(self) -> None:
        """Raise ConfigError where a piece has ended by itself."""
        for name, process in self._running.items():
            status = process.poll()
            if status is not None and not self.stopping:
                how = f"was killed (signal {-status})" if status < 0 else f"has ended by itself (exit {status})"
                raise ConfigError([f"{name} {how}, and the rest was stopped{self._last_lines()}"])

    def start(self) -> None:
        """Start every piece."""
        with _opened(self.log) as output:
            for piece in self._pieces:
                self._running[piece.name] = subprocess.Popen(  # noqa: S603 - our own modules
                    [sys.executable, *piece.arguments],
                    env=self._environment,
                    start_new_session=True,
                    stdout=output,
                    stderr=output,
                )

    def stop(self) -> None:
        """Ask every piece to finish what it has begun; kill what has not ended after STOP_SECONDS."""
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in self._running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _stop_requested(self, _signum: int, _frame: object) -> None:
        self.stopping = True

    def _last_lines(self) -> str:
        """The end of the log, where it went to a file; a terminal has shown it already."""
        if self.log is None:
            return ""
        lines = self.log.read_text("utf-8", "replace").splitlines()[-SHOWN_LINES:]
        return "; the end of " + "\n  ".join([f"{self.log}:", *lines])


@contextmanager
def _opened(log: Path | None) -> Iterator[int | None]:
    """The log's file descriptor, or None for our own output."""
    if log is None:
        yield None
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        yield file.fileno()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=1).status_code == 200
    except requests.RequestException:
        return False

"""The disk under the database is full, under load: what cannot be kept is answered 503, what was kept goes later."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults import windows
from tests.faults.own_postgres import OwnPostgres
from tests.faults.rows import Row
from tests.faults.small_disk import SmallDisk, small_disk
from tests.faults.test_database import errors_alarm, pause, under_load, until_all_read

FULL_SECONDS = 8.0
MEGABYTES = {"file": 48, "data": 320, "log": 160}

pytestmark = pytest.mark.proof


@dataclass(frozen=True, slots=True)
class Place:
    """A database on a small disk."""

    disk: SmallDisk
    url: str
    server: OwnPostgres | None = None

    def fill(self, what: str) -> None:
        self.disk.fill()
        if self.server and what == "log":
            self.server.use_up_log()

    def free(self) -> None:
        """As somebody would: make room, and start what has ended."""
        self.disk.drain()
        if self.server:
            self.server.start()


@contextmanager
def on_small_disk(what: str, migrated: Path) -> Iterator[Place]:
    """SQLite's `file`, PostgreSQL's whole `data`, or only its `log`, which it cannot do without for a moment."""
    with tempfile.TemporaryDirectory(prefix="channel-disk-") as name, ExitStack() as opened:
        folder = Path(name)
        folder.chmod(0o755)
        disk = opened.enter_context(small_disk(folder / "disk", MEGABYTES[what]))
        if what == "file":
            yield Place(disk, f"sqlite:///{shutil.copy(migrated, disk.folder)}")
            return
        server = opened.enter_context(closing(OwnPostgres((disk.folder if what == "data" else folder) / "data")))
        if what == "log":
            server.move_log(disk.folder)
        yield Place(disk, server.url, server)


def no_space(server: OwnPostgres) -> str:
    """What PostgreSQL itself says of it."""
    line = next(line for line in server.log().splitlines() if "No space left" in line)
    return line[line.index("] ") + 2 :]


@pytest.mark.parametrize("what", ["file", "data", "log"])
def test_a_full_disk_loses_nothing(
    what: str, migrated: Path, tmp_path: Path, sample: dict[str, Any], record: Callable[[Row], None]
) -> None:
    with on_small_disk(what, migrated) as place, under_load(place.url, tmp_path, sample) as (system, traffic):
        place.fill(what)
        full_at = time.monotonic()
        try:
            seen = [
                windows.log(system, "web", r"request\.refused route=\S+ reason=.*([Nn]o space|full|recovery|closed)"),
                windows.log(system, "one", r"(lane|settler|roster|lease)\.waits .*reason="),
            ]
            system.until(lambda: traffic.answers["503"] > 0, "an event to be refused", 30)
            pause(FULL_SECONDS, full_at)
            seen.append(errors_alarm(system, time.monotonic() - full_at))
            if place.server:
                seen.append(f"log of PostgreSQL: {no_space(place.server)}")
            seen.append(windows.alarm("database-storage", value=place.disk.free()))
        finally:
            place.free()
        recovered = until_all_read(system, traffic, time.monotonic())
        record(traffic.judge(f"disk of the {what} full", tried=1, recovered=recovered, seen=tuple(seen)))

"""Threads that write to one SQLite file take turns; somebody else who keeps it locked makes none of them wait for all."""

import shutil
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from service.outbox.database import open_engine
from service.outbox.outbox import Outbox, StoreUnavailable
from tests.outbox.making import NOW, at_once

SHIM_WAITS_SECONDS = 6.0
WRITERS = 4


def test_each_of_many_writers_hears_that_the_file_is_locked_before_its_caller_gives_up(
    migrated: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copy(migrated, tmp_path))
    engine = open_engine(f"sqlite:///{path}")
    outbox = Outbox(engine, max_tries=8)

    def write() -> float:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="locked"):
            outbox.prove_writable(NOW)
        return time.monotonic() - began

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert max(at_once([write] * WRITERS)) < SHIM_WAITS_SECONDS
    engine.dispose()


def test_writers_that_only_wait_for_each_other_all_write(migrated: Path, tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{shutil.copy(migrated, tmp_path)}")
    outbox, done = Outbox(engine, max_tries=8), threading.Semaphore(0)

    def write() -> None:
        outbox.prove_writable(NOW)
        done.release()

    at_once([write] * 16)
    assert all(done.acquire(blocking=False) for _ in range(16))
    engine.dispose()

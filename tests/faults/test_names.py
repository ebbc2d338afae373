"""The name of the Cloud API cannot be looked up for a while: unknown, no name server answers, one that says nothing.

The dispatcher runs in a mount namespace of its own, in which `/etc/hosts` and `/etc/resolv.conf` are the test's: the look-up
is the system's. Who could not be looked up was not sent, which uses up no try.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.faults import windows
from tests.faults.rows import Row
from tests.faults.test_cloud_api import TRIED_AGAIN_SECONDS
from tests.faults.test_database import SETTINGS, pause
from tests.faults.traffic import Traffic
from tests.faults.wire import Wire, wire
from tests.running import NUMBER, System, free_port, running

NAME = "cloudapi"
NOBODY, SILENT = "127.0.0.1", "127.0.0.153"
"""Name servers: none listens at the one, which is said at once; at the other one does, and never answers."""
AWAY_SECONDS = 15.0
EVENTS, SIZE = 20, 50
ALARM = 10
"""So many in five minutes are enough for the alarm."""
REPLACED = ("hosts", "resolv.conf", "nsswitch.conf")
MOUNT = "".join(f'mount --bind "$0/{name}" /etc/{name} && ' for name in REPLACED) + 'exec "$@"'
ALONE = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
BECOME = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])"

Record = Callable[[Row], None]


class Names:
    """What the dispatcher's machine knows of names. A file is changed in place: another one would not be seen."""

    def __init__(self, folder: Path, name_server: str) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "nsswitch.conf").write_text("hosts: files dns\n")
        (folder / "resolv.conf").write_text(f"nameserver {name_server}\n")
        self.forget()

    def forget(self) -> None:
        (self.folder / "hosts").write_text("127.0.0.1 localhost\n")

    def learn(self) -> None:
        (self.folder / "hosts").write_text(f"127.0.0.1 localhost {NAME}\n")

    def start_dispatcher(self, system: System) -> None:
        """One that knows no other names."""
        port = free_port()
        system._metrics["dispatcher"] = f"http://127.0.0.1:{port}/metrics"
        command = [*ALONE, "sh", "-c", MOUNT, str(self.folder), sys.executable, "-m", "service", "dispatcher"]
        system._start("dispatcher", ["-c", BECOME, *command], DISPATCHER_PORT=str(port))
        system.until(lambda: system._answers(f"http://127.0.0.1:{port}/healthz"), "the dispatcher to be alive")


def missing(what: str) -> None:
    """With CI=true it may not be."""
    how = f"{what}: run this as root, as in a container"
    pytest.fail(how) if os.environ.get("CI") == "true" else pytest.skip(how)


@contextmanager
def sending(
    database_url: str, folder: Path, sample: dict[str, Any], name_server: str
) -> Iterator[tuple[System, Traffic, Names, Wire]]:
    """Web and a campaign that comes. MAX_ATTEMPTS is one: whatever counted would be the end of its message."""
    if shutil.which("unshare") is None or subprocess.run([*ALONE, "true"], check=False).returncode != 0:
        missing("a mount namespace cannot be made (unshare of util-linux)")
    names = Names(folder / "names", name_server)
    with ExitStack() as opened:
        system = opened.enter_context(running(database_url, folder, **{**SETTINGS, "MAX_ATTEMPTS": "1"}))
        to_meta = opened.enter_context(wire(system.sandbox))
        system.start_sandbox("--answer-after", "0.03")
        system.start_web()
        system.settings["WHATSAPP_API_URL"] = f"http://{NAME}:{to_meta.port}"
        traffic = opened.enter_context(Traffic(system, sample, events=EVENTS, size=SIZE))
        yield system, traffic, names, to_meta


def what_is_shown(system: System) -> tuple[str, ...]:
    return (
        windows.log(
            system, "dispatcher", rf"number\.unreached phone_number_id={NUMBER} in_a_row=10 reason=Could not connect"
        ),
        windows.log(system, "dispatcher", r"outcome=unavailable status=queued http_status=None"),
        windows.metric(system, "dispatcher", "channel_attempts_total", outcome="unavailable", above=ALARM),
        windows.alarm("meta-unavailable", accepted=0, unavailable=unreached(system)),
        windows.console_says(system, "/console/", rf"Meta could not be asked about number {NUMBER}: [^;]+"),
    )


def unreached(system: System) -> float:
    return windows.read(system, "dispatcher", "channel_attempts_total", outcome="unavailable")


@pytest.mark.proof
@pytest.mark.parametrize("name_server", [NOBODY, SILENT], ids=["no name server", "silent name server"])
def test_a_name_that_cannot_be_looked_up_keeps_messages_until_it_can(
    database_url: str, tmp_path: Path, sample: dict[str, Any], record: Record, name_server: str
) -> None:
    with (
        silent_name_server() if name_server == SILENT else nullcontext(),
        sending(database_url, tmp_path, sample, name_server) as (system, traffic, names, to_meta),
    ):
        names.start_dispatcher(system)
        began = time.monotonic()
        seen = what_is_shown(system)
        pause(AWAY_SECONDS, began)
        assert (to_meta.came, system.accepted()) == (0, 0)
        tried = int(unreached(system))
        names.learn()
        since = time.monotonic()
        system.until_counts({"read": traffic.total}, TRIED_AGAIN_SECONDS + 30)
        recovered = time.monotonic() - since
        system.until(
            lambda: "could not be asked" not in windows.console(system, "/console/"), "that to be said no more", 30
        )
        assert "lease.lost" not in system.log("dispatcher"), "who looks names up kept the database waiting"
        how = "unknown" if name_server == NOBODY else "name server silent"
        record(traffic.judge(f"Cloud API's name {how}", tried=tried, recovered=recovered, seen=seen))


@contextmanager
def silent_name_server() -> Iterator[None]:
    """Takes questions and leaves them."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as listening:
        try:
            listening.bind((SILENT, 53))
        except PermissionError:
            missing("a name server needs the right to port 53")
        yield

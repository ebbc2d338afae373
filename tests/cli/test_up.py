"""`whatsapp-channel up` as a newcomer runs it: a campaign to watch, signs where to look, one Ctrl-C."""

import os
import re
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.cli.up import need_space
from service.config import ConfigError
from tests.conftest import SAMPLES
from tests.running import free_port, until

UP = "Ctrl-C stops everything."
ARTICLE, FIFTY = SAMPLES / "pinpoint_campaign_article.json", SAMPLES / "pinpoint_campaign_fifty.json"


class Up:
    """One `up` in a folder of its own, on free ports."""

    def __init__(self, folder: Path, *options: str, **settings: str) -> None:
        self.folder = folder
        self.sandbox, self.lambda_host = free_port(), free_port()
        self._out, self._err = folder / "stdout", folder / "stderr"
        ports = {"PORT": str(free_port()), "DISPATCHER_PORT": str(free_port())}
        clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        places = ["--sandbox-port", str(self.sandbox), "--lambda-port", str(self.lambda_host)]
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service", "up", *places, *options],
                cwd=folder,
                env={**clean, **ports, "WEB_WORKERS": "1", "COLUMNS": "160", **settings},
                stdout=out,
                stderr=err,
            )

    @property
    def shown(self) -> str:
        return self._out.read_text()

    @property
    def complaint(self) -> str:
        return self._err.read_text()

    def until(self, condition: Callable[[], bool], what: str) -> None:
        def holds() -> bool:
            assert self.process.poll() is None, f"up has ended: {self.complaint}\n{self.shown}"
            return condition()

        until(holds, what)

    def wait_until_up(self) -> None:
        self.until(lambda: UP in self.shown, "everything to be up")

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@contextmanager
def up(folder: Path, *options: str, **settings: str) -> Iterator[Up]:
    running = Up(folder, *options, **settings)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.interrupt()


def _without(package: str, folder: Path) -> dict[str, str]:
    """Settings under which Python does not find this package."""
    (folder / "sitecustomize.py").write_text(f"import sys\nsys.modules[{package!r}] = None\n")
    return {"PYTHONPATH": str(folder)}


def _children(pid: int) -> dict[str, int]:
    """The processes started by this one: what they run → their id."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            if f"PPid:\t{pid}\n" in status.read_text():
                found[status.with_name("cmdline").read_text().replace("\0", " ")] = int(status.parent.name)
        except OSError:  # it has ended in the meantime
            continue
    return found


def test_a_campaign_goes_out_and_every_recipient_is_shown(tmp_path: Path) -> None:
    with up(tmp_path, "--fresh", "--send", str(ARTICLE), "--send", str(FIFTY)) as channel:
        channel.wait_until_up()
        shown = channel.shown
        assert "pinpoint_campaign_fifty.json through the shim: 46 accepted, 4 rejected" in shown
        assert len(re.findall(r"^ep\d{3} ", shown, re.M)) == 50
        assert re.search(r"^ep013 +rejected +opted_out: ", shown, re.M)
        assert re.search(r"^test123 +\+86•+000 +✓✓ read +accepted → sent → delivered → read", shown, re.M)
        assert "51 recipients: 47 read, 4 rejected" in shown
        assert f"http://127.0.0.1:{channel.sandbox}/phone/" in shown
        assert f"aws lambda invoke --endpoint-url http://127.0.0.1:{channel.lambda_host}" in shown
        assert "log" not in channel.complaint
        assert "message.attempted" in (tmp_path / "var/up.log").read_text()

        keys = tmp_path / "var/up.env"
        assert stat.S_IMODE(keys.stat().st_mode) == 0o600
        report = next(line for line in shown.splitlines() if "/v1/messages/" in line)
        asked = subprocess.run(["sh", "-ec", f". var/up.env; {report}"], cwd=tmp_path, capture_output=True, check=True)
        assert b'"status":"read"' in asked.stdout
        assert channel.interrupt() == 0
        assert not keys.exists()
        assert not _children(channel.process.pid)


def test_where_the_runtime_client_is_missing_the_shim_runs_as_a_process(tmp_path: Path) -> None:
    with up(tmp_path, "--send", str(ARTICLE), **_without("awslambdaric", tmp_path)) as channel:
        channel.wait_until_up()
        assert "1 recipient: 1 read" in channel.shown
        assert "aws lambda invoke" not in channel.shown


def test_the_same_database_again_shows_the_first_messages(tmp_path: Path) -> None:
    for expected in ("1 accepted", "1 duplicate"):
        with up(tmp_path, "--send", str(ARTICLE)) as channel:
            channel.wait_until_up()
            assert f"through the shim: {expected}" in channel.shown
            assert "1 recipient: 1 read" in channel.shown


def test_an_event_that_is_refused_is_said_and_everything_stops(tmp_path: Path) -> None:
    with up(tmp_path, "--send", str(SAMPLES / "pinpoint_console_without_data.json")) as channel:
        assert channel.process.wait(60) == 1
        assert "Data" in channel.complaint
        assert "Traceback" not in channel.complaint


def test_a_piece_that_ends_by_itself_stops_the_rest(tmp_path: Path) -> None:
    with up(tmp_path) as channel:
        channel.wait_until_up()
        pieces = _children(channel.process.pid)
        sandbox = next(pid for command, pid in pieces.items() if " sandbox " in command)
        os.kill(sandbox, signal.SIGKILL)
        assert channel.process.wait(60) == 1
        assert channel.complaint.splitlines()[-1] == "sandbox was killed (signal 9), and the rest was stopped"
        assert not any(Path(f"/proc/{pid}").exists() for pid in pieces.values())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_supervisor_or_a_closed_terminal_stops_everything(tmp_path: Path, number: signal.Signals) -> None:
    with up(tmp_path) as channel:
        channel.wait_until_up()
        pieces = _children(channel.process.pid)
        channel.process.send_signal(number)
        assert channel.process.wait(60) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in pieces.values())


def test_an_interrupt_while_it_starts_is_no_error(tmp_path: Path) -> None:
    with up(tmp_path) as channel:
        channel.until(lambda: len(_children(channel.process.pid)) == 4, "the pieces to be started")
        assert channel.interrupt() == 0
        assert "Stopping" in channel.shown
        assert "Traceback" not in channel.complaint


@pytest.mark.parametrize("text", ["{", "[1, 2]", ""])
def test_a_file_that_is_no_event_is_said_before_anything_starts(tmp_path: Path, text: str) -> None:
    (tmp_path / "event.json").write_text(text)
    with up(tmp_path, "--send", str(tmp_path / "event.json")) as channel:
        assert channel.process.wait(60) == 1
        assert len(channel.complaint.splitlines()) == 1
        assert "event.json is no" in channel.complaint
        assert not (tmp_path / "var").exists()


def test_keys_that_are_set_are_used_and_none_are_made(tmp_path: Path) -> None:
    given = {"SIGNING_KEYS": "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ=", "API_KEYS": f"ops:read:{'0' * 64}"}
    given["CONSOLE_USERS"] = "ada:look:oidc"
    with up(tmp_path, "--send", str(ARTICLE), **given, FB_BUSINESS_PHONE_ID="106540352242922") as channel:
        channel.wait_until_up()
        assert "1 recipient: 1 read" in channel.shown
        assert not (tmp_path / "var/up.env").exists()


def test_only_a_sqlite_database_is_thrown_away(tmp_path: Path) -> None:
    with up(tmp_path, "--fresh", DATABASE_URL="postgresql://nobody@127.0.0.1:9/none") as channel:
        assert channel.process.wait(60) == 1
        assert channel.complaint == "DATABASE_URL: only a SQLite database can be thrown away; empty this one yourself\n"


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"MB free, \d+ MB are needed; make room"):
        need_space(tmp_path, 2**62)
    need_space(tmp_path, 1)


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    result = subprocess.run(
        [sys.executable, "-m", "service", "up"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PORT": str(free_port()), "DISPATCHER_PORT": str(free_port())},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "DATABASE_URL" in result.stderr or "the system refuses" in result.stderr


def test_a_missing_package_is_one_sentence(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], **_without("click", tmp_path)}
    result = subprocess.run(
        [sys.executable, "-m", "service"], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr == "the package click is missing; run: make setup, or pip install -r requirements.txt\n"

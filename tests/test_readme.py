"""Every command of the README is typed, in its order, in a fresh copy of the repository, and shows what the README shows.

`make run` stays up in one terminal; everything after it is typed into a second one, a single shell. `…` in a shown line
stands for anything, a line of its own for any lines. The AWS calls that are not for the Lambda host go to moto.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.running import free_port, until

pytestmark = [pytest.mark.readme, pytest.mark.timeout(900)]

ROOT = Path(__file__).parent.parent
PORTS = (8080, 8090, 9000, 9090)


@dataclass(frozen=True, slots=True)
class Block:
    """Commands, and what the README shows of their output, "" for nothing."""

    commands: str
    shown: str


def _blocks(text: str) -> list[Block]:
    """The sh blocks; a text block that follows before the next sh block is the output of the nearest one before it."""
    found: list[Block] = []
    for language, content in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S):
        if language == "sh":
            found.append(Block(content, ""))
        elif language == "text":
            found[-1] = Block(found[-1].commands, content)
    return found


BLOCKS = _blocks((ROOT / "README.md").read_text("utf-8"))


def _unlike(output: str, shown: str) -> str | None:
    """The first shown line that the output does not have, in order; None where it has all."""
    lines = iter([line.rstrip() for line in output.splitlines()])
    anywhere = False
    for line in (line.rstrip() for line in shown.splitlines()):
        if line == "…":
            anywhere = True
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in line.split("…")))
        if anywhere:
            found = any(pattern.fullmatch(candidate) for candidate in lines)
        else:
            found = pattern.fullmatch(next(lines, "")) is not None
        if not found:
            return line
        anywhere = False
    return None


@pytest.mark.parametrize(
    ("output", "shown", "missing"),
    [
        ("one\ntwo\n", "one\ntwo", None),
        ("one\ntwo\n", "two", "two"),
        ("one\ntwo\nthree\n", "one\n…\nthree", None),
        ("one 17 two\n", "one … two", None),
        ("one\n", "one\n…\nfour", "four"),
    ],
)
def test_what_is_shown_is_compared_line_by_line(output: str, shown: str, missing: str | None) -> None:
    assert _unlike(output, shown) == missing


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone would hold, changes that are not committed yet included: nothing that .gitignore names."""
    taken = [port for port in PORTS if not _is_free(port)]
    if taken:
        _missing(f"the README's ports {taken} are taken; stop what listens there")
    left_out = [".git", *(line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines())]
    return shutil.copytree(
        ROOT, tmp_path_factory.mktemp("home") / "clone", ignore=shutil.ignore_patterns(*left_out), symlinks=True
    )


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """Secrets Manager on this machine."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    until(lambda: _answers(f"{url}/moto-api/"), "moto to be ready")
    yield url
    server.terminate()
    server.wait(10)


@pytest.fixture(scope="module")
def environment(moto: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A newcomer's: the AWS CLI is installed, nothing of this project is set."""
    tools = tmp_path_factory.mktemp("tools")
    ours = Path(sys.executable).parent
    (tools / "aws").symlink_to(ours / "aws")
    path = [part for part in os.environ["PATH"].split(os.pathsep) if Path(part) != ours]
    return {
        "HOME": str(tmp_path_factory.mktemp("home")),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "PATH": os.pathsep.join([str(tools), *path]),
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": moto,
        "AWS_EC2_METADATA_DISABLED": "true",
        "COLUMNS": "140",
        **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
    }


def test_the_readme_does_what_it_says(copy: Path, environment: dict[str, str]) -> None:
    run, tests, *others = BLOCKS
    assert (run.commands, tests.commands) == ("make run\n", "make test\n")
    _run_and(copy, environment, run, others)
    chosen = {
        "PYTEST_ADDOPTS": "tests/test_message.py"
    }  # make test for real, on few of the tests: they are running now
    with _shell(copy, environment | chosen) as shell:
        _check(tests, shell.type(tests.commands))


def _run_and(copy: Path, environment: dict[str, str], run: Block, others: list[Block]) -> None:
    """`make run` in one terminal; everything else in another, while it is up; Ctrl-C at the end."""
    output = copy.parent / "make-run.txt"
    with output.open("w") as file:
        first = subprocess.Popen(
            run.commands, shell=True, cwd=copy, env=environment, stdout=file, stderr=file, start_new_session=True
        )

    def is_up() -> bool:
        assert first.poll() is None, output.read_text()
        return "Ctrl-C stops everything." in output.read_text()

    try:
        until(is_up, "make run to be up", 600)
        shown = output.read_text()
        _check(run, shown[shown.index("pinpoint_campaign_article.json through") :])
        with _shell(copy, environment) as second:
            for block in others:
                _check(block, second.type(block.commands))
    finally:
        os.killpg(first.pid, signal.SIGINT)
        first.wait(60)


def _check(block: Block, output: str) -> None:
    missing = _unlike(output, block.shown)
    assert missing is None, f"{block.commands}\nshould have shown\n  {missing}\nbut showed\n{output}"


class _Shell:
    """A terminal in which one block is typed after the other; it ends at the first command that fails."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._typed = Path(tempfile.mkdtemp(dir=folder.parent))
        self._blocks = 0
        self._shell = subprocess.Popen(
            ["bash", "-e"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            process_group=0,
        )

    def type(self, commands: str) -> str:
        """What the commands print."""
        self._blocks += 1
        block, output, done = (self._typed / f"{self._blocks}.{end}" for end in ("sh", "txt", "done"))
        block.write_text(_with_version_2(commands))
        assert self._shell.stdin is not None
        self._shell.stdin.write(f". {block} >{output} 2>&1 </dev/null\ntouch {done}\n")
        self._shell.stdin.flush()
        waiting = threading.Event()
        while not done.exists():
            assert self._shell.poll() is None, f"this failed:\n{commands}\n{output.read_text()}"
            waiting.wait(0.05)
        return output.read_text()

    def close(self) -> None:
        self._shell.communicate(timeout=10)


@contextmanager
def _shell(folder: Path, environment: dict[str, str]) -> Iterator[_Shell]:
    shell = _Shell(folder, environment)
    try:
        yield shell
    finally:
        shell.close()


def _with_version_2(commands: str) -> str:
    """A block for version 2 of the AWS CLI is typed with that version, which no wheel brings."""
    if not commands.startswith("# version 2\n"):
        return commands
    found = shutil.which("aws", path="/usr/local/bin:/usr/bin")
    asked = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout if found else ""
    if not asked.startswith("aws-cli/2."):
        _missing("version 2 of the AWS CLI is not in /usr/bin or /usr/local/bin (Debian package awscli)")
    return f'aws() {{ {found} "$@"; }}\n{commands}\nunset -f aws\n'


def _missing(what: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=1).ok
    except requests.RequestException:
        return False

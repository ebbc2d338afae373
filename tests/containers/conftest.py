"""One stack for the whole suite, from a copy of what a clone would hold. Each test leaves it up with nothing going on in it."""

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.containers.engine import ROOT, engine
from tests.containers.stack import IMAGE, Engine, Stack


@pytest.fixture(scope="session")
def docker_environment() -> Iterator[dict[str, str]]:
    with ExitStack() as ending:
        try:
            environment = ending.enter_context(engine())
        except RuntimeError as none:
            pytest.exit(str(none), returncode=1)
        yield environment


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone would hold, changes that are not committed yet included: nothing that .gitignore names, and no .env."""
    left_out = [".git", ".env", *(line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines())]
    folder = tmp_path_factory.mktemp("clone") / "clone"
    return shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*left_out), symlinks=True)


@pytest.fixture(scope="session")
def image(docker_environment: dict[str, str], copy: Path) -> Engine:
    """`docker`, with the image built."""
    docker = Engine(copy, docker_environment)
    began = time.monotonic()
    docker.docker("build", "--quiet", "--tag", IMAGE, "--build-arg", "VERSION=9.9.9", ".")
    print(f"\nimage built in {time.monotonic() - began:.0f} s")
    return docker


@pytest.fixture(scope="session")
def stack(docker_environment: dict[str, str], copy: Path) -> Iterator[Stack]:
    """Healthy, without a .env; what an earlier run left behind is removed first, and all of it at the end."""
    stack = Stack(copy, docker_environment)
    stack.compose("down", "--volumes", "--remove-orphans")
    try:
        print(f"\nfrom a clean copy to healthy: {stack.up('--build'):.0f} s")
        yield stack
    finally:
        stack.compose("down", "--volumes", "--remove-orphans")

"""A container engine: one that runs already, or the one that the tool beside the repository brings up."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOOL = ROOT.parent / "shared" / "tools" / "container-engine"
HOW_TO_GET_ONE = (
    "no container engine answers `docker info`; start Docker (26 or newer, with Compose 2.24 or newer), "
    "or set DOCKER_HOST to one that runs"
)


@contextmanager
def engine() -> Iterator[dict[str, str]]:
    """The environment in which `docker` works, ended as it was found; raise RuntimeError where there is none."""
    given = dict(os.environ)
    if _works(given):
        yield given
        return
    if not TOOL.exists():
        raise RuntimeError(HOW_TO_GET_ONE)
    script = 'eval "$("$0" up)" && printf "%s\\n%s" "$DOCKER_HOST" "$PATH"'
    started = subprocess.run(["bash", "-c", script, str(TOOL)], capture_output=True, text=True, check=False)
    if started.returncode:
        raise RuntimeError(f"{HOW_TO_GET_ONE}; {TOOL.name} failed:\n{started.stderr}")
    host, path = started.stdout.split("\n")
    try:
        yield {**given, "DOCKER_HOST": host, "PATH": path}
    finally:
        if "starting the engine" in started.stderr:  # by this call, so nobody else counts on it
            subprocess.run([TOOL, "down"], check=True, capture_output=True)


def _works(environment: dict[str, str]) -> bool:
    if shutil.which("docker") is None:
        return False
    asked = subprocess.run(["docker", "info"], env=environment, capture_output=True, check=False)
    return asked.returncode == 0

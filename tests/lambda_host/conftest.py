"""Lambda hosts as processes on free ports."""

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.lambda_host.hosting import Host

Start = Callable[..., Host]


@pytest.fixture(scope="session", autouse=True)
def _needs_awslambdaric() -> None:
    """With CI=true the tests run and fail where it is missing."""
    if find_spec("awslambdaric") is None and os.environ.get("CI") != "true":
        pytest.skip("AWS's runtime client is not installed; on Linux: pip install awslambdaric")


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """One host for every test that leaves it as it was; its function has the default time-out."""
    running = Host(tmp_path_factory.mktemp("host"), "--memory", "256", OWN_SETTING="kept")
    yield running
    running.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a host with options of its own; stopped at the end of the test."""
    started: list[Host] = []

    def run(*options: str, **environ: str) -> Host:
        started.append(Host(tmp_path, *options, **environ))
        return started[-1]

    yield run
    for running in started:
        running.close()

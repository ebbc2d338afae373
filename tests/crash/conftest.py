"""What the crash suite shares: the article's campaign, an AWS account on this machine (moto), and which of it runs always.

The quick set runs with all other tests; the rest, minutes long, with `make proof`.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from fnmatch import fnmatch
from typing import Any

import pytest
import requests
from moto.server import ThreadedMotoServer

from tests.conftest import SAMPLES
from tests.lambda_shim.account import Aws

NOT_QUICK = (
    "test_fleet.py*",
    "test_freeze.py*",
    "test_token_rotation.py*",
    "test_trouble.py*",
    "test_unnotified.py*",
    "test_urgent.py*[[]sqlite*",
)
"""What takes long and has a cousin in the quick set, or judges rates, which need a machine with nothing else to do."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark it before pytest chooses by marks."""
    for item in items:
        if any(fnmatch(item.nodeid, f"tests/crash/{pattern}") for pattern in NOT_QUICK):
            item.add_marker("proof")


@pytest.fixture(scope="session")
def sample() -> dict[str, Any]:
    """The event whose campaign is sent."""
    event: dict[str, Any] = json.loads((SAMPLES / "pinpoint_campaign_article.json").read_text())
    return event


@pytest.fixture
def aws() -> Iterator[Aws]:
    """An account with nothing in it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    requests.post(f"http://{host}:{port}/moto-api/reset", timeout=5).raise_for_status()
    account = Aws(f"http://{host}:{port}")
    with closing(account.sqs), closing(account.secrets):
        yield account
    server.stop()

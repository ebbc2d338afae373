"""What the crash suite shares: the article's campaign, and an AWS account on this machine (moto).

The quick set runs with all other tests; what is marked `proof`, minutes long, with `make proof`.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import requests
from moto.server import ThreadedMotoServer

from tests.conftest import SAMPLES
from tests.lambda_shim.account import Aws


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

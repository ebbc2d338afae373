"""Where nobody is there to talk to, messages wait uncounted, and it is said once (G4, G9)."""

import logging
import socket

import pytest

from service.whatsapp.client import Client
from tests.dispatch.conftest import Stages
from tests.dispatch.stage import SteppedClock


@pytest.fixture
def nowhere() -> str:
    """A place on this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_ten_that_reach_nobody_are_one_line_and_no_try(
    stages: Stages, clock: SteppedClock, nowhere: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stage = stages(client=Client(nowhere, "v25.0", answer_seconds=3.0))
    messages = stage.add(12)
    for _ in range(8):
        stage.run_once()
        clock.step(seconds=61)
    lines = [line for line in caplog.text.splitlines() if "number.unreached" in line]
    assert len(lines) == 1
    assert "in_a_row=10 reason=Could not connect: ClientConnectorError" in lines[0]
    assert {stage.facts(one).message["tries"] for one in messages} == {0}
    assert set(stage.states(messages)) == {"queued"}

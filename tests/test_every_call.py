"""Every call of the running service against its own OpenAPI document, by Schemathesis: no 5xx, no undocumented answer.

Schemathesis makes calls of its own from the document, good and bad; with keys (`signing.py`) each is signed as its own caller
would, and half of the reads ask for a message that was sent. `EXAMPLES` (12) is how many of each kind for a call.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.conftest import SAMPLES
from tests.running import System, running

EXAMPLES = os.environ.get("EXAMPLES", "12")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
)


@pytest.fixture
def system(database_url: str, tmp_path: Path) -> Iterator[System]:
    with running(database_url, tmp_path, LOG_LEVEL="WARNING") as channel:
        channel.start_web()
        yield channel


def sent(system: System) -> dict[str, str]:
    """The ids of a message that was sent and read, for `signing.py`."""
    system.start_sandbox()
    system.start_dispatcher()
    event = json.loads((SAMPLES / "pinpoint_campaign_article.json").read_text())
    receipt = system.post_event(event).json()
    [result] = receipt["results"]
    system.until(lambda: system.report(result["message_id"])["status"] == "read", "the message to be read")
    return {
        "MESSAGE_ID": result["message_id"],
        "EVENT_ID": receipt["event_id"],
        "CAMPAIGN_ID": event["CampaignId"],
    }


def calls_as_documented(system: System, folder: Path, settings: Mapping[str, str]) -> None:
    command = [str(Path(sys.executable).with_name("st")), "run", f"{system.url}/openapi.json"]
    command += ["--checks", ",".join(CHECKS), "--max-examples", EXAMPLES, "--workers", "4", "--no-color"]
    command += ["--phases", "examples,coverage,fuzzing", "--warnings", "off"]
    # what it asks for is this machine's only; it writes its database of examples into the folder it runs in
    environment = {**os.environ, **settings}
    told = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=580
    )
    print(told.stdout[-1500:])
    assert told.returncode == 0, told.stdout[-6000:] + told.stderr[-2000:]
    assert "request.failed" not in system.log("web")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_every_call_answers_as_its_document_says(system: System, tmp_path: Path) -> None:
    hooks = {"SCHEMATHESIS_HOOKS": str(Path(__file__).with_name("signing.py")), "API_KEY": system.api_key}
    calls_as_documented(system, tmp_path, {**system.settings, **hooks, **sent(system)})


@pytest.mark.timeout(600)
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_without_a_key_every_call_answers_as_its_document_says(system: System, tmp_path: Path) -> None:
    calls_as_documented(system, tmp_path, {})

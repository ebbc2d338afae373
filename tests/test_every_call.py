"""Every call of the running service against its own OpenAPI document, by Schemathesis: no 5xx, no undocumented answer.

Schemathesis makes calls of its own from the document, good and bad. `EXAMPLES` (12) is how many of each kind for a call.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

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


@pytest.mark.timeout(600)
@pytest.mark.parametrize("signed_in", [True, False], ids=["with a key", "without a key"])
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_every_call_answers_as_its_document_says(system: System, tmp_path: Path, signed_in: bool) -> None:
    command = [str(Path(sys.executable).with_name("st")), "run", f"{system.url}/openapi.json"]
    command += ["--checks", ",".join(CHECKS), "--max-examples", EXAMPLES, "--workers", "4", "--no-color"]
    command += ["--phases", "examples,coverage,fuzzing", "--warnings", "off"]
    if signed_in:
        command += ["--header", f"Authorization: Bearer {system.api_key}"]
    # what it asks for is this machine's only; it writes its database of examples into the folder it runs in
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=580)
    assert told.returncode == 0, told.stdout[-6000:] + told.stderr[-2000:]
    assert "request.failed" not in system.log("web")

"""The bill of materials and the audit: a stand-in for each tool says what it would, and only a full answer is a good one."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.audit import REQUIREMENTS, SBOM, pins, verdict

PINNED = {"flask==3.1.2": True, "tzdata==2026.6": False}
FLASK = {"name": "flask", "version": "3.1.2", "vulns": []}
BROKEN = {"id": "PYSEC-2026-1", "fix_versions": ["3.1.3"], "aliases": [], "description": "…"}


def test_nothing_known_of_every_package_is_the_only_good_answer() -> None:
    assert verdict([FLASK], PINNED) == (0, "1 packages, no known vulnerability")


def test_a_known_vulnerability_is_named_with_the_version_that_mends_it() -> None:
    status, sentence = verdict([FLASK | {"vulns": [BROKEN, {"id": "GHSA-x", "fix_versions": []}]}], PINNED)
    assert status == 1
    assert sentence.splitlines() == [
        "flask 3.1.2: PYSEC-2026-1, mended in 3.1.3",
        "flask 3.1.2: GHSA-x, not mended yet",
    ]


@pytest.mark.parametrize("report", [[], [{"name": "flask", "skip_reason": "Dependency not found"}]])
def test_a_package_that_the_service_does_not_know_is_a_failure(report: list[dict[str, Any]]) -> None:
    status, sentence = verdict(report, PINNED)
    assert status == 1
    assert sentence.startswith(
        "the advisory service has no answer about 1 of 2 packages, so nothing is known of flask==3.1.2"
    )


def test_every_pin_is_found() -> None:
    found = pins(REQUIREMENTS.read_text())
    assert len(found) == len(re.findall(r"^\S", REQUIREMENTS.read_text(), re.M)) > 40
    assert [pin for pin, everywhere in found.items() if not everywhere and pin.startswith("tzdata==")]
    shipped_by_the_lambda = pins(REQUIREMENTS.with_name("requirements-lambda.txt").read_text())
    assert shipped_by_the_lambda.keys() <= found.keys(), "the image's audit covers the zip"


# --- the command ------------------------------------------------------------------------------------------------------

Make = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Make:
    """`python -m deploy.audit`, with a tool of this name that writes so to stdout and stderr and ends so."""

    def run(*arguments: str, tool: str, out: str = "", err: str = "", status: int = 0) -> Any:
        said = f"import sys; sys.stdout.write({out!r}); sys.stderr.write({err!r}); sys.exit({status})"
        (tmp_path / f"{tool}.py").write_text(said)
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        command = [sys.executable, "-m", "deploy.audit", *arguments]
        root = REQUIREMENTS.parent
        return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)

    return run


def _report(**changes: Any) -> str:
    found = [dict(zip(("name", "version"), pin.split("=="), strict=True)) for pin in pins(REQUIREMENTS.read_text())]
    return json.dumps({"dependencies": [{**one, "vulns": [], **changes} for one in found], "fixes": []})


def test_the_audit_ends_with_0_where_all_were_answered_for(run: Make) -> None:
    ended = run("audit", tool="pip_audit", out=_report())
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith("packages, no known vulnerability\n")


def test_the_audit_fails_where_pip_audit_says_that_all_is_well_and_has_skipped_everything(run: Make) -> None:
    out = _report(skip_reason="Dependency not found on PyPI and could not be audited")
    ended = run("audit", tool="pip_audit", out=out, err="No known vulnerabilities found")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "so nothing is known of aiohappyeyeballs==" in ended.stderr


def test_the_audit_fails_with_a_sentence_where_the_service_does_not_answer(run: Make) -> None:
    err = "Traceback (most recent call last):\n  File x\nrequests.exceptions.ConnectionError: no route"
    ended = run("audit", tool="pip_audit", err=err, status=1)
    assert ended.returncode == 1
    assert ended.stderr == (
        "the advisory service did not answer, so nothing is known of any package: "
        "requests.exceptions.ConnectionError: no route\n"
    )


def test_a_bill_of_materials_that_could_not_be_written_is_a_failure(run: Make) -> None:
    before = SBOM.read_bytes() if SBOM.exists() else None
    ended = run("sbom", tool="cyclonedx_py", err="no space left", status=1)
    assert (ended.returncode, ended.stderr) == (1, "the bill of materials was not written: no space left\n")
    assert (SBOM.read_bytes() if SBOM.exists() else None) == before

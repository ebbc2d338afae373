"""`make sbom` and `make audit`: what is shipped, and whether a vulnerability of it is known.

    sbom      requirements.txt → build/sbom.json (CycloneDX); needs no network
    audit     the same packages → an advisory service, through pip-audit → a sentence and an exit status

requirements.txt is what the image holds; the Lambda's requirements are a part of it. pip-audit ends with 0 and "No known
vulnerabilities found" also where the service knows none of the packages, as a mirror of the package index does not. Here that
is a failure: only an answer about every package counts.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "requirements.txt"
SBOM = ROOT / "build" / "sbom.json"
SHOWN = 5

Pins = dict[str, bool]
"""`name==version` → whether it is for every platform."""


def pins(requirements: str) -> Pins:
    """What a file of pinned requirements pins."""
    found = re.findall(r"^([\w.-]+==[^\s;]+)( ;)?", requirements, re.M)
    return {pin: not marker for pin, marker in found}


def sbom(pinned: Pins) -> tuple[int, str]:
    """Write the bill of materials, the same bytes for the same pins."""
    SBOM.parent.mkdir(exist_ok=True)
    form = ["--output-reproducible", "--of", "JSON", "-o", str(SBOM)]
    about = ["--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "application"]
    ended = _run(["cyclonedx_py", "requirements", str(REQUIREMENTS), *about, *form])
    if ended.returncode:
        return 1, f"the bill of materials was not written: {_last(ended.stderr)}"
    listed = {f"{one['name']}=={one['version']}" for one in json.loads(SBOM.read_text())["components"]}
    if listed != pinned.keys():
        return 1, f"{SBOM.name} differs from {REQUIREMENTS.name}: {_some(listed ^ pinned.keys())}"
    return 0, f"{SBOM.relative_to(ROOT)}: {len(listed)} packages"


def audit(pinned: Pins, arguments: Sequence[str] = ()) -> tuple[int, str]:
    """Ask about every package; `arguments` are for pip-audit, such as another service."""
    how = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    ended = _run(["pip_audit", "-r", str(REQUIREMENTS), *how, *arguments])
    try:
        report = json.loads(ended.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return 1, f"the advisory service did not answer, so nothing is known of any package: {_last(ended.stderr)}"
    return verdict(report, pinned)


def verdict(report: Sequence[dict[str, Any]], pinned: Pins) -> tuple[int, str]:
    """Exit status and sentence for pip-audit's report: 0 only where each package was looked up and nothing is known of it."""
    answered = {f"{one['name']}=={one['version']}" for one in report if "skip_reason" not in one}
    vulnerable = [(one, known) for one in report for known in one.get("vulns", ())]
    asked = {one["name"] for one in report}  # not about what is for other platforms
    unknown = [pin for pin, all_over in pinned.items() if pin not in answered and (all_over or _name(pin) in asked)]
    told = [f"{one['name']} {one['version']}: {known['id']}, {_mended(known)}" for one, known in vulnerable]
    if unknown:
        told.append(
            f"the advisory service has no answer about {len(unknown)} of {len(pinned)} packages, so nothing is known of "
            f"{_some(unknown)}. Is it a mirror of the package index? Ask where the index itself can be reached, or another "
            "service: make audit ARGS='--vulnerability-service osv'"
        )
    return (1, "\n".join(told)) if told else (0, f"{len(answered)} packages, no known vulnerability")


def _name(pin: str) -> str:
    return pin.partition("==")[0]


def _mended(known: dict[str, Any]) -> str:
    return f"mended in {', '.join(known['fix_versions'])}" if known.get("fix_versions") else "not mended yet"


def _run(module: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}  # of a bill without a graph of who needs whom
    return subprocess.run(  # noqa: S603 - the two tools, pinned
        [sys.executable, "-m", *module], env=environment, capture_output=True, text=True, check=False
    )


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _some(names: Sequence[str] | set[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(sorted(names)[:SHOWN]) + more


def main() -> None:
    """Exit 0 done and nothing found, 1 with a sentence on stderr."""
    command, *arguments = sys.argv[1:] or ["audit"]
    pinned = pins(REQUIREMENTS.read_text())
    status, sentence = sbom(pinned) if command == "sbom" else audit(pinned, arguments)
    print(sentence, file=sys.stderr if status else sys.stdout)
    sys.exit(status)


if __name__ == "__main__":
    main()

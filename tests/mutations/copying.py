"""A copy of the tree in which guards are removed one by one, and its tests run: `Copy.run_without(mutation)`.

The package is installed editable, so that a process could import it from the tree itself. Each run says where its code came
from, and counts only where that is the copy.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

from tests.mutations.mutation import Mutation

TREE = Path(__file__).parents[2]
PARTS = ("service", "lambda_shim", "sandbox", "tests", "deploy", "docs", "pyproject.toml", "README.md", "Makefile")
RUN_SECONDS = 120

_RUN = """
import sys, lambda_shim, pytest, service
print("code of", service.__file__, lambda_shim.__file__)
sys.exit(pytest.main(["-p", "no:cacheprovider", "-p", "pytest_timeout", "-x", "-q", "--timeout", "60", *sys.argv[1:]]))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What one pytest came to. `code` is its exit code: 0 all passed, 1 some failed, more for anything that ran no test."""

    code: int
    failed: int
    passed: int
    output: str

    @property
    def fell(self) -> bool:
        """Whether a test ran and failed; one that could not be collected or set up has not."""
        return self.code == 1 and self.failed > 0


class Copy:
    """The tree's files at another place."""

    def __init__(self, place: Path) -> None:
        self._place = place
        place.mkdir()
        unwanted = shutil.ignore_patterns("__pycache__", "node_modules", "*.db", ".*")
        for part in PARTS:
            source = TREE / part
            if source.is_dir():
                shutil.copytree(source, place / part, ignore=unwanted)
            elif source.exists():
                shutil.copy(source, place / part)

    def run(self, tests: Sequence[str]) -> Run:
        """Run these tests here; raise AssertionError where other code than the copy's was imported."""
        done = subprocess.run(
            [sys.executable, "-c", _RUN, *tests],
            cwd=self._place,
            env=os.environ
            | {"PYTHONPATH": str(self._place), "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS * max(1, len(tests) // 10),
            check=False,
        )
        output = done.stdout + done.stderr
        here = f"code of {self._place}/service/__init__.py {self._place}/lambda_shim/__init__.py\n"
        assert output.startswith(here), output[:2_000]
        return Run(done.returncode, _counted("failed", output), _counted("passed", output), output)

    def run_without(self, mutation: Mutation) -> Run:
        """Run the mutation's test while its guard is gone."""
        with self._without(mutation):
            return self.run([mutation.test])

    @contextmanager
    def _without(self, mutation: Mutation) -> Iterator[None]:
        path = self._place / mutation.file
        whole = path.read_text()
        assert whole.count(mutation.old) == 1
        try:
            _write(path, whole.replace(mutation.old, mutation.new))
            yield
        finally:
            _write(path, whole)


def _write(path: Path, text: str) -> None:
    """Python takes a compiled file for current by the second and the length of its source: it must go."""
    path.write_text(text)
    Path(cache_from_source(str(path))).unlink(missing_ok=True)


def _counted(what: str, output: str) -> int:
    """How many of `what` the last line of pytest's output tells."""
    last = output.rstrip().rpartition("\n")[2]
    found = re.search(rf"\b(\d+) {what}\b", last)
    return int(found[1]) if found else 0

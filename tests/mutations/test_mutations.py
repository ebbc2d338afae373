"""Each guard of the product, removed in turn, makes its named test fail: a promise that no test would miss is none.

A handful runs with all other tests; the whole table is marked `proof`. It is printed, and written to build/mutations.json.
"""

import ast
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue

import pytest

from tests.mutations.copying import TREE, Copy, Run
from tests.mutations.mutation import Mutation
from tests.mutations.table import TABLE

FILE = TREE / "build" / "mutations.json"
GUARANTEES = [f"G{number}" for number in range(1, 11)]
HANDFUL = [
    "A key is claimed in one statement, only where it is free or has expired",
    "Nothing is claimed under a lease that is lost",
    "A settlement moves its message only while the attempt is the newest",
    "A status moves its message only along a legal edge",
    "An endpoint that opted out gets nothing",
    "Any of several app secrets may have signed",
]
"""The guards that are removed whenever the tests run: quick ones, of most guarantees."""


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("mutations") / "copy")


@pytest.mark.parametrize("mutation", TABLE, ids=lambda one: one.guard)
def test_a_guard_stands_once_in_its_file(mutation: Mutation) -> None:
    assert (TREE / mutation.file).read_text().count(mutation.old) == 1
    assert mutation.new != mutation.old


def test_each_named_test_exists() -> None:
    wanted = {tuple(one.test.partition("[")[0].split("::")) for one in TABLE}
    there = {(path, name) for path in {path for path, _ in wanted} for name in _functions(TREE / path)}
    assert sorted(wanted - there) == []


def test_each_guarantee_has_guards_and_each_guard_a_name_of_its_own() -> None:
    counted = Counter(one.guarantee for one in TABLE)
    assert sorted(counted) == sorted(GUARANTEES)
    assert min(counted.values()) >= 2
    assert [guard for guard, times in Counter(one.guard for one in TABLE).items() if times > 1] == []


def test_with_its_guards_the_copy_passes(copy: Copy) -> None:
    _assert_passes(copy, _handful())


@pytest.mark.parametrize("guard", HANDFUL)
def test_without_this_guard_its_test_fails(copy: Copy, guard: str) -> None:
    (mutation,) = [one for one in TABLE if one.guard == guard]
    run = copy.run_without(mutation)
    assert run.fell, run.output


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_without_any_guard_of_the_table_its_test_fails(tmp_path: Path) -> None:
    copies = [Copy(tmp_path / f"copy{number}") for number in range(min(4, os.cpu_count() or 1))]
    _assert_passes(copies[0], TABLE)

    runs = _run_all(copies)

    print("\n" + _as_table(zip(TABLE, runs, strict=True)))
    _write(zip(TABLE, runs, strict=True))
    survivors = {one.guard: run.output for one, run in zip(TABLE, runs, strict=True) if not run.fell}
    assert not survivors, "\n".join(f"{guard}\n{output}" for guard, output in survivors.items())


def _handful() -> list[Mutation]:
    return [one for one in TABLE if one.guard in HANDFUL]


def _functions(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def _assert_passes(copy: Copy, mutations: Iterable[Mutation]) -> None:
    """A test that fails anyhow would show nothing."""
    run = copy.run(sorted({one.test for one in mutations}))
    assert (run.code, run.failed) == (0, 0), run.output
    assert run.passed >= 1


def _run_all(copies: Sequence[Copy]) -> list[Run]:
    """As many at a time as there are copies; the results in the table's order."""
    free: SimpleQueue[Copy] = SimpleQueue()
    for one in copies:
        free.put(one)

    def run(mutation: Mutation) -> Run:
        copy = free.get()
        try:
            return copy.run_without(mutation)
        finally:
            free.put(copy)

    with ThreadPoolExecutor(len(copies)) as pool:
        return list(pool.map(run, TABLE))


def _as_table(rows: Iterable[tuple[Mutation, Run]]) -> str:
    """For reading: a line each, in Markdown."""
    lines = ["| guard | guarantee | the test that fell |", "| --- | --- | --- |"]
    for one, run in rows:
        lines.append(f"| {one.guard} | {one.guarantee} | {one.test if run.fell else 'NONE'} |")
    return "\n".join(lines)


def _write(rows: Iterable[tuple[Mutation, Run]]) -> None:
    """Beside what else is built."""
    FILE.parent.mkdir(exist_ok=True)
    facts = [asdict(one) | {"fell": run.fell} for one, run in rows]
    FILE.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")

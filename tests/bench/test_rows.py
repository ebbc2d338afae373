"""Every group of rows comes out, with figures, at a size that shows nothing of the time it takes."""

import math
from collections.abc import Mapping
from typing import Any

import pytest

from bench.__main__ import GROUPS
from bench.rows import line

SMALL: Mapping[str, tuple[Any, ...]] = {
    "dispatch": (40,),
    "scale": (48,),
    "web": (40,),
    "latency": (3,),
    "urgent": (3, 2_000),
    "start": (1,),
    "shim": (3,),
    "memory": (400,),
    "growth": (20, 100, 1, ["notify", "dispatch"]),
    "console": (1_000,),
}
"""What each is given instead of its usual numbers."""


def test_every_group_has_a_small_size() -> None:
    assert SMALL.keys() | {"peers"} == GROUPS.keys(), (
        "peers has tests of its own: two of them are no requirement of the tests"
    )


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("postgres")  # where there is none, this is skipped as are the others
@pytest.mark.parametrize("name", SMALL)
def test_a_group_has_its_rows(name: str) -> None:
    rows = GROUPS[name](*SMALL[name])
    assert rows
    for row in rows:
        assert math.isfinite(row.value), row
        assert row.value > 0, row
        assert line(row).count("|") == 7, "a bar within a cell would be another column"

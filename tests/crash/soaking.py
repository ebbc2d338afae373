"""What a process costs, looked at from outside while it works, and whether that is flat.

`Sample`s are taken at even distance; `Flat` compares the middle of the first third with that of the last. What is warming up
belongs to nobody's first third: the first samples are left out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

WARMING_UP = 0.1
"""This part of the samples, the first ones, does not count."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look. Memory is the process's share of it (PSS), in MB; the others are counts, and milliseconds for a claim."""

    memory: Mapping[str, float]
    handles: Mapping[str, int]
    connections: int
    claim_ms: float


@dataclass(frozen=True, slots=True)
class Flat:
    """One figure over the whole run: its median in the first, the middle and the last third, and the most it may grow to."""

    what: str
    first: float
    middle: float
    last: float
    most: float

    @property
    def is_flat(self) -> bool:
        return self.last <= self.most

    def __str__(self) -> str:
        verdict = "flat" if self.is_flat else "GROWS"
        return f"| {self.what} | {self.first:.1f} | {self.middle:.1f} | {self.last:.1f} | {self.most:.1f} | {verdict} |"


HEAD = "| what | first third | middle | last third | at most | |\n| --- | --- | --- | --- | --- | --- |"


def judge(samples: Sequence[Sample]) -> list[Flat]:
    """Every figure. Memory may grow by a tenth and 4 MB, handles and connections by five, a claim to twice as long and 5 ms."""
    counted = samples[int(len(samples) * WARMING_UP) :]
    figures: list[Flat] = []
    for name in counted[0].memory:
        figures.append(_flat(counted, f"memory of {name}, MB", lambda one: one.memory[name], 1.1, 4))  # noqa: B023 - used at once
        figures.append(_flat(counted, f"handles of {name}", lambda one: one.handles[name], 1, 5))  # noqa: B023 - used at once
    figures.append(_flat(counted, "connections to the database", lambda one: one.connections, 1, 5))
    figures.append(_flat(counted, "a claim of 50, ms", lambda one: one.claim_ms, 2, 5))
    return figures


def _flat(samples: Sequence[Sample], what: str, figure: Callable[[Sample], float], times: float, more: float) -> Flat:
    third = max(1, len(samples) // 3)
    parts = samples[:third], samples[third:-third] or samples[:third], samples[-third:]
    first, middle, last = (median(figure(one) for one in part) for part in parts)
    return Flat(what, first, middle, last, most=first * times + more)


def family(pid: int) -> list[int]:
    """A process and its children; gunicorn's workers are children of its master."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def memory(pids: Sequence[int]) -> float:
    """MB, with a part of what is shared (https://www.kernel.org/doc/html/latest/filesystems/proc.html, smaps_rollup)."""
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def handles(pids: Sequence[int]) -> int:
    """Open files and sockets."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


def files_open(pids: Sequence[int], path: str) -> int:
    """How often these processes have a file open: SQLite's connections."""
    return sum(str(handle.readlink()) == path for pid in pids for handle in Path(f"/proc/{pid}/fd").iterdir())

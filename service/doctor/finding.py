"""What one of doctor's checks says: a sentence and how bad it is."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """In the order in which they are shown; a problem makes the command `doctor` exit with 1."""

    PROBLEM = "✗"
    WARNING = "!"
    FINE = "✓"
    NOTE = "note:"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence, with what to do where there is something to do."""

    level: Level
    text: str

    def __str__(self) -> str:
        """As it is printed."""
        return f"{self.level} {self.text}"


Findings = Iterator[Finding]
"""What a check yields, in its own order."""


def _of(level: Level) -> Callable[[str], Finding]:
    return lambda text: Finding(level, text)


problem, warning, fine, note = map(_of, Level)


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """In the order of the levels; those of one level as they were found."""
    levels = list(Level)
    return sorted(findings, key=lambda one: levels.index(one.level))

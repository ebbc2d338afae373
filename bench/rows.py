"""A row of the table: what was measured, beside what it was compared to, and whether the goal was met."""

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

FILE = Path(__file__).parent.parent / "build" / "bench.json"
HEAD = "| row | what | measured | goal | | figures |\n| --- | --- | --- | --- | --- | --- |"
"""Of the table in Markdown, as the README shows it."""
VERDICTS = {True: "met", False: "not met", None: "shown"}


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `value` is what the goal is about, `figures` are the absolute ones beside it, for reading."""

    name: str
    what: str
    value: float
    unit: str
    goal: float | None
    """None: there is nothing to meet, the figure is only shown."""
    figures: str
    at_most: bool = False
    """Whether the goal is the most it may be; otherwise it is the least."""

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is; None without a goal."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.at_most else self.value >= self.goal


def machine() -> str:
    """What the figures were taken on, without its name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}"


def line(row: Row) -> str:
    """A line of the table, below HEAD."""
    verdict, sign = VERDICTS[row.is_met], ("≤" if row.at_most else "≥")
    measured = f"{row.value:,.2f} {row.unit}" if row.value < 100 else f"{row.value:,.0f} {row.unit}"
    goal = "" if row.goal is None else f"{sign} {row.goal:,g} {row.unit}"
    return f"| `{row.name}` | {row.what} | {measured.strip()} | {goal.strip()} | {verdict} | {row.figures} |"


def write(rows: Iterable[Row]) -> None:
    """For whoever compares two runs."""
    FILE.parent.mkdir(exist_ok=True)
    facts = [{**asdict(row), "is_met": row.is_met} for row in rows]
    FILE.write_text(json.dumps({"machine": machine(), "rows": facts}, indent=1) + "\n")

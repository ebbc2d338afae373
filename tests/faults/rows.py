"""The table of faults: a row is what one fault came to. Rows are printed, and written to build/faults.json.

A row travels as a property of its test, so that it survives a run in several processes.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

PROPERTY = "fault"
FILE = Path(__file__).parents[2] / "build" / "faults.json"


@dataclass(frozen=True, slots=True)
class Row:
    """What one fault came to. `lost` and `twice` are recipients; `seen` is what the operator was shown, one window each."""

    fault: str
    database: str
    tried: int
    """How often the fault was made."""
    accepted: int
    """Recipients whose event got a 202."""
    sent: int
    """Lines in the Cloud API's journal."""
    lost: int
    """Accepted recipients that are gone from the store, or stand there as sent though the journal has never seen them."""
    twice: int
    """Recipients of whom the Cloud API accepted more than one message; each has an address of their own."""
    recovered: float
    """Seconds from the end of the fault until all was as it should be."""
    seen: tuple[str, ...]

    def as_json(self) -> str:
        return json.dumps(asdict(self))


def read(texts: Iterable[str]) -> list[Row]:
    """Rows from their JSON."""
    return [Row(**{**facts, "seen": tuple(facts["seen"])}) for facts in map(json.loads, texts)]


def as_table(rows: Iterable[Row]) -> str:
    """For reading: a line each, in Markdown."""
    names = [field.name for field in fields(Row)]
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    for row in sorted(rows, key=lambda row: (row.fault, row.database)):
        cells = [row.fault, row.database, row.tried, row.accepted, row.sent, row.lost, row.twice]
        lines.append("| " + " | ".join([*map(str, cells), f"{row.recovered:.1f}", "; ".join(row.seen)]) + " |")
    return "\n".join(lines)


def write(rows: Iterable[Row]) -> None:
    """Beside what else is built."""
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")

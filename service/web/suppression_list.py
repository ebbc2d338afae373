"""A list of people who must not get messages, as CSV → Suppressions and rejected lines, one result per line. Pure.

    to,category,reason,since
    +8613800138000,marketing,asked by phone,2026-10-01T08:00:00Z

Only `to` is needed. Each line stands for itself: a quotation mark that is never closed spoils its own line only, so no value
goes over two lines.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time

from service.intake.address import HOW_TO_MEND, parse_address
from service.message import printable
from service.people import Blocked, Suppression, SuppressionSource

COLUMNS = ("to", "category", "reason", "since")
LONGEST_REASON = 1_000


class BadList(ValueError):
    """Nothing in the list can be used; the sentence says why."""


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """A line that could not be used; the header is line 1. Nothing of what stands there is repeated."""

    line: int
    code: str
    detail: str


@dataclass(slots=True)
class ReadList:
    """What can be used of a list, and what cannot."""

    suppressions: list[Suppression] = field(default_factory=list)
    rejected: list[RejectedLine] = field(default_factory=list)


class _Unusable(ValueError):
    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def read_list(body: bytes, now: datetime) -> ReadList:
    """Read every line that can be read. Raise BadList where it is no UTF-8 or its first line is no header."""
    try:
        lines = body.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise BadList("the list is not UTF-8; save it as CSV UTF-8") from error
    columns = _header(lines[0] if lines else "")
    found = ReadList()
    for n, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        try:
            found.suppressions.append(_suppression(_cells(line, columns), now))
        except _Unusable as error:
            found.rejected.append(RejectedLine(n, error.code, str(error)))
    return found


def _header(line: str) -> Sequence[str]:
    names = [name.strip().lower() for name in _split(line) or []]
    if "to" not in names or len(set(names)) < len(names) or not set(names) <= set(COLUMNS):
        raise BadList(
            f"the first line must name the columns, separated by commas: to, and any of {', '.join(COLUMNS[1:])}"
        )
    return names


def _split(line: str) -> list[str] | None:
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return None


def _cells(line: str, columns: Sequence[str]) -> Mapping[str, str]:
    cells = _split(line)
    if cells is None or len(cells) > len(columns):
        raise _Unusable(
            "invalid_csv", f"give {len(columns)} values as in the header; quote what holds commas or quotes"
        )
    return dict(zip(columns, (cell.strip() for cell in cells), strict=False))


def _suppression(cells: Mapping[str, str], now: datetime) -> Suppression:
    to = parse_address(cells.get("to"))
    if to is None:
        raise _Unusable("invalid_address", f"to: this {HOW_TO_MEND}")
    category = cells.get("category", "").lower() or Blocked.ALL.value
    if category not in set(Blocked):
        raise _Unusable("invalid_value", f"category: write {' or '.join(Blocked)}, or leave it empty for all")
    reason = printable(cells.get("reason", ""))[:LONGEST_REASON] or None
    return Suppression(to, Blocked(category), SuppressionSource.IMPORT, _since(cells.get("since", ""), now), reason)


def _since(written: str, now: datetime) -> datetime:
    """A day or a moment with its zone; now, where there is none."""
    if not written:
        return now
    moment = None
    try:
        if len(written) == len("2026-11-01"):
            moment = datetime.combine(date.fromisoformat(written), time(tzinfo=UTC))
        else:
            moment = datetime.fromisoformat(written)
            moment = moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment > now:
        raise _Unusable(
            "invalid_value", "since: write a day or a moment that is over, as 2026-11-01 or 2026-11-01T09:00:00Z"
        )
    return moment

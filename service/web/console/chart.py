"""Quarters of an hour in, the points of a chart out. Pure: the page draws it as SVG, with a table beside it for who cannot see.

Values are per quarter. The scale goes up to a round number, so that its lines can be read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.outbox.tally import Quarter

QUARTER = timedelta(minutes=15)
WIDTH, HEIGHT = 960, 220
SERIES = ("accepted", "sent", "delivered", "read", "failed")


@dataclass(frozen=True, slots=True)
class Line:
    """One series: `points` as SVG wants them, `total` over all quarters."""

    name: str
    points: str
    total: int


@dataclass(frozen=True, slots=True)
class Chart:
    """All of it. `levels` are the horizontal lines (y, value), `times` the vertical ones (x, moment)."""

    lines: Sequence[Line]
    levels: Sequence[tuple[float, int]]
    times: Sequence[tuple[float, datetime]]
    rows: Sequence[Quarter]
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened at all."""
        return not any(line.total for line in self.lines)


def chart(quarters: Sequence[Quarter], begin: datetime, end: datetime) -> Chart:
    """The chart from `begin` to `end`; quarters in which nothing happened need not be given."""
    known = {one.at: one for one in quarters}
    begin = _floor(begin)
    moments = [begin + n * QUARTER for n in range(max(1, -(-(end - begin) // QUARTER)))]
    every = [known.get(at, Quarter(at)) for at in moments]
    top = _round_up(max((getattr(one, name) for one in every for name in SERIES), default=0))
    step = WIDTH / max(1, len(every) - 1)
    lines = [
        Line(
            name,
            " ".join(f"{n * step:.1f},{_y(getattr(one, name), top):.1f}" for n, one in enumerate(every)),
            sum(getattr(one, name) for one in every),
        )
        for name in SERIES
    ]
    levels = [(_y(top * part / 2, top), round(top * part / 2)) for part in range(3)]
    between = max(1, len(moments) // 6)
    times = [(n * step, at) for n, at in enumerate(moments) if n % between == 0]
    return Chart(lines, levels, times, [one for one in every if one.at in known])


def _floor(moment: datetime) -> datetime:
    return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)


def _y(value: float, top: int) -> float:
    return HEIGHT - value / top * HEIGHT


def _round_up(value: int) -> int:
    """The next of 2, 4, 6, 8, 10, 20, 40, …, so that half of it is whole, too."""
    scale = 1
    while True:
        for step in (2, 4, 6, 8, 10):
            if value <= step * scale:
                return step * scale
        scale *= 10

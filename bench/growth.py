"""What is measured elsewhere, over a store with five million finished messages, against the same over one with none.

Both stores stand side by side, and each figure is taken of the one and of the other in turn, so that whatever else the machine
does meets both: the ratio is that of a turn, half of them are above it.
"""

from collections.abc import Callable, Iterable
from statistics import median

from bench import dispatch, finished, stage, web
from bench.rows import Row

TIMES = 5
FINISHED = 5_000_000

_Measure = Callable[[stage.Database, int], float]


def _accept(database: stage.Database, number: int) -> float:
    return 50 * web.measure(database, web.events, number // 10, 202).per_second


def _single(database: stage.Database, number: int) -> float:
    return web.measure(database, web.singles, number, 202).per_second


def _notify(database: stage.Database, number: int) -> float:
    return web.measure(database, web.told(database, 1), number, 200).per_second


def _notify_100(database: stage.Database, number: int) -> float:
    return 100 * web.measure(database, web.told(database, 100), number // 10, 200).per_second


def _dispatch(database: stage.Database, number: int) -> float:
    return dispatch.send(database, 0.0, number * 5, [DISPATCHED]).per_second


DISPATCHED = "106540352242924"
"""A number that has nothing queued; what is finished is its own."""
MEASURES: dict[str, tuple[str, _Measure]] = {
    "accept": ("messages of events of 50", _accept),
    "single": ("`POST /v1/messages`", _single),
    "notify": ("notifications of one status", _notify),
    "notify-100": ("statuses in notifications of 100", _notify_100),
    "dispatch": ("claim to settle, answer at once", _dispatch),
}


def rows(
    number: int = 2_000, total: int = FINISHED, times: int = TIMES, names: Iterable[str] = tuple(MEASURES)
) -> list[Row]:
    """A row for each of MEASURES, or of these."""
    found = []
    with stage.postgresql() as empty, stage.postgresql() as full:
        finished.fill(full, total, DISPATCHED)
        for name in names:
            what, measure = MEASURES[name]
            turns = [_turn(measure, empty, full, number, full_first=bool(turn % 2)) for turn in range(times)]
            ratios = sorted(over / without for without, over in turns)
            text = f"{what}, over {total:,} finished messages ÷ over none"
            beside = f"{median(over for _, over in turns):,.0f}/s; {median(without for without, _ in turns):,.0f}/s"
            spread = f"{times} turns, {ratios[0]:.2f} to {ratios[-1]:.2f}"
            found.append(Row(f"growth-{name}", text, median(ratios), "", 0.9, f"{beside}; {spread}"))
    return found


def _turn(
    measure: _Measure, empty: stage.Database, full: stage.Database, number: int, *, full_first: bool
) -> tuple[float, float]:
    """Over the empty one and over the full one; each goes first as often as the other."""
    if full_first:
        over = measure(full, number)
        return measure(empty, number), over
    return measure(empty, number), measure(full, number)

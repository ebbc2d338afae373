"""What is measured elsewhere, over a store with five million finished messages, against the same over one with none.

Both stores stand side by side, and each figure is taken of the one and of the other in turn, so that whatever else the machine
does meets both.
"""

from collections.abc import Callable, Iterable
from statistics import median

from bench import dispatch, finished, stage, web
from bench.rows import Row

TIMES = 3
FINISHED = 5_000_000

_Measure = Callable[[stage.Database, int], float]


def _accept(database: stage.Database, number: int) -> float:
    return 50 * web.measure(database, web.events(number // 10), 202).per_second


def _single(database: stage.Database, number: int) -> float:
    return web.measure(database, web.singles(number), 202).per_second


def _notify(database: stage.Database, number: int) -> float:
    return web.measure(database, web.notifications(web.accepted(database, number), 1), 200).per_second


def _notify_100(database: stage.Database, number: int) -> float:
    return 100 * web.measure(database, web.notifications(web.accepted(database, number * 10), 100), 200).per_second


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
            without, over = _in_turn(measure, empty, full, number, times)
            text = f"{what}, over {total:,} finished messages ÷ over none"
            beside = f"{over:,.0f}/s; {without:,.0f}/s; median of {times}"
            found.append(Row(f"growth-{name}", text, over / without, "", 0.9, beside))
    return found


def _in_turn(
    measure: _Measure, one: stage.Database, other: stage.Database, number: int, times: int
) -> tuple[float, float]:
    """Medians of both; each goes first as often as the other."""
    of_one, of_other = [], []
    for turn in range(times):
        if turn % 2:
            of_other.append(measure(other, number))
        of_one.append(measure(one, number))
        if not turn % 2:
            of_other.append(measure(other, number))
    return median(of_one), median(of_other)

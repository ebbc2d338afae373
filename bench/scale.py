"""Three dispatchers share twelve numbers: messages a second, against one dispatcher that has all twelve.

Answers come in 100 ms, so that it is not the waiting that binds. All of it runs on the cores of this machine: dispatchers,
PostgreSQL and the stand-in. What each takes of them stands beside the figure, and says what three dispatchers run into.
"""

import os

from bench import dispatch, stage
from bench.dispatch import Sent
from bench.rows import Row

NUMBERS = tuple(f"2{n:014}" for n in range(12))
ANSWER_SECONDS = 0.1


def measure(number: int, dispatchers: int) -> Sent:
    """So many messages of all the numbers in turn."""
    with stage.postgresql() as database:
        return dispatch.send(database, ANSWER_SECONDS, number, NUMBERS, dispatchers)


def _shares(sent: Sent) -> str:
    cores = os.cpu_count() or 1
    parts = {"dispatchers": sent.dispatcher, "PostgreSQL": sent.database, "stand-in and bench": sent.beside}
    shares = ", ".join(f"{name} {used / sent.seconds / cores:.0%}" for name, used in parts.items())
    return f"{sent.per_second:,.0f}/s ({shares} of {cores} cores)"


def rows(number: int = 30_000) -> list[Row]:
    """How much more three do: no goal, since it depends on the cores."""
    one, three = measure(number, 1), measure(number, 3)
    what = f"three dispatchers ÷ one, {len(NUMBERS)} numbers, answer in 100 ms"
    beside = f"three {_shares(three)}; one {_shares(one)}"
    return [Row("scale", what, three.per_second / one.per_second, "×", None, beside)]

"""Timings of this machine, each with its goal and what it was compared to. Best with nothing else to do.

Prints a table, a row as soon as it is measured, and writes build/bench.json. Without a name, everything but the long ones.
"""

import argparse
from collections.abc import Callable

from bench import console, dispatch, growth, latency, memory, peers, rows, scale, shim, start, urgent, web
from bench.rows import Row

QUICK: dict[str, Callable[..., list[Row]]] = {
    "dispatch": dispatch.rows,
    "scale": scale.rows,
    "web": web.rows,
    "latency": latency.rows,
    "urgent": urgent.rows,
    "start": start.rows,
    "shim": shim.rows,
    "peers": peers.rows,
}
"""Ten minutes in all."""
LONG: dict[str, Callable[..., list[Row]]] = {"memory": memory.rows, "growth": growth.rows, "console": console.rows}
"""Much is sent, or much is stored, before anything is measured."""
GROUPS = QUICK | LONG


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    parser.add_argument("row", nargs="*", metavar="ROW", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--full", action="store_true", help=f"the long ones too: {', '.join(LONG)}")
    wanted = parser.parse_args()
    if unknown := set(wanted.row) - GROUPS.keys():
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    names = wanted.row or (GROUPS if wanted.full else QUICK)
    measured: list[Row] = []
    print(f"{rows.machine()}\n\n{rows.HEAD}", flush=True)
    for name in names:
        found = GROUPS[name]()
        print(*map(rows.line, found), sep="\n", flush=True)
        measured += found
        rows.write(measured)


if __name__ == "__main__":
    main()

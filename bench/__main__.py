"""`python -m bench [ROW …]`: every group of rows, or these: dispatch, web, latency, shim.

Prints the table and writes build/bench.json. Best on a machine with nothing else to do.
"""

import sys
from collections.abc import Callable

from bench import dispatch, latency, rows, shim, web
from bench.rows import Row

GROUPS: dict[str, Callable[[], list[Row]]] = {
    "dispatch": dispatch.rows,
    "web": web.rows,
    "latency": latency.rows,
    "shim": shim.rows,
}


def main() -> None:
    """Measure what is asked for."""
    wanted = sys.argv[1:] or list(GROUPS)
    if unknown := set(wanted) - GROUPS.keys():
        sys.exit(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    measured = [row for name in wanted for row in GROUPS[name]()]
    rows.write(measured)
    print(f"{rows.machine()}\n\n{rows.as_table(measured)}")


if __name__ == "__main__":
    main()

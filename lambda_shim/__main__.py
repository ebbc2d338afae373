"""One invocation as Lambda would make it: `python -m lambda_shim FILE`, or the event on stdin.

Prints the answer as JSON, the log line on stderr. Exit 1 with a sentence on stderr when there is no answer.
"""

import contextlib
import json
import sys
from pathlib import Path

from lambda_shim.adapters import NotTaken, Refused
from lambda_shim.handler import handler


def main(file: str | None = None) -> str | None:
    """Invoke once; what went wrong, or None."""
    try:
        event = json.loads(Path(file).read_bytes() if file else sys.stdin.buffer.read())
        with contextlib.redirect_stdout(sys.stderr):
            answer = handler(event, None)
    except (Refused, NotTaken, OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    print(json.dumps(answer, indent=2))
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))

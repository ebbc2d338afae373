#!/usr/local/bin/python -IS
"""The image's health check: exit 0 while the piece that this container runs answers. Imports next to nothing: it runs often.

Which piece that is stands in the command line of the container's first process, ours or an init before it. One that
listens nowhere (migrate, doctor, …) is healthy for as long as it runs.
"""

import os
import socket
import sys
from collections.abc import Mapping, Sequence

SECONDS = 4.0

PLACES = {
    "gunicorn": ("PORT", "8080", "/healthz"),
    "web": ("PORT", "8080", "/healthz"),
    "dispatcher": ("DISPATCHER_PORT", "9090", "/healthz"),
    "sandbox.lambda_host": ("", "9000", "/healthz"),
    "lambda": ("", "9000", "/healthz"),
    "sandbox": ("", "8090", "/sandbox/healthz"),
}
"""A word of the command line → the variable with the port, the port without it, the path."""


def place(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str] | None:
    """Port and path of the piece with this command line; None where it listens nowhere."""
    for word, (variable, default, path) in PLACES.items():
        if word in command:
            return int(environment.get(variable) or default), path
    return None


def answers(port: int, path: str) -> bool:
    """Whether what listens there says 200."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
            return connection.recv(32).split(b" ", 2)[1:2] == [b"200"]
    except OSError:
        return False


def main() -> int:
    """0 alive, 1 not."""
    with open("/proc/1/cmdline", encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes longer to import than all of this
        found = place(file.read().split("\0"), os.environ)
    return 0 if found is None or answers(*found) else 1


if __name__ == "__main__":
    sys.exit(main())

"""From the start of `whatsapp-channel web` until it is ready, over a store that has its schema.

The command is started anew each time, and asked over and over for `/readyz`, which answers 200 once the store can be written.
"""

import http.client
import time
from statistics import median

from bench import stage
from bench.databases import databases
from bench.rows import Row
from tests.running import free_port

TIMES = 5
PATIENCE_SECONDS = 30.0


def measure(database_url: str, times: int = TIMES) -> list[float]:
    """Seconds of each start."""
    return [_start(database_url) for _ in range(times)]


def _start(database_url: str) -> float:
    port, began = free_port(), time.monotonic()
    given = {"DATABASE_URL": database_url, "PORT": str(port), "FB_BUSINESS_PHONE_ID": "106540352242922"}
    with stage.process("-m", "service", "web", **given):
        while not _is_ready(port):
            if time.monotonic() - began > PATIENCE_SECONDS:
                raise TimeoutError("the web service does not become ready")
            time.sleep(0.005)
        return time.monotonic() - began


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def rows(times: int = TIMES) -> list[Row]:
    """On both databases."""
    found = []
    with databases() as urls:
        for kind, url in urls.items():
            took = measure(url, times)
            beside = f"{min(took):.2f} to {max(took):.2f} s"
            what = f"`whatsapp-channel web` to ready, {kind}, median of {times}"
            found.append(Row("start", what, median(took), "s", 1.5, beside, at_most=True))
    return found

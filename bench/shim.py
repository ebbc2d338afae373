"""What the shim adds to a call when everything is warm: its handler against the same signed event posted with `requests`.

Both post the same fifty recipients to the same service, over one kept connection, in turns, so that whatever else the machine
does meets both. Every event is another activity of the campaign: nothing is answered from a store of answers.
"""

import contextlib
import io
import json
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import requests
from standardwebhooks import Webhook

from bench.databases import databases
from bench.rows import Row
from lambda_shim.forward import Forwarder
from lambda_shim.handler import handler
from tests.running import campaign, running

SAMPLE = Path(__file__).parent.parent / "tests/samples/pinpoint_campaign_article.json"


@dataclass(frozen=True, slots=True)
class Overhead:
    """Seconds of a call: median through the shim, median of a bare POST; their ratio."""

    shim: float
    bare: float

    @property
    def ratio(self) -> float:
        """How much longer the shim takes."""
        return self.shim / self.bare


def measure(database_url: str, count: int = 300) -> Overhead:
    """`count` calls of each kind, after some to warm up."""
    sample = json.loads(SAMPLE.read_text())
    with tempfile.TemporaryDirectory() as folder, running(database_url, Path(folder), WEB_WORKERS="1") as system:
        system.start_web()
        forwarder, session = Forwarder(system.shim_settings), requests.Session()
        url, signer = f"{system.url}/v1/events/pinpoint", Webhook(system.shim_settings["SIGNING_KEYS"])
        spent: dict[str, list[float]] = {"shim": [], "bare": []}
        for number in range(0, 2 * (count + 20), 2):
            event = campaign(sample, number)
            spent["shim"].append(_timed(partial(_quietly, event, forwarder)))
            event = campaign(sample, number + 1)
            spent["bare"].append(_timed(partial(_post, event, session, url, signer)))
        session.close()
    return Overhead(*(median(spent[kind][20:]) for kind in ("shim", "bare")))


def _timed(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _quietly(event: dict[str, Any], forwarder: Forwarder) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        assert len(handler(event, None, forwarder)) == 50


def _post(event: dict[str, Any], session: requests.Session, url: str, signer: Webhook) -> None:
    body, now, event_id = json.dumps(event), datetime.now(UTC), f"evt_{time.time_ns() // 1_000_000}_{uuid.uuid4().hex}"
    headers = {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signer.sign(event_id, now, body),
    }
    answer = session.post(url, data=body, headers=headers, timeout=10)
    assert len(answer.json()["results"]) == 50


def rows(count: int = 300) -> list[Row]:
    """On both databases."""
    found = []
    with databases() as urls:
        for kind, url in urls.items():
            one = measure(url, count)
            beside = f"{one.shim * 1000:.1f} ms; requests alone {one.bare * 1000:.1f} ms"
            what = f"event of 50 through the shim ÷ requests alone, {kind}"
            found.append(Row("shim", what, one.ratio, "", 1.3, beside, at_most=True))
    return found

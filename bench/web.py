"""What the web service takes: events of 50, single messages, notifications; durably, and through real gunicorn.

The load comes from this process over 16 kept connections. Events are compared to raw inserts of the same rows in batches, the
rest by turns to Flask that answers an empty 200 under the same gunicorn.
"""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from itertools import count
from operator import add
from statistics import median, quantiles

import aiohttp
from sqlalchemy import insert, select
from standardwebhooks import Webhook

from bench import stage
from bench.rows import Row
from service.outbox import tables
from service.outbox.database import transaction
from tests.running import free_port

CONNECTIONS = 16
WARM_UP = 10 * CONNECTIONS
"""Requests before any is counted: each connection to PostgreSQL has then prepared its statements."""
TURNS = 8
"""What else this machine does in the meantime slows both."""
NUMBER = "106540352242922"
TOLD_NUMBER = "106540352242923"
"""Whose messages are notified; nothing else is queued for it."""
SIGNING_KEY = "whsec_YmVuY2ggYmVuY2ggYmVuY2ggYmVuY2g="
APP_SECRET = "a-secret-of-the-bench"  # noqa: S105 - nobody else's
API_KEY = "wck_bench"

_activities = count()

Request = tuple[str, bytes, dict[str, str]]
"""Path, body and headers."""
Make = Callable[[int], Sequence[Request]]
"""So many requests."""


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it: how many seconds each request took, and how many it were for all."""

    took: list[float]
    seconds: float

    @property
    def per_second(self) -> float:
        """Requests."""
        return len(self.took) / self.seconds

    @property
    def p99(self) -> float:
        """The seconds within which 99 of 100 were answered."""
        return quantiles(self.took, n=100)[98]

    def __add__(self, other: "Load") -> "Load":
        return Load(self.took + other.took, self.seconds + other.seconds)


def load(url: str, requests: Sequence[Request], wanted: int) -> Load:
    """Post them all, over CONNECTIONS at once; every answer must be `wanted`."""
    return asyncio.run(_load(url, requests, wanted))


async def _load(url: str, requests: Sequence[Request], wanted: int) -> Load:
    took: list[float] = []
    waiting = iter(requests)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector, skip_auto_headers=["User-Agent"]) as session:

        async def post() -> None:
            for path, body, headers in waiting:
                began = time.perf_counter()
                async with session.post(url + path, data=body, headers=headers) as answer:
                    text = await answer.read()
                    assert answer.status == wanted, text
                took.append(time.perf_counter() - began)

        began = time.perf_counter()
        await asyncio.gather(*(post() for _ in range(CONNECTIONS)))
        return Load(took, time.perf_counter() - began)


@contextmanager
def service(database: stage.Database, **settings: str) -> Iterator[tuple[str, int]]:
    """The web service with two workers; where it is, and its first process."""
    port = free_port()
    hashed = hashlib.sha256(API_KEY.encode()).hexdigest()
    given = {
        "DATABASE_URL": database.url,
        "PORT": str(port),
        "FB_BUSINESS_PHONE_ID": NUMBER,
        "FB_APP_TOKEN": "a-token",
        "FB_APP_SECRET": APP_SECRET,
        "SIGNING_KEYS": SIGNING_KEY,
        "API_KEYS": f"bench:send+read:{hashed}",
    }
    with stage.process("-m", "service", "web", **given, **settings) as running:
        stage.until_open(port)
        yield f"http://127.0.0.1:{port}", running.pid


@contextmanager
def bare() -> Iterator[str]:
    """Flask that does nothing, under the same gunicorn."""
    port = free_port()
    how = ["--workers", "2", "--threads", "8", "--worker-class", "service.cli.web_worker.Worker", "--keep-alive", "75"]
    with stage.process("-m", "gunicorn", *how, "--bind", f"127.0.0.1:{port}", "bench.bare:app"):
        stage.until_open(port)
        yield f"http://127.0.0.1:{port}"


def events(number: int) -> list[Request]:
    """Pinpoint events of 50, each signed as the shim signs."""
    data = json.dumps({"templateName": "ordertimeoutnotification", "params": json.loads(stage.COMPONENTS)})
    made = []
    for n in (next(_activities) for _ in range(number)):
        people = {
            f"ep{n}-{m}": {"ChannelType": "CUSTOM", "Address": f"+86138{n:05}{m:03}", "OptOut": "NONE"}
            for m in range(50)
        }
        event = {"ApplicationId": "a", "CampaignId": "bench", "ActivityId": f"a{n}", "Data": data, "Endpoints": people}
        body, now, name = json.dumps(event), datetime.now(UTC), f"evt_{int(time.time() * 1000)}_{n}"
        signed = {"webhook-id": name, "webhook-timestamp": str(int(now.timestamp()))}
        signed["webhook-signature"] = Webhook(SIGNING_KEY).sign(name, now, body)
        made.append(("/v1/events/pinpoint", body.encode(), signed))
    return made


def singles(number: int) -> list[Request]:
    """Direct messages, one each."""
    key = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}
    template = {"name": "ordertimeoutnotification", "language": "en_US", "params": ["Tuohumai", "T Shirt"]}
    return [
        ("/v1/messages", json.dumps({"messages": [{"to": f"+86137{n:08}", "template": template}]}).encode(), key)
        for n in range(number)
    ]


def notifications(callbacks: Sequence[str], size: int) -> list[Request]:
    """A `sent` for each of these attempts, `size` in each notification, signed as Meta signs."""
    made = []
    for start in range(0, len(callbacks), size):
        statuses = [
            {
                "id": f"wamid.{one}",
                "status": "sent",
                "timestamp": str(int(time.time())),
                "recipient_id": "8613800138000",
            }
            | {"biz_opaque_callback_data": one}
            for one in callbacks[start : start + size]
        ]
        value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": NUMBER}, "statuses": statuses}
        changes = [{"value": value, "field": "messages"}]
        body = json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]})
        signature = hmac.new(APP_SECRET.encode(), body.encode(), hashlib.sha256).hexdigest()
        made.append(("/webhooks/whatsapp", body.encode(), {"X-Hub-Signature-256": f"sha256={signature}"}))
    return made


def raw_inserts(database: stage.Database) -> float:
    """Messages a second: the rows that the events have made, put in once more by one process, 50 and a commit at a time."""
    with database.engine.connect() as connection:
        stored = [column for column in tables.messages.columns if column.computed is None]
        rows = [dict(row) for row in connection.execute(select(*stored)).mappings()]
        keys = [dict(row) for row in connection.execute(select(tables.keys)).mappings()]
    with transaction(database.engine) as connection:
        connection.exec_driver_sql("TRUNCATE messages, keys")
    began = time.perf_counter()
    for start in range(0, len(rows), 50):
        with transaction(database.engine) as connection:
            connection.execute(insert(tables.messages), rows[start : start + 50])
            connection.execute(insert(tables.keys), keys[start : start + 50])
    return len(rows) / (time.perf_counter() - began)


def accepted(database: stage.Database, number: int) -> list[str]:
    """So many attempts that Meta has taken, by their callback data."""
    stage.fill(database.engine, number, [TOLD_NUMBER])
    return stage.take(database.engine, TOLD_NUMBER)


def told(database: stage.Database, size: int) -> Make:
    """Makes notifications of `size` statuses each, and the attempts that they are of."""
    return lambda number: notifications(accepted(database, number * size), size)


def measure(database: stage.Database, make: Make, number: int, wanted: int) -> Load:
    """Start the service, and post so many requests after WARM_UP of the same kind."""
    requests = make(WARM_UP + number)
    with service(database) as (url, _):
        load(url, requests[:WARM_UP], wanted)
        return load(url, requests[WARM_UP:], wanted)


@dataclass(frozen=True, slots=True)
class Beside:
    """The same requests to the service and to bare Flask, and the ratio in the middle of those of all turns."""

    ours: Load
    flask: Load
    ratio: float

    @property
    def figures(self) -> str:
        """Both."""
        return f"{self.ours.per_second:,.0f}/s; bare Flask {self.flask.per_second:,.0f}/s; {TURNS} turns"


def by_turns(make: Callable[[stage.Database], Make], number: int, wanted: int) -> Beside:
    """As `measure`, in a database of its own; TURNS times some to the service, and then as many to Flask."""
    with stage.postgresql() as database:
        requests = make(database)(WARM_UP + number)
        with service(database) as (ours, _), bare() as flask:
            load(ours, requests[:WARM_UP], wanted)
            load(flask, requests[:WARM_UP], 200)
            at_once = number // TURNS
            parts = [requests[start : start + at_once] for start in range(WARM_UP, WARM_UP + TURNS * at_once, at_once)]
            turns = [(load(ours, part, wanted), load(flask, part, 200)) for part in parts]
    ratio = median(one.per_second / other.per_second for one, other in turns)
    of_ours, of_flask = zip(*turns, strict=True)
    return Beside(reduce(add, of_ours), reduce(add, of_flask), ratio)


def rows(number: int = 4_000) -> list[Row]:
    """The four rows."""
    with stage.postgresql() as database:
        of_fifty = measure(database, events, number // 5, 202)
        raw = raw_inserts(database)
    single = by_turns(lambda _: singles, number, 202)
    one_each = by_turns(lambda database: told(database, 1), number, 200)
    with stage.postgresql() as database:
        by_hundreds = measure(database, told(database, 100), number // 5, 200)
    messages, statuses = of_fifty.per_second * 50, by_hundreds.per_second * 100
    both = f"{messages:,.0f}/s; raw {raw:,.0f}/s"
    p99 = single.ours.p99 * 1000
    many = f"{number * 20:,} statuses"
    return [
        Row("accept", "events of 50 ÷ raw inserts of the same rows", messages / raw, "", 0.5, both),
        Row("accept-rate", "messages of events of 50", messages, "messages/s", 10_000, f"{number * 10:,} messages"),
        Row("single", "`POST /v1/messages` ÷ bare Flask", single.ratio, "", 0.5, single.figures),
        Row("single-p99", "the same, 99 of 100 within", p99, "ms", 25, "16 connections", at_most=True),
        Row("notify", "notifications of one status ÷ bare Flask", one_each.ratio, "", 0.5, one_each.figures),
        Row("notify-100", "statuses in notifications of 100", statuses, "statuses/s", 10_000, many),
    ]

"""Outcomes to EventBridge: what goes out to whom (moto), and what happens where the bus does not take it (a stub of AWS)."""

import asyncio
import json
import logging
import os
import threading
import uuid
from collections.abc import Collection, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

import pytest
from boto3.session import Session
from moto.server import ThreadedMotoServer
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import insert, update

from service import wiring
from service.config import Settings
from service.dispatch.number import Clock
from service.dispatch.publish import BYTES, Bus, Entry, Publisher, calls, entry_of
from service.message import Status
from service.metrics import StoreCollector
from service.outbox import tables
from service.outbox.database import open_engine, transaction
from service.outbox.outbox import Outbox
from service.outbox.outcomes import Outcomes, ReplyOutcome, StatusOutcome, keep, keep_reply
from service.outbox.report import Report
from tests.conftest import MAX_TRIES, Store
from tests.dispatch.stage import SteppedClock
from tests.outbox.making import NOW, event, later, message
from tests.running import until

REGION = "eu-central-1"
PHONE, TEXT, WAMID = "+8613800138000", "canary: see you at nine", "wamid.canary"


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that open nothing; no profile of this machine's user is looked at."""
    given = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_EC2_METADATA_DISABLED": "true"}
    for name, value in {**given, "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """AWS on this machine."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bus_arn(endpoint: str) -> Iterator[str]:
    """A bus of that account. What it takes is not looked at: for rules moto wants one package more."""
    session: Any = Session("testing", "testing", region_name=REGION)
    with closing(session.client("events", endpoint_url=endpoint)) as events:
        yield str(events.create_event_bus(Name=f"bus-{uuid.uuid4().hex}")["EventBusArn"])


class StubAws(ThreadingHTTPServer):
    """EventBridge as far as one test needs it: keeps the entries of each call, and answers with the next of `codes`.

    Of `codes`: a list has a code, or None for taken, for each entry; a text refuses the whole call with that code.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.codes: list[list[str | None] | str] = []
        self.calls: list[list[dict[str, Any]]] = []

    def details(self) -> list[dict[str, Any]]:
        """Of each entry that has come since the last look."""
        entries = [entry for call in self.calls for entry in call]
        self.calls.clear()
        return [json.loads(entry["Detail"]) for entry in entries]

    def statuses(self) -> list[list[tuple[str, str]]]:
        """Of each call, which message it told of, and what."""
        told = [[json.loads(entry["Detail"]) for entry in entries] for entries in self.calls]
        return [[(one["message_id"], one["status"]) for one in details] for details in told]


class _Call(BaseHTTPRequestHandler):
    server: StubAws

    def do_POST(self) -> None:
        entries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["Entries"]
        self.server.calls.append(entries)
        codes = self.server.codes.pop(0) if self.server.codes else [None] * len(entries)
        if isinstance(codes, str):
            self._answer(400, {"__type": codes, "message": "no"})
            return
        results = [{"ErrorCode": code, "ErrorMessage": "no"} if code else {"EventId": "1"} for code in codes]
        self._answer(200, {"FailedEntryCount": len(results) - codes.count(None), "Entries": results})

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def aws() -> Iterator[StubAws]:
    with StubAws() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Press:
    """Messages that come to something, and a publisher whose clock is moved by hand."""

    def __init__(self, store: Store, bus: Bus, *, with_personal_data: bool = False) -> None:
        self.store = store
        self.clock = SteppedClock()
        self.clock.time = NOW
        self.bus = bus
        self.publisher = self.another(Outcomes(store.engine), with_personal_data=with_personal_data)

    def another(self, outcomes: Outcomes, *, with_personal_data: bool = False) -> Publisher:
        """A publisher of another process: `Random(1)` begins with 0.13…, so the first wait is 0.57 s."""
        now = lambda: self.clock.time  # noqa: E731 - a value, passed on
        return Publisher(outcomes, self.bus, now=now, rng=Random(1), with_personal_data=with_personal_data)

    def add(self, count: int) -> list[str]:
        messages = [message(n, to=PHONE, campaign_id="c1", reference=f"order-{n}") for n in range(1, count + 1)]
        self.store.outbox.add(event(*messages), NOW)
        return [one.message_id for one in messages]

    def stand(self, status: Status, *names: str, at: datetime = NOW) -> None:
        with transaction(self.store.engine) as connection:
            moved = update(tables.messages).where(tables.messages.c.message_id.in_(names))
            connection.execute(moved.values(status=status.value, status_at=at))
            keep(connection, names, at)

    def reply(self, message_id: str) -> None:
        row = {"wamid": WAMID, "phone_number_id": "1065", "sender": PHONE, "kind": "button", "text": TEXT}
        with transaction(self.store.engine) as connection:
            more = {"payload": "CONFIRM", "at": NOW, "received_at": NOW, "message_id": message_id}
            connection.execute(insert(tables.inbound_messages).values({**row, **more}))
            keep_reply(connection, WAMID, NOW)

    def waiting(self) -> int:
        return self.store.report.outcomes_waiting()


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """As everywhere, with outcomes published."""
    engine = open_engine(database_url, keeps_outcomes=True)
    yield Store(database_url, engine, Outbox(engine, max_tries=MAX_TRIES), Report(engine))
    engine.dispose()


@pytest.fixture
def proof(store: Store, aws: StubAws) -> Iterator[Press]:
    """A press that prints for the stub."""
    bus = Bus("the-bus", REGION, aws.url)
    with closing(bus):
        yield Press(store, bus)


# --- what goes out


@pytest.mark.parametrize("named", ["by its name", "by its ARN"])
def test_eventbridge_takes_what_goes_out(store: Store, bus_arn: str, endpoint: str, named: str) -> None:
    by_arn = named == "by its ARN"  # which says the region too
    bus = Bus(bus_arn, endpoint_url=endpoint) if by_arn else Bus(bus_arn.partition("/")[2], REGION, endpoint)
    with closing(bus):
        press = Press(store, bus)
        names = press.add(12)
        press.stand(Status.DELIVERED, *names)
        press.reply(names[0])
        assert press.publisher.publish() == timedelta(0)
        assert press.waiting() == 0


def test_what_became_of_a_message_goes_out_under_the_callers_own_names(proof: Press, aws: StubAws) -> None:
    (name,) = proof.add(1)
    proof.stand(Status.DELIVERED, name)
    assert proof.publisher.publish() == timedelta(0)
    ((told,),) = aws.calls
    assert (told["Source"], told["DetailType"]) == ("whatsapp-channel", "WhatsApp message status")
    assert told["Time"] == NOW.timestamp()
    assert aws.details() == [
        {
            "outcome_id": 1,
            "message_id": name,
            "event_id": "e00001",
            "campaign_id": "c1",
            "recipient": "endpoint1",
            "reference": "order-1",
            "to": "+86••••••••000",
            "phone_number_id": "106540352242922",
            "template": {"name": "order_update", "language": "en_US"},
            "status": "delivered",
            "at": "2026-11-01T09:00:00.123Z",
        }
    ]
    assert proof.waiting() == 0
    assert proof.publisher.publish() == timedelta(seconds=1)


def test_a_reply_goes_out_without_its_text(proof: Press, aws: StubAws) -> None:
    (name,) = proof.add(1)
    proof.reply(name)
    proof.publisher.publish()
    assert aws.calls[0][0]["DetailType"] == "WhatsApp reply"
    assert aws.details() == [
        {
            "outcome_id": 1,
            "message_id": name,
            "event_id": "e00001",
            "campaign_id": "c1",
            "recipient": "endpoint1",
            "reference": "order-1",
            "from": "+86••••••••000",
            "phone_number_id": "1065",
            "kind": "button",
            "payload": "CONFIRM",
            "at": "2026-11-01T09:00:00.123Z",
        }
    ]


def test_personal_data_goes_out_only_where_it_is_asked_for(store: Store, aws: StubAws) -> None:
    with closing(Bus("the-bus", REGION, aws.url)) as bus:
        press = Press(store, bus, with_personal_data=True)
        (name,) = press.add(1)
        press.stand(Status.READ, name)
        press.reply(name)
        press.publisher.publish()
        status, reply = aws.details()
        assert status["to"] == PHONE
        assert (reply["from"], reply["text"], reply["wamid"]) == (PHONE, TEXT, WAMID)


def test_a_failure_goes_out_with_metas_code_and_a_title() -> None:
    facts = {"outcome_id": 1, "message_id": "m", "event_id": "e", "campaign_id": None, "recipient": "r"}
    more = {"reference": None, "to": PHONE, "phone_number_id": "1", "template": "t", "language": "en", "at": NOW}
    failed = StatusOutcome(**facts, **more, status="failed", code=131049, title=None)  # type: ignore[arg-type]
    detail = json.loads(entry_of(failed, with_personal_data=False)["Detail"])
    assert detail["code"] == 131049
    assert detail["title"]
    expired = StatusOutcome(**facts, **more, status="expired")  # type: ignore[arg-type]
    assert not {"code", "title"} & json.loads(entry_of(expired, with_personal_data=False)["Detail"]).keys()


def test_many_go_out_in_calls_of_ten(proof: Press, aws: StubAws) -> None:
    proof.stand(Status.READ, *proof.add(105))
    assert proof.publisher.publish() == timedelta(0)
    assert [len(call) for call in aws.calls] == [10] * 10
    assert {entry["EventBusName"] for entry in aws.calls[0]} == {"the-bus"}
    assert proof.waiting() == 5
    proof.publisher.publish()
    assert (len(aws.calls), proof.waiting()) == (11, 0)


def test_no_call_is_larger_than_aws_takes() -> None:
    replies = [
        ReplyOutcome(n, f"wamid.{n}", "1", PHONE, "text", "\x01" * 9000, "字" * 9000, NOW, recipient="字" * 512)
        for n in range(40)
    ]
    entries = [(one.outcome_id, entry_of(one, with_personal_data=True)) for one in replies]
    made = list(calls(entries))
    assert [outcome_id for call in made for outcome_id, _ in call] == list(range(40))
    assert all(sum(len(entry["Detail"].encode()) for _, entry in call) <= BYTES for call in made)
    assert max(len(call) for call in made) < 10


# --- what is not taken


def test_an_entry_that_is_not_taken_goes_again_and_the_others_do_not(proof: Press, aws: StubAws) -> None:
    proof.stand(Status.READ, *proof.add(3))
    aws.codes = [[None, "ThrottlingException", None]]
    wait = proof.publisher.publish()
    assert proof.waiting() == 1
    proof.publisher.publish()
    assert len(aws.calls) == 1
    proof.clock.step(seconds=wait.total_seconds())
    assert proof.publisher.publish() == timedelta(0)
    assert aws.statuses()[1:] == [[("m00002", "read")]]
    assert proof.waiting() == 0


def test_it_waits_longer_the_longer_the_bus_refuses(proof: Press, aws: StubAws) -> None:
    proof.stand(Status.READ, *proof.add(1))
    aws.codes = ["InternalException"] * 40
    waits = []
    for _ in range(12):
        wait = proof.publisher.publish()
        waits.append(wait.total_seconds())
        proof.clock.step(seconds=wait.total_seconds())
    assert all(0.5 * 2**n <= wait <= 2**n for n, wait in enumerate(waits[:7]))
    assert all(60 <= wait <= 120 for wait in waits[7:])
    aws.codes = []
    assert proof.publisher.publish() == timedelta(0)
    proof.stand(Status.EXPIRED, "m00001", at=later(seconds=1))
    aws.codes = [["InternalFailure"]]
    assert proof.publisher.publish() <= timedelta(seconds=1)


def test_after_a_call_that_fails_the_rest_is_not_tried(proof: Press, aws: StubAws) -> None:
    proof.stand(Status.READ, *proof.add(30))
    aws.codes = [[None] * 10, "AccessDeniedException"]
    proof.publisher.publish()
    assert (len(aws.calls), proof.waiting()) == (2, 20)


def test_what_happens_to_a_message_later_does_not_overtake_what_was_not_taken(proof: Press, aws: StubAws) -> None:
    names = proof.add(2)
    proof.stand(Status.DELIVERED, *names)
    proof.stand(Status.READ, *names, at=later(seconds=1))
    aws.codes = [["InternalFailure", None]]
    proof.clock.step(seconds=proof.publisher.publish().total_seconds())
    proof.publisher.publish()
    proof.publisher.publish()
    assert aws.statuses() == [
        [("m00001", "delivered"), ("m00002", "delivered")],
        [("m00001", "delivered"), ("m00002", "read")],
        [("m00001", "read")],
    ]


def test_a_bus_that_does_not_exist_is_said_and_nothing_is_lost(
    store: Store, endpoint: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Bus("no-such-bus", REGION, endpoint)) as bus:
        press = Press(store, bus)
        press.stand(Status.READ, *press.add(2))
        press.publisher.publish()
    assert press.waiting() == 2
    (line,) = [record.getMessage() for record in caplog.records if record.name.startswith("service")]
    assert line == "outcomes.not_published bus=no-such-bus codes=ResourceNotFoundException:2 wait_s=0.6"


@pytest.mark.parametrize(
    ("region", "url", "code"),
    [
        (None, "http://127.0.0.1:9", "NoRegionError"),
        (REGION, "http://127.0.0.1:9", "EndpointConnectionError"),
        (REGION, "nonsense", "ValueError"),
    ],
)
def test_where_aws_cannot_be_reached_it_waits(
    store: Store, region: str | None, url: str, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    press = Press(store, Bus("the-bus", region, url))
    press.stand(Status.READ, *press.add(1))
    assert press.publisher.publish() > timedelta(0)
    assert f"codes={code}:1" in caplog.text
    assert press.waiting() == 1
    press.bus.close()


def test_an_answer_that_is_not_eventbridges_is_no_success(proof: Press, aws: StubAws) -> None:
    proof.stand(Status.READ, *proof.add(2))
    aws.codes = [[None]]
    proof.publisher.publish()
    assert proof.waiting() == 2


# --- at least once


class Dying(Outcomes):
    """Whose process is killed after the bus has taken it, and before that is written down."""

    def done(self, ids: Collection[int]) -> None:
        raise KeyboardInterrupt(f"{len(ids)} outcomes were out")


def test_killed_between_publishing_and_writing_it_down_it_goes_out_again_under_the_same_id(
    proof: Press, aws: StubAws
) -> None:
    proof.stand(Status.READ, *proof.add(3))
    with pytest.raises(KeyboardInterrupt):
        proof.another(Dying(proof.store.engine)).publish()
    proof.publisher.publish()
    assert [one["outcome_id"] for one in aws.details()] == [1, 2, 3]
    proof.clock.step(seconds=60)
    proof.publisher.publish()
    assert [one["outcome_id"] for one in aws.details()] == [1, 2, 3]
    assert proof.waiting() == 0


def test_while_the_store_is_down_nothing_ends(tmp_path: Path, caplog: pytest.LogCaptureFixture, aws: StubAws) -> None:
    url = f"sqlite:///{tmp_path}/gone/channel.db"
    settings = Settings.from_environment({"DATABASE_URL": url, "EVENT_BUS": "b", "AWS_ENDPOINT_URL": aws.url})
    store = wiring.open_store(settings)
    (tmp_path / "gone").rmdir()
    (publisher,) = wiring.publishers(settings, store, Clock(wiring.now, wiring.monotonic))
    assert publisher.publish() == timedelta(seconds=1)
    assert "outcomes.wait reason=" in caplog.text
    store.engine.dispose()


def test_it_publishes_until_it_is_cancelled(proof: Press, aws: StubAws) -> None:
    async def run() -> None:
        task = asyncio.create_task(proof.publisher.run(lambda _: False))
        await asyncio.to_thread(until, lambda: proof.waiting() == 0, "everything to be published")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    proof.stand(Status.READ, *proof.add(12))
    asyncio.run(run())
    assert [len(call) for call in aws.calls] == [10, 2]


def test_without_a_bus_nobody_publishes(tmp_path: Path) -> None:
    settings = Settings.from_environment({"DATABASE_URL": f"sqlite:///{tmp_path}/channel.db"})
    store = wiring.open_store(settings)
    assert wiring.publishers(settings, store, Clock(wiring.now, wiring.monotonic)) == []


# --- what is told of it


def test_a_scrape_tells_how_much_waits(proof: Press) -> None:
    proof.stand(Status.READ, *proof.add(3))
    registry = CollectorRegistry()
    registry.register(StoreCollector(proof.store.report, lambda: NOW))
    assert b"channel_outcomes_waiting 3.0" in generate_latest(registry)


def test_no_line_holds_a_number_or_a_text(proof: Press, aws: StubAws, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "service")
    (name,) = proof.add(1)
    proof.reply(name)
    aws.codes = [["InternalFailure"], "AccessDeniedException"]
    for _ in range(2):
        proof.clock.step(seconds=proof.publisher.publish().total_seconds())
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("service")]
    assert len(lines) == 2
    assert not any(private in line for line in lines for private in (PHONE, TEXT, WAMID))
    entry: Entry = aws.calls[0][0]
    assert not any(private in entry["Detail"] for private in (PHONE, TEXT, WAMID))

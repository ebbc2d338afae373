"""Parked events from SQS, one by one: done, or in the queue again; one bad record never holds up the others."""

import base64
import copy
import gzip
import json
import re
from typing import Any

import pytest

from lambda_shim.adapters import Refused
from lambda_shim.forward import Forwarder
from lambda_shim.handler import handler
from tests.lambda_shim.conftest import Desk
from tests.lambda_shim.serving import (
    HANGS_UP,
    PRIVATE,
    SILENT,
    Answer,
    Context,
    Log,
    Service,
    article,
    as_bytes,
    sample,
    settings,
)
from tests.lambda_shim.table import NO_ANSWER, NOT_TAKEN, REFUSED, TAKEN

DONE: dict[str, Any] = {"batchItemFailures": []}


def record(name: str, body: str | None = None, **attributes: str) -> dict[str, Any]:
    """The sample's record under another id; `_` in an attribute's name is `-`."""
    (record,) = copy.deepcopy(sample("lambda_sqs_event"))["Records"]
    record["messageId"] = name
    record["body"] = as_bytes(article()).decode() if body is None else body
    record["messageAttributes"] = {
        key.replace("_", "-"): {"stringValue": value, "dataType": "String"} for key, value in attributes.items()
    }
    return dict(record)


def zipped(body: bytes) -> str:
    return base64.b64encode(gzip.compress(body, mtime=0)).decode()


def batch(*records: object) -> dict[str, Any]:
    return {"Records": list(records)}


def failed(*names: str) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": name} for name in names]}


@pytest.mark.parametrize("told", (TAKEN | REFUSED).values(), ids=TAKEN | REFUSED)
def test_what_is_taken_or_refused_is_done(told: Answer, service: Service, forwarder: Forwarder, log: Log) -> None:
    """The service keeps what it refuses: to ask again would not help."""
    service.answers(told)
    assert handler(batch(record("one", webhook_id="evt_1_x")), Context(), forwarder) == DONE
    assert [request.webhook_id for request in service.requests] == ["evt_1_x"]
    assert log.line() == {"records": 1, "refused": int(told.status != 202), "failed": {}}


@pytest.mark.parametrize("told", (STAYS := NOT_TAKEN | {"trickles": HANGS_UP}).values(), ids=STAYS)
def test_everything_else_stays_in_the_queue_and_is_not_parked_anew(told: Answer, desk: Desk, log: Log) -> None:
    """But an answer that trickles: Lambda's time-out ends that batch, and all of it comes back."""
    desk.service.answers(told, told)
    shim = desk.impatient if told in NO_ANSWER.values() else desk.shim
    assert handler(batch(record("one", webhook_id="evt_1_x")), Context(), shim) == failed("one")
    assert desk.queue.messages() == []
    assert {request.webhook_id for request in desk.service.requests} == {"evt_1_x"}
    line = log.line()
    assert line["failed"].keys() == {"one"}
    assert line["failed"]["one"].startswith("The event was not taken (")
    assert not re.search(PRIVATE, json.dumps(line))


def test_connects_records_are_known_too(service: Service, forwarder: Forwarder) -> None:
    event = sample("connect_journey_action")
    assert handler(batch(record("one", as_bytes(event).decode())), Context(), forwarder) == DONE
    assert [request.target for request in service.requests] == ["/v1/events/connect"]
    assert service.requests[0].verified() == event


def test_a_record_put_there_by_hand_has_the_same_id_each_time(service: Service, forwarder: Forwarder) -> None:
    for _ in range(2):
        assert handler(sample("lambda_sqs_event"), Context(), forwarder) == DONE
    first, second = service.requests
    assert first.webhook_id == second.webhook_id == "evt_059f36b4-87a3-44ab-83d2-661975830a7d"
    assert first.verified() == article()
    assert first.body == second.body == as_bytes(article())


@pytest.mark.parametrize(
    "bad",
    [
        record("bad", ""),
        record("bad", "no JSON"),
        record("bad", "{"),
        record("bad", "null"),
        record("bad", "[]"),
        record("bad", "7"),
        record("bad", "{}"),
        record("bad", '{"key1": "value1"}'),
        record("bad", as_bytes(sample("lambda_sqs_event")).decode()),
        record("bad", as_bytes(sample("lambda_function_url_webhook")).decode()),
        record("bad", "[" * 100_000),
        record("bad", '{"Data": ' * 100_000),
        record("bad", '{"Data": ' + "9" * 5000 + "}"),
        record("bad", "no base64", content_encoding="gzip"),
        record("bad", base64.b64encode(b"no gzip").decode(), content_encoding="gzip"),
        record("bad", zipped(as_bytes(article()))[:-20], content_encoding="gzip"),
        record("bad", zipped(b"\xff\xfe"), content_encoding="gzip"),
        record("bad", webhook_id="evt_1_x\r\nX-Injected: y"),
        record("bad", webhook_id="evt_1_张"),
        {"messageId": "bad"},
        {"messageId": "bad", "body": None, "messageAttributes": {}},
        {"messageId": "bad", "body": {"Data": ""}, "messageAttributes": {}},
        {"messageId": "bad", "body": "{}", "messageAttributes": []},
    ],
    ids=lambda bad: re.sub(r"(.{60}).*", r"\1", f"{bad.get('body')!r}{bad.get('messageAttributes')}"),
)
def test_a_bad_record_never_holds_up_the_others(
    bad: dict[str, Any], service: Service, forwarder: Forwarder, log: Log
) -> None:
    records = batch(record("one", webhook_id="evt_1_one"), bad, record("two", webhook_id="evt_1_two"))
    assert handler(records, Context(), forwarder) == failed("bad")
    assert [request.webhook_id for request in service.requests] == ["evt_1_one", "evt_1_two"]
    failures = log.line()["failed"]
    assert failures.keys() == {"bad"}
    assert failures["bad"].isidentifier() or failures["bad"].startswith("The event was not taken (503): No answer")


def test_attributes_of_others_do_no_harm(service: Service, forwarder: Forwarder) -> None:
    """A tool that moves messages between queues may add its own, texts or not."""
    one = record("one", webhook_id="evt_1_x", moved_by="an operator")
    one["messageAttributes"]["trace"] = {"binaryValue": "H4sI", "dataType": "Binary"}
    one["messageAttributes"]["odd"] = None
    assert handler(batch(one), Context(), forwarder) == DONE
    assert service.requests[0].webhook_id == "evt_1_x"


def test_each_record_has_its_own_fate(service: Service, forwarder: Forwarder, log: Log) -> None:
    service.answers(202, 422, 500, 202, HANGS_UP, HANGS_UP, 503, 202, 400)
    names = ["taken", "refused", "failing", "taken too", "hanging up", "taken at the second try", "refused too"]
    records = batch(*(record(name, webhook_id=f"evt_1_{number}") for number, name in enumerate(names)))
    assert handler(records, Context(), forwarder) == failed("failing", "hanging up")
    assert [int(request.webhook_id[-1]) for request in service.requests] == [0, 1, 2, 3, 4, 4, 5, 5, 6]
    line = log.line()
    assert (line["records"], line["refused"], list(line["failed"])) == (7, 2, ["failing", "hanging up"])


def test_what_there_is_no_time_for_comes_again(service: Service) -> None:
    """Two seconds of the invocation are left alone here, too."""
    service.answers(202, SILENT)
    forwarder = Forwarder(settings(service.url))
    records = batch(*(record(name) for name in ("one", "two", "three", "four")))
    assert handler(records, Context(seconds=3.0), forwarder) == failed("two", "three", "four")
    assert len(service.requests) == 2


def test_no_address_is_logged_of_what_failed(forwarder: Forwarder, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither what stood in a bad record nor its traceback."""
    bodies = ['{"Address": "8613800138000"}', "8613800138000 is no event", '"Tuohumai"', '{"Data": "Tuohumai"']
    records = batch(*(record(f"bad-{number}", body) for number, body in enumerate(bodies)))
    assert len(handler(records, Context(), forwarder)["batchItemFailures"]) == len(bodies)
    printed = capsys.readouterr()
    assert not re.search(PRIVATE, printed.out + printed.err)


def test_records_of_another_source_are_no_known_shape(service: Service, forwarder: Forwarder) -> None:
    sns = {"EventSource": "aws:sns", "Sns": {"Message": as_bytes(article()).decode(), "MessageId": "m"}}
    with pytest.raises(Refused, match="no known shape"):
        handler(batch(sns), Context(), forwarder)
    with pytest.raises(Refused, match="no known shape"):
        handler(batch(record("one"), sns), Context(), forwarder)
    assert not service.requests

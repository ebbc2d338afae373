"""What the service does not take is parked on SQS (moto, a process of its own): nothing is lost, nothing comes twice."""

import base64
import gzip
import random
import re
import time
from typing import Any

import pytest

from lambda_shim.adapters import NotTaken, Refused
from lambda_shim.forward import Forwarder
from lambda_shim.handler import handler
from tests.lambda_shim.conftest import Desk
from tests.lambda_shim.serving import (
    ACCEPTED,
    PRIVATE,
    REASON,
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
from tests.running import free_port

MEGABYTE = 1_000_000


def journey() -> dict[str, Any]:
    event: dict[str, Any] = sample("connect_journey_action")
    return event


def outcomes(answer: dict[str, Any]) -> dict[str, str]:
    """Each recipient's status, of Pinpoint's answer or Connect's."""
    if "Items" not in answer:
        return {name: each["EventAttributes"]["whatsapp_status"] for name, each in answer.items()}
    return {each["Id"]: each["ResultData"]["whatsapp_status"] for each in answer["Items"]["CustomerProfiles"]}


def recipients(event: dict[str, Any]) -> list[str]:
    return list(event.get("Endpoints", {})) or [each["ProfileId"] for each in event["Items"]["CustomerProfiles"]]


def large(characters: int) -> dict[str, Any]:
    """The article's event with random text, which gzip can shorten by half at most."""
    noise = random.Random(1).randbytes(characters // 2).hex()
    return {**article(), "Data": noise}


each_source = pytest.mark.parametrize("event", [article(), journey()], ids=["pinpoint", "connect"])


ROWS = ["401", "503", "404 of the service", "202, HTML", "400, HTML", "422, of another service", "hangs up"]
some_rows = pytest.mark.parametrize("told", [NOT_TAKEN[row] for row in ROWS], ids=ROWS)


@each_source
@pytest.mark.parametrize("told", TAKEN.values(), ids=TAKEN)
def test_what_is_taken_is_not_parked(told: Answer, event: dict[str, Any], desk: Desk) -> None:
    desk.service.answers(told)
    assert outcomes(handler(event, Context(), desk.shim)) == dict.fromkeys(recipients(event), "accepted")
    assert desk.queue.messages() == []


@pytest.mark.parametrize("told", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_not_parked(told: Answer, desk: Desk) -> None:
    desk.service.answers(told, told)
    with pytest.raises(Refused, match=re.escape(f"The service refused the event ({told.status}): {REASON}")):
        handler(article(), Context(), desk.shim)
    assert outcomes(handler(journey(), Context(), desk.shim)) == dict.fromkeys(recipients(journey()), "refused")
    assert len(desk.service.requests) == 2
    assert desk.queue.messages() == []


@each_source
@pytest.mark.parametrize("told", NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_everything_else_is_parked_and_answered_so(told: Answer, event: dict[str, Any], desk: Desk, log: Log) -> None:
    unanswered = told in NO_ANSWER.values()
    desk.service.answers(told, told)
    answer = handler(event, Context("r1"), desk.impatient if unanswered else desk.shim)
    assert outcomes(answer) == dict.fromkeys(recipients(event), "parked")
    (message,) = desk.queue.messages()
    (request, *again) = desk.service.requests
    assert message["Body"].encode() == request.body == as_bytes(event)
    assert message["MessageAttributes"] == {"webhook-id": {"StringValue": request.webhook_id, "DataType": "String"}}
    assert request.webhook_id.endswith("_r1")
    assert [each.webhook_id for each in again] == [request.webhook_id] * len(again)
    line = log.line()
    assert (line["parked"], line["webhook_id"]) == (len(recipients(event)), request.webhook_id)
    assert line["status"] == (503 if unanswered else told.status)
    assert not re.search(PRIVATE, f"{answer} {line}")


@each_source
@some_rows
def test_where_parking_is_not_configured_it_raises(
    told: Answer, event: dict[str, Any], service: Service, forwarder: Forwarder, log: Log
) -> None:
    service.answers(told, told)
    with pytest.raises(NotTaken, match=r"^The event was not taken \(\d+\): (Check|No answer|Data)") as error:
        handler(event, Context(), forwarder)
    assert log.line()["not_taken"] == len(recipients(event))
    assert not re.search(f"{PRIVATE}|{service.url}", str(error.value))


@each_source
@some_rows
def test_where_parking_fails_it_raises_and_says_both(told: Answer, event: dict[str, Any], desk: Desk, log: Log) -> None:
    desk.service.answers(told, told)
    with pytest.raises(NotTaken) as error:
        handler(event, Context(), desk.stranded)
    sentence = str(error.value)
    assert re.fullmatch(
        r"The event was not taken \(\d+\): (Check|No answer|Data).+[^.]\. "
        r"Nor does SQS take it: check PARKING_QUEUE_URL \(QueueDoesNotExist\)\.",
        sentence,
    )
    assert log.line()["not_taken"] == len(recipients(event))
    assert not re.search(f"{PRIVATE}|http|parking-", sentence)


def test_where_sqs_is_down_it_raises_in_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    desk.service.answers(503, 503)
    forwarder = Forwarder(settings(desk.service.url, PARKING_QUEUE_URL=desk.queue.url))
    started = time.monotonic()
    with pytest.raises(NotTaken, match=r"\(503\): .* Nor does SQS take it: .* \(EndpointConnectionError\)\.$"):
        handler(article(), Context(), forwarder)
    assert time.monotonic() - started < 4


@pytest.mark.parametrize("url", ["parking", "http://", "https://sqs.eu-central-1.amazonaws.com/1/ä"])
def test_a_queue_that_is_none_raises_only_in_the_emergency(url: str, desk: Desk) -> None:
    forwarder = Forwarder(settings(desk.service.url, PARKING_QUEUE_URL=url))
    assert handler(article(), Context(), forwarder) == ACCEPTED
    desk.service.answers(500)
    with pytest.raises(NotTaken, match=r"\(500\): .* Nor does SQS take it: check PARKING_QUEUE_URL \("):
        handler(article(), Context(), forwarder)


def test_without_time_for_the_service_there_is_time_for_parking(desk: Desk) -> None:
    answer = handler(article(), Context(seconds=2.0), desk.shim)
    assert outcomes(answer) == {"test123": "parked"}
    assert "time-out to 15 s" in answer["test123"]["EventAttributes"]["whatsapp_reason"]
    assert not desk.service.requests
    assert len(desk.queue.messages()) == 1


@pytest.mark.parametrize("keys", ["", "whsec_"])
def test_without_a_key_it_is_parked(keys: str, desk: Desk) -> None:
    forwarder = Forwarder(settings(desk.service.url, keys, PARKING_QUEUE_URL=desk.queue.url))
    assert outcomes(handler(article(), Context(), forwarder)) == {"test123": "parked"}
    assert not desk.service.requests
    assert len(desk.queue.messages()) == 1


SMALL = {**article(), "Data": "d" * (MEGABYTE - 2000)}
CHINESE = {**article(), "Data": "张" * 200_000}


@pytest.mark.parametrize("event", [SMALL, CHINESE, large(1_200_000)], ids=["just small enough", "Chinese", "noise"])
def test_a_large_body_is_compressed(event: dict[str, Any], desk: Desk) -> None:
    desk.service.answers(503, 503)
    assert outcomes(handler(event, Context(), desk.shim)) == {"test123": "parked"}
    (message,) = desk.queue.messages()
    attributes = {name: each["StringValue"] for name, each in message["MessageAttributes"].items()}
    assert attributes.get("content-encoding") == (None if event is SMALL else "gzip")
    body = message["Body"].encode()
    assert as_bytes(event) == (body if event is SMALL else gzip.decompress(base64.b64decode(body)))


def test_what_is_too_large_for_sqs_all_the_same_raises(desk: Desk) -> None:
    desk.service.answers(503, 503)
    with pytest.raises(NotTaken, match="Nor does SQS take it"):
        handler(large(4_000_000), Context(), desk.shim)
    assert desk.queue.messages() == []


@pytest.mark.parametrize(
    "event",
    [article(), sample("pinpoint_journey"), journey(), CHINESE, large(1_200_000)],
    ids=["campaign", "journey", "connect", "Chinese", "noise"],
)
def test_a_parked_event_comes_back_as_it_was_under_its_id(event: dict[str, Any], desk: Desk) -> None:
    desk.service.answers(503, 503)
    assert set(outcomes(handler(event, Context(), desk.shim)).values()) == {"parked"}
    assert handler(desk.queue.records(), Context(), desk.shim) == {"batchItemFailures": []}
    first, _, last = desk.service.requests
    assert (last.target, last.body, last.webhook_id) == (first.target, first.body, first.webhook_id)
    assert last.verified() == event


def test_an_answer_that_comes_too_late_and_the_parked_event_are_one_event(desk: Desk) -> None:
    """The service may have taken what it did not answer in time: the same id says that it is the same."""
    desk.service.answers(SILENT, SILENT)
    assert outcomes(handler(article(), Context(), desk.impatient)) == {"test123": "parked"}
    assert handler(desk.queue.records(), Context(), desk.shim) == {"batchItemFailures": []}
    assert len(desk.service.requests) == 3
    assert len({(request.webhook_id, request.body) for request in desk.service.requests}) == 1


def test_after_parking_the_next_event_goes_its_usual_way(desk: Desk) -> None:
    desk.service.answers(503, 503)
    assert outcomes(handler(article(), Context(), desk.shim)) == {"test123": "parked"}
    assert handler(article(), Context(), desk.shim) == ACCEPTED
    assert len(desk.queue.messages()) == 1


def test_the_parked_answer_keeps_pinpoints_limits(desk: Desk) -> None:
    desk.service.answers(500)
    facts = handler(article(), Context(), desk.shim)["test123"]["EventAttributes"]
    assert facts.keys() == {"whatsapp_status", "whatsapp_reason"}
    assert facts["whatsapp_reason"].startswith("The event was not taken (500): Check SIGNING_KEYS (401), SERVICE_URL")
    assert len(facts["whatsapp_reason"]) == 128

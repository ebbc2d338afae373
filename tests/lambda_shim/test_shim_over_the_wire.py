"""Pinpoint's events over a real connection: signed, kept alive, tried again, in time, and without a word too many."""

import gc
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from lambda_shim.adapters import NotTaken, Refused
from lambda_shim.forward import Forwarder
from lambda_shim.handler import handler
from tests.lambda_shim.serving import (
    ACCEPTED,
    CLOSES,
    HANGS_UP,
    KEY,
    OTHER_KEY,
    SILENT,
    TRICKLES,
    Answer,
    Context,
    Log,
    Service,
    article,
    as_bytes,
    sample,
    serving,
    settings,
)

REDIRECTS = [301, 302, 303, 307, 308]


@pytest.mark.parametrize("name", ["pinpoint_campaign_article", "pinpoint_journey"])
def test_an_event_reaches_the_service_as_it_is_and_signed(name: str, service: Service, forwarder: Forwarder) -> None:
    assert handler(sample(name), Context(), forwarder) == ACCEPTED
    (request,) = service.requests
    assert (request.method, request.target) == ("POST", "/v1/events/pinpoint")
    assert request.headers["content-type"] == "application/json"
    assert request.body == as_bytes(sample(name))
    assert request.verified() == sample(name)
    with pytest.raises(WebhookVerificationError):
        request.verified(OTHER_KEY)


def test_fifty_endpoints_get_fifty_answers_and_one_line(service: Service, forwarder: Forwarder, log: Log) -> None:
    event = sample("pinpoint_campaign_fifty")
    answer = handler(event, Context(), forwarder)
    assert list(answer) == list(event["Endpoints"])
    assert log.line() == {
        "status": 202,
        "webhook_id": service.requests[0].webhook_id,
        "recipients": 50,
        "ApplicationId": event["ApplicationId"],
        "CampaignId": event["CampaignId"],
        "accepted": 50,
    }


def test_the_webhook_id_is_receipt_time_and_request_id(service: Service, forwarder: Forwarder) -> None:
    before = time.time_ns() // 1_000_000
    handler(article(), Context("request-1"), forwarder)
    handler(article(), None, forwarder)
    first, second = (request.webhook_id for request in service.requests)
    received, request_id = first.removeprefix("evt_").split("_")
    assert before <= int(received) <= time.time_ns() // 1_000_000
    assert request_id == "request-1"
    assert re.fullmatch(r"evt_\d{13}_[0-9a-f]{32}", second)


def test_the_connection_is_kept_from_one_invocation_to_the_next(service: Service, forwarder: Forwarder) -> None:
    for _ in range(5):
        handler(article(), Context(), forwarder)
    assert len({request.connection for request in service.requests}) == 1


def test_a_kept_connection_that_the_service_has_closed_costs_nothing(service: Service, forwarder: Forwarder) -> None:
    for told in (CLOSES, CLOSES, 202):
        service.answers(told)
        assert handler(article(), Context(), forwarder) == ACCEPTED
    assert len({request.connection for request in service.requests}) == len(service.requests) == 3


def test_a_kept_connection_that_breaks_at_the_next_event_costs_one_try(service: Service, forwarder: Forwarder) -> None:
    """As where a load balancer has forgotten it while the function was frozen: nobody said so."""
    service.answers(202, HANGS_UP, 202)
    assert handler(article(), Context("one"), forwarder) == ACCEPTED
    assert handler(article(), Context("two"), forwarder) == ACCEPTED
    kept, broken, new = service.requests
    assert kept.connection == broken.connection != new.connection
    assert broken.webhook_id == new.webhook_id


def test_a_service_that_was_deployed_anew_between_two_events_is_found_again() -> None:
    with serving() as old:
        forwarder, port = Forwarder(settings(old.url)), int(old.server_address[1])
        assert handler(article(), Context(), forwarder) == ACCEPTED
    with serving(port) as new:
        assert handler(article(), Context(), forwarder) == ACCEPTED
        assert len(new.requests) == 1


@pytest.mark.parametrize("first", [502, 503, 504, HANGS_UP], ids=str)
def test_one_retry_keeps_the_webhook_id_and_signs_anew(
    first: Answer | int, service: Service, forwarder: Forwarder
) -> None:
    service.answers(first, 202)
    assert handler(article(), Context(), forwarder) == ACCEPTED
    one, two = service.requests
    assert one.webhook_id == two.webhook_id
    assert one.verified() == two.verified() == article()
    assert int(one.headers["webhook-timestamp"]) <= int(two.headers["webhook-timestamp"])


def test_there_is_no_second_retry(service: Service, forwarder: Forwarder) -> None:
    service.answers(503, 503, 202)
    with pytest.raises(NotTaken, match=r"^The event was not taken \(503\): Check "):
        handler(article(), Context(), forwarder)
    assert len(service.requests) == 2


@pytest.mark.parametrize("status", [200, 204, *REDIRECTS, 400, 401, 403, 404, 408, 413, 422, 429, 500])
def test_an_answer_that_would_come_again_is_not_asked_for_twice(
    status: int, service: Service, forwarder: Forwarder
) -> None:
    """Nor is a redirect followed: what is signed goes where it was sent."""
    service.answers(Answer(status, headers={"Location": f"{service.url}/elsewhere"}))
    with pytest.raises(Refused if status in {400, 413, 422} else NotTaken, match=rf"\({status}\)"):
        handler(article(), Context(), forwarder)
    assert [request.target for request in service.requests] == ["/v1/events/pinpoint"]


def test_a_401_is_tried_again_with_the_next_key(service: Service) -> None:
    service.keys = [OTHER_KEY]
    assert handler(article(), Context(), Forwarder(settings(service.url, f"{KEY},,{OTHER_KEY}"))) == ACCEPTED
    one, two = service.requests
    assert one.verified(KEY) == two.verified(OTHER_KEY)
    assert one.webhook_id == two.webhook_id


def test_a_read_time_out_is_tried_again(service: Service) -> None:
    service.answers(SILENT, 202)
    assert handler(article(), Context(), Forwarder(settings(service.url), read=0.1)) == ACCEPTED
    assert service.requests[0].webhook_id == service.requests[1].webhook_id


@pytest.mark.parametrize(("total", "seconds", "most"), [(0.9, 15.0, 0.9), (12.0, 2.9, 0.9), (12.0, 15.0, 0.4)])
def test_tries_end_within_the_budget_and_the_invocations_time(
    total: float, seconds: float, most: float, service: Service
) -> None:
    """The first try may take half of what is left; a second needs half a second; two seconds are kept for parking."""
    service.answers(SILENT, SILENT, 202)
    started = time.monotonic()
    read = 0.1 if most < 0.5 else 6.0
    with pytest.raises(NotTaken, match=r"^The event was not taken \(503\): No answer: check SERVICE_URL"):
        handler(article(), Context(seconds=seconds), Forwarder(settings(service.url), read=read, total=total))
    assert time.monotonic() - started < most
    assert len(service.requests) == (2 if most < 0.5 else 1)


def test_an_answer_that_trickles_without_end_is_given_up_in_time(service: Service) -> None:
    """Each header comes in time for requests, which would wait for ever, and Lambda would end the function."""
    service.answers(TRICKLES)
    started = time.monotonic()
    with pytest.raises(NotTaken, match="No whole answer in time: check SERVICE_URL, its name server"):
        handler(article(), Context(), Forwarder(settings(service.url), read=0.5, total=0.6))
    assert time.monotonic() - started < 2
    assert len(service.requests) == 1


@pytest.mark.parametrize("seconds", [2.4, 1.0, 0.0])
def test_without_time_left_nothing_is_sent(seconds: float, service: Service, forwarder: Forwarder) -> None:
    with pytest.raises(NotTaken, match="no time left to call the service: set its time-out to 15 s"):
        handler(article(), Context(seconds=seconds), forwarder)
    assert not service.requests


UNKNOWN: list[Any] = [None, [], ["Records"], "Records", 7, True, {}, {"key1": "value1"}, {"Records": []}]
UNKNOWN += [{"Records": {}}, {"Records": [{}]}, {"Records": [{"messageId": 7}]}, {"Records": ["x"]}, {"Records": "cf"}]
UNKNOWN += [{"Records": [{"eventSource": "aws:s3", "s3": {}}]}, {"requestContext": None}, {"requestContext": {}}]
UNKNOWN += [{"version": "2.0", "requestContext": {}}, {"requestContext": {"elb": {}}, "path": 7, "httpMethod": "GET"}]


@pytest.mark.parametrize("event", UNKNOWN, ids=str)
def test_an_unknown_shape_is_refused_with_the_known_ones(
    event: Any, service: Service, forwarder: Forwarder, log: Log
) -> None:
    with pytest.raises(Refused) as refused:
        handler(event, Context(), forwarder)
    assert str(refused.value) == (
        "The event has no known shape. This function takes a Pinpoint event (Endpoints, Data), "
        "a Connect custom action (Items), parked events (Records), or HTTP."
    )
    assert log.line() == {"error": "unknown shape"}
    assert not service.requests


def test_an_event_without_endpoints_gets_the_services_answer(service: Service, forwarder: Forwarder) -> None:
    service.answers(422)
    with pytest.raises(Refused, match=r"\(422\)"):
        handler({"ApplicationId": "a"}, Context(), forwarder)
    assert service.requests[0].verified() == {"ApplicationId": "a"}


def test_five_threads_at_once_each_get_their_answer(service: Service, forwarder: Forwarder, log: Log) -> None:
    barrier = threading.Barrier(5)
    events: list[dict[str, Any]] = [{"Endpoints": {f"endpoint-{number}": {}}} for number in range(5)]

    def invoke(event: dict[str, Any]) -> dict[str, Any]:
        barrier.wait()
        return handler(event, None, forwarder)

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(invoke, events))
    assert [list(answer) for answer in answers] == [list(event["Endpoints"]) for event in events]
    assert len({request.webhook_id for request in service.requests}) == 5
    assert [line["accepted"] for line in log.lines()] == [1] * 5
    gc.collect()  # an event loop that was left open would be a warning now

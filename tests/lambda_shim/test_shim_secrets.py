"""SIGNING_KEYS in Secrets Manager (moto, a process of its own): read once, and again where a key was refused."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lambda_shim.adapters import NotTaken
from lambda_shim.forward import Forwarder
from lambda_shim.handler import handler
from tests.lambda_shim.account import Aws
from tests.lambda_shim.conftest import Desk
from tests.lambda_shim.serving import ACCEPTED, KEY, OTHER_KEY, Context, Log, Service, article, settings

NEITHER = "whsec_bmVpdGhlci1vbmUtbm9yLXRoZS1vdGhlcg=="


def signed_with(service: Service) -> list[str]:
    """Each request's key, by its name here."""

    def name(request: Any) -> str:
        for key, called in ((KEY, "key"), (OTHER_KEY, "other")):
            service.keys = [key]
            if service.answer_to(request).status == 202:
                return called
        return "neither"

    return [name(request) for request in service.requests]


def test_a_secret_holds_the_keys_as_the_setting_would(aws: Aws, service: Service) -> None:
    forwarder = Forwarder(settings(service.url, f" {aws.new_secret(f' {KEY} , {OTHER_KEY}')} "))
    assert handler(article(), Context(), forwarder) == ACCEPTED
    assert service.requests[0].verified(KEY) == article()


def test_it_is_read_once_in_a_process(aws: Aws, service: Service) -> None:
    arn = aws.new_secret(KEY)
    forwarder = Forwarder(settings(service.url, arn))
    assert handler(article(), Context(), forwarder) == ACCEPTED
    aws.change_secret(arn, OTHER_KEY)
    assert handler(article(), Context(), forwarder) == ACCEPTED
    assert signed_with(service) == ["key", "key"]


def test_a_secret_that_was_rotated_between_two_events_costs_one_try(aws: Aws, service: Service, log: Log) -> None:
    arn = aws.new_secret(KEY)
    forwarder = Forwarder(settings(service.url, arn))
    service.keys = [KEY]
    assert handler(article(), Context(), forwarder) == ACCEPTED
    aws.change_secret(arn, f"{OTHER_KEY},{KEY}")
    service.keys = [OTHER_KEY]
    for _ in range(2):
        assert handler(article(), Context(), forwarder) == ACCEPTED
    assert [line["status"] for line in log.lines()] == [202] * 3
    one, refused, again, last = service.requests
    assert one.webhook_id != refused.webhook_id == again.webhook_id != last.webhook_id
    assert signed_with(service) == ["key", "key", "other", "other"]


def test_the_retry_takes_the_first_key_that_was_not_refused(aws: Aws, service: Service) -> None:
    """The service rotates before the secret does: the second of the two keys is still the one in use."""
    forwarder = Forwarder(settings(service.url, aws.new_secret(f"{KEY},,{OTHER_KEY},{NEITHER}")))
    service.keys = [OTHER_KEY]
    assert handler(article(), Context(), forwarder) == ACCEPTED
    assert signed_with(service) == ["key", "other"]


def test_a_key_that_stays_refused_is_not_tried_twice_and_the_event_is_parked(aws: Aws, desk: Desk, log: Log) -> None:
    environment = settings(desk.service.url, aws.new_secret(KEY), PARKING_QUEUE_URL=desk.queue.url)
    desk.service.answers(401, 401)
    answer = handler(article(), Context(), Forwarder(environment))
    assert answer["test123"]["EventAttributes"]["whatsapp_status"] == "parked"
    assert len(desk.service.requests) == 1
    assert (len(desk.queue.messages()), log.line()["status"]) == (1, 401)


def test_what_was_parked_for_a_wrong_key_is_taken_with_the_right_one(aws: Aws, desk: Desk) -> None:
    arn = aws.new_secret(KEY)
    forwarder = Forwarder(settings(desk.service.url, arn, PARKING_QUEUE_URL=desk.queue.url))
    desk.service.answers(401, 401, 401)
    handler(article(), Context(), forwarder)
    parked = desk.queue.records()
    (message,) = parked["Records"]
    assert handler(parked, Context(), forwarder) == {"batchItemFailures": [{"itemIdentifier": message["messageId"]}]}
    desk.service.told.clear()
    aws.change_secret(arn, OTHER_KEY)
    assert handler(parked, Context(), Forwarder(settings(desk.service.url, arn))) == {"batchItemFailures": []}
    assert desk.service.requests[-1].verified(OTHER_KEY) == article()
    assert len({request.webhook_id for request in desk.service.requests}) == 1


@pytest.mark.parametrize("text", ["", " ", ",", "whsec_"])
def test_a_secret_without_a_usable_key_is_named_and_nothing_is_sent(text: str, aws: Aws, service: Service) -> None:
    arn = aws.new_secret(text or " ")
    with pytest.raises(NotTaken, match=r"\(503\): SIGNING_KEYS is unusable: give it the service's own") as error:
        handler(article(), Context(), Forwarder(settings(service.url, arn)))
    assert arn not in str(error.value)
    assert not service.requests


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("arn", ["arn:", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:none-AbCdEf"])
def test_a_secret_that_is_not_there_is_named(arn: str, service: Service) -> None:
    with pytest.raises(
        NotTaken, match=r"SIGNING_KEYS is unusable.*or the ARN of a readable secret \(\w+\)\.$"
    ) as error:
        handler(article(), Context(), Forwarder(settings(service.url, arn)))
    assert "none-AbCdEf" not in str(error.value)
    assert not service.requests


def test_a_secret_that_could_not_be_read_is_read_for_the_next_event(
    aws: Aws, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    forwarder = Forwarder(settings(service.url, aws.new_secret(KEY)))
    with monkeypatch.context() as outage:
        outage.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        with pytest.raises(NotTaken, match=r"SIGNING_KEYS is unusable: .* \(EndpointConnectionError\)\.$"):
            handler(article(), Context(), forwarder)
    assert handler(article(), Context(), forwarder) == ACCEPTED


def test_a_refusal_is_told_where_the_secret_cannot_be_read_again(
    aws: Aws, service: Service, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    forwarder = Forwarder(settings(service.url, aws.new_secret(KEY)))
    assert handler(article(), Context(), forwarder) == ACCEPTED
    service.keys = [OTHER_KEY]
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(NotTaken, match=r"^The event was not taken \(401\): Check SIGNING_KEYS \(401\)"):
        handler(article(), Context(), forwarder)
    assert [line["status"] for line in log.lines()] == [202, 401]


def test_five_invocations_at_once_read_it_without_getting_in_each_others_way(aws: Aws, service: Service) -> None:
    forwarder, barrier = Forwarder(settings(service.url, aws.new_secret(KEY))), threading.Barrier(5)

    def invoke(_: int) -> dict[str, Any]:
        barrier.wait()
        return handler(article(), None, forwarder)

    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(invoke, range(5))) == [ACCEPTED] * 5
    assert [request.verified() for request in service.requests] == [article()] * 5


LOADED = "import sys; import lambda_shim.handler; sys.exit('boto3' in sys.modules)"


@pytest.mark.parametrize("queue", ["", "http://127.0.0.1:1/123456789012/parking"])
def test_boto3_is_loaded_at_start_for_a_queue_and_not_without(queue: str, aws: Aws) -> None:
    """And all of it with warnings as errors, as `make lambda` promises for the runtime's Python."""
    environment = {**aws.environment, "PARKING_QUEUE_URL": queue, "SIGNING_KEYS": "arn:aws:secretsmanager:x"}
    call = [sys.executable, "-W", "error", "-c", LOADED]
    assert subprocess.run(call, env=environment, check=False).returncode == bool(queue)

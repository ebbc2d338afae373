"""The service cannot take events for a while: the shim parks them, and each recipient still gets exactly one message.

The shim runs in the Lambda host, which polls the queue as Lambda's event source mapping does; SQS is moto's. `OUTAGE_EVENTS`
(50, of 50 recipients each) and `OUTAGE_SECONDS` (5) make it larger; the counts are printed.
"""

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from tests.conftest import SAMPLES
from tests.running import System, campaign, running

EVENTS, SIZE, VISIBILITY_SECONDS = int(os.environ.get("OUTAGE_EVENTS", "50")), 50, 2
OUTAGE_SECONDS = float(os.environ.get("OUTAGE_SECONDS", "5"))
BEFORE, DURING = range(EVENTS * 3 // 10), range(EVENTS * 3 // 10, EVENTS * 7 // 10)
AFTER = range(EVENTS * 7 // 10, EVENTS)
OTHER_KEY = "whsec_dGhlLWtleS1vZi1hbm90aGVyLXNlcnZpY2U="


class Parking:
    """A queue, and what the shim and the host need to find it."""

    def __init__(self, endpoint: str) -> None:
        self.environment = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
        }
        self._sqs = boto3.client(
            "sqs", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        attributes = {"VisibilityTimeout": str(VISIBILITY_SECONDS)}
        self.url = self._sqs.create_queue(QueueName="parking", Attributes=attributes)["QueueUrl"]
        self.environment["PARKING_QUEUE_URL"] = self.url

    def is_empty(self) -> bool:
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        found = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return all(found[name] == "0" for name in names)


@pytest.fixture
def parking() -> Iterator[Parking]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    requests.post(f"http://{host}:{port}/moto-api/reset", timeout=5).raise_for_status()
    yield Parking(f"http://{host}:{port}")
    server.stop()


class Campaign:
    """Events of 50, invoked from four threads; `url` may change while they go out."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: Counter[str] = Counter()
        self._sample = json.loads((SAMPLES / "pinpoint_campaign_article.json").read_text())
        self._pause = threading.Event()

    def send(self, numbers: range) -> None:
        with ThreadPoolExecutor(4) as pool:
            for answer in pool.map(self._invoke, numbers):
                self.answers.update(of["EventAttributes"]["whatsapp_status"] for of in answer.values())

    def _invoke(self, number: int) -> dict[str, Any]:
        event = campaign(self._sample, number, SIZE)
        answer = requests.post(self.url, json=event, timeout=60)
        assert "X-Amz-Function-Error" not in answer.headers, answer.text
        results: dict[str, Any] = answer.json()
        return results


@contextmanager
def service_stopped(system: System, _parking: Parking, _campaign: Campaign) -> Iterator[None]:
    system.stop("web")
    yield
    system.start_web()


@contextmanager
def signing_key_wrong(system: System, parking: Parking, campaign: Campaign) -> Iterator[None]:
    with _deployed(system, parking, campaign, SIGNING_KEYS=OTHER_KEY):
        yield


@contextmanager
def url_wrong(system: System, parking: Parking, campaign: Campaign) -> Iterator[None]:
    with _deployed(system, parking, campaign, SERVICE_URL=f"{system.url}/elsewhere"):
        yield


@contextmanager
def _deployed(system: System, parking: Parking, campaign: Campaign, **wrong: str) -> Iterator[None]:
    """The function with a wrong setting, as after a deployment; then the right one again."""
    for settings in (wrong, {}):
        system.stop("lambda host")
        campaign.url = _start(system, parking, **settings)
        if settings:
            yield


def _start(system: System, parking: Parking, **settings: str) -> str:
    return system.start_lambda_host("--queue-url", parking.url, **parking.environment, **settings)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("trouble", [service_stopped, signing_key_wrong, url_wrong])
def test_what_the_service_cannot_take_is_parked_and_delivered_once(
    trouble: Callable[[System, Parking, Campaign], AbstractContextManager[None]],
    parking: Parking,
    migrated: Path,
    tmp_path: Path,
) -> None:
    database = tmp_path / "channel.db"
    database.write_bytes(migrated.read_bytes())
    with running(f"sqlite:///{database}", tmp_path, MESSAGES_PER_SECOND="1000") as system:
        system.start_sandbox()
        system.start_web()
        system.start_dispatcher()
        campaign = Campaign(_start(system, parking))
        campaign.send(BEFORE)
        with trouble(system, parking, campaign):
            began = time.monotonic()
            campaign.send(DURING)
            assert campaign.answers == {"accepted": len(BEFORE) * SIZE, "parked": len(DURING) * SIZE}
            system.until(lambda: time.monotonic() - began > OUTAGE_SECONDS, "the outage to have its time")
            assert not parking.is_empty()
        campaign.send(AFTER)
        system.until(parking.is_empty, "the queue to be empty", seconds=120)
        total = EVENTS * SIZE
        system.until(lambda: system.counts() == {"read": total}, f"all to be read, not {system.counts()}", seconds=120)

        got = Counter(line["to"] for line in system.journal())
        print(
            f"\n{trouble.__name__}: answers {dict(campaign.answers)}, recipients {len(got)}, most {max(got.values())}"
        )
        assert campaign.answers["parked"] == len(DURING) * SIZE
        assert (len(got), set(got.values())) == (total, {1})

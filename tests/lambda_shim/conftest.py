"""The service's stand-in and AWS on this machine (moto, a process of its own), for every test of the shim."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
import requests

from lambda_shim.forward import Forwarder
from tests.lambda_shim.account import Aws, Queue
from tests.lambda_shim.serving import Log, Service, serving, settings
from tests.running import free_port, until


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as server:
        yield server


@pytest.fixture
def forwarder(service: Service) -> Forwarder:
    """Without a queue."""
    return Forwarder(settings(service.url))


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Log:
    return Log(capsys)


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Where this machine's AWS listens."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        until(lambda: _answers(url), "moto to answer")
        yield url
        process.terminate()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/moto-api/", timeout=1).ok
    except requests.RequestException:
        return False


@pytest.fixture(scope="session")
def account(endpoint: str) -> Iterator[Aws]:
    account = Aws(endpoint)
    with closing(account.sqs), closing(account.secrets):
        yield account


@pytest.fixture(scope="module")
def aws(account: Aws) -> Iterator[Aws]:
    """AWS as Lambda's environment shows it to the shim."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in account.environment.items():
            environment.setenv(name, value)
        yield account


@pytest.fixture
def queue(aws: Aws) -> Queue:
    return aws.new_queue()


@dataclass(frozen=True)
class Desk:
    """One service, one queue and a shim between them: making boto3's client takes far longer than a test."""

    service: Service
    queue: Queue
    shim: Forwarder
    impatient: Forwarder
    stranded: Forwarder  # its queue has been deleted


@pytest.fixture(scope="module")
def _desk(aws: Aws) -> Iterator[Desk]:
    queue = aws.new_queue()
    with serving() as service:
        environment = settings(service.url, PARKING_QUEUE_URL=queue.url)
        impatient = Forwarder(environment, read=0.1, total=0.8)
        stranded = Forwarder({**environment, "PARKING_QUEUE_URL": f"{queue.url}-deleted"})
        yield Desk(service, queue, Forwarder(environment), impatient, stranded)


@pytest.fixture
def desk(_desk: Desk) -> Desk:
    """The same for a whole file, with nothing on it."""
    _desk.queue.delete(_desk.queue.messages())
    _desk.service.requests.clear()
    _desk.service.told.clear()
    return _desk

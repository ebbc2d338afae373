"""`--queue-url`: an SQS queue (moto, a process of its own) as the function's trigger."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from boto3.session import Session

from tests.lambda_host.hosting import Host
from tests.running import free_port, until

REGION = "eu-central-1"
ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_REGION": REGION,
}
CONSUMER = '''
import json
import os
import time


def handler(event, context):
    """Notes each record, and answers what the first body says; an event that is no batch is only answered."""
    records = event.get("Records", [])
    with open(os.environ["SEEN"], "a") as file:
        for record in records:
            file.write(json.dumps({**record, "batch": len(records)}) + "\\n")
    return globals()[records[0]["body"].split()[0]](records) if records else os.getpid()


def take(records):
    return {"batchItemFailures": []}


def refuse_even_once(records):
    again = [record for record in records if record["body"].endswith(("0", "2", "4")) and count(record) == 1]
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in again]}


def raise_once(records):
    if any(count(record) == 1 for record in records):
        raise ValueError("not yet")


def raise_always(records):
    raise ValueError("never")


def mumble_once(records):
    return "?" if any(count(record) == 1 for record in records) else None


def hang(records):
    time.sleep(600)


def wait_for(records):
    while not os.path.exists(os.environ["GO"]):
        time.sleep(0.005)


def count(record):
    return int(record["attributes"]["ApproximateReceiveCount"])
'''
Start = Callable[..., Host]
Records = list[dict[str, Any]]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """AWS on this machine."""
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


@pytest.fixture(scope="module")
def sqs(endpoint: str) -> Iterator[Any]:
    session = Session("testing", "testing", region_name=REGION)
    with closing(session.client("sqs", endpoint_url=endpoint)) as client:
        yield client


class Consumer:
    """A host whose function reads `queue`; warm, so that no cold start outlasts a visibility timeout."""

    def __init__(self, host: Host, sqs: Any, queue: str, seen: Path) -> None:
        self.host, self._sqs, self.queue, self._seen = host, sqs, queue, seen
        self.pid: int = host.post(b"{}").json()

    def send(self, *bodies: str) -> None:
        entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
        assert len(self._sqs.send_message_batch(QueueUrl=self.queue, Entries=entries)["Successful"]) == len(bodies)

    def seen(self) -> Records:
        """Each record that the function got, oldest first."""
        return [json.loads(line) for line in self._seen.read_text().splitlines()]

    def times(self) -> dict[str, int]:
        """How often each body was seen."""
        bodies = [record["body"] for record in self.seen()]
        return {body: bodies.count(body) for body in sorted(bodies)}

    def counts(self) -> Any:
        return self.host.health()["queue"]

    def until(self, **counts: int) -> None:
        until(lambda: counts.items() <= self.counts().items(), f"the counts to be {counts}")

    def left(self) -> int:
        """Messages in the queue, seen or not."""
        return left(self._sqs, self.queue)


def left(sqs: Any, queue: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    values = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(int(value) for value in values.values())


@pytest.fixture
def consume(start: Start, endpoint: str, sqs: Any, tmp_path: Path) -> Callable[..., Consumer]:
    """Starts a host with options of its own on a new queue with these attributes."""

    def run(*options: str, **attributes: str) -> Consumer:
        (tmp_path / "consumer.py").write_text(CONSUMER)
        (tmp_path / "seen").touch()
        queue: str = sqs.create_queue(QueueName=f"parking-{free_port()}", Attributes=attributes)["QueueUrl"]
        environ = {**ACCOUNT, "AWS_ENDPOINT_URL": endpoint, "SEEN": str(tmp_path / "seen"), "GO": str(tmp_path / "go")}
        host = start("--handler", "consumer.handler", "--queue-url", queue, *options, **environ)
        return Consumer(host, sqs, queue, tmp_path / "seen")

    return run


Consume = Callable[..., Consumer]


def test_a_batch_that_is_done_is_deleted(consume: Consume) -> None:
    consumer = consume()
    bodies = [f"take {number}" for number in range(10)]
    consumer.send(*bodies)
    consumer.until(received=10, deleted=10, failed=0)
    assert consumer.left() == 0
    assert consumer.times() == dict.fromkeys(bodies, 1)


def test_a_record_is_lambdas(consume: Consume, sqs: Any) -> None:
    consumer = consume()
    attributes = {
        "event_id": {"DataType": "String", "StringValue": "evt_1_ü"},
        "received_at": {"DataType": "Number.ms", "StringValue": "1791486000000"},
        "body": {"DataType": "Binary", "BinaryValue": b"\x1f\x8b\x00\xff"},
    }
    sent = sqs.send_message(QueueUrl=consumer.queue, MessageBody="take ü", MessageAttributes=attributes)
    consumer.until(deleted=1)
    (record,) = consumer.seen()
    assert record.pop("receiptHandle")
    system = record.pop("attributes")
    assert system.keys() >= {"SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"}
    assert system["ApproximateReceiveCount"] == "1"
    empty: dict[str, list[str]] = {"stringListValues": [], "binaryListValues": []}
    assert record == {
        "messageId": sent["MessageId"],
        "body": "take ü",
        "messageAttributes": {
            "event_id": {"stringValue": "evt_1_ü", "dataType": "String", **empty},
            "received_at": {"stringValue": "1791486000000", "dataType": "Number.ms", **empty},
            "body": {"binaryValue": "H4sA/w==", "dataType": "Binary", **empty},
        },
        "md5OfBody": sent["MD5OfMessageBody"],
        "md5OfMessageAttributes": sent["MD5OfMessageAttributes"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:123456789012:{consumer.queue.rpartition('/')[2]}",
        "awsRegion": REGION,
        "batch": 1,
    }


def test_only_what_failed_comes_back(consume: Consume) -> None:
    consumer = consume(VisibilityTimeout="2")
    consumer.send(*(f"refuse_even_once {number}" for number in range(5)))
    consumer.until(received=8, deleted=5, failed=3)
    assert consumer.left() == 0
    assert list(consumer.times().values()) == [2, 1, 2, 1, 2]
    assert (
        sorted(record["attributes"]["ApproximateReceiveCount"] for record in consumer.seen()) == ["1"] * 5 + ["2"] * 3
    )


@pytest.mark.parametrize("fault", ["raise_once", "mumble_once"])
def test_all_come_back_after_an_error_and_after_an_answer_that_is_none(consume: Consume, fault: str) -> None:
    consumer = consume(VisibilityTimeout="2")
    consumer.send(f"{fault} 1", f"{fault} 2", f"{fault} 3")
    consumer.until(received=6, deleted=3, failed=3)
    assert consumer.left() == 0
    assert set(consumer.times().values()) == {2}
    line = "the function's answer is no batch response; the whole batch"
    assert (line in consumer.host.log()) == (fault == "mumble_once")


def test_a_time_out_deletes_nothing(consume: Consume) -> None:
    consumer = consume("--timeout", "0.2", VisibilityTimeout="30")
    consumer.send("hang")
    consumer.until(received=1, deleted=0, failed=1)
    assert consumer.left() == 1


def test_what_is_never_done_goes_where_the_redrive_policy_says(consume: Consume, sqs: Any) -> None:
    dead = sqs.create_queue(QueueName=f"dead-{free_port()}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    consumer = consume(VisibilityTimeout="1", RedrivePolicy=policy)
    consumer.send("raise_always")
    until(lambda: left(sqs, dead) == 1, "the message to be in the dead-letter queue")
    assert consumer.left() == 0
    assert consumer.times() == {"raise_always": 2}
    assert consumer.counts() == {"received": 2, "deleted": 0, "failed": 2}


def test_a_batch_and_how_many_run_at_once_are_as_large_as_told(consume: Consume, tmp_path: Path) -> None:
    consumer = consume("--queue-batch-size", "2", "--queue-concurrency", "2")
    consumer.send(*(f"wait_for {number}" for number in range(7)))
    until(lambda: consumer.host.health()["environments"]["busy"] == 2, "two batches to run")
    assert consumer.counts()["received"] <= 4
    (tmp_path / "go").touch()
    consumer.until(received=7, deleted=7, failed=0)
    assert max(record["batch"] for record in consumer.seen()) == 2
    assert consumer.host.health()["environments"] == {"busy": 0, "idle": 2, "at_most": 10}


def test_a_batch_for_which_there_is_no_room_comes_back(consume: Consume, tmp_path: Path) -> None:
    consumer = consume("--concurrency", "1", "--queue-batch-size", "1", VisibilityTimeout="2")
    consumer.send("wait_for 1", "take 2")
    until(lambda: consumer.host.health()["invocations"]["throttled"] > 0, "one to find no room")
    (tmp_path / "go").touch()
    until(lambda: consumer.left() == 0, "both to be done")
    consumer.until(deleted=2)
    assert consumer.counts()["failed"] > 0


def test_a_queue_that_is_missing_is_said_and_waited_for(consume: Consume, sqs: Any) -> None:
    consumer = consume()
    name = consumer.queue.rpartition("/")[2]
    sqs.delete_queue(QueueUrl=consumer.queue)
    until(lambda: f"Queue {name}: An error occurred" in consumer.host.log(), "the fault to be told")
    assert "does not exist; tried again in 1 s.\n" in consumer.host.log()
    assert consumer.host.post(b"{}").json() == consumer.pid
    sqs.create_queue(QueueName=name)
    consumer.send("take 1")
    consumer.until(received=1, deleted=1)


@pytest.mark.parametrize("endpoint_url", ["http://127.0.0.1:1", "no url", "{host}"])
def test_an_endpoint_that_is_down_or_no_sqs_ends_nothing(start: Start, host: Host, endpoint_url: str) -> None:
    environ = {**ACCOUNT, "AWS_ENDPOINT_URL_SQS": endpoint_url.format(host=host.url)}
    lonely = start("--queue-url", "http://127.0.0.1:1/123456789012/parking", **environ)
    until(lambda: "tried again in 1 s." in lonely.log(), "the fault to be told")
    assert lonely.invoke("echo", value=1) == 1
    assert lonely.health()["queue"] == {"received": 0, "deleted": 0, "failed": 0}
    assert all(line.startswith("Queue parking: ") for line in lonely.log().splitlines() if "tried again" in line)


def test_a_host_that_stops_leaves_what_is_not_done_in_the_queue(consume: Consume) -> None:
    consumer = consume()
    consumer.send("wait_for 1")
    until(lambda: consumer.times() == {"wait_for 1": 1}, "the function to run")
    assert consumer.host.close() == 0
    assert consumer.left() == 1
    assert "Traceback" not in consumer.host.log()


def test_boto3_is_only_loaded_for_a_queue(host: Host) -> None:
    code = "import sys, sandbox.lambda_host.__main__; sys.exit('boto3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert "queue" not in host.health()

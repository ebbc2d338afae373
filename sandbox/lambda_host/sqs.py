"""One SQS queue through boto3: its messages in the form in which Lambda hands them to a function.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from sandbox.lambda_host.event_source import QueueFault

WAIT_SECONDS = 1  # how long SQS keeps a receive open: a host that stops waits for it, and a thread cannot be cut short
NETWORK_SECONDS = 3


class Queue:
    """The queue at `url`, on the endpoint and with the credentials that boto3 finds.

    Its calls block for at most WAIT_SECONDS and twice NETWORK_SECONDS. They are for any thread; the first is `receive`.
    """

    def __init__(self, url: str, *, region: str, connections: int) -> None:
        self.name = url.rpartition("/")[2]
        self._url = url
        self._region = region
        self._connections = connections
        self._client: Any = None
        self._arn = ""

    def receive(self, most: int) -> list[dict[str, Any]]:
        """Up to so many records of Lambda's event, or none; each is hidden in the queue until its visibility timeout.

        Raises QueueFault.
        """
        with _explained():
            self._open()
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=most,
                WaitTimeSeconds=WAIT_SECONDS,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            return [as_record(message, self._arn) for message in answer.get("Messages", ())]

    def delete(self, records: Sequence[Mapping[str, Any]]) -> int:
        """How many of these are gone; SQS may keep one, and hands it out again. Raises QueueFault: perhaps none is."""
        entries = [
            {"Id": str(position), "ReceiptHandle": record["receiptHandle"]} for position, record in enumerate(records)
        ]
        with _explained():
            answer = self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
            return len(answer.get("Successful", ()))

    def close(self) -> None:
        """Drop the connections."""
        if self._client is not None:
            self._client.close()

    def _open(self) -> None:
        """The ARN has the account and the region, which the URL of a queue on this machine may lack."""
        if self._client is None:
            config = Config(
                connect_timeout=NETWORK_SECONDS,
                read_timeout=WAIT_SECONDS + NETWORK_SECONDS,
                retries={"total_max_attempts": 1},  # the caller tries again
                max_pool_connections=self._connections,
            )
            self._client = Session(region_name=self._region).client("sqs", config=config)
        if not self._arn:
            answer = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
            self._arn = answer["Attributes"]["QueueArn"]


def as_record(message: Mapping[str, Any], queue_arn: str) -> dict[str, Any]:
    """boto3's message as one of an event's `Records`; its system attributes are all that SQS gives, as strings."""
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: _attribute(attribute) for name, attribute in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }
    if "MD5OfMessageAttributes" in message:
        record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return record


def _attribute(attribute: Mapping[str, Any]) -> dict[str, Any]:
    """The lists are there and empty: SQS has not implemented them."""
    value: dict[str, Any] = {}
    if "StringValue" in attribute:
        value["stringValue"] = attribute["StringValue"]
    if "BinaryValue" in attribute:
        value["binaryValue"] = base64.b64encode(attribute["BinaryValue"]).decode()
    return {**value, "stringListValues": [], "binaryListValues": [], "dataType": attribute["DataType"]}


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (LookupError, TypeError, AttributeError, UnicodeDecodeError, ResponseParserError):  # as boto3 takes junk
        raise QueueFault("what answers at the endpoint is no SQS") from None
    except (BotoCoreError, ClientError, ValueError) as error:  # the last: the endpoint is no URL
        raise QueueFault(" ".join(str(error).split()).rstrip(".")) from error

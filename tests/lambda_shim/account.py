"""The AWS account's own view, with boto3: queues and secrets to make, change and look at."""

import os
import uuid
from typing import Any

from boto3.session import Session

from tests.lambda_shim.serving import KEY

REGION = "eu-central-1"


class Aws:
    """An account on this machine; `environment` is what Lambda would set for a function in it."""

    def __init__(self, endpoint: str) -> None:
        self.environment = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        session = Session("testing", "testing", region_name=REGION)
        self.sqs: Any = session.client("sqs", endpoint_url=endpoint)
        self.secrets: Any = session.client("secretsmanager", endpoint_url=endpoint)

    def new_queue(self) -> "Queue":
        url = self.sqs.create_queue(QueueName=f"parking-{uuid.uuid4().hex}", Attributes={"VisibilityTimeout": "0"})
        return Queue(self.sqs, url["QueueUrl"])

    def new_secret(self, text: str = KEY) -> str:
        return str(self.secrets.create_secret(Name=f"keys-{uuid.uuid4().hex}", SecretString=text)["ARN"])

    def change_secret(self, arn: str, text: str) -> None:
        self.secrets.put_secret_value(SecretId=arn, SecretString=text)


class Queue:
    """A parking queue, read with boto3."""

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs, self.url = sqs, url

    def messages(self) -> list[dict[str, Any]]:
        """What is in it, which stays in it: each once, up to ten."""
        received = self._sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        return list(received.get("Messages", []))

    def records(self) -> dict[str, Any]:
        """The event that Lambda's event source mapping makes of what is in it."""
        return {"Records": [as_record(message) for message in self.messages()]}

    def delete(self, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])


def as_record(message: dict[str, Any]) -> dict[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html"""
    attributes = {
        name: {
            "stringValue": given["StringValue"],
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": given["DataType"],
        }
        for name, given in message.get("MessageAttributes", {}).items()
    }
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1791486000000"},
        "messageAttributes": attributes,
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:123456789012:parking",
        "awsRegion": REGION,
    }

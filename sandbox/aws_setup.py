"""`python -m sandbox.aws_setup`: what the channel needs in an empty stand-in for AWS. It may be run again.

    <prefix>/meta           secret: the sandbox's own token, app secret and verify token
    <prefix>/signing-keys   secret: a key made here; the one that is there is kept
    <prefix>/api-keys       secret: the entry of API_KEY, which a person calls the API with
    <prefix>/console-users  secret: the entry of `operator`, who signs in to the console with CONSOLE_PASSWORD
    <prefix>-parking        queue for events that the service does not take, and its dead-letter queue <prefix>-parking-dlq

The endpoint is boto3's own AWS_ENDPOINT_URL, and it must be set: an account of AWS gets these from deploy/.
"""

import base64
import hashlib
import json
import os
import secrets
import sys
import unicodedata
from typing import Any

import boto3
import click
from argon2 import PasswordHasher
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.state import Settings

RETENTION_SECONDS = 14 * 24 * 3600
MOST_RECEIVES = 500
SCOPES = "send+read+operate+pii"

_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""argon2id, with OWASP's smallest numbers for it."""


@click.command(context_settings={"show_default": True})
@click.option("--prefix", default="whatsapp-channel", help="What every name begins with.")
@click.option("--visibility", default=90, type=click.IntRange(0), help="Seconds until a parked event is tried again.")
@click.option("--api-key", envvar="API_KEY", required=True, help="What a person calls the API with; or API_KEY.")
@click.option(
    "--console-password",
    envvar="CONSOLE_PASSWORD",
    required=True,
    help="What `operator` signs in to the console with; or CONSOLE_PASSWORD.",
)
def main(prefix: str, visibility: int, api_key: str, console_password: str) -> None:
    """Make the secrets and queues in the stand-in for AWS at AWS_ENDPOINT_URL."""
    if not os.environ.get("AWS_ENDPOINT_URL"):
        sys.exit("AWS_ENDPOINT_URL is not set; this is for a stand-in such as moto, not for an account of AWS.")
    fresh = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    try:
        manager = boto3.client("secretsmanager")
        put_secret(manager, f"{prefix}/meta", meta_secret(Settings()))
        put_secret(manager, f"{prefix}/signing-keys", fresh, keep=True)
        put_secret(manager, f"{prefix}/api-keys", api_key_entry("person", SCOPES, api_key))
        put_secret(manager, f"{prefix}/console-users", console_user_entry("operator", "operate", console_password))
        click.echo(make_queues(boto3.client("sqs"), f"{prefix}-parking", visibility))
    except (BotoCoreError, ClientError, ValueError) as fault:
        sys.exit(f"The stand-in for AWS does not do it: {fault}")


def meta_secret(settings: Settings) -> str:
    """The article's JSON with what the sandbox takes."""
    return json.dumps(
        {
            "FB_APP_TOKEN": settings.token,
            "FB_APP_SECRET": settings.app_secret,
            "WEBHOOK_VERIFY_TOKEN": settings.verify_token,
        }
    )


def api_key_entry(name: str, scopes: str, key: str) -> str:
    """An entry of API_KEYS: the key's name, what it may do, and its hash."""
    return f"{name}:{scopes}:{hashlib.sha256(key.encode()).hexdigest()}"


def console_user_entry(name: str, role: str, password: str) -> str:
    """An entry of CONSOLE_USERS. The same password has the same entry, so that a session outlives the next run."""
    typed = unicodedata.normalize("NFC", password).encode()
    salt = hashlib.sha256(f"{name}:".encode() + typed).digest()[:16]  # no secret: for a stand-in on one machine
    return f"{name}:{role}:{_hasher.hash(typed, salt=salt)}"


def put_secret(manager: Any, name: str, text: str, *, keep: bool = False) -> None:
    """Make the secret, or give it this text; with `keep`, one that is there stays as it is."""
    try:
        manager.create_secret(Name=name, SecretString=text)
    except manager.exceptions.ResourceExistsException:
        if not keep:
            manager.put_secret_value(SecretId=name, SecretString=text)


def make_queues(sqs: Any, name: str, visibility: int) -> str:
    """The parking queue and its dead-letter queue, with the numbers that deploy/ gives them; the first one's URL."""
    dead = _queue(sqs, f"{name}-dlq", MessageRetentionPeriod=RETENTION_SECONDS)
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MOST_RECEIVES})
    return _queue(
        sqs, name, MessageRetentionPeriod=RETENTION_SECONDS, VisibilityTimeout=visibility, RedrivePolicy=redrive
    )


def _queue(sqs: Any, name: str, **attributes: object) -> str:
    """Its attributes are set apart: `create_queue` refuses a queue that exists with others."""
    url = str(sqs.create_queue(QueueName=name)["QueueUrl"])
    sqs.set_queue_attributes(QueueUrl=url, Attributes={key: str(value) for key, value in attributes.items()})
    return url


if __name__ == "__main__":
    main(prog_name="python -m sandbox.aws_setup")

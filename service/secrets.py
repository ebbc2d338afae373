"""Tokens and app secrets: from AWS Secrets Manager, cached, read again when Meta refuses one; or from the settings.

The secret's value is the article's JSON: `FB_APP_TOKEN`, beside it `FB_APP_SECRET` (a string or a list, for rotation) and
`WEBHOOK_VERIFY_TOKEN`. No error or repr in here holds any of it.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

_KEY = re.compile(r"[!-~]+")
"""A token or an app secret: ASCII without spaces, so that it can stand in a header and is not empty."""


REMEMBERED_SECONDS = 10.0


class SecretProblem(Exception):
    """A secret cannot be used; the sentence says which and what to do."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one phone number's app needs. Never shown: the repr is empty."""

    token: str = field(repr=False)
    app_secrets: tuple[str, ...] = field(default=(), repr=False)
    verify_token: str | None = field(default=None, repr=False)


def fingerprint(token: str) -> str:
    """A name for a token that tells nothing about it."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


class Source:
    """Where one number's credentials come from; safe to use from many threads.

    A secret that could not be read is not asked for again for REMEMBERED_SECONDS: whoever waits for it would wait in a row.
    `name` is the secret's ARN, or `environment`.
    """

    def __init__(
        self, read: Callable[[], Credentials], monotonic: Callable[[], float], name: str = "environment"
    ) -> None:
        self.name = name
        self._read = read
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._problem: tuple[float, str] | None = None
        self.cached: Credentials | None = None

    def get(self) -> Credentials:
        """The credentials as last read; raise SecretProblem."""
        return self.cached or self.refresh(None)

    def refresh(self, refused: Credentials | None) -> Credentials:
        """Read again, unless somebody did since `refused` was handed out. Raise SecretProblem, the cache is kept then."""
        with self._lock:
            if self.cached is not None and self.cached is not refused:
                return self.cached
            if self._problem and self._monotonic() < self._problem[0]:
                raise SecretProblem(self._problem[1])
            try:
                self.cached = self._read()
            except SecretProblem as problem:
                self._problem = (self._monotonic() + REMEMBERED_SECONDS, str(problem))
                raise
            self._problem = None
            return self.cached


class SecretsManager:
    """AWS Secrets Manager, with time-outs short enough for a caller that waits; safe to use from many threads."""

    def __init__(self, region: str | None = None, endpoint_url: str | None = None) -> None:
        self._region = region
        self._endpoint_url = endpoint_url
        self._session: Session | None = None
        self._lock = threading.Lock()

    def credentials(self, arn: str) -> Credentials:
        """The credentials in the secret's JSON; raise SecretProblem."""
        text = self.text(arn)
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None  # and raised outside: the error's own text is the secret
        if not isinstance(document, dict):
            raise SecretProblem(f'secret {arn} is not a JSON object; store {{"FB_APP_TOKEN": "…"}} in it')
        return credentials_of(document, f"secret {arn}")

    def text(self, arn: str) -> str:
        """The secret's string as it is; raise SecretProblem."""
        try:
            with closing(self._client(_region_of(arn) or self._region)) as client:
                answer = client.get_secret_value(SecretId=arn)
        except ClientError as error:
            raise SecretProblem(_sentence(arn, str(error.response.get("Error", {}).get("Code")))) from error
        except (BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is no URL
            hint = "check AWS_REGION, AWS_ENDPOINT_URL, the network path to Secrets Manager and the task's role"
            raise SecretProblem(f"secret {arn} could not be read ({type(error).__name__}); {hint}") from error
        text = answer.get("SecretString")
        if text is None:
            raise SecretProblem(f"secret {arn} has no text; store it as text, not as binary")
        return text

    def _client(self, region: str | None) -> "SecretsManagerClient":
        """A session is slow to make and not thread-safe; its clients are (boto3 guide, 1.19.2; boto/boto3#1592)."""
        config = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 2})
        with self._lock:
            self._session = self._session or Session()
            return self._session.client(
                "secretsmanager", region_name=region, endpoint_url=self._endpoint_url, config=config
            )


def credentials_of(document: Mapping[str, object], where: str) -> Credentials:
    """Credentials from the article's keys; raise SecretProblem that names `where` and the key."""
    token = document.get("FB_APP_TOKEN")
    if not isinstance(token, str) or not token.strip():
        raise SecretProblem(f"{where} has no FB_APP_TOKEN; put the system user's access token under that key")
    if not _KEY.fullmatch(token.strip()):
        raise SecretProblem(
            f"{where}: FB_APP_TOKEN is no access token; store the token alone, without Bearer or line breaks"
        )
    given = document.get("FB_APP_SECRET") or []
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list) or not all(
        isinstance(item, str) and _KEY.fullmatch(item.strip()) for item in listed
    ):
        raise SecretProblem(f"{where}: FB_APP_SECRET must be the app's secret, or a list of them while it is rotated")
    verify_token = document.get("WEBHOOK_VERIFY_TOKEN") or ""
    if not isinstance(verify_token, str) or not verify_token.isprintable():
        raise SecretProblem(f"{where}: WEBHOOK_VERIFY_TOKEN must be a string, the one that Meta was given")
    return Credentials(token.strip(), tuple(item.strip() for item in listed), verify_token.strip() or None)


def _region_of(arn: str) -> str | None:
    parts = arn.split(":")
    return parts[3] if len(parts) > 5 and parts[0] == "arn" else None


def _sentence(arn: str, code: str) -> str:
    match code:
        case "ResourceNotFoundException":
            return f"secret {arn} does not exist; check FB_SECRET_ARN and the region in it"
        case "AccessDeniedException" | "UnrecognizedClientException" | "ExpiredTokenException":
            return (
                f"secret {arn} may not be read ({code}); allow secretsmanager:GetSecretValue on it to the task's role"
            )
    return f"secret {arn} could not be read ({code}); it is tried again"

"""Tokens, app secrets and keys: from AWS Secrets Manager, cached, read again; or from the settings, where they never change.

    Source    a number's credentials, read again when Meta refuses the token
    Renewed   the callers' keys, read again now and then

The secret's value is the article's JSON: `FB_APP_TOKEN`, beside it `FB_APP_SECRET` (a string or a list, for rotation) and
`WEBHOOK_VERIFY_TOKEN`. No error or repr in here holds any of it.
"""

import hashlib
import json
import logging
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

_KEY = re.compile(r"[!-~]+")
"""A token or an app secret: ASCII without spaces, so that it can stand in a header and is not empty."""


FOR_EVER = -1.0
REMEMBERED_SECONDS = 10.0
RENEWED_SECONDS = 60.0
"""How long keys in a secret are used before they are looked at again: a revoked one stops working within it."""
ASKED_AGAIN_SECONDS = 10.0
"""How soon they are looked at for a key that is not known: a new one works within it."""

T = TypeVar("T")

log = logging.getLogger(__name__)


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

    def get(self, patience: float = FOR_EVER) -> Credentials:
        """The credentials as last read; raise SecretProblem."""
        return self.cached or self.refresh(None, patience)

    def refresh(self, refused: Credentials | None, patience: float = FOR_EVER) -> Credentials:
        """Read again, unless somebody did since `refused` was handed out. Raise SecretProblem, the cache is kept then.

        Whoever finds another one reading waits so many seconds: a caller who keeps others waiting gives up early.
        """
        if not self._lock.acquire(timeout=patience):
            raise SecretProblem(f"secret {self.name} is being read, which takes longer than it should")
        try:
            return self._renewed(refused)
        finally:
            self._lock.release()

    def _renewed(self, refused: Credentials | None) -> Credentials:
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


@dataclass(frozen=True, slots=True)
class KeyEntries:
    """Where keys come from: `read` gives them as they stand now, or raises SecretProblem.

    `secret` is the name of the secret that holds them; None: they stand in the environment and never change.
    """

    read: Callable[[], Sequence[str]] = field(repr=False)
    secret: str | None = None


class UnusableKeys(ValueError):
    """Keys that cannot be used; the sentence says which entry, and nothing of what stands in it."""


class Renewed(Generic[T]):
    """What `parse` makes of keys, made anew while the service runs where they stand in a secret; safe for many threads.

    Looked at in the path of a call, and only then: whoever comes first when it is time reads the secret, the others go on with
    what there is. A secret that cannot be read, or holds what cannot be used, changes nothing and is said in a log line.
    """

    def __init__(
        self, entries: KeyEntries, parse: Callable[[Sequence[str]], T], monotonic: Callable[[], float]
    ) -> None:
        """Raise SecretProblem for keys in a secret that cannot be read or used, UnusableKeys for those that never change."""
        self._entries = entries
        self._parse = parse
        self._monotonic = monotonic
        self._reading = threading.Lock()
        self._read_at = monotonic()
        try:
            self._value = parse(entries.read())
        except UnusableKeys as error:
            if entries.secret is None:
                raise
            raise SecretProblem(f"secret {entries.secret}: {error}") from error

    def get(self) -> T:
        """At most RENEWED_SECONDS old, as long as the secret can be read."""
        return self._not_older_than(RENEWED_SECONDS)

    def get_newer(self) -> T:
        """For one who shows a key that is not known: at most ASKED_AGAIN_SECONDS old."""
        return self._not_older_than(ASKED_AGAIN_SECONDS)

    def _not_older_than(self, seconds: float) -> T:
        if self._is_due(seconds) and self._reading.acquire(blocking=False):
            try:
                if self._is_due(seconds):  # still: somebody may have read it meanwhile
                    self._read_at = self._monotonic()
                    self._value = self._parse(self._entries.read())
            except (SecretProblem, UnusableKeys) as error:
                log.warning("keys.not_renewed secret=%s reason=%s", self._entries.secret, error)
            finally:
                self._reading.release()
        return self._value

    def _is_due(self, seconds: float) -> bool:
        return self._entries.secret is not None and self._monotonic() - self._read_at >= seconds


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

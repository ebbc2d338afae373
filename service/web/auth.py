"""Who is calling: the shim by a Standard Webhooks signature, internal systems by an API key.

A service without keys refuses the calls that need them; it never runs open.
"""

import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec

from flask import Response, g, request
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError, WebhookVerificationError

from service import metrics
from service.secrets import KeyEntries, Renewed, UnusableKeys
from service.web.problems import problem, unauthorised

SCOPES = ("send", "read", "operate", "pii")
_ENTRY = re.compile(r"(?P<name>[A-Za-z0-9_-]+):(?P<scopes>[a-z+]+):(?P<digest>[0-9a-f]{64})")

_SIGNING_KEY = re.compile(r"(?:whsec_)?[A-Za-z0-9+/]+={0,2}")
"""The library leaves out whatever is no base64, and would make a key of any text. The stack's own key has no `whsec_`."""

P = ParamSpec("P")


class BadKeys(UnusableKeys):
    """Keys in the settings that cannot be used; the sentence says which entry, and nothing of what stands in it."""


def fixed(*entries: str) -> KeyEntries:
    """Keys that never change."""
    return KeyEntries(lambda: entries)


class Signatures:
    """Verifies Standard Webhooks signatures with any of several keys (rotation)."""

    def __init__(self, entries: KeyEntries, monotonic: Callable[[], float] = float) -> None:
        """Raise BadKeys or SecretProblem. `monotonic` is asked only where the entries may change."""
        self._keys = Renewed(entries, _parse_signing_keys, monotonic)

    def are_genuine(self, body: bytes, headers: dict[str, str]) -> bool:
        """Whether the signature fits these very bytes and is at most five minutes old."""
        keys = self._keys.get()
        if any(_fits(key, body, headers) for key in keys):
            return True
        newer = self._keys.get_newer()
        return newer is not keys and any(_fits(key, body, headers) for key in newer)


def _parse_signing_keys(entries: Sequence[str]) -> list[Webhook]:
    try:
        if all(_SIGNING_KEY.fullmatch(key) for key in entries):
            return [Webhook(key) for key in entries]
    except (binascii.Error, ValueError, EmptyWebhookSecretError):
        pass  # and raised outside: the error's own text may quote the key
    raise BadKeys("SIGNING_KEYS: each key is whsec_ followed by base64; make one with: openssl rand -base64 32")


def _fits(key: Webhook, body: bytes, headers: dict[str, str]) -> bool:
    try:
        key.verify(body, headers, json_parse=False)
        return True
    except (WebhookVerificationError, ValueError):
        # ValueError: what the library lets through for headers or bodies that are no text, no base64, no pair
        return False


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A caller's key: its name in logs, what it may do, and the SHA-256 of the key itself."""

    name: str
    scopes: frozenset[str]
    digest: str


class ApiKeys:
    """Finds the key a caller shows. Several may have the same name, as while one is rotated."""

    def __init__(self, entries: KeyEntries, monotonic: Callable[[], float] = float) -> None:
        """Entries are `name:scope+scope:sha256`; raise BadKeys or SecretProblem.

        `monotonic` is asked only where the entries may change.
        """
        self._keys = Renewed(entries, _parse_api_keys, monotonic)

    def find(self, authorization: str | None) -> ApiKey | None:
        """The key behind an Authorization header; every key is compared, so that time tells nothing."""
        scheme, _, token = (authorization or "").partition(" ")
        digest = hashlib.sha256(token.strip().encode("utf-8", "replace")).hexdigest()
        found = _find(self._keys.get(), digest) or _find(self._keys.get_newer(), digest)
        return found if scheme.lower() == "bearer" else None


def _find(keys: Sequence[ApiKey], digest: str) -> ApiKey | None:
    found = None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found


def _parse_api_keys(entries: Sequence[str]) -> list[ApiKey]:
    return [_parse(n, entry) for n, entry in enumerate(entries, start=1)]


def _parse(n: int, entry: str) -> ApiKey:
    match = _ENTRY.fullmatch(entry)
    scopes = frozenset(match["scopes"].split("+")) if match else frozenset()
    if match is None or not scopes <= set(SCOPES):
        raise BadKeys(f"API_KEYS: entry {n} is not name:scope+scope:sha256 with scopes of {', '.join(SCOPES)}")
    return ApiKey(match["name"], scopes, match["digest"])


def api_key_entry(name: str, scopes: str, key: str) -> str:
    """What API_KEYS holds of a key: its name, its scopes joined by `+`, and its hash."""
    return f"{name}:{scopes}:{hashlib.sha256(key.encode()).hexdigest()}"


def needs_scope(keys: ApiKeys, scope: str) -> Callable[[Callable[P, Response]], Callable[P, Response]]:
    """Let only callers in whose key has `scope`; the key is in `g.api_key` then."""

    def decorate(view: Callable[P, Response]) -> Callable[P, Response]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> Response:
            key = keys.find(request.headers.get("Authorization"))
            if key is None:
                metrics.UNVERIFIED.labels("api").inc()
                return unauthorised()
            if scope not in key.scopes:
                return problem(403, "Scope missing", f"The key {key.name} lacks the scope {scope}.")
            g.api_key = key
            return view(*args, **kwargs)

        return guarded

    return decorate

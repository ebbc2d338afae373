"""People whom the load balancer has signed in: its header `x-amzn-oidc-data` in, their name out.

As AWS documents it (Application Load Balancers, "Authenticate users"; read 2026-11-28): a JWT signed with ES256, whose header
names the load balancer (`signer`) and the key (`kid`), and whose claims are the identity provider's. Anybody who reaches the
service past the load balancer can send such a header; only one that this load balancer has signed counts.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import jwt
import requests
from jwt.types import Options

HEADER = "x-amzn-oidc-data"
COOKIES = "AWSELBAuthSessionCookie"
"""How the load balancer's own session cookies begin; whoever signs somebody out takes them away."""

_KEY_ID = re.compile(r"[0-9a-f-]{1,64}")
_TIMEOUT = (2, 3)
_KEYS_KEPT = 16
_OPTIONS: Options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
"""The library would ask its own clock; `exp`, which alone is documented, is compared with ours."""


class Refused(Exception):
    """The header proves nothing; the sentence says why, and nothing of what stands in it."""


class PublicKeys:
    """The load balancers' public keys, by id; one that was read is kept, since AWS gives a new key a new id."""

    def __init__(self, base: str) -> None:
        """`base` is the address before the key's id, as `keys_address` gives it."""
        self._base = base
        self._known: dict[str, str] = {}

    def __call__(self, key_id: str) -> str:
        """The key as PEM. Raise Refused."""
        if key_id not in self._known:
            if len(self._known) >= _KEYS_KEPT:
                self._known.clear()
            self._known[key_id] = self._read(key_id)
        return self._known[key_id]

    def _read(self, key_id: str) -> str:
        try:
            answer = requests.get(f"{self._base}/{key_id}", timeout=_TIMEOUT, allow_redirects=False)
        except requests.RequestException as error:
            raise Refused(
                f"the load balancer's key could not be read from {self._base} ({type(error).__name__}); "
                "the service must reach that address"
            ) from None
        if answer.status_code != 200:
            raise Refused(f"{self._base} has no such key (status {answer.status_code})")
        return answer.text


def keys_address(arn: str) -> str:
    """Where the public keys of a load balancer are."""
    _, partition, _, region, *_ = arn.split(":")
    if partition == "aws-us-gov":
        return f"https://s3-{region}.amazonaws.com/aws-elb-public-keys-prod-{region}"
    return f"https://public-keys.auth.elb.{region}.amazonaws.com"


class Balancer:
    """Tells whom the load balancer with this ARN has signed in."""

    def __init__(self, arn: str, now: Callable[[], datetime], key: Callable[[str], str]) -> None:
        """`key` gives the PEM of a key's id, or raises Refused."""
        self._arn = arn
        self._now = now
        self._key = key

    def name(self, token: str) -> str:
        """The e-mail address of whom the header is about, or their `sub`. Raise Refused."""
        claims = self._verified(token)
        expires_at = claims.get("exp")
        if not isinstance(expires_at, int | float) or expires_at <= self._now().timestamp():
            raise Refused("what the load balancer says has expired")
        email = claims.get("email")
        is_proven = claims.get("email_verified", True) in (True, "true")  # Cognito says it as a text
        name = email if email and is_proven else claims.get("sub")
        if not isinstance(name, str) or not name:
            raise Refused(
                "the load balancer names nobody; its scope must include openid, and email for e-mail addresses"
            )
        return name

    def _verified(self, token: str) -> dict[str, Any]:
        """The claims, padding and all: the signature is over the text as it came."""
        try:
            header = jwt.get_unverified_header(token)
            if header.get("signer") != self._arn:
                raise Refused("it was not signed by the load balancer of CONSOLE_ALB_ARN")
            key_id = header.get("kid")
            if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
                raise Refused("it names no key")
            return jwt.decode(token, self._key(key_id), algorithms=["ES256"], options=_OPTIONS)
        except (jwt.PyJWTError, ValueError):
            pass  # and raised outside: the error's own text may quote the header
        raise Refused("its signature does not fit")

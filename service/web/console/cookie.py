"""The cookie of a session, and on which ways to us there may be one.

The console is served over https, and over plain http only to a browser on this machine, which calls it `localhost`.
"""

from datetime import timedelta
from urllib.parse import urlsplit

from flask import Response, request

LIFETIME = timedelta(hours=12)
SECURE = "__Host-console"
LOCAL = "console"
"""Over plain http on this machine: Chromium would take a Secure cookie there (tried with 156), Safari does not."""

_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}


def is_https() -> bool:
    """Whether the browser came over https: the load balancer, where it ends, says so. Who lies about it harms themselves."""
    return request.headers.get("X-Forwarded-Proto", request.scheme).partition(",")[0].strip() == "https"


def is_private() -> bool:
    """Whether nobody else can read what the browser and we tell each other."""
    if is_https():
        return True
    try:
        return urlsplit(f"//{request.host}").hostname in _THIS_MACHINE
    except ValueError:
        return False


def read() -> str | None:
    """What the browser shows, on a private way and not empty."""
    return request.cookies.get(_name()) or None if is_private() else None


def give(response: Response, token: str) -> None:
    """Have the browser show it from now on, for LIFETIME."""
    if is_private():
        response.set_cookie(
            _name(), token, max_age=LIFETIME, secure=is_https(), httponly=True, samesite="Lax", path="/"
        )


def take_away(response: Response, *others: str) -> None:
    """Have the browser forget it, and others that it has shown."""
    for name in (_name(), *others):
        response.delete_cookie(name, secure=is_https(), httponly=True, samesite="Lax", path="/")


def _name() -> str:
    return SECURE if is_https() else LOCAL

"""What Meta says of a token, of a number and of an account: one GET each, for a person who asks what is wrong.

    GET /debug_token                      Token
    GET /{phone_number_id}?fields=…       Number
    GET /{waba_id}/subscribed_apps        ids of apps

Nothing is tried again. A refusal is raised as the SendError that the table of codes makes of it. Meta wants the token in the
query of `debug_token` too, so no error of this file holds an address. Sources: Meta's references of debug_token, of the
number's node, of `health_status` and of `subscribed_apps`, read 2026-11.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from service.whatsapp.answer import Answer, classify, read_code, read_words
from service.whatsapp.limits import FIELDS, Limits, parse_limits
from service.whatsapp.send_error import Refused, SendError, Unavailable

TIMEOUT = (2.0, 5.0)
_FEW = f"verified_name,quality_rating,{FIELDS}"
_ALL = f"{_FEW},status,health_status"


@dataclass(frozen=True, slots=True)
class Token:
    """`expires_at` None: never, or Meta does not say. `scopes` None: Meta does not say. `code` says why it is not valid."""

    is_valid: bool
    app_id: str | None = None
    expires_at: datetime | None = None
    scopes: frozenset[str] | None = None
    code: int | None = None
    subcode: int | None = None


@dataclass(frozen=True, slots=True)
class Number:
    """Meta's words, each None where it did not say. `troubles`: what its health report names, with Meta's way out."""

    verified_name: str | None = None
    quality_rating: str | None = None
    status: str | None = None
    can_send: str | None = None
    troubles: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)


class AccountApi:
    """Meta's facts for `doctor`. `base_url` is without the version."""

    def __init__(self, base_url: str, version: str) -> None:
        self._url = base_url.rstrip("/")
        self._base = f"{self._url}/{version}"

    def token(self, token: str) -> Token:
        """What Meta knows of a token, which asks for itself; raise SendError."""
        data = _object(self._get("debug_token", token, input_token=token).get("data"))
        error = _object(data.get("error"))
        scopes = data.get("scopes")
        app_id = data.get("app_id")
        return Token(
            is_valid=data.get("is_valid") is True,
            app_id=str(app_id) if app_id else None,
            expires_at=_moment(data.get("expires_at")),
            scopes=frozenset(map(str, scopes)) if isinstance(scopes, list) else None,
            code=read_code(error.get("code")),
            subcode=read_code(error.get("subcode")),
        )

    def number(self, phone_number_id: str, token: str) -> Number:
        """What Meta knows of a number; raise SendError. Asked for less where this version does not have all fields."""
        try:
            node = self._get(phone_number_id, token, fields=_ALL)
        except Refused:
            node = self._get(phone_number_id, token, fields=_FEW)
        health = _object(node.get("health_status"))
        return Number(
            verified_name=read_words(node.get("verified_name"), 100),
            quality_rating=read_words(node.get("quality_rating"), 30),
            status=read_words(node.get("status"), 30),
            can_send=read_words(health.get("can_send_message"), 30),
            troubles=tuple(_troubles(health)),
            limits=parse_limits(json.dumps(node).encode()),
        )

    def subscribed_apps(self, waba_id: str, token: str) -> list[str]:
        """The ids of the apps that get the account's notifications; raise SendError."""
        data = self._get(f"{waba_id}/subscribed_apps", token).get("data")
        apps = (
            [_object(_object(one).get("whatsapp_business_api_data")) for one in data] if isinstance(data, list) else []
        )
        return [str(app["id"]) for app in apps if app.get("id")]

    def clock_skew(self, now: Callable[[], datetime]) -> float | None:
        """By how many seconds our clock is ahead of Meta's, to about one; None where Meta tells no time. Raise SendError."""
        before = now()
        answer = self._ask(lambda: requests.head(self._url, timeout=TIMEOUT, allow_redirects=False))
        after = now()
        try:
            told = parsedate_to_datetime(answer.headers.get("Date", ""))
        except ValueError:
            return None
        if told.tzinfo is None:
            return None
        if told > after:
            return (after - told).total_seconds()
        return max(0.0, (before - told).total_seconds() - 1)  # the header has whole seconds, cut off

    def _get(self, path: str, token: str, **query: str) -> Mapping[str, Any]:
        answer = self._ask(
            lambda: requests.get(
                f"{self._base}/{path}",
                params=query,
                headers={"Authorization": f"Bearer {token}"},
                timeout=TIMEOUT,
                allow_redirects=False,
            )
        )
        if answer.status_code == 200:
            try:
                document = answer.json()
            except (requests.JSONDecodeError, RecursionError):
                document = None
            if isinstance(document, dict):
                return document
            raise Unavailable("No answer that can be used")
        outcome = classify(Answer(answer.status_code, answer.content))
        raise outcome if isinstance(outcome, SendError) else Unavailable("No answer that can be used")

    @staticmethod
    def _ask(call: Callable[[], requests.Response]) -> requests.Response:
        try:
            return call()
        except requests.RequestException as error:  # its text has the address, and so perhaps the token
            kind = type(error).__name__
        raise Unavailable(f"No answer ({kind})")


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _moment(seconds: object) -> datetime | None:
    """Seconds since 1970; 0 is Meta's word for never."""
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 < seconds < 2**36:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _troubles(health: Mapping[str, Any]) -> Iterator[str]:
    for entity in _objects(health.get("entities")):
        what = read_words(entity.get("entity_type"), 30) or "?"
        for error in _objects(entity.get("errors")):
            words = (read_words(error.get(name), 300) for name in ("error_description", "possible_solution"))
            yield f"{what}: {' '.join(word for word in words if word)}"
        more = entity.get("additional_info")
        for one in more if isinstance(more, list) else []:
            yield f"{what}: {read_words(one, 300)}"

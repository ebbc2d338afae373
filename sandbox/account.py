"""What Meta tells of the token and of who is subscribed to the account's webhooks, and what `/sandbox/account` takes. Pure.

Source: Meta's references of `debug_token` and of the account's `subscribed_apps`, read in November 2026.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.errors import InputError
from sandbox.fault_json import is_whole

APP_ID = "634974688087057"
SCOPES = ("whatsapp_business_management", "whatsapp_business_messaging")
LATEST = 2**40  # seconds since 1970


@dataclass(frozen=True, slots=True)
class Account:
    """What can be set. `expires_at` in seconds since 1970, 0 never, is only told; `subscribed_apps` are ids of apps."""

    scopes: tuple[str, ...] = SCOPES
    expires_at: int = 0
    subscribed_apps: tuple[str, ...] = (APP_ID,)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one for one in value)


# field: (whether a value is allowed, what is allowed)
RULES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "scopes": (_is_texts, "a list of strings that are not empty"),
    "expires_at": (lambda value: is_whole(value, 0, LATEST), "whole seconds since 1970, or 0 for never"),
    "subscribed_apps": (_is_texts, "a list of strings that are not empty"),
}


def parse_account(given: object) -> Account:
    """Read what is set; a field that is not given is as if nobody had set it.

    Raises:
        InputError: the text names the field and what is allowed.
    """
    if not isinstance(given, dict):
        raise InputError('An account must be a JSON object, such as {"expires_at": 0}.')
    for name, value in given.items():
        if name not in RULES:
            raise InputError(f"{name} is no field of an account; it has {', '.join(RULES)}.")
        is_allowed, what = RULES[name]
        if not is_allowed(value):
            raise InputError(f"{name} must be {what}.")
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return Account(**fields)


def account_as_json(account: Account) -> dict[str, Any]:
    """All that is set or holds."""
    return asdict(account)


def token_facts(account: Account, *, is_valid: bool) -> dict[str, Any]:
    """The `data` that Meta tells of a token."""
    if not is_valid:
        error = {"code": 190, "message": "Error validating access token: Session has expired", "subcode": 463}
        return {"error": error, "is_valid": False, "scopes": []}
    return {
        "app_id": APP_ID,
        "type": "SYSTEM_USER",
        "application": "Sandbox",
        "data_access_expires_at": 0,
        "expires_at": account.expires_at,
        "is_valid": True,
        "scopes": list(account.scopes),
        "user_id": "100000000000001",
    }


def subscriptions(account: Account) -> list[dict[str, Any]]:
    """The `data` that Meta tells of the account's subscribed apps."""
    link = "https://www.facebook.com/games/?app_id="
    return [
        {"whatsapp_business_api_data": {"id": app, "link": link + app, "name": "Sandbox"}}
        for app in account.subscribed_apps
    ]

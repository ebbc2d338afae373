"""The status notifications of an accepted message, and the JSON Meta posts them in. Pure.

`plan` takes an accepted message and hands on its updates, each with the seconds until it is due. `build` takes what is
due to be told, updates of whatever messages and numbers and what people sent, and hands on the bytes of one notification.

Source: Meta's webhook reference (`statuses`, `messages`), read in November 2026.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from sandbox.cloud_api import DISPLAY_PHONE_NUMBER
from sandbox.compact import compact
from sandbox.errors import title_of
from sandbox.faults import Course, Fails, Silent
from sandbox.inbound import Inbound
from sandbox.journal import Accepted

WABA_ID = "102290129340398"


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds from the acceptance of a message until it is sent, delivered and read."""

    sent: float = 0.05
    delivered: float = 0.15
    read: float = 0.4


@dataclass(frozen=True, slots=True)
class Update:
    """One status of one message. `timestamp` is when it came about, in seconds since 1970."""

    accepted: Accepted
    status: str
    timestamp: int
    failure: Fails | None = None


News: TypeAlias = Update | Inbound


def plan(accepted: Accepted, delays: Delays, course: Course) -> list[tuple[float, Update]]:
    """Its updates with the seconds until each is due. Lateness delays the telling, not what is told."""
    late = course.lateness.seconds if course.lateness else 0.0
    failure = course.outcome if isinstance(course.outcome, Fails) else None
    steps = [("sent", delays.sent), ("delivered", delays.delivered), ("read", delays.read)]
    if failure is not None:
        steps = [("failed", delays.sent)]
    elif isinstance(course.outcome, Silent):
        steps = []
    since = accepted.at.timestamp()
    return [(delay + late, Update(accepted, status, int(since + delay), failure)) for status, delay in steps]


def build(told: Iterable[News]) -> bytes:
    """The body of one notification. Meta escapes what is not ASCII, and signs it so.

    The statuses of a number share a change; each message of a person has one of its own.
    """
    by_number: dict[str, list[dict[str, Any]]] = {}
    changes = []
    for news in told:
        if isinstance(news, Inbound):
            content = {"contacts": [news.contact()], "messages": [news.as_json()]}
            changes.append(_change(news.draft.phone_number_id, content))
        else:
            by_number.setdefault(news.accepted.phone_number_id, []).append(_status(news))
    changes += [_change(number, {"statuses": statuses}) for number, statuses in by_number.items()]
    notification = {"object": "whatsapp_business_account", "entry": [{"id": WABA_ID, "changes": changes}]}
    return compact(notification)


def signature(body: bytes, app_secret: str) -> str:
    """The value of X-Hub-Signature-256 for exactly these bytes."""
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()


def _change(phone_number_id: str, content: dict[str, Any]) -> dict[str, Any]:
    metadata = {"display_phone_number": DISPLAY_PHONE_NUMBER, "phone_number_id": phone_number_id}
    return {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": metadata, **content}}


def _status(update: Update) -> dict[str, Any]:
    message = update.accepted.message
    recipient = {"recipient_user_id": message.to} if message.is_to_user_id else {"recipient_id": message.to[1:]}
    status: dict[str, Any] = {
        "id": update.accepted.wamid,
        "status": update.status,
        "timestamp": str(update.timestamp),
        **recipient,
    }
    if message.callback_data is not None:
        status["biz_opaque_callback_data"] = message.callback_data
    if update.status == "sent":
        category = message.category.lower()
        status["pricing"] = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": category}
    if update.failure is not None:
        status["errors"] = [_error(update.failure)]
    return status


def _error(failure: Fails) -> dict[str, Any]:
    title = failure.title or title_of(failure.code)
    details = failure.details or title
    return {"code": failure.code, "title": title, "message": title, "error_data": {"details": details}}

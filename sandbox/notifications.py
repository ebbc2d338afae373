"""The status notifications of an accepted message, and the JSON Meta posts everything in. Pure.

`plan` takes an accepted message and hands on its updates, each with the seconds until it is due. `build` takes what is
due to be told, updates of whatever messages and numbers, what people sent and what became of templates, and hands on the
bytes of one notification.

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
from sandbox.template_news import TemplateNews


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


News: TypeAlias = Update | Inbound | TemplateNews


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

    Each account has an entry. The statuses of a number share a change; each message of a person and each template has
    one of its own.
    """
    by_number: dict[tuple[str, str], list[dict[str, Any]]] = {}
    by_account: dict[str, list[dict[str, Any]]] = {}
    for news in told:
        if isinstance(news, Update):
            number = (news.accepted.waba_id, news.accepted.phone_number_id)
            by_number.setdefault(number, []).append(_status(news))
        else:
            by_account.setdefault(news.waba_id, []).append(
                _inbound(news) if isinstance(news, Inbound) else news.change()
            )
    for (waba_id, phone_number_id), statuses in by_number.items():
        by_account.setdefault(waba_id, []).append(_change(phone_number_id, {"statuses": statuses}))
    entries = [{"id": waba_id, "changes": changes} for waba_id, changes in by_account.items()]
    return compact({"object": "whatsapp_business_account", "entry": entries})


def signature(body: bytes, app_secret: str) -> str:
    """The value of X-Hub-Signature-256 for exactly these bytes."""
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()


def _change(phone_number_id: str, content: dict[str, Any]) -> dict[str, Any]:
    metadata = {"display_phone_number": DISPLAY_PHONE_NUMBER, "phone_number_id": phone_number_id}
    return {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": metadata, **content}}


def _inbound(inbound: Inbound) -> dict[str, Any]:
    return _change(inbound.draft.phone_number_id, {"contacts": [inbound.contact()], "messages": [inbound.as_json()]})


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

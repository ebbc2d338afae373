"""A notification from Meta: is it genuine, and what does it tell? Pure.

One POST carries up to 1,000 updates, repeated and in any order. Whatever cannot be read is counted and left out: one odd item
never spoils the rest. The shape is Meta's (webhooks reference, `messages` and `message_template_status_update`, read 2026-11).
What people tell is read in `inbound.py`.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from service.message import Status, StatusUpdate, printable
from service.people import Inbound
from service.whatsapp.answer import read_code, read_error_words, read_words
from service.whatsapp.errors import retry_late, verdict_on
from service.whatsapp.inbound import Preference, is_other_preference, read_inbound, read_moment, read_preference
from service.whatsapp.send_error import OptedOut

TEMPLATE_NEWS = frozenset(
    {
        "message_template_status_update",
        "message_template_quality_update",
        "message_template_components_update",
        "template_category_update",
    }
)
"""The kinds of news after which an account's templates are to be read anew."""

_STATUSES = {"sent": Status.SENT, "delivered": Status.DELIVERED, "read": Status.READ, "failed": Status.FAILED}


@dataclass(frozen=True, slots=True)
class TemplateUpdate:
    """What Meta tells about a template of the account `waba_id`: `event` is PAUSED, DISABLED, APPROVED, REINSTATED and more.

    `language` is written as in a send (`en_US`). `reason` is in Meta's words.
    """

    waba_id: str | None
    name: str
    language: str
    event: str
    reason: str | None = None


@dataclass(slots=True)
class Notification:
    """What one POST tells. `ignored` counts kinds of news that nothing here reads, `unreadable` broken items.

    `changed_accounts` are those of which a template changed in any way.
    """

    statuses: list[StatusUpdate] = field(default_factory=list)
    templates: list[TemplateUpdate] = field(default_factory=list)
    inbound: list[Inbound] = field(default_factory=list)
    preferences: list[Preference] = field(default_factory=list)
    changed_accounts: set[str] = field(default_factory=set)
    ignored: int = 0
    unreadable: int = 0


def is_genuine(body: bytes, signature: str | None, app_secrets: Iterable[str]) -> bool:
    """Whether `X-Hub-Signature-256` was made over these very bytes with one of the app's secrets."""
    if not signature:
        return False
    given = signature.encode("utf-8", "replace")
    genuine = False
    for secret in app_secrets:
        expected = b"sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()
        genuine |= hmac.compare_digest(expected, given)
    return genuine


def parse_notification(document: object) -> Notification:
    """Read all that can be read; never raises."""
    notification = Notification()
    for waba_id, change in _changes(document, notification):
        value, news = change.get("value"), read_words(change.get("field"), 64)
        if waba_id is not None and news in TEMPLATE_NEWS:
            notification.changed_accounts.add(waba_id)
        match news:
            case "message_template_status_update":
                _read_template(waba_id, value, notification)
            case "messages":
                _read_messages(value, notification)
            case "user_preferences":
                _read_preferences(value, notification)
            case _ if news not in TEMPLATE_NEWS:
                notification.ignored += 1
    return notification


def _changes(document: object, notification: Notification) -> Iterator[tuple[str | None, dict[str, object]]]:
    """Each change with the id of the account that it concerns."""
    for entry in _listed(document, "entry", notification):
        waba_id = read_words(entry.get("id"), 64) if isinstance(entry, dict) else None
        for change in _listed(entry, "changes", notification):
            if isinstance(change, dict):
                yield waba_id, change
            else:
                notification.unreadable += 1


def _listed(holder: object, name: str, notification: Notification) -> list[object]:
    """The list of this name; where there is none, that is one thing that cannot be read."""
    items = holder.get(name) if isinstance(holder, dict) else None
    if isinstance(items, list):
        return items
    notification.unreadable += 1
    return []


def _read_messages(value: object, notification: Notification) -> None:
    """What Meta calls `messages`: what became of ours, and what people wrote to us; its other news is not read."""
    has_replies = isinstance(value, dict) and "messages" in value
    if has_replies:
        _read_replies(value, notification)
    if not isinstance(value, dict) or "statuses" in value:
        _read_statuses(value, notification)
    elif not has_replies:
        notification.ignored += 1


def _read_replies(value: object, notification: Notification) -> None:
    metadata = value.get("metadata") if isinstance(value, dict) else None
    for item in _listed(value, "messages", notification):
        reply = read_inbound(item, metadata)
        if reply is not None:
            notification.inbound.append(reply)
        else:
            notification.unreadable += 1


def _read_preferences(value: object, notification: Notification) -> None:
    for item in _listed(value, "user_preferences", notification):
        preference = None if is_other_preference(item) else read_preference(item)
        if preference is not None:
            notification.preferences.append(preference)
        elif is_other_preference(item):
            notification.ignored += 1
        else:
            notification.unreadable += 1


def _read_statuses(value: object, notification: Notification) -> None:
    for item in _listed(value, "statuses", notification):
        update = _status_update(item, notification)
        if update is not None:
            notification.statuses.append(update)


def _status_update(item: object, notification: Notification) -> StatusUpdate | None:
    if not isinstance(item, dict):
        notification.unreadable += 1
        return None
    status, wamid, at = item.get("status"), item.get("id"), read_moment(item.get("timestamp"))
    if isinstance(status, str) and status not in _STATUSES:  # `played`, `deleted`, and whatever comes next
        notification.ignored += 1
        return None
    if not isinstance(status, str) or not isinstance(wamid, str) or not wamid or at is None:
        notification.unreadable += 1
        return None
    callback_data = item.get("biz_opaque_callback_data")
    ours = printable(callback_data)[:512] if isinstance(callback_data, str) else None
    update = StatusUpdate(_STATUSES[status], at, printable(wamid)[:256], ours)
    return _with_reason(update, item.get("errors")) if update.status is Status.FAILED else update


def _with_reason(update: StatusUpdate, errors: object) -> StatusUpdate:
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    data = first.get("error_data")
    code = read_code(first.get("code"))
    return replace(
        update,
        code=code,
        title=read_error_words(first.get("title")) or read_error_words(first.get("message")),
        details=read_error_words(data.get("details") if isinstance(data, dict) else data),
        retry_after=retry_late(code),
        opted_out=issubclass(verdict_on(code).kind, OptedOut),
    )


def _read_template(waba_id: str | None, value: object, notification: Notification) -> None:
    facts = value if isinstance(value, dict) else {}
    name = read_words(facts.get("message_template_name"), 512)
    language = read_words(facts.get("message_template_language"), 64)
    event = read_words(facts.get("event"), 64)
    if name is None or language is None or event is None:
        notification.unreadable += 1
        return
    update = TemplateUpdate(waba_id, name, language.replace("-", "_"), event.upper(), _reason(facts))
    notification.templates.append(update)


def _reason(facts: dict[str, object]) -> str | None:
    """Why, from the first field that says it; Meta's `NONE` says nothing."""
    other = facts.get("other_info")
    told = [facts.get("reason"), other.get("title") if isinstance(other, dict) else None]
    for name in ("disable_info", "rejection_info"):
        info = facts.get(name)
        told.extend(info.values() if isinstance(info, dict) else [info])
    return next((words for words in map(read_words, told) if words and words.upper() != "NONE"), None)

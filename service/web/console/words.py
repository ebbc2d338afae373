"""What the console calls things: statuses, rejections, pauses, deeds, in a person's words. Pure.

The words for Meta's codes are not here but in the table of codes (`whatsapp/errors.py`).
"""

from collections.abc import Mapping

from service.doctor.finding import Level
from service.message import Door, Outcome, Pause, PauseReason, Scope, Status
from service.people import Blocked, SuppressionSource

STATUSES: Mapping[str, tuple[str, str]] = {
    Status.QUEUED: ("Waiting", "accepted by this service, not yet sent"),
    Status.SENDING: ("Sending", "the request to Meta is under way"),
    Status.ACCEPTED: ("Accepted by Meta", "Meta has it; whether it arrived is not known yet"),
    Status.SENT: ("Sent", "Meta has sent it to the phone"),
    Status.DELIVERED: ("Delivered", "it is on the phone"),
    Status.READ: ("Read", "it was opened"),
    Status.FAILED: ("Failed", "it did not arrive"),
    Status.UNANSWERED: ("Unanswered", "the request went out and no answer came back"),
    Status.HELD: ("Held by Meta", "Meta is looking at the template's quality first"),
    Status.EXPIRED: ("Expired", "it waited longer than it was worth sending"),
    Status.SUPPRESSED: ("Suppressed", "the recipient stopped messages before it went"),
    Status.CANCELLED: ("Cancelled", "an operator called it off"),
    "rejected": ("Rejected", "it was never accepted: something about the recipient or the message is wrong"),
}
"""Each status with its name and what it means."""

MARKS: Mapping[str, str] = {
    **dict.fromkeys((Status.QUEUED, Status.SENDING), "wait"),
    **dict.fromkeys((Status.ACCEPTED, Status.SENT, Status.DELIVERED, Status.READ), "good"),
    **dict.fromkeys((Status.FAILED, Status.EXPIRED, "rejected"), "bad"),
    **dict.fromkeys((Status.UNANSWERED, Status.HELD), "doubt"),
    **dict.fromkeys((Status.SUPPRESSED, Status.CANCELLED), "off"),
}
"""Each status with the kind of chip that it is shown in."""

REJECTIONS: Mapping[str, tuple[str, str]] = {
    "invalid_address": (
        "The address can be no phone number.",
        "Write it with its country code, such as +8613800138000, and send the campaign to them again.",
    ),
    "opted_out": ("The endpoint has opted out of all messages.", "Nothing; the campaign system says so itself."),
    "inactive": ("The endpoint is inactive.", "Nothing, or set it to ACTIVE in the campaign system."),
    "placeholder_missing": (
        "The recipient lacks a value that the message asks for.",
        "Fill the attribute in, or give the placeholder a default: {{Attributes.Name|friend}}.",
    ),
    "invalid_params": (
        "The message's parameters cannot be used.",
        "Look at the detail of each rejection; mend the data.",
    ),
    "template_unknown": (
        "The account has no such template in this language.",
        "Check the name and the language, or wait until Meta has approved it.",
    ),
    "template_not_approved": (
        "Meta does not let this template be sent just now.",
        "Look at the template's status on the page Templates.",
    ),
    "template_mismatch": (
        "The parameters do not fit the template.",
        "Compare them with the template on the page Templates.",
    ),
    "unknown_message": (
        "The settings hold no message of this name.",
        "Add [messages.<name>] to CHANNEL_SETTINGS and send the event again.",
    ),
    "unknown_phone_number": (
        "No phone number of the settings serves this event.",
        "Add its application to a number, or set FB_BUSINESS_PHONE_ID.",
    ),
    "suppressed": (
        "The recipient stopped messages, or was taken off.",
        "Nothing; they get messages again once they ask for them.",
    ),
    "expired": ("The message was too old when it came.", "Send it anew if it still matters."),
    "too_large": ("The message's components are over 64 KiB.", "Shorten the parameters."),
}
"""Why a recipient got nothing, by the code of the rejection, and what to do."""

SOURCES: Mapping[str, str] = {"pinpoint": "Pinpoint", "connect": "Connect", "direct": "Direct call"}

SCOPES: Mapping[Scope, str] = {
    Scope.NUMBER: "Phone number",
    Scope.WABA: "Account",
    Scope.TOKEN: "Token",
    Scope.TEMPLATE: "Template",
    Scope.CAMPAIGN: "Campaign",
    Scope.COUNTRY: "Country",
}

OUTCOMES: Mapping[str, tuple[str, str]] = {
    Outcome.ACCEPTED: ("good", "Meta took it"),
    Outcome.HELD: ("doubt", "Meta took it and holds it back"),
    Outcome.THROTTLED: ("wait", "Meta asked to wait"),
    Outcome.UNAVAILABLE: ("wait", "Meta could not take it just then"),
    Outcome.REFUSED: ("bad", "Meta refused it"),
    Outcome.UNAUTHORISED: ("bad", "Meta refused our token"),
    Outcome.UNANSWERED: ("doubt", "no answer came back"),
    Outcome.NOT_SENT: ("wait", "it did not leave this service"),
}
"""How an attempt ended: the kind of mark and the words."""

DOORS: Mapping[str, str] = {Door.MESSAGES: "messages", Door.MARKETING: "marketing messages"}

PRIORITIES: Mapping[str, str] = {"high": "High", "normal": "Normal"}

FIELDS: Mapping[str, str] = {
    "campaign_id": "Campaign",
    "event_id": "Event",
    "status": "Status",
    "code": "Code",
    "message_id": "Message",
    "template": "Template",
}
"""The fields of a filter."""

TEMPLATE_MARKS: Mapping[str, str] = {
    "APPROVED": "good",
    **dict.fromkeys(("PENDING", "IN_APPEAL"), "wait"),
    **dict.fromkeys(("PAUSED", "LIMIT_EXCEEDED", "PENDING_DELETION"), "doubt"),
    **dict.fromkeys(("REJECTED", "DISABLED"), "bad"),
}
"""The statuses of templates, in Meta's words, with the kind of chip that each is shown in."""

BLOCKED: Mapping[Blocked, str] = {Blocked.ALL: "All but codes", Blocked.MARKETING: "Marketing"}
"""What a suppression keeps from a person."""

SAID_BY: Mapping[SuppressionSource, str] = {
    SuppressionSource.STOP_REPLY: "The person, by a reply",
    SuppressionSource.USER_PREFERENCES: "The person, in WhatsApp",
    SuppressionSource.ERROR_131050: "Meta, when we sent (131050)",
    SuppressionSource.OPERATOR: "An operator",
    SuppressionSource.IMPORT: "An imported list",
}

LEVELS: Mapping[Level, tuple[str, str, str]] = {
    Level.PROBLEM: ("bad", "✗", "Problem"),
    Level.WARNING: ("doubt", "!", "Warning"),
    Level.FINE: ("good", "✓", "Fine"),
    Level.NOTE: ("off", "i", "Note"),
}
"""How a finding is shown: the kind of mark, a sign and a word."""

VIA: Mapping[str, str] = {"console": "Console", "api": "API key", "command": "Command"}

DONE: Mapping[str, str] = {
    "replayed": "Queued again: {n}. Left out: {m}.",
    "cancelled": "Called off: {n}.",
    "paused": "Paused. What is being sent just now still goes; {n} wait.",
    "resumed": "Resumed.",
    "decided": "Decided.",
    "suppressed": "Suppressed. What was queued for them and is not sent any more: {n}.",
    "lifted": "Lifted: {n}.",
    "imported": "Imported: {n}. Lines that could not be used: {m}.",
}
"""What a page says after an action, by the name in its URL."""


def sentence(text: str) -> str:
    """The text as a sentence of its own; nothing of nothing."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text.strip() else ""


def lifted_by(pause: Pause) -> str:
    """Who or what lifts a pause, as a sentence without its stop."""
    if pause.reason is PauseReason.OPERATOR and pause.until is None:
        return "An operator lifts it"
    if pause.reason is PauseReason.SECRET or pause.token_fingerprint:
        return "It lifts itself once the secret holds a token that works"
    if pause.until is not None:
        return "It lifts itself"
    if pause.reason is PauseReason.NOTIFIED or pause.scope is Scope.TEMPLATE:
        return "Meta lifts it, or an operator"
    return "An operator lifts it once it is mended"


def done(name: str, n: str, m: str) -> str | None:
    """The sentence after an action; None for a name that nobody gave. Numbers are shown only where they are some."""
    if name not in DONE or not all(one.isascii() and one.isdigit() and len(one) < 12 for one in (n, m)):
        return None
    return DONE[name].format(n=f"{int(n):,}", m=f"{int(m):,}")

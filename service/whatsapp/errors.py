"""Meta's error codes as data: what each means, whom it concerns, what we do, what the operator does (G9). Pure.

`answer.py` judges a send's answer by it, `webhook.py` a failure that is notified later; `docs/errors.md` is its page.
The kinds are drawn in `send_error.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from service.message import Scope
from service.whatsapp.send_error import (
    OptedOut,
    Refused,
    SendError,
    Throttled,
    Unauthorised,
    Unavailable,
    WrongDoor,
)

SOURCE = "https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes"
AS_OF = "2025-12-12"
"""The state of Meta's page that the table was written from."""
READ_ON = "2026-11"
"""When the table below was last held against Meta's page."""

META = f"Meta's page of error codes, {AS_OF}"
_CHANGES = "Meta's change log"
_OPENAPI = "Meta's OpenAPI description, v23.0"
_PYWA = "the library pywa"
_GRAPH = "third parties on the codes of the Graph API"
_QUOTED = "third parties quoting Meta"
_OLDER = "older lists of Meta's codes"

_SECOND, _MINUTE, _HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
_QUARTER = 15 * _MINUTE
"""How soon it is tried again whether a person has mended something at Meta."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row of the table: what a code means for us and what the operator does about it (G9).

    `http_status` is the one that Meta documents, None where it documents none. `wait` is how long to wait where Meta's
    answer does not say. `source` names where the row was read. `doubtful`: except on a 4xx, Meta may have taken it.
    """

    http_status: int | None
    kind: type[SendError]
    scope: Scope
    title: str
    explanation: str
    next_step: str
    wait: timedelta | None = None
    source: str = META
    doubtful: bool = False

    @property
    def pauses(self) -> bool:
        """Whether all that share the scope wait. A limit that passes within a minute only slows its number down."""
        passes = self.kind is Throttled and self.wait is not None and self.wait < _MINUTE
        return self.scope in _WAITING and not passes


_WAITING: Mapping[Scope, str] = {
    Scope.TEMPLATE: "template",
    Scope.COUNTRY: "country",
    Scope.NUMBER: "number",
    Scope.WABA: "account",
    Scope.TOKEN: "token",
}
"""The scopes that can be paused, and their names in a sentence."""

_RENEW = (
    "Put a valid system-user token into the secret; sending goes on by itself within a minute, "
    "or after a restart where the token stands in the environment."
)
_GRANT = (
    "Give the system user the WhatsApp account with full control; where the token lacks the permission "
    "whatsapp_business_messaging, put one that has it into the secret."
)
_PASSES = "Nothing to do: it is tried again; check Meta's status page if it lasts."
_OTHERS = "Nothing to do: sending waits; if it returns, find what else makes calls with this app or account."
_QUALITY = "Open the account's quality page in WhatsApp Manager, mend what Meta names there and ask for a review."
_PAYMENT = "Open the payment settings in WhatsApp Manager and mend what is named there."
_REGISTER = "Finish the number's registration in WhatsApp Manager."
_PIN = "Set the two-step verification PIN anew in WhatsApp Manager, then register the number with it."
_COMPARE = "Compare the campaign's params with the template in WhatsApp Manager, mend them and send again."
_REPORT = "Read the details and send them to the makers of this service: a template message should not meet this."
_ROUTE = "Nothing to do where the other call takes it; else compare the template's category with the number's settings."

# fmt: off
# A row stays together: the facts first, then one line for each sentence.
GROUPS: Mapping[str, Mapping[int, Verdict]] = {
    "Token and permissions": {
        0: Verdict(401, Unauthorised, Scope.TOKEN, "Authentication failed",
            "Meta could not authenticate the app's user: the token has expired or was withdrawn.",
            _RENEW),
        190: Verdict(401, Unauthorised, Scope.TOKEN, "Access token refused",
            "The access token has expired (subcode 463) or is not valid (subcode 467).",
            _RENEW),
        102: Verdict(401, Unauthorised, Scope.TOKEN, "Session not valid",
            "Meta does not know the access token, or its session is over.",
            _RENEW, source=_GRAPH),
        104: Verdict(401, Unauthorised, Scope.TOKEN, "Access token missing",
            "The request came without an access token that Meta can read.",
            _RENEW, source=_OPENAPI),
        3: Verdict(500, Unauthorised, Scope.TOKEN, "Capability missing",
            "The app or the token lacks a permission, which does not pass by itself although it comes as a 500.",
            _GRANT, _QUARTER),
        10: Verdict(403, Unauthorised, Scope.TOKEN, "Permission denied",
            "The token's user may not send for this number, or the permission was taken back.",
            _GRANT, _QUARTER),
        200: Verdict(403, Unauthorised, Scope.TOKEN, "Permission missing",
            "The token lacks a permission, or the system user has no access to the account.",
            _GRANT, _QUARTER),
        131005: Verdict(403, Unauthorised, Scope.TOKEN, "Access denied",
            "A permission that sending needs was not given or was taken back.",
            _GRANT, _QUARTER),
    },
    "Limits": {
        4: Verdict(400, Throttled, Scope.TOKEN, "App call limit reached",
            "The app as a whole made more calls than Meta allows it.",
            _OTHERS, _MINUTE),
        17: Verdict(None, Throttled, Scope.TOKEN, "User call limit reached",
            "The token's user made more calls than Meta allows.",
            _OTHERS, _MINUTE, _GRAPH),
        32: Verdict(None, Throttled, Scope.TOKEN, "Page call limit reached",
            "More calls were made for one page than Meta allows.",
            _OTHERS, _MINUTE, _GRAPH),
        613: Verdict(None, Throttled, Scope.TOKEN, "Call limit reached",
            "The app made more calls of one kind than Meta allows it.",
            _OTHERS, _MINUTE, _GRAPH),
        80007: Verdict(400, Throttled, Scope.WABA, "Account rate limit reached",
            "The WhatsApp Business account reached its limit of calls.",
            _OTHERS, _MINUTE),
        80008: Verdict(400, Throttled, Scope.WABA, "Account management limit reached",
            "The WhatsApp Business account reached its limit of calls that manage it.",
            _OTHERS, _MINUTE, _GRAPH),
        130429: Verdict(400, Throttled, Scope.NUMBER, "Throughput of the number reached",
            "The phone number sent more messages a second than Meta allows it.",
            "Nothing to do: sending slows down; if it returns, lower MESSAGES_PER_SECOND to the number's real limit.",
            _SECOND),
        131056: Verdict(400, Throttled, Scope.RECIPIENT, "Too many messages to this recipient",
            "Meta allows one message in six seconds to the same person, with a burst of 45.",
            "Nothing to do: it is tried again; if it returns, look for campaigns that reach the same people at once."),
        131048: Verdict(400, Throttled, Scope.NUMBER, "Spam limit reached",
            "Too many people blocked or reported the number, so Meta restricts what it may send.",
            "Look at the number's quality in WhatsApp Manager and send less, to people who expect it.",
            _HOUR),
        131064: Verdict(400, Unauthorised, Scope.WABA, "Account limited for its template categories",
            "Templates stood under a wrong category; Meta limits the account for a time, then lifts that itself.",
            "Look in WhatsApp Manager until when the limit stands, and file the templates under their right category.",
            _HOUR, _CHANGES),
        133016: Verdict(400, Throttled, Scope.NUMBER, "Registered too often",
            "The number was registered and deregistered too often in a short time.",
            "Leave the number's registration alone for some hours, then register it once.",
            _HOUR),
    },
    "Account, number and registration": {
        368: Verdict(403, Unauthorised, Scope.WABA, "Account restricted for a policy violation",
            "Meta has restricted or disabled the WhatsApp Business account.",
            _QUALITY, _QUARTER),
        131031: Verdict(403, Unauthorised, Scope.WABA, "Account locked",
            "Meta has locked the account, or something in the request did not fit it, such as the PIN.",
            _QUALITY, _QUARTER),
        130497: Verdict(403, Refused, Scope.COUNTRY, "Country not allowed",
            "The business may not send messages to people in this country.",
            "Take the country out of the segment; once Meta allows it, lift the pause of the country."),
        131042: Verdict(400, Unauthorised, Scope.WABA, "Payment problem",
            "Meta cannot bill the account: no payment method, no credit line, or time zone or currency missing.",
            _PAYMENT, _QUARTER),
        131044: Verdict(None, Unauthorised, Scope.WABA, "Payment problem with calls",
            "Meta cannot bill the account for calls.",
            _PAYMENT, _QUARTER, _PYWA),
        131045: Verdict(500, Unauthorised, Scope.NUMBER, "Registration of the number is broken",
            "The number's registration is not valid, which does not pass by itself although it comes as a 500.",
            "Register the number again in WhatsApp Manager.",
            _QUARTER),
        131037: Verdict(400, Unauthorised, Scope.NUMBER, "Display name not approved",
            "A number that Meta lends (555) may not send before its display name is approved.",
            "Get the number's display name approved in WhatsApp Manager.",
            _QUARTER),
        131057: Verdict(500, Throttled, Scope.NUMBER, "Number under maintenance",
            "Meta is changing the number, such as raising its throughput, which takes about a minute.",
            _PASSES, _MINUTE),
        33: Verdict(400, Unauthorised, Scope.NUMBER, "Number deleted",
            "The phone number was deleted at Meta.",
            "Compare phone_number_id with WhatsApp Manager; add the number again or send from another one.",
            _QUARTER),
        133010: Verdict(400, Unauthorised, Scope.NUMBER, "Number not registered",
            "The phone number is not registered for the Cloud API.",
            _REGISTER, _QUARTER),
        133006: Verdict(400, Unauthorised, Scope.NUMBER, "Number not verified",
            "The phone number has to be verified before it can be registered.",
            "Verify the number in WhatsApp Manager, then register it.",
            _QUARTER),
        133000: Verdict(500, Unauthorised, Scope.NUMBER, "Deregistration not finished",
            "The number was deregistered half way only, which does not pass by itself although it comes as a 500.",
            "Deregister the number again, then register it.",
            _QUARTER),
        133005: Verdict(400, Unauthorised, Scope.NUMBER, "PIN wrong",
            "The number was to be registered with a two-step verification PIN that is not its own.",
            _PIN, _QUARTER),
        133008: Verdict(400, Unauthorised, Scope.NUMBER, "PIN wrong too often",
            "The number was to be registered with a wrong PIN so often that Meta takes none for a time.",
            _PIN, _QUARTER),
        133009: Verdict(400, Unauthorised, Scope.NUMBER, "PIN entered too fast",
            "The number was to be registered twice within too short a time.",
            _PIN, _QUARTER),
        133015: Verdict(400, Unauthorised, Scope.NUMBER, "Number deregistered just now",
            "The number's earlier registration is still being removed.",
            "Wait some minutes, then register the number.",
            _QUARTER),
        134011: Verdict(400, Refused, Scope.MESSAGE, "Terms of WhatsApp Payments not accepted",
            "The template asks for a payment, and the business has not accepted the terms of WhatsApp Payments.",
            "Accept the terms of WhatsApp Payments in WhatsApp Manager, then send again."),
    },
    "Template and request": {
        132000: Verdict(400, Refused, Scope.MESSAGE, "Number of parameters does not match",
            "The template has another number of variables than the message has values.",
            _COMPARE),
        132001: Verdict(404, Refused, Scope.TEMPLATE, "Template does not exist",
            "No approved template has this name in this language.",
            "Check name, language and approval in WhatsApp Manager; the language must match exactly, such as en_US.",
            5 * _MINUTE),
        132005: Verdict(400, Refused, Scope.MESSAGE, "Text too long",
            "With the values filled in, the template's text is longer than Meta allows.",
            "Shorten the values, then send again."),
        132007: Verdict(400, Refused, Scope.TEMPLATE, "Template violates a policy",
            "The template's content violates a policy of WhatsApp.",
            "Read in WhatsApp Manager what Meta objects to, and send with another template."),
        132008: Verdict(None, Refused, Scope.MESSAGE, "Parameter value not valid",
            "A value is not of the form that its place in the template wants.",
            _COMPARE, source=_PYWA),
        132012: Verdict(400, Refused, Scope.MESSAGE, "Parameter format does not match",
            "A value is of another kind than the template wants, often a missing header image.",
            _COMPARE),
        132015: Verdict(400, Refused, Scope.TEMPLATE, "Template is paused",
            "Meta has paused the template because of its low quality.",
            "Improve the template or wait until Meta lifts its pause, then send again what failed.",
            3 * _HOUR),
        132016: Verdict(400, Refused, Scope.TEMPLATE, "Template is disabled",
            "Meta has paused the template too often for its low quality, and now disabled it for good.",
            "Make another template and have it approved; this one does not come back."),
        132018: Verdict(400, Refused, Scope.MESSAGE, "Parameter not allowed",
            "A value has a line break, a tab or over four spaces in a row, or a button or a media link has a fault.",
            _COMPARE, source=_CHANGES),
        132068: Verdict(400, Refused, Scope.TEMPLATE, "Flow blocked",
            "The flow behind the template's button is blocked.",
            "Open the flow in WhatsApp Manager, mend what Meta names there, then lift the pause of the template."),
        132069: Verdict(400, Throttled, Scope.TEMPLATE, "Flow throttled",
            "The flow behind the template's button has faults, so Meta allows ten messages an hour with it.",
            "Open the flow in WhatsApp Manager and mend what Meta names there.",
            _HOUR),
        100: Verdict(400, Refused, Scope.MESSAGE, "Invalid parameter",
            "Meta does not accept a field of the request, such as a named parameter without its name.",
            "Read the details; compare the params with the template in WhatsApp Manager, mend them and send again."),
        131008: Verdict(400, Refused, Scope.MESSAGE, "Parameter missing",
            "The request lacks a field or a value that the template wants.",
            _COMPARE),
        131009: Verdict(400, Refused, Scope.MESSAGE, "Parameter value not valid",
            "A field has a value that Meta does not take; on the marketing call, the template may be too new.",
            "Read the details; mend the params, or wait ten minutes where the template is new, then send again."),
        135000: Verdict(400, Refused, Scope.MESSAGE, "Request not accepted",
            "Meta objects to something in the request and does not say to what.",
            _COMPARE),
        131051: Verdict(400, Refused, Scope.MESSAGE, "Message type not supported",
            "Meta does not know the type of the message.",
            _REPORT),
        131052: Verdict(400, Refused, Scope.MESSAGE, "Media could not be downloaded",
            "Meta could not fetch a file that a person had sent; it does not concern sending.",
            _REPORT),
        131053: Verdict(400, Unavailable, Scope.MESSAGE, "Media could not be uploaded",
            "Meta could not fetch the image, video or document of the message from its link.",
            "Check that the link answers quickly and without a login, and that type and size are allowed."),
        131055: Verdict(400, WrongDoor, Scope.MESSAGE, "Call does not take this template",
            "The call does not take messages of this kind.",
            _ROUTE),
        131061: Verdict(400, WrongDoor, Scope.MESSAGE, "Template with a maximum price",
            "The template has a maximum price and goes through the marketing call only.",
            _ROUTE, source=_PYWA),
        131063: Verdict(400, WrongDoor, Scope.MESSAGE, "Marketing goes through the marketing call",
            "The account has switched off marketing messages on the ordinary call.",
            _ROUTE, source=_CHANGES),
        134100: Verdict(400, WrongDoor, Scope.MESSAGE, "Only marketing goes through the marketing call",
            "The template is not of the category marketing, and the marketing call takes no other.",
            _ROUTE),
        134101: Verdict(400, Unavailable, Scope.MESSAGE, "Template not ready for the marketing call",
            "A new template, or one unused for a week, needs up to ten minutes before the marketing call takes it.",
            "Nothing to do: it is tried again; if it lasts over an hour, ask Meta's support.",
            10 * _MINUTE),
        134102: Verdict(500, WrongDoor, Scope.MESSAGE, "Template not available to the marketing call",
            "The marketing call cannot use this template, which does not pass by itself although it comes as a 500.",
            _ROUTE),
        1752041: Verdict(400, Refused, Scope.MESSAGE, "Onboarded twice",
            "The account was to be onboarded to the marketing call a second time; it does not concern sending.",
            _REPORT),
    },
    "Recipient": {
        131026: Verdict(400, Refused, Scope.RECIPIENT, "Message undeliverable",
            "The number is not on WhatsApp, has not accepted its terms, or uses too old a version.",
            "Reach this person another way and take the number out of the WhatsApp segment."),
        131021: Verdict(400, Refused, Scope.RECIPIENT, "Sender and recipient are the same",
            "The message was addressed to the number that it was sent from.",
            "Take the business's own number out of the segment."),
        131030: Verdict(400, Refused, Scope.RECIPIENT, "Recipient not on the test number's list",
            "A test number sends to the five numbers on its list only.",
            "Put the recipient on the list in the app's dashboard, or send from a number of your own."),
        130403: Verdict(None, Refused, Scope.RECIPIENT, "Recipient blocked by the business",
            "The business has blocked this person on WhatsApp.",
            "Take the person out of the segment, or unblock them.",
            source=_QUOTED),
        131047: Verdict(400, Refused, Scope.RECIPIENT, "Only a template may be sent",
            "More than 24 hours have passed since the person last wrote, so only a template may be sent.",
            _REPORT),
        131049: Verdict(400, Refused, Scope.RECIPIENT, "Not delivered, to keep ecosystem engagement healthy",
            "Meta limits the marketing messages that a person gets from all businesses; US numbers get none.",
            "Do not send it again within 24 hours: sending again sooner makes Meta stricter.",
            24 * _HOUR),
        131050: Verdict(400, OptedOut, Scope.RECIPIENT, "Recipient stopped marketing messages",
            "The person asked not to get marketing messages from this business.",
            "Take the person out of marketing campaigns; other messages still reach them."),
        130472: Verdict(400, Refused, Scope.RECIPIENT, "Recipient is part of an experiment",
            "Meta withholds marketing messages from this person for an experiment; sent again, the same happens.",
            "Reach this person another way; Meta does not bill the message."),
        131062: Verdict(None, Refused, Scope.RECIPIENT, "User id not supported",
            "This message cannot go to a business-scoped user id.",
            "Send it to the person's phone number.",
            source=_PYWA),
        137000: Verdict(None, Refused, Scope.RECIPIENT, "Identity has changed",
            "The person's identity key is not the one that the request names, so the number may have a new owner.",
            "Have the person confirm who they are before anything is sent to this number again.",
            source=_PYWA),
        131070: Verdict(None, Unauthorised, Scope.NUMBER, "Conversation belongs to another app",
            "Conversation routing gives the conversation to another app that uses the same number.",
            "Mend the number's conversation routing in WhatsApp Manager, so that this app may send.",
            _QUARTER, _CHANGES),
        131020: Verdict(None, Refused, Scope.RECIPIENT, "Group error",
            "The code concerns groups, to which this service does not send.",
            _REPORT, source=_PYWA),
        131041: Verdict(None, Refused, Scope.RECIPIENT, "Group error",
            "The code concerns groups, to which this service does not send.",
            _REPORT, source=_PYWA),
        131200: Verdict(None, Refused, Scope.RECIPIENT, "Group error",
            "The code concerns groups, to which this service does not send.",
            _REPORT, source=_PYWA),
    },
    "Meta itself": {
        1: Verdict(400, Refused, Scope.MESSAGE, "Unknown error",
            "Meta calls the request invalid or failed itself; on a 5xx the message may have been taken.",
            "Check Meta's status page; send the message again if the person did not get it.",
            doubtful=True),
        2: Verdict(503, Unavailable, Scope.MESSAGE, "Service temporarily down",
            "Meta is down or overloaded; on a 5xx the message may have been taken.",
            _PASSES, doubtful=True),
        131000: Verdict(500, Unavailable, Scope.MESSAGE, "Something went wrong at Meta",
            "Meta failed to process the request for a reason it does not know.",
            _PASSES),
        131016: Verdict(500, Unavailable, Scope.MESSAGE, "Service unavailable",
            "A part of Meta's service is down.",
            _PASSES),
        133004: Verdict(503, Unavailable, Scope.MESSAGE, "Server temporarily unavailable",
            "The server that knows the number's registration cannot be reached at Meta.",
            _PASSES),
        2494100: Verdict(None, Throttled, Scope.NUMBER, "Number under maintenance",
            "Meta is working on the number, which takes minutes.",
            _PASSES, _MINUTE, _QUOTED),
        131043: Verdict(None, Refused, Scope.MESSAGE, "Message expired",
            "Meta could not deliver the message within its time to live.",
            "Send it again if it is still of use.",
            source=_OLDER),
    },
}
"""Every code of Meta's that we know, by what it concerns."""

UNKNOWN = Verdict(None, Refused, Scope.MESSAGE, "Unknown error code",
    "Meta answered with a code that this table does not have.",
    "Look the code up on Meta's page of error codes and send again if it was passing.",
    source="none", doubtful=True)

UNKNOWN_401 = Verdict(401, Unauthorised, Scope.TOKEN, "Not authenticated",
    "The answer is a 401 without a code that this table has: most likely the token is not accepted.",
    _RENEW, _QUARTER, source="none")
"""The one status that says more than an unknown code: to fail for it would cost every message of the number."""

SUBCODES: Mapping[tuple[int, int], Verdict] = {
    (100, 33): Verdict(400, Unauthorised, Scope.NUMBER, "Number's id unknown to the token",
        "No number has this id, or the token has no access to it.",
        "Compare phone_number_id with WhatsApp Manager, and give the system user the account with full control.",
        _QUARTER, _GRAPH),
}
"""Where a code means several things, its subcode tells."""
# fmt: on

CODES: Mapping[int, Verdict] = {code: verdict for rows in GROUPS.values() for code, verdict in rows.items()}

NOT_BEFORE: Mapping[int, timedelta] = {
    code: verdict.wait
    for code, verdict in CODES.items()
    if issubclass(verdict.kind, Refused) and verdict.scope is Scope.RECIPIENT and verdict.wait
}
NEVER = frozenset(code for code, verdict in CODES.items() if issubclass(verdict.kind, OptedOut))
"""What the table says of an operator's sending again: how long after the failure at the soonest, and which codes forbid it."""

RANGES: Mapping[int, range] = {200: range(200, 300), 131200: range(131200, 131300)}
"""Rows that stand for every code of a range."""


def verdict_on(code: int | None, subcode: int | None = None, http_status: int | None = None) -> Verdict:
    """The table's row for a code, or `UNKNOWN`; a subcode that the table does not have changes nothing."""
    unknown = UNKNOWN_401 if http_status == 401 else UNKNOWN
    if code is None:
        return unknown
    if subcode is not None and (code, subcode) in SUBCODES:
        return SUBCODES[code, subcode]
    if code in CODES:
        return CODES[code]
    return next((CODES[row] for row, codes in RANGES.items() if code in codes), unknown)


def retry_late(code: int | None) -> timedelta | None:
    """How long at least to wait before a failure that came by notification is tried again; None where it must not be.

    Only where the message was not at fault. A notification is no hurry: under a minute it is never tried again.
    """
    verdict = verdict_on(code)
    if verdict.kind not in {Unavailable, Throttled, Unauthorised}:
        return None
    return max(_MINUTE, verdict.wait or _MINUTE)


def what_we_do(verdict: Verdict) -> str:
    """What the service does by itself about such an answer, in one sentence."""
    if verdict is UNKNOWN:
        return (
            "The message fails on a 4xx other than 401; on a 429 it goes again and the number slows down; "
            "on anything else it stands as unanswered, because Meta may have taken it."
        )
    done = _how_it_fails(verdict) if issubclass(verdict.kind, Refused) else _how_it_goes_again(verdict)
    doubt = "; on a 5xx it stands as unanswered, because Meta may have taken it" if verdict.doubtful else ""
    return f"{done}{doubt}."


def _how_it_fails(verdict: Verdict) -> str:
    if verdict.kind is WrongDoor:
        return "The message goes once through the number's other call; refused there too, it fails"
    if verdict.pauses:
        return f"The message fails; the {_pause(verdict)}"
    again = f"; sent again within {_span(verdict.wait)}, it fails again" if verdict.wait else ""
    return f"The message fails{again}"


def _how_it_goes_again(verdict: Verdict) -> str:
    after = f" after {_span(verdict.wait)}" if verdict.wait else ""
    if verdict.kind is Unavailable:
        return f"The message goes again{after} with growing distance and counts as a try"
    if verdict.pauses:
        return f"The {_pause(verdict)}; the message goes again then and counts as no try"
    if verdict.scope is Scope.NUMBER:
        return f"The message goes again{after} and counts as no try; the number slows down"
    return f"The message goes again{after} with growing distance and counts as no try"


def _pause(verdict: Verdict) -> str:
    ends = [f"for {_span(verdict.wait)}"] if verdict.wait else []
    if verdict.kind is Unauthorised and verdict.scope is Scope.TOKEN:
        ends.append("until the secret holds another")
    ends.append(f"until {'Meta or an operator' if verdict.scope is Scope.TEMPLATE else 'an operator'} lifts the pause")
    return f"{_WAITING[verdict.scope]} waits {' or '.join(ends)}"


def _span(wait: timedelta) -> str:
    """A wait in its largest whole unit, such as `15 min`."""
    seconds = int(wait.total_seconds())
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"

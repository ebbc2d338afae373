"""What can go wrong with a send, and Meta's codes as data. Pure.

    * SendError
      x Throttled      wait, then try again; does not count as a try
      x Unavailable    not accepted; back off and try again
      x Refused        will never be accepted; the message has failed
        x OptedOut     … because the recipient asked for no such messages
      x Unauthorised   the token or the account was refused; the number waits, its messages keep
      x Unanswered     may have been accepted; wait for the notification
      x NotSent        we held it back ourselves before a byte was written

`CODES` says of each code which of these it is and what the operator does about it; `answer.py` judges by it.
"""

from dataclasses import dataclass
from datetime import timedelta

from service.message import Outcome

SOURCE = "https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes"
READ_ON = "2026-11"
"""When the table below was last held against Meta's page."""


class SendError(Exception):
    """An attempt that was not accepted, with Meta's facts about it. `wait`: what Meta or the table asks for."""

    outcome: Outcome

    def __init__(
        self,
        title: str,
        *,
        details: str | None = None,
        code: int | None = None,
        http_status: int | None = None,
        fbtrace_id: str | None = None,
        wait: timedelta | None = None,
        scope: str = "message",
    ) -> None:
        super().__init__(title)
        self.title = title
        self.details = details
        self.code = code
        self.http_status = http_status
        self.fbtrace_id = fbtrace_id
        self.wait = wait
        self.scope = scope


class Throttled(SendError):
    """A limit was reached. `scope` says whose: the number's (app and account too) or the recipient's."""

    outcome = Outcome.THROTTLED


class Unavailable(SendError):
    """Certainly not accepted, through nobody's lasting fault. `http_status` is None where Meta was not even reached."""

    outcome = Outcome.UNAVAILABLE


class Refused(SendError):
    """Will never be accepted as it is."""

    outcome = Outcome.REFUSED


class OptedOut(Refused):
    """The recipient stopped messages of this kind."""


class Unauthorised(SendError):
    """The token, the number or the account may not send now; `scope` is `token` where a new token mends it."""

    outcome = Outcome.UNAUTHORISED


class Unanswered(SendError):
    """The request was at least partly written and no usable answer came."""

    outcome = Outcome.UNANSWERED


class NotSent(SendError):
    """Held back by ourselves: the lease had run out, or the process was told to stop."""

    outcome = Outcome.NOT_SENT


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row of Meta's table: what a code means for us and what the operator does about it (G9)."""

    kind: type[SendError]
    title: str
    explanation: str
    next_step: str
    scope: str = "message"
    wait: timedelta | None = None


_MINUTE = timedelta(minutes=1)

_RENEW = (
    "Put a valid system-user token into the secret; sending goes on by itself within a minute. "
    "With the token in the environment, restart with the new one."
)
_ACCESS_STEP = (
    "Give the system user the WhatsApp account with full control and the permission whatsapp_business_messaging, "
    "then put its new token into the secret."
)

CODES: dict[int, Verdict] = {
    0: Verdict(
        Unauthorised,
        "Authentication failed",
        "Meta could not authenticate the app's user; the token has expired or was withdrawn.",
        _RENEW,
        "token",
    ),
    1: Verdict(
        Refused,
        "Unknown error",
        "Meta calls the request invalid or failed itself; on a 5xx the message may have been taken.",
        "Check Meta's status page; send the message again if the person did not get it.",
    ),
    2: Verdict(
        Unavailable,
        "Service temporarily down",
        "Meta is down or overloaded; on a 5xx the message may have been taken.",
        "Nothing to do: it is tried again. Check Meta's status page if it lasts.",
    ),
    4: Verdict(
        Throttled,
        "App call limit reached",
        "The app as a whole made more calls than Meta allows it.",
        "Nothing to do: sending waits. If it returns, find what else uses this app.",
        "app",
        _MINUTE,
    ),
    10: Verdict(
        Unauthorised,
        "Permission denied",
        "The token's user may not send for this number.",
        _ACCESS_STEP,
        "token",
    ),
    100: Verdict(
        Refused,
        "Invalid parameter",
        "Meta does not accept a field of the request, or the number's id does not exist for this token.",
        "Read the details; compare the params with the template, and phone_number_id with WhatsApp Manager.",
    ),
    190: Verdict(
        Unauthorised,
        "Access token refused",
        "The access token has expired or is not valid.",
        _RENEW,
        "token",
    ),
    200: Verdict(
        Unauthorised,
        "Permission missing",
        "The token lacks a permission or the system user has no access to the account.",
        _ACCESS_STEP,
        "token",
    ),
    368: Verdict(
        Unauthorised,
        "Account restricted for a policy violation",
        "Meta has restricted or disabled the WhatsApp Business account.",
        "Open the account's quality page in WhatsApp Manager and ask for a review; messages wait until then.",
        "waba",
        timedelta(minutes=15),
    ),
    80007: Verdict(
        Throttled,
        "Account rate limit reached",
        "The WhatsApp Business account reached its limit of calls.",
        "Nothing to do: sending waits.",
        "waba",
        _MINUTE,
    ),
    130429: Verdict(
        Throttled,
        "Throughput of the number reached",
        "More messages a second than Meta allows this phone number.",
        "Nothing to do: sending slows down. If it returns, lower MESSAGES_PER_SECOND to the number's real limit.",
        "number",
        timedelta(seconds=1),
    ),
    131000: Verdict(
        Unavailable,
        "Something went wrong at Meta",
        "Meta failed to process the request for a reason it does not know.",
        "Nothing to do: it is tried again. Check Meta's status page if it lasts.",
    ),
    131016: Verdict(
        Unavailable,
        "Service unavailable",
        "A part of Meta's service is down.",
        "Nothing to do: it is tried again. Check Meta's status page if it lasts.",
    ),
    131026: Verdict(
        Refused,
        "Message undeliverable",
        "The number is not on WhatsApp, has not accepted its terms, or uses too old a version.",
        "Reach this person another way and take the number out of the WhatsApp segment.",
        "recipient",
    ),
    131049: Verdict(
        Refused,
        "Not delivered, to keep ecosystem engagement healthy",
        "Meta limits how many marketing messages a person gets, from all businesses together.",
        "Do not send again within 24 hours; sending again sooner makes Meta stricter.",
        "recipient",
        timedelta(hours=24),
    ),
    131050: Verdict(
        OptedOut,
        "Recipient stopped marketing messages",
        "The person asked not to get marketing messages from this business.",
        "Take the person out of marketing campaigns; other messages still reach them.",
        "recipient",
    ),
    131056: Verdict(
        Throttled,
        "Too many messages to this recipient",
        "Meta allows one message in six seconds to the same person, with a burst of 45.",
        "Nothing to do: it is tried again, at growing distance.",
        "recipient",
    ),
    132000: Verdict(
        Refused,
        "Number of parameters does not match",
        "The template has another number of variables than the message has values.",
        "Compare the campaign's params with the template in WhatsApp Manager, mend them and send again.",
        "template",
    ),
    132001: Verdict(
        Refused,
        "Template does not exist",
        "No approved template has this name in this language.",
        "Check name, language and approval in WhatsApp Manager; the language must match exactly, such as en_US.",
        "template",
    ),
    132012: Verdict(
        Refused,
        "Parameter format does not match",
        "A value is of another kind than the template wants, often a missing header image.",
        "Compare the components with the template in WhatsApp Manager, mend them and send again.",
        "template",
    ),
    132015: Verdict(
        Refused,
        "Template is paused",
        "Meta has paused the template because of its low quality.",
        "Improve the template or wait until Meta lifts the pause, then send again.",
        "template",
    ),
}

UNKNOWN = Verdict(
    Refused,
    "Unknown error code",
    "Meta answered with a code that this table does not have.",
    "Look the code up on Meta's page of error codes and send again if it was passing.",
)


def verdict_on(code: int | None) -> Verdict:
    """The table's row for a code; the whole range 200–299 is missing permissions."""
    if code is None:
        return UNKNOWN
    return CODES.get(code) or (CODES[200] if 200 <= code <= 299 else UNKNOWN)


def may_retry_late(code: int | None) -> bool:
    """Whether a failure that came by notification may be tried again soon."""
    return verdict_on(code).kind in {Unavailable, Throttled}

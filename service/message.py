"""The vocabulary: what an event, a message, an attempt and a status are. Imports nothing of the project.

    Event ──< Message ──< Attempt ──< StatusUpdate
         └──< Rejection

An **event** is one invocation or one POST. A **message** is one WhatsApp message to one recipient. An **attempt** is one
HTTP call for it. A **status update** is what Meta tells about one attempt. A recipient that cannot get a message is a
**rejection**; an event of which nothing can be used is a **refusal**.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum


class Status(StrEnum):
    """Where a message stands. `docs/states.md` names the function behind each move."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    UNANSWERED = "unanswered"
    HELD = "held"
    EXPIRED = "expired"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"


class Scope(StrEnum):
    """How far something reaches: one message, or all that share what the scope names."""

    MESSAGE = "message"
    RECIPIENT = "recipient"
    TEMPLATE = "template"
    CAMPAIGN = "campaign"
    COUNTRY = "country"
    NUMBER = "number"
    WABA = "waba"
    TOKEN = "token"  # noqa: S105 - the name of a scope


_NOTIFIED = frozenset({Status.SENT, Status.DELIVERED, Status.READ, Status.FAILED})
_FINAL: frozenset[Status] = frozenset()

MOVES: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset(
        {Status.SENDING, Status.EXPIRED, Status.SUPPRESSED, Status.CANCELLED, Status.ACCEPTED, Status.HELD} | _NOTIFIED
    ),
    Status.SENDING: frozenset(
        {Status.ACCEPTED, Status.HELD, Status.QUEUED, Status.UNANSWERED, Status.EXPIRED} | _NOTIFIED
    ),
    Status.UNANSWERED: frozenset({Status.ACCEPTED, Status.HELD, Status.QUEUED, Status.EXPIRED} | _NOTIFIED),
    Status.HELD: frozenset({Status.QUEUED}) | _NOTIFIED,
    Status.ACCEPTED: frozenset({Status.QUEUED} | _NOTIFIED),
    Status.SENT: frozenset({Status.QUEUED, Status.DELIVERED, Status.READ, Status.FAILED}),
    Status.DELIVERED: frozenset({Status.READ}),
    Status.READ: _FINAL,
    Status.FAILED: frozenset({Status.QUEUED}),
    Status.EXPIRED: frozenset({Status.QUEUED}),
    Status.SUPPRESSED: _FINAL,
    Status.CANCELLED: _FINAL,
}
"""The legal moves. From `queued` to a notified status: news of an earlier attempt that was believed lost (G4). From `failed`
and `expired` back to `queued`: an operator sends it again."""


def may_become(status: Status) -> frozenset[Status]:
    """Every status from which a message may move to `status`."""
    return frozenset(origin for origin, targets in MOVES.items() if status in targets)


class Category(StrEnum):
    """What Meta files a template under. Meta may invent others; those are unknown to us."""

    MARKETING = "MARKETING"
    UTILITY = "UTILITY"
    AUTHENTICATION = "AUTHENTICATION"


class Priority(IntEnum):
    """Lower goes first; stored as the number."""

    HIGH = 0
    NORMAL = 1


@dataclass(frozen=True, slots=True)
class Template:
    """What the Cloud API is asked to render.

    `components` is compact JSON text, ready to be put into the request, or "" for a template without parameters.
    """

    name: str
    language: str
    components: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One WhatsApp message to one recipient, checked and complete.

    `to` is E.164 with `+`, or a business-scoped user id (`US.1349…`). `recipient` is the caller's own name for the person.
    `key` is what makes the same message the same (G3). `campaign_id` is the campaign's or the journey's. `due_at` is when
    it may go, `expires_at` when it no longer may. `country` is where `to` is (ISO 3166, `CN`), as far as its number tells.
    `category` is its template's, where that is known. `path` is where its event names the address; it is not kept.
    """

    message_id: str
    recipient: str
    to: str
    phone_number_id: str
    template: Template
    due_at: datetime
    expires_at: datetime
    key: str
    priority: Priority = Priority.NORMAL
    campaign_id: str | None = None
    reference: str | None = None
    country: str | None = None
    category: Category | None = None
    path: str = ""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one recipient of an event gets nothing. Uses up no key: mended and sent again, it goes."""

    recipient: str
    code: str
    path: str
    detail: str


@dataclass(frozen=True, slots=True)
class Event:
    """One invocation or one POST: where it came from and when it was received.

    `receipt_id` is the caller's id for this delivery (`webhook-id`), `body_sha256` tells whether it is the same body again.
    `keys_expire_at`: until when its recipients' keys answer `duplicate`.
    """

    event_id: str
    source: str
    received_at: datetime
    keys_expire_at: datetime
    receipt_id: str | None = None
    body_sha256: str = ""
    application_id: str | None = None
    campaign_id: str | None = None
    journey_id: str | None = None
    treatment_id: str | None = None
    activity_id: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an event: where, which kind, and what to do about it."""

    path: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class ParsedEvent:
    """An event with one result per recipient, in the event's order."""

    event: Event
    results: list[Message | Rejection]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An event of which nothing can be used."""

    event: Event
    faults: list[Fault]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP call for a message. `tries` counts the earlier ones that count towards the limit of attempts."""

    message: Message
    number: int
    started_at: datetime
    tries: int = 0

    @property
    def callback_data(self) -> str:
        """Our name for this attempt; Meta echoes it in every status notification."""
        return f"{self.message.message_id}.{self.number}"


class Door(StrEnum):
    """Which of a number's two calls takes a message: any template, or marketing templates only. The last part of its path."""

    MESSAGES = "messages"
    MARKETING = "marketing_messages"


class Outcome(StrEnum):
    """How an attempt ended, as far as we know."""

    ACCEPTED = "accepted"
    HELD = "held"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    UNAUTHORISED = "unauthorised"
    UNANSWERED = "unanswered"
    NOT_SENT = "not_sent"


REACHED = frozenset({Outcome.ACCEPTED, Outcome.HELD, Outcome.UNANSWERED})
"""Meta has the message then, or may have it."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What an attempt came to and what that makes of its message.

    `status` is the message's next one; with `queued`, `due_at` says when it goes again. `counts` is False where waiting
    was nobody's fault (a limit, a token, a hand-over): such an attempt does not bring the message nearer to its end.
    `opted_out`: Meta says that the person wants no marketing from this business.
    """

    message_id: str
    attempt: int
    outcome: Outcome
    status: Status
    due_at: datetime | None = None
    counts: bool = True
    http_status: int | None = None
    code: int | None = None
    title: str | None = None
    details: str | None = None
    fbtrace_id: str | None = None
    wamid: str | None = None
    duration_ms: int | None = None
    door: Door = Door.MESSAGES
    opted_out: bool = False

    @property
    def reached(self) -> bool:
        """Whether Meta has the message, or may have it; what it does not have uses up nothing of a daily limit."""
        return self.outcome in REACHED


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    """What Meta tells about one attempt: `sent`, `delivered`, `read` or `failed`, at Meta's own time.

    Found by our `callback_data`, or by `wamid` where Meta left that out. `retry_after` is set on a failure that
    may be tried again: how long at least to wait before that. `opted_out` as in a Settlement.
    """

    status: Status
    at: datetime
    wamid: str
    callback_data: str | None = None
    code: int | None = None
    title: str | None = None
    details: str | None = None
    retry_after: timedelta | None = None
    opted_out: bool = False


class PauseReason(StrEnum):
    """Who made a pause. What an operator paused, only an operator lifts."""

    OPERATOR = "operator"
    REFUSED = "refused"
    SECRET = "secret"  # noqa: S105 - it cannot be read
    NOTIFIED = "notified"


@dataclass(frozen=True, slots=True)
class Pause:
    """What waits, why, and until when: every message of the template, campaign, country, number, account or token `key`.

    A template's key is `name/language`, or `name/language@waba_id` for one account only; so is a country's, `DE@waba_id`. A
    token's key is the name of the secret that holds it. `until` lifts it by time; `token_fingerprint` names the token that
    was refused: another one lifts it. Without both it stands until a person or Meta's notification lifts it.
    """

    scope: Scope
    key: str
    reason: PauseReason
    detail: str
    since: datetime
    until: datetime | None = None
    token_fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """What Meta tells of a phone number, in its own words; each None where it did not say.

    `throughput` is the level of messages a second, `tier` that of different people a day for the whole business portfolio.
    """

    verified_name: str | None = None
    display_phone_number: str | None = None
    quality: str | None = None
    status: str | None = None
    throughput: str | None = None
    tier: str | None = None


def printable(value: object) -> str:
    """Somebody else's words, in characters that every store can keep: no NUL, no lone surrogates."""
    return str(value).encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")

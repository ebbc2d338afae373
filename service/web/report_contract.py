"""The reports of the public contract as models, with an example of each."""

from typing import Literal

from pydantic import BaseModel, Field

from service.web.contract import EVENT_ID, MESSAGE_ID, RECEIVED, REJECTED, Problem, RecipientResult, example


class TemplateName(BaseModel):
    """Which template, in which language."""

    name: str
    language: str


class StatusMoment(BaseModel):
    """A status that Meta notified, at Meta's time."""

    status: Literal["sent", "delivered", "read", "failed"]
    at: str


class AttemptReport(BaseModel):
    """One HTTP call for the message."""

    attempt: int
    started_at: str
    outcome: str | None = Field(description="null while it is under way")
    http_status: int | None
    code: int | None
    fbtrace_id: str | None
    wamid: str | None = Field(
        description="Meta's id of the message; its end only, unless the key has the scope pii: it spells the phone number"
    )
    statuses: list[StatusMoment]


class Reply(BaseModel):
    """What the person answered to the message: a text, a tap on a button, or something else by its kind."""

    kind: str
    at: str
    text: str | None = Field(description="null unless the key has the scope pii")
    payload: str | None = Field(description="of the button that was tapped")


class Failure(BaseModel):
    """Why a message did not arrive and what to do about it."""

    code: int | None
    title: str
    details: str | None
    explanation: str
    next_step: str


class WaitsFor(BaseModel):
    """A pause that holds the message back, why, and until when; `until` is null where somebody has to lift it."""

    scope: Literal["token", "waba", "number", "template", "campaign", "country"]
    key: str
    reason: Literal["operator", "refused", "secret", "notified"]
    detail: str
    since: str
    until: str | None


class MessageReport(BaseModel):
    """One message with its attempts, oldest first."""

    model_config = example(
        {
            "message_id": MESSAGE_ID,
            "event_id": EVENT_ID,
            "recipient": "test123",
            "to": "+86••••••••000",
            "phone_number_id": "106540352242922",
            "template": {"name": "ordertimeoutnotification", "language": "en_US"},
            "status": "failed",
            "status_at": "2026-11-01T09:00:02.000Z",
            "campaign_id": "13978104ce5d6017c72552257a5cafe0",
            "reference": None,
            "priority": "normal",
            "expires_at": "2026-11-02T09:00:00.123Z",
            "attempts": [
                {
                    "attempt": 1,
                    "started_at": "2026-11-01T09:00:00.130Z",
                    "outcome": "accepted",
                    "http_status": 200,
                    "code": 131026,
                    "fbtrace_id": None,
                    "wamid": "wamid.••••EYEjQ1",
                    "statuses": [{"status": "failed", "at": "2026-11-01T09:00:02.000Z"}],
                }
            ],
            "replies": [],
            "waits_for": [],
            "failure": {
                "code": 131026,
                "title": "Message undeliverable",
                "details": None,
                "explanation": "The number is not on WhatsApp, has not accepted its terms, or uses too old a version.",
                "next_step": "Reach this person another way and take the number out of the WhatsApp segment.",
            },
        }
    )

    message_id: str
    event_id: str
    recipient: str
    to: str = Field(description="masked unless the key has the scope pii")
    phone_number_id: str
    template: TemplateName
    status: str = Field(
        description="`queued` `sending` `accepted` `sent` `delivered` `read` `failed` `unanswered` `held` `expired` "
        "`suppressed` `cancelled`; docs/states.md says who moves a message along each edge"
    )
    status_at: str
    campaign_id: str | None
    reference: str | None
    priority: Literal["high", "normal"]
    expires_at: str
    attempts: list[AttemptReport]
    replies: list[Reply] = Field(
        default_factory=list, description="what was answered; not among the results of a search"
    )
    waits_for: list[WaitsFor] = Field(description="the pauses that hold a queued message back")
    failure: Failure | None


class FailureCount(BaseModel):
    """So many messages failed for this reason."""

    code: int | None
    count: int
    explanation: str
    next_step: str


class EventReport(BaseModel):
    """An event, its messages counted by status, its rejections in the event's order."""

    model_config = example(
        {
            "event_id": EVENT_ID,
            "source": "pinpoint",
            "application_id": "f190affea10b4ce2b4a2cbbd85976c96",
            "campaign_id": "13978104ce5d6017c72552257a5cafe0",
            "journey_id": None,
            "received_at": RECEIVED,
            "recipients": 2,
            "counts": {"read": 1, "rejected": 1},
            "failures": [],
            "rejections": [REJECTED],
            "problem": None,
        }
    )

    event_id: str
    source: str
    application_id: str | None
    campaign_id: str | None
    journey_id: str | None
    received_at: str
    recipients: int
    counts: dict[str, int]
    failures: list[FailureCount]
    rejections: list[RecipientResult]
    problem: Problem | None = Field(description="set where the whole event was refused")


class CampaignReport(BaseModel):
    """A campaign or a journey over all its events."""

    model_config = example(
        {
            "campaign_id": "13978104ce5d6017c72552257a5cafe0",
            "received_at": RECEIVED,
            "last_received_at": "2026-11-01T09:04:10.456Z",
            "events": 20,
            "recipients": 1000,
            "counts": {"read": 700, "delivered": 238, "failed": 2, "queued": 50, "rejected": 10},
            "failures": [
                {
                    "code": 131026,
                    "count": 2,
                    "explanation": "The number is not on WhatsApp, has not accepted its terms, or uses too old a version.",
                    "next_step": "Reach this person another way and take the number out of the WhatsApp segment.",
                }
            ],
            "paused": {
                "scope": "campaign",
                "key": "13978104ce5d6017c72552257a5cafe0",
                "reason": "operator",
                "detail": "wrong price",
                "since": "2026-11-01T09:05:00.000Z",
                "until": None,
            },
        }
    )

    campaign_id: str
    received_at: str = Field(description="of its first event")
    last_received_at: str
    events: int
    recipients: int = Field(description="in all its events; who came twice counts twice, although one message was sent")
    counts: dict[str, int]
    failures: list[FailureCount] = Field(description="the most frequent first")
    paused: WaitsFor | None = Field(description="the campaign's own pause; others may hold its messages, too")

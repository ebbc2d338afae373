"""The public contract as models, with an example of each: what the OpenAPI document shows of a body.

They document, they do not validate: input is judged per recipient in `intake`.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_RECEIVED = "2026-11-01T09:00:00.123Z"
_EVENT_ID = "019a3e5f6d2b7c4e8f90a1b2c3d4e5f6"
_MESSAGE_ID = "019a3e5f6d2b7c4e8f90a1b2c3d4e5f7"
_REJECTED = {
    "recipient": "ep013",
    "status": "rejected",
    "code": "opted_out",
    "path": "Endpoints.ep013.OptOut",
    "detail": "the endpoint has opted out of all messages",
}


def _example(value: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [value]})


class Fault(BaseModel):
    """One thing wrong: where, which kind, what to do."""

    path: str = Field(description="where in the body, as in `Data.params[0].type`; empty for the whole")
    code: str = Field(
        description="`not_an_object` `missing` `empty` `not_a_string` `not_a_list` `invalid_json` `invalid_value` "
        "`invalid_params` `receipt_conflict`"
    )
    detail: str


class Problem(BaseModel):
    """RFC 9457 problem+json."""

    model_config = _example(
        {
            "type": "about:blank",
            "title": "Event refused",
            "status": 422,
            "detail": "Nothing in this event can be sent.",
            "errors": [{"path": "Data", "code": "invalid_json", "detail": "Expecting value at character 1"}],
            "event_id": _EVENT_ID,
        }
    )

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[Fault] = Field(default_factory=list)
    event_id: str | None = Field(None, description="set where the refused event was stored")


class Challenge(BaseModel):
    """What Meta asks when a webhook is subscribed."""

    mode: Literal["subscribe"] = Field(alias="hub.mode")
    verify_token: str = Field(alias="hub.verify_token")
    challenge: str = Field(alias="hub.challenge")


class PinpointEvent(BaseModel):
    """A Pinpoint custom-channel event as Lambda gets it; unknown fields are ignored."""

    model_config = _example(
        {
            "ApplicationId": "f190affea10b4ce2b4a2cbbd85976c96",
            "CampaignId": "13978104ce5d6017c72552257a5cafe0",
            "TreatmentId": "0",
            "ActivityId": "575cb1929d5ba43e87e2478eea5cafe0",
            "ScheduledTime": "2026-10-08T19:00:16.843Z",
            "Data": '{"templateName": "ordertimeoutnotification", "params": ["{{User.UserId|friend}}", "T Shirt"]}',
            "Endpoints": {"test123": {"ChannelType": "CUSTOM", "Address": "8613800138000", "OptOut": "NONE"}},
        }
    )

    ApplicationId: str | None = None
    CampaignId: str | None = None
    JourneyId: str | None = None
    TreatmentId: str | None = None
    ActivityId: str | None = None
    ScheduledTime: str | None = None
    Data: str = Field(
        description="JSON text: `templateName`; `params` (components, a list of strings, or an object of names); "
        "`language`, `ttlSeconds`, `priority`, `phoneNumberId`. Strings in `params` may hold placeholders: "
        "`{{User.UserAttributes.FirstName|friend}}`. In place of `templateName` and `params`: `message`, the name of a "
        "`[messages.<name>]` of the settings file"
    )
    Endpoints: dict[str, dict[str, Any]] = Field(description="endpoint id → endpoint")


class ConnectEvent(BaseModel):
    """The event of a Connect journey's custom action as Lambda gets it; unknown fields are ignored."""

    model_config = _example(
        {
            "InvocationMetadata": {
                "CampaignContext": {"CampaignId": "campaign-12345", "RunId": "run-67890", "ActionId": "unpaid-order"}
            },
            "Items": {
                "CustomerProfiles": [
                    {
                        "ProfileId": "a1b2c3d4e5f60718293a4b5c6d7e8f90",
                        "CustomerData": '{"firstName": "Ada", "mobilePhoneNumber": "+8613800138000"}',
                        "IdempotencyToken": "7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730",
                    }
                ]
            },
        }
    )

    InvocationMetadata: dict[str, dict[str, Any]] = Field(
        description="`CampaignContext`: `CampaignId`, `RunId`, and `ActionId`, which is the name of the message to send"
    )
    Items: dict[str, list[dict[str, Any]]] = Field(
        description="`CustomerProfiles`: each with `ProfileId`, `CustomerData` (the profile as JSON text; its fields fill the "
        "placeholders and hold the address) and `IdempotencyToken`"
    )


class RecipientResult(BaseModel):
    """What became of one recipient at intake."""

    recipient: str = Field(
        description="the endpoint's or the profile's id; `CustomerProfiles[3]` where that one has none"
    )
    status: Literal["accepted", "duplicate", "rejected"]
    message_id: str | None = Field(None, description="of the message; for a duplicate, of the first one")
    code: str | None = Field(
        None,
        description="why it was rejected: `invalid_address` `opted_out` `inactive` `placeholder_missing` `invalid_params` "
        "`unknown_message` `unknown_phone_number` `too_large`",
    )
    path: str | None = Field(None, description="where in the event")
    detail: str | None = Field(None, description="what to do")


class Receipt(BaseModel):
    """The answer to everything that brings messages, with one result per recipient.

    A known `webhook-id` with the same body gets the stored answer and `Idempotent-Replayed: true`; with another body 422.
    """

    model_config = _example(
        {
            "event_id": _EVENT_ID,
            "accepted": 1,
            "duplicates": 0,
            "rejected": 1,
            "results": [{"recipient": "test123", "status": "accepted", "message_id": _MESSAGE_ID}, _REJECTED],
        }
    )

    event_id: str
    accepted: int
    duplicates: int
    rejected: int
    results: list[RecipientResult]


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
    wamid: str | None
    statuses: list[StatusMoment]


class Failure(BaseModel):
    """Why a message did not arrive and what to do about it."""

    code: int | None
    title: str
    details: str | None
    explanation: str
    next_step: str


class MessageReport(BaseModel):
    """One message with its attempts, oldest first."""

    model_config = _example(
        {
            "message_id": _MESSAGE_ID,
            "event_id": _EVENT_ID,
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
                    "wamid": "wamid.HBgNODYxMzgwMDEzODAwMBUCABEYEjQ1",
                    "statuses": [{"status": "failed", "at": "2026-11-01T09:00:02.000Z"}],
                }
            ],
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
    failure: Failure | None


class FailureCount(BaseModel):
    """So many messages failed for this reason."""

    code: int | None
    count: int
    explanation: str
    next_step: str


class EventReport(BaseModel):
    """An event, its messages counted by status, its rejections in the event's order."""

    model_config = _example(
        {
            "event_id": _EVENT_ID,
            "source": "pinpoint",
            "application_id": "f190affea10b4ce2b4a2cbbd85976c96",
            "campaign_id": "13978104ce5d6017c72552257a5cafe0",
            "journey_id": None,
            "received_at": _RECEIVED,
            "recipients": 2,
            "counts": {"read": 1, "rejected": 1},
            "failures": [],
            "rejections": [_REJECTED],
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

"""The public contract as models; the OpenAPI 3.1 document is made from them.

They document, they do not validate: input is judged per recipient in `intake`, so that one bad item never refuses its
neighbours.
"""

from typing import Any, Literal

from pydantic import BaseModel, Field
from spectree import Response, SecurityScheme, SpecTree
from spectree.models import InType, SecureType, SecuritySchemeData

SPEC = SpecTree(
    "flask",
    annotations=False,
    mode="strict",
    naming_strategy=lambda model: model.__name__,
    nested_naming_strategy=lambda _parent, child: child,
    title="WhatsApp channel",
    version="1",
    description="Events and messages in, reports out. Errors are application/problem+json (RFC 9457).",
    security_schemes=[
        SecurityScheme(
            name="api_key",
            data=SecuritySchemeData(type=SecureType.HTTP, scheme="bearer", description="A key from API_KEYS."),
        ),
        SecurityScheme(
            name="signature",
            data=SecuritySchemeData(
                type=SecureType.API_KEY,
                name="webhook-signature",
                field_in=InType.HEADER,
                description="Standard Webhooks: webhook-id, webhook-timestamp, webhook-signature, with a SIGNING_KEYS key.",
            ),
        ),
        SecurityScheme(
            name="meta_signature",
            data=SecuritySchemeData(
                type=SecureType.API_KEY,
                name="X-Hub-Signature-256",
                field_in=InType.HEADER,
                description="HMAC-SHA256 of the raw body with the app secret, as Meta sends it.",
            ),
        ),
    ],
)


class Answers(Response):
    """What a call may answer: problems under their own content type, and nothing that is never answered."""

    def add_model(self, code: int, model: Any, replace: bool = True, description: str | None = None) -> None:
        """Leave out what spectree adds by itself (`replace` is False then): its own validation errors, which are not used."""
        if replace:
            super().add_model(code, model, replace, description)

    def generate_spec(self, naming_strategy: Any = None) -> dict[str, Any]:
        """The responses of an operation."""
        responses: dict[str, Any] = super().generate_spec(naming_strategy)
        for code, response in responses.items():
            if code >= "400" and "content" in response:
                response["content"] = {"application/problem+json": response["content"]["application/json"]}
        return responses


class FaultModel(BaseModel):
    """One thing wrong: where, which kind, what to do."""

    path: str
    code: str
    detail: str


class Problem(BaseModel):
    """RFC 9457 problem+json."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FaultModel] = Field(default_factory=list)
    event_id: str | None = Field(None, description="set where the refused event was stored")


class Challenge(BaseModel):
    """What Meta asks when a webhook is subscribed."""

    mode: Literal["subscribe"] = Field(alias="hub.mode")
    verify_token: str = Field(alias="hub.verify_token")
    challenge: str = Field(alias="hub.challenge")


class PinpointEvent(BaseModel):
    """A Pinpoint custom-channel event as Lambda gets it; unknown fields are ignored."""

    ApplicationId: str | None = None
    CampaignId: str | None = None
    JourneyId: str | None = None
    TreatmentId: str | None = None
    ActivityId: str | None = None
    ScheduledTime: str | None = None
    Data: str = Field(description='JSON text: {"templateName": "…", "params": …}')
    Endpoints: dict[str, dict[str, Any]] = Field(description="endpoint id → endpoint")


class RecipientResult(BaseModel):
    """What became of one recipient at intake."""

    recipient: str
    status: Literal["accepted", "duplicate", "rejected"]
    message_id: str | None = Field(None, description="of the message; for a duplicate, of the first one")
    code: str | None = Field(None, description="why it was rejected")
    path: str | None = None
    detail: str | None = None


class Receipt(BaseModel):
    """The answer to everything that brings messages."""

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

    message_id: str
    event_id: str
    recipient: str
    to: str = Field(description="masked unless the key has the scope pii")
    phone_number_id: str
    template: TemplateName
    status: str
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

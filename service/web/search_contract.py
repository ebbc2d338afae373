"""Searching and exporting as models, with an example of each.

They document, they do not validate: `filters.py` reads a filter.
"""

from typing import Literal

from pydantic import BaseModel, Field

from service.web.contract import MESSAGE_ID, MOMENT, Body, example
from service.web.report_contract import MessageReport

StatusName = Literal[
    "queued",
    "sending",
    "accepted",
    "sent",
    "delivered",
    "read",
    "failed",
    "unanswered",
    "held",
    "expired",
    "suppressed",
    "cancelled",
]
_CAMPAIGN = "13978104ce5d6017c72552257a5cafe0"


class MessageFilter(Body):
    """Which messages are meant: those that fit every field that is given."""

    campaign_id: str | None = Field(None, description="of the campaign or the journey")
    event_id: str | None = None
    template: str | None = Field(None, description="its name, in every language")
    phone_number_id: str | None = None
    to: str | None = Field(
        None, description="the phone number in any usual writing with its country code, or the user id"
    )
    recipient: str | None = Field(None, description="the caller's own name for the person: endpoint, profile or item")
    reference: str | None = None
    code: int | None = Field(None, ge=0, le=2147483647, description="Meta's, of the newest attempt")
    created_from: str | None = Field(
        None,
        json_schema_extra=MOMENT,
        description="RFC 3339 with zone: accepted then or later. What an operator sent again counts from that moment",
    )
    created_until: str | None = Field(
        None, json_schema_extra=MOMENT, description="RFC 3339 with zone: accepted before that"
    )
    message_ids: list[str] | None = Field(None, max_length=10000, description="any of these, 10,000 at most")


class MessageSearch(MessageFilter):
    """A filter and which page of the messages that fit. Without a filter all messages fit.

    An unknown field is refused, so that a misspelt filter does not mean everything; so is null, except as `cursor`.
    """

    model_config = example({"campaign_id": _CAMPAIGN, "status": ["failed", "expired"], "limit": 100})

    status: StatusName | list[StatusName] | None = Field(None, description="one, or any of a list")
    limit: int = Field(100, ge=1, le=1000, description="how many messages at most")
    cursor: str | None = Field(None, description="`next` of the page before; null or absent for the first")


class MessageExport(MessageFilter):
    """A filter, read as that of a MessageSearch. Without one all messages are exported."""

    model_config = example({"campaign_id": _CAMPAIGN})

    status: StatusName | list[StatusName] | None = Field(None, description="one, or any of a list")


class Found(BaseModel):
    """Messages, newest first. What is added meanwhile moves nothing: no message comes twice, none is passed over."""

    model_config = example(
        {
            "messages": [
                {
                    "message_id": MESSAGE_ID,
                    "event_id": "019a3e5f6d2b7c4e8f90a1b2c3d4e5f6",
                    "recipient": "test123",
                    "to": "+86••••••••000",
                    "phone_number_id": "106540352242922",
                    "template": {"name": "ordertimeoutnotification", "language": "en_US"},
                    "status": "queued",
                    "status_at": "2026-11-01T09:00:00.123Z",
                    "campaign_id": _CAMPAIGN,
                    "reference": None,
                    "priority": "normal",
                    "expires_at": "2026-11-02T09:00:00.123Z",
                    "attempts": [],
                    "waits_for": [],
                    "failure": None,
                }
            ],
            "next": "MDE5YTNlNWY2ZDJiN2M0ZThmOTBhMWIyYzNkNGU1Zjc",
        }
    )

    messages: list[MessageReport] = Field(
        description="as `GET /v1/messages/{message_id}` tells them, but of the attempts only the newest"
    )
    next: str | None = Field(description="the cursor of the next page; null where no message is left")

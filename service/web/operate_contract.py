"""An operator's actions as models, with an example of each.

They document, they do not validate: `operate.py` reads the bodies.
"""

from typing import Literal

from pydantic import BaseModel, Field

from service.web.contract import MESSAGE_ID, Body, example
from service.web.report_contract import WaitsFor
from service.web.search_contract import MessageFilter

_CAMPAIGN = "13978104ce5d6017c72552257a5cafe0"
ReplayableName = Literal["failed", "expired", "unanswered"]
_CONFIRM = "true: do it. Without it nothing is changed, and the answer says what would be"


class ReplayRequest(MessageFilter):
    """Which messages are to go again, as in a MessageSearch. At least one field beside `status` is needed."""

    model_config = example({"campaign_id": _CAMPAIGN, "code": 131026, "confirm": False})

    status: ReplayableName | list[ReplayableName] | None = Field(
        None, description="default `failed` and `expired`; what is `unanswered` may have arrived"
    )
    confirm: bool = Field(False, description=_CONFIRM)
    preview: bool = Field(False, description="true says the same as no `confirm`")


class CancelRequest(MessageFilter):
    """Which queued messages are to be called off, as in a MessageSearch. At least one field beside `status` is needed."""

    model_config = example({"campaign_id": _CAMPAIGN, "confirm": False})

    status: Literal["queued"] | list[Literal["queued"]] | None = None
    confirm: bool = Field(False, description=_CONFIRM)
    preview: bool = Field(False, description="true says the same as no `confirm`")


class LeftOutCounts(BaseModel):
    """How many messages that fit do not go again, and why."""

    opted_out: int | None = Field(None, description="the recipient stopped such messages")
    delivered: int | None = Field(None, description="an attempt has arrived")
    taken: int | None = Field(None, description="Meta has an attempt and has not said that it failed")


class ReplayAnswer(BaseModel):
    """What a replay came to, or would come to."""

    model_config = example({"queued": 120, "later": 20, "left_out": {"delivered": 3}, "preview": False})

    queued: int | None = Field(None, description="how many are queued again; absent in a preview")
    count: int | None = Field(None, description="in a preview: how many would be queued again")
    later: int = Field(description="how many of them go after the wait that their code asks for")
    left_out: LeftOutCounts
    preview: bool = Field(description="true where nothing was changed")


class CancelAnswer(BaseModel):
    """What a cancellation came to, or would come to."""

    model_config = example({"cancelled": 120, "preview": False})

    cancelled: int | None = Field(None, description="how many were called off; absent in a preview")
    count: int | None = Field(None, description="in a preview: how many would be called off")
    preview: bool = Field(description="true where nothing was changed")


class PauseRequest(Body):
    """Why a campaign is paused. May be left out."""

    model_config = example({"reason": "wrong price"})

    reason: str | None = Field(None, max_length=1000, description="shown with the pause")


class PausedCampaign(WaitsFor):
    """The pause of a campaign, and what waits for it."""

    model_config = example(
        {
            "scope": "campaign",
            "key": _CAMPAIGN,
            "reason": "operator",
            "detail": "wrong price",
            "since": "2026-11-01T09:05:00.000Z",
            "until": None,
            "waiting": 50,
        }
    )

    waiting: int = Field(description="how many queued messages it holds now; those that come later wait, too")


class ResumedCampaign(BaseModel):
    """What a resumption lifted."""

    model_config = example({"resumed": 1})

    resumed: int = Field(description="1, or 0 where the campaign was not paused")


class DecideRequest(Body):
    """How one message is settled."""

    model_config = example({"decision": "resend"})

    decision: Literal["sent", "failed", "resend"] = Field(
        description="of an `unanswered` message any, of a `held` one `sent` or `failed`. After `resend` the person may "
        "have it twice"
    )


class DecideAnswer(BaseModel):
    """How the message stands now."""

    model_config = example({"message_id": MESSAGE_ID, "status": "queued"})

    message_id: str
    status: str

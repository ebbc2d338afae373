"""`POST /v1/messages` as models, with an example: what the OpenAPI document shows of its body and of a dry run.

They document, they do not validate: each message is judged in `intake/direct.py`.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.web.contract import MESSAGE_ID, example

_TEMPLATE = {"name": "ordertimeoutnotification", "language": "en_US", "params": ["Tuohumai", "T Shirt"]}


class SendHeaders(BaseModel):
    """What a call may say beside its key."""

    idempotency_key: str | None = Field(
        None,
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="a name for this call, 1 to 255 printable ASCII characters. With the same body it gets the stored answer "
        "and `Idempotent-Replayed: true`, with another body 422. What was answered 400, 422 or 503 has not used it up",
    )


class SendQuery(BaseModel):
    """How the call is taken."""

    dry_run: bool = Field(
        False, description="`true` checks and renders only: nothing is kept, nothing sent. Answered with 200"
    )


class DirectTemplate(BaseModel):
    """A template and what it is filled with."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="as WhatsApp Manager shows it")
    language: str | None = Field(
        None,
        description="such as `en_US`; `auto` is the `locale` where the template is known to have it. Default DEFAULT_LANGUAGE",
    )
    params: list[Any] | dict[str, Any] | None = Field(
        None,
        description="the Cloud API's components, a list of strings (body parameters in order), or an object of named ones. "
        "Strings may hold placeholders that `values` fill: `{{firstName|friend}}`",
    )


class DirectMessage(BaseModel):
    """One message to one person. Needed are `to` and one of `template` and `message`; an unknown field rejects the message."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field(
        description="the number in international form, with or without `+`, or a business-scoped user id such as "
        "`US.13491208655302741918`"
    )
    template: DirectTemplate | None = None
    message: str | None = Field(None, description="the name of a `[messages.<name>]` of the settings file")
    values: dict[str, Any] | None = Field(
        None, description="what fills the placeholders: `{{firstName}}`, `{{attributes.LastProduct|gift}}`"
    )
    language: str | None = Field(None, description="in place of the named message's own; beside `message` only")
    locale: str | None = Field(None, description="the person's, such as `de_DE`; for the language `auto`")
    priority: Literal["high", "normal"] | None = None
    ttl_seconds: int | None = Field(
        None, description="seconds until it is no longer worth sending, 2592000 at most; they count from `send_at`"
    )
    phone_number_id: str | None = Field(None, description="which number it goes out from; default the settings' own")
    send_at: str | None = Field(
        None, description="not before this moment: RFC 3339 with zone, at most 30 days ahead. Past moments mean at once"
    )
    reference: str | None = Field(None, description="the caller's own, kept with the message; at most 512 characters")
    id: str | None = Field(
        None,
        description="the caller's own name for the message, at most 256 characters: `recipient` in the results, and the same "
        "message is sent once, whichever call brings it again",
    )


class DirectMessages(BaseModel):
    """Messages of an internal system, 1 to 1000. An unknown field refuses the call."""

    model_config = example(
        {
            "messages": [
                {
                    "to": "+8613800138000",
                    "template": _TEMPLATE,
                    "priority": "high",
                    "ttl_seconds": 300,
                    "reference": "order-17",
                }
            ]
        }
    ) | ConfigDict(extra="forbid")

    messages: list[DirectMessage] = Field(min_length=1, max_length=1000)
    campaign_id: str | None = Field(
        None,
        min_length=1,
        max_length=256,
        description="counts all of them as this campaign's; at most 256 characters, no person's number",
    )


class Rendered(BaseModel):
    """What the person would see."""

    header: str | None = Field(description="a header of another format than text is named: `[image]`")
    body: str
    footer: str | None
    buttons: list[str]
    cards: list["Rendered"] = Field(description="of a carousel, one for each card")


class RehearsedResult(BaseModel):
    """What would become of one message."""

    recipient: str = Field(description="the message's `id`, or its position")
    status: Literal["accepted", "rejected"]
    code: str | None = Field(None, description="as in a RecipientResult")
    path: str | None = Field(None, description="where in the body")
    detail: str | None = Field(None, description="what to do")
    rendered: Rendered | None = Field(None, description="null where the template is not known here")
    request: dict[str, Any] | None = Field(None, description="what Meta would be sent")


class Rehearsal(BaseModel):
    """The answer to a dry run, with one result per message.

    Not looked at is whether the message was sent before: by the same `id`, or under the same `Idempotency-Key`.
    """

    model_config = example(
        {
            "results": [
                {
                    "recipient": "0",
                    "status": "accepted",
                    "rendered": {
                        "header": None,
                        "body": "Dear Tuohumai, your order of T Shirt waits.",
                        "footer": None,
                        "buttons": [],
                        "cards": [],
                    },
                    "request": {
                        "messaging_product": "whatsapp",
                        "recipient_type": "individual",
                        "to": "+8613800138000",
                        "type": "template",
                        "template": {"name": "ordertimeoutnotification", "language": {"code": "en_US"}},
                        "biz_opaque_callback_data": f"{MESSAGE_ID}.1",
                    },
                }
            ]
        }
    )

    results: list[RehearsedResult]

"""The public contract as models, with an example of each: what the OpenAPI document shows of a body.

They document, they do not validate: input is judged per recipient in `intake`. Reports are in `report_contract.py`.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

RECEIVED = "2026-11-01T09:00:00.123Z"
EVENT_ID = "019a3e5f6d2b7c4e8f90a1b2c3d4e5f6"
MESSAGE_ID = "019a3e5f6d2b7c4e8f90a1b2c3d4e5f7"
MOMENT: dict[str, Any] = {"format": "date-time"}
REJECTED = {
    "recipient": "ep013",
    "status": "rejected",
    "code": "opted_out",
    "path": "Endpoints.ep013.OptOut",
    "detail": "the endpoint has opted out of all messages",
}


def example(value: Any) -> ConfigDict:
    """The configuration of a model with this example."""
    return ConfigDict(json_schema_extra={"examples": [value]})


class Body(BaseModel):
    """A body as `bodies.py` reads it: an unknown field is refused, an empty text or list, and null, except as `cursor`."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A field that may be absent is None in the model, but not in the body."""
        schema = handler(core_schema)
        for name, field in handler.resolve_ref_schema(schema)["properties"].items():
            if name != "cursor":
                _without_null(field)
        return schema


def _without_null(field: JsonSchemaValue) -> None:
    choices = [one for one in field.pop("anyOf", [field]) if one.get("type") != "null"]
    for choice in choices:
        if choice.get("type") == "string" and not choice.keys() & {"enum", "const"}:
            choice.setdefault("minLength", 1)
        elif choice.get("type") == "array":
            choice.setdefault("minItems", 1)
    if len(choices) == 1:
        field.update(choices[0])
    else:
        field["anyOf"] = choices
    if field.get("default", 0) is None:
        del field["default"]


class Fault(BaseModel):
    """One thing wrong: where, which kind, what to do."""

    path: str = Field(description="where in the body, as in `Data.params[0].type`; empty for the whole")
    code: str = Field(
        description="`not_an_object` `missing` `empty` `not_a_string` `not_a_list` `invalid_json` `invalid_value` "
        "`invalid_params` `too_many` `unknown_field` `receipt_conflict`"
    )
    detail: str


class Problem(BaseModel):
    """RFC 9457 problem+json."""

    model_config = example(
        {
            "type": "about:blank",
            "title": "Event refused",
            "status": 422,
            "detail": "Nothing in this event can be sent.",
            "errors": [{"path": "Data", "code": "invalid_json", "detail": "Expecting value at character 1"}],
            "event_id": EVENT_ID,
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

    model_config = example(
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

    model_config = example(
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


class MetaNotification(BaseModel):
    """What Meta posts to a webhook; unknown fields are ignored, and what cannot be read spoils nothing beside it."""

    model_config = example(
        {
            "object": "whatsapp_business_account",
            "entry": [
                {
                    "id": "102290129340398",
                    "changes": [
                        {
                            "field": "messages",
                            "value": {
                                "messaging_product": "whatsapp",
                                "metadata": {"phone_number_id": "106540352242922"},
                                "statuses": [
                                    {
                                        "id": "wamid.HBgNODYxMzgwMDEzODAwMBUCABEYEjQ",
                                        "status": "delivered",
                                        "timestamp": "1793523605",
                                        "biz_opaque_callback_data": f"{MESSAGE_ID}.1",
                                    }
                                ],
                            },
                        }
                    ],
                }
            ],
        }
    )

    object: str | None = None
    entry: list[dict[str, Any]] = Field(
        description="per account: its `id` and its `changes`, each `field` with its `value`"
    )


class RecipientResult(BaseModel):
    """What became of one recipient at intake."""

    recipient: str = Field(
        description="the endpoint's or the profile's id; `CustomerProfiles[3]` where that one has none; of a "
        "direct message its `id` or its position"
    )
    status: Literal["accepted", "duplicate", "rejected"]
    message_id: str | None = Field(None, description="of the message; for a duplicate, of the first one")
    code: str | None = Field(
        None,
        description="why it was rejected: `invalid_address` `opted_out` `inactive` `placeholder_missing` `invalid_params` "
        "`unknown_message` `unknown_phone_number` `too_large` `template_unknown` `template_not_approved` `template_mismatch` "
        "`suppressed`",
    )
    path: str | None = Field(None, description="where in the event")
    detail: str | None = Field(None, description="what to do")


class Receipt(BaseModel):
    """The answer to everything that brings messages, with one result per recipient.

    A known `webhook-id` or `Idempotency-Key` with the same body gets the stored answer and `Idempotent-Replayed: true`; with
    another body 422.
    """

    model_config = example(
        {
            "event_id": EVENT_ID,
            "accepted": 1,
            "duplicates": 0,
            "rejected": 1,
            "results": [{"recipient": "test123", "status": "accepted", "message_id": MESSAGE_ID}, REJECTED],
        }
    )

    event_id: str
    accepted: int
    duplicates: int
    rejected: int
    results: list[RecipientResult]

"""A Pinpoint custom-channel event, of a campaign or a journey → one Message or Rejection per endpoint, in order.

The shape is AWS's (Pinpoint developer guide, "channels-custom"): `Data` is the JSON string that the campaign was created
with, `Endpoints` maps endpoint ids to endpoints. Only here are Pinpoint's CamelCase names used. Unknown fields are ignored.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.intake.address import HOW_TO_MEND, parse_address
from service.intake.personalise import (
    MAX_LENGTH,
    Content,
    InvalidParams,
    PlaceholderMissing,
    TooLarge,
    as_text,
    look_up,
)
from service.intake.rules import Rules
from service.message import Event, Fault, Message, ParsedEvent, Priority, Refusal, Rejection, Template, printable

SOURCE = "pinpoint"

_EXAMPLE = r'"{\"templateName\": \"order_update\", \"params\": []}"'
_DATA_SHAPE = f"a JSON string such as {_EXAMPLE} in the campaign's CustomMessage.Data"


class _Data(BaseModel):
    """What the campaign's `CustomMessage.Data` may say. Field names are the article's and Pinpoint's style."""

    model_config = ConfigDict(extra="ignore")

    templateName: Annotated[  # noqa: N815 - the caller's name
        str,
        Field(
            min_length=1,
            max_length=512,
            pattern=r"^[^\s\p{C}]*$",
            description="the template's name as WhatsApp Manager shows it, such as order_update",
        ),
    ]
    params: Any = None
    language: Annotated[
        str | None, Field(pattern=r"^(auto|[A-Za-z]{2,3}(_[A-Za-z0-9]{2,8}){0,3})$", description="en_US, or auto")
    ] = None
    ttlSeconds: Annotated[  # noqa: N815
        int | None, Field(gt=0, le=30 * 86400, description="seconds until the message is no longer worth sending")
    ] = None
    priority: Annotated[Literal["high", "normal"] | None, Field(description="high or normal")] = None
    phoneNumberId: Annotated[  # noqa: N815
        str | None, Field(description="the id of one of the phone numbers in the settings")
    ] = None


@dataclass(frozen=True, slots=True)
class _Order:
    """What is the same for every recipient of the event."""

    event: Event
    rules: Rules
    data: _Data
    content: Content
    phone_number_id: str | None
    key_prefix: tuple[str, ...]
    new_id: Callable[[], str]


def parse_event(document: object, event: Event, rules: Rules, new_id: Callable[[], str]) -> ParsedEvent | Refusal:
    """Read one event; never raises, whatever the document is.

    `event` carries what the delivery itself tells (ids, receipt time); the answer's copy has Pinpoint's facts added.
    `new_id` names each message. Refused is an event without usable `Endpoints` or `Data`, with every fault found.
    """
    if not isinstance(document, dict):
        return Refusal(event, [Fault("", "not_an_object", "the event must be a JSON object with Data and Endpoints")])
    event = _with_facts(event, document, rules)
    faults = _endpoint_faults(document.get("Endpoints"))
    parsed = _parse_data(document.get("Data"))
    if isinstance(parsed, list):
        return Refusal(event, faults + parsed)
    if faults:
        return Refusal(event, faults)
    data, content = parsed
    order = _Order(
        event=event,
        rules=rules,
        data=data,
        content=content,
        phone_number_id=rules.phone_number_for(event.application_id, data.phoneNumberId),
        key_prefix=_key_prefix(event, _name(document.get("ScheduledTime")), document["Data"]),
        new_id=new_id,
    )
    return ParsedEvent(event, [_recipient(order, name, value) for name, value in document["Endpoints"].items()])


def _with_facts(event: Event, document: Mapping[str, object], rules: Rules) -> Event:
    lifetime = rules.key_lifetime if _name(document.get("ScheduledTime")) else rules.duplicate_window
    return replace(
        event,
        application_id=_name(document.get("ApplicationId")),
        campaign_id=_name(document.get("CampaignId")),
        journey_id=_name(document.get("JourneyId")),
        treatment_id=_name(document.get("TreatmentId")),
        activity_id=_name(document.get("ActivityId")),
        keys_expire_at=event.received_at + lifetime,
    )


def _name(value: object) -> str | None:
    text = as_text(value)
    return printable(text)[:256] if text else None


def _endpoint_faults(endpoints: object) -> list[Fault]:
    if endpoints is None:
        return [
            Fault("Endpoints", "missing", "the event names no endpoints; is it a custom-channel event of Pinpoint?")
        ]
    if not isinstance(endpoints, dict):
        return [Fault("Endpoints", "not_an_object", "Endpoints must map each endpoint id to its endpoint")]
    if not endpoints:
        return [Fault("Endpoints", "empty", "the event has no recipient; check the campaign's segment")]
    return []


def _parse_data(text: object) -> tuple[_Data, Content] | list[Fault]:
    """The content for all recipients, or every fault of it."""
    if text is None or text == "":
        return [
            Fault(
                "Data", "missing", f"create the campaign by API with {_DATA_SHAPE}; a test from the console sends none"
            )
        ]
    if not isinstance(text, str):
        return [Fault("Data", "not_a_string", f"give {_DATA_SHAPE}")]
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return [Fault("Data", "invalid_json", f"{_why(error)}; give {_DATA_SHAPE}")]
    if not isinstance(document, dict):
        return [Fault("Data", "not_an_object", f"give {_DATA_SHAPE}")]
    faults: list[Fault] = []
    content = data = None
    try:
        data = _Data.model_validate(document)
    except ValidationError as error:
        faults += _faults_of(error)
    try:
        content = Content(document.get("params"))
    except InvalidParams as error:
        faults.append(Fault(f"Data.params{printable(error.path)[:256]}", "invalid_params", error.detail))
    return faults if data is None or content is None else (data, content)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _why(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _faults_of(error: ValidationError) -> list[Fault]:
    """One fault per field: what is wrong with it, and what it should be."""
    faults = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        field = str(problem["loc"][0])
        wanted = _Data.model_fields[field].description
        code = "missing" if problem["type"] in {"missing", "string_too_short"} else "invalid_value"
        faults.append(Fault(f"Data.{field}", code, f"{problem['msg']}; give {wanted}"))
    return faults


def _key_prefix(event: Event, scheduled_time: str | None, data: str) -> tuple[str, ...]:
    """What all recipients' keys have in common (G3); a changed Data is another message."""
    return (
        SOURCE,
        event.application_id or "",
        event.campaign_id or event.journey_id or "",
        event.treatment_id or "",
        event.activity_id or "",
        scheduled_time or "",
        hashlib.sha256(data.encode("utf-8", "backslashreplace")).hexdigest(),
    )


def _recipient(order: _Order, endpoint_id: str, endpoint: object) -> Message | Rejection:
    recipient = printable(endpoint_id)[:256]
    path = f"Endpoints.{recipient}"
    if not isinstance(endpoint, dict):
        return Rejection(recipient, "invalid_address", path, "the endpoint must be an object with an Address")
    if rejection := _unwanted(recipient, path, endpoint):
        return rejection
    to = parse_address(endpoint.get("Address"))
    if to is None:
        return Rejection(recipient, "invalid_address", f"{path}.Address", f"the address {HOW_TO_MEND}")
    if order.phone_number_id is None:
        return _no_number(order, recipient)
    components = _components(order, recipient, endpoint_id, endpoint)
    if isinstance(components, Rejection):
        return components
    return _message(order, recipient, endpoint_id, to, components)


def _components(order: _Order, recipient: str, endpoint_id: str, endpoint: Mapping[str, object]) -> str | Rejection:
    path = f"Endpoints.{recipient}"
    try:
        return order.content.components_for(lambda wanted: _look_up(endpoint_id, endpoint, wanted))
    except PlaceholderMissing as missing:
        name = printable(missing.placeholder)[:128]
        hint = f"set {name} on this endpoint, or write a default into the template's parameter: {{{{{name}|…}}}}"
        return Rejection(recipient, "placeholder_missing", f"{path}.{name}", hint)
    except TooLarge:
        hint = f"filled with this endpoint's values the params are longer than {MAX_LENGTH:,} characters; shorten them"
        return Rejection(recipient, "too_large", path, hint)


def _unwanted(recipient: str, path: str, endpoint: Mapping[str, object]) -> Rejection | None:
    """Pinpoint is not documented to leave these out before it calls a custom channel (G8)."""
    if _says(endpoint.get("OptOut"), "ALL"):
        return Rejection(recipient, "opted_out", f"{path}.OptOut", "the endpoint has opted out of all messages")
    if _says(endpoint.get("EndpointStatus"), "INACTIVE"):
        hint = "the endpoint is inactive; update it to ACTIVE if the address is right"
        return Rejection(recipient, "inactive", f"{path}.EndpointStatus", hint)
    return None


def _says(value: object, word: str) -> bool:
    return isinstance(value, str) and value.strip().upper() == word


def _no_number(order: _Order, recipient: str) -> Rejection:
    if order.data.phoneNumberId:
        hint = "no phone number with this id is set up; see the settings file's [numbers.<phone_number_id>]"
        return Rejection(recipient, "unknown_phone_number", "Data.phoneNumberId", hint)
    hint = "no phone number serves this application; set FB_BUSINESS_PHONE_ID, or list the application under a number"
    return Rejection(recipient, "unknown_phone_number", "ApplicationId", hint)


def _message(order: _Order, recipient: str, endpoint_id: str, to: str, components: str) -> Message:
    data, event, rules = order.data, order.event, order.rules
    assert order.phone_number_id is not None
    lifetime = timedelta(seconds=data.ttlSeconds) if data.ttlSeconds else rules.time_to_live
    return Message(
        message_id=order.new_id(),
        recipient=recipient,
        to=to,
        phone_number_id=order.phone_number_id,
        template=Template(data.templateName, _language(data.language, rules), components),
        due_at=event.received_at,
        expires_at=event.received_at + lifetime,
        key=_key(order.key_prefix, endpoint_id),
        priority=Priority.HIGH if data.priority == "high" else Priority.NORMAL,
        campaign_id=event.campaign_id or event.journey_id,
    )


def _language(asked: str | None, rules: Rules) -> str:
    """`auto` is the endpoint's locale where the template is known to have it; no template's languages are known yet."""
    return rules.default_language if asked in {None, "auto"} else str(asked)


def _key(prefix: tuple[str, ...], endpoint_id: str) -> str:
    text = json.dumps([*prefix, endpoint_id])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _look_up(endpoint_id: str, endpoint: Mapping[str, object], path: str) -> str | None:
    """`{{Id}}` is the endpoint's key in the event: Pinpoint's samples do not repeat it inside the endpoint."""
    return look_up(endpoint, path) or (endpoint_id if path == "Id" else None)

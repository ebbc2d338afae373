"""A Pinpoint custom-channel event, of a campaign or a journey → one Message or Rejection per endpoint, in order.

The shape is AWS's (Pinpoint developer guide, "channels-custom"): `Data` is the JSON string that the campaign was created
with, `Endpoints` maps endpoint ids to endpoints. Only here are Pinpoint's CamelCase names used. Unknown fields are ignored.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.intake.address import HOW_TO_MEND, parse_address
from service.intake.draft import Draft, Language, MessageName, Seconds, TemplateName, Urgency
from service.intake.order import Order, fact, unknown_message
from service.intake.personalise import Content, InvalidParams, look_up
from service.intake.rules import Rules
from service.message import Event, Fault, Message, ParsedEvent, Refusal, Rejection, printable

SOURCE = "pinpoint"

_EXAMPLE = r'"{\"templateName\": \"order_update\", \"params\": []}"'
_DATA_SHAPE = f"a JSON string such as {_EXAMPLE} in the campaign's CustomMessage.Data"


class _Data(BaseModel):
    """What the campaign's `CustomMessage.Data` may say in any case. Field names are the article's and Pinpoint's style."""

    model_config = ConfigDict(extra="ignore")

    language: Language = None
    ttlSeconds: Seconds = None  # noqa: N815 - the caller's name
    priority: Urgency = None
    phoneNumberId: Annotated[  # noqa: N815
        str | None, Field(description="the id of one of the phone numbers in the settings")
    ] = None


class _SpelledOut(_Data):
    """Data that says which template, and (not judged here) with which params."""

    templateName: TemplateName  # noqa: N815


class _ByName(_Data):
    """Data that names one of the settings' messages, which has a template and params of its own."""

    message: MessageName
    templateName: Annotated[None, Field(description="message or templateName, not both")] = None  # noqa: N815
    params: Annotated[None, Field(description="no params here; the named message has its own")] = None


def parse_event(document: object, event: Event, rules: Rules, new_id: Callable[[], str]) -> ParsedEvent | Refusal:
    """Read one event; never raises, whatever the document is.

    `event` carries what the delivery itself tells (ids, receipt time); the answer's copy has Pinpoint's facts added.
    `new_id` names each message. Refused is an event without usable `Endpoints` or `Data`, with every fault found.
    """
    if not isinstance(document, dict):
        return Refusal(event, [Fault("", "not_an_object", "the event must be a JSON object with Data and Endpoints")])
    event = _with_facts(event, document, rules)
    faults = _endpoint_faults(document.get("Endpoints"))
    parsed = _parse_data(document.get("Data"), rules.messages)
    if isinstance(parsed, list):
        return Refusal(event, faults + parsed)
    if faults:
        return Refusal(event, faults)
    data, draft = parsed
    endpoints = document["Endpoints"]
    if isinstance(draft, str):
        return ParsedEvent(event, [unknown_message(_recipient_name(of), draft, "Data.message") for of in endpoints])
    order = Order(
        event=event,
        rules=rules,
        draft=draft,
        phone_number_id=rules.phone_number_for(event.application_id, data.phoneNumberId),
        key_facts=_key_facts(event, fact(document.get("ScheduledTime")), document["Data"]),
        new_id=new_id,
        content_path="Data",
    )
    return ParsedEvent(event, [_recipient(order, data, name, endpoint) for name, endpoint in endpoints.items()])


def _with_facts(event: Event, document: Mapping[str, object], rules: Rules) -> Event:
    lifetime = rules.key_lifetime if fact(document.get("ScheduledTime")) else rules.duplicate_window
    return replace(
        event,
        application_id=fact(document.get("ApplicationId")),
        campaign_id=fact(document.get("CampaignId")),
        journey_id=fact(document.get("JourneyId")),
        treatment_id=fact(document.get("TreatmentId")),
        activity_id=fact(document.get("ActivityId")),
        keys_expire_at=event.received_at + lifetime,
    )


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


def _parse_data(text: object, named: Mapping[str, Draft]) -> tuple[_Data, Draft | str] | list[Fault]:
    """What is to be sent, or the name of a message that is not in the settings; or every fault of it."""
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
    return _spelled_out(document) if document.get("message") is None else _by_name(document, named)


def _spelled_out(document: Mapping[str, object]) -> tuple[_Data, Draft] | list[Fault]:
    faults: list[Fault] = []
    content = data = None
    try:
        data = _SpelledOut.model_validate(document)
    except ValidationError as error:
        faults += _faults_of(error, _SpelledOut)
    try:
        content = Content(document.get("params"))
    except InvalidParams as error:
        faults.append(Fault(f"Data.params{printable(error.path)[:256]}", "invalid_params", error.detail))
    if data is None or content is None:
        return faults
    return data, Draft(data.templateName, content).but(data.language, data.priority, data.ttlSeconds)


def _by_name(document: Mapping[str, object], named: Mapping[str, Draft]) -> tuple[_Data, Draft | str] | list[Fault]:
    try:
        data = _ByName.model_validate(document)
    except ValidationError as error:
        return _faults_of(error, _ByName)
    draft = named.get(data.message)
    return data, draft.but(data.language, data.priority, data.ttlSeconds) if draft else data.message


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _why(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _faults_of(error: ValidationError, model: type[_Data]) -> list[Fault]:
    """One fault per field: what is wrong with it, and what it should be."""
    faults = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        field = str(problem["loc"][0])
        wanted = model.model_fields[field].description
        code = "missing" if problem["type"] in {"missing", "string_too_short"} else "invalid_value"
        faults.append(Fault(f"Data.{field}", code, f"{problem['msg']}; give {wanted}"))
    return faults


def _key_facts(event: Event, scheduled_time: str | None, data: str) -> tuple[str, ...]:
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


def _recipient_name(endpoint_id: str) -> str:
    """The endpoint's id as the store and the answer have it."""
    return printable(endpoint_id)[:256]


def _recipient(order: Order, data: _Data, endpoint_id: str, endpoint: object) -> Message | Rejection:
    recipient = _recipient_name(endpoint_id)
    path = f"Endpoints.{recipient}"
    if not isinstance(endpoint, dict):
        return Rejection(recipient, "invalid_address", path, "the endpoint must be an object with an Address")
    if rejection := _unwanted(recipient, path, endpoint):
        return rejection
    to = parse_address(endpoint.get("Address"))
    if to is None:
        return Rejection(recipient, "invalid_address", f"{path}.Address", f"the address {HOW_TO_MEND}")
    if order.phone_number_id is None:
        return _no_number(data, recipient)
    locale = look_up(endpoint, "Demographic.Locale")
    return order.fill(
        recipient, to, (endpoint_id,), lambda wanted: _look_up(endpoint_id, endpoint, wanted), path, locale
    )


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


def _no_number(data: _Data, recipient: str) -> Rejection:
    if data.phoneNumberId:
        hint = "no phone number with this id is set up; see the settings file's [numbers.<phone_number_id>]"
        return Rejection(recipient, "unknown_phone_number", "Data.phoneNumberId", hint)
    hint = "no phone number serves this application; set FB_BUSINESS_PHONE_ID, or list the application under a number"
    return Rejection(recipient, "unknown_phone_number", "ApplicationId", hint)


def _look_up(endpoint_id: str, endpoint: Mapping[str, object], path: str) -> str | None:
    """`{{Id}}` is the endpoint's key in the event: Pinpoint's samples do not repeat it inside the endpoint."""
    return look_up(endpoint, path) or (endpoint_id if path == "Id" else None)

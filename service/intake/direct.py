"""A direct call's body, `{"messages": […]}` → one Message or Rejection per item, in order.

    document ── _faults ──> Refusal
        └─ item by item ── _read ──> _Item ── Order.fill ──> Message
                             └────────────────────┴─────────> Rejection

The shape is our own (docs/api.md). Unlike in what Pinpoint and Connect send, an unknown field is a fault: whoever writes
`send_At` must not get the message sent at once.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.intake.address import HOW_TO_MEND, parse_address
from service.intake.draft import Draft, Language, MessageName, Seconds, TemplateName, Urgency
from service.intake.order import Order, fact, key_of, unknown_message
from service.intake.personalise import Content, InvalidParams, look_up
from service.intake.rules import Rules
from service.message import Event, Fault, Message, ParsedEvent, Refusal, Rejection, printable

SOURCE = "direct"

MAX_MESSAGES = 1000
"""Items of one call: few enough to be checked and kept within a second or two."""

LATEST = timedelta(days=30)
"""How far ahead `send_at` may be, and no farther than the keys hold, so that a repeat is still known when it goes."""

FIELDS = ("messages", "campaign_id")
"""What the body may have."""

_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})", re.IGNORECASE
)
_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z_-]{0,39}")
"""What may be told again of an unknown field: its name may be anything, a person's number too."""

_SHAPE = "an object with `to` and one of `template` and `message`"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the name of the API key, and the call's `Idempotency-Key` where it has one."""

    name: str
    idempotency_key: str | None = None


class _Template(BaseModel):
    """A template spelled out; its params are judged by Content."""

    model_config = ConfigDict(strict=True)

    name: TemplateName
    language: Language = None
    params: object = None


class _Item(BaseModel):
    """One message as the caller writes it; `to` is judged by parse_address."""

    model_config = ConfigDict(strict=True)

    id: Annotated[str | None, Field(min_length=1, max_length=256, description="a text of at most 256 characters")] = (
        None
    )
    to: object = None
    template: Annotated[_Template | None, Field(description="an object with name, and language and params")] = None
    message: MessageName | None = None
    values: Annotated[dict[str, object] | None, Field(description="an object of what the placeholders name")] = None
    language: Language = None
    locale: Annotated[str | None, Field(max_length=64, description="the person's locale, such as de_DE")] = None
    priority: Urgency = None
    ttl_seconds: Seconds = None
    phone_number_id: Annotated[
        str | None, Field(max_length=64, description="the id of one of the phone numbers in the settings, as a text")
    ] = None
    send_at: Annotated[str | None, Field(description="a moment such as 2026-12-01T09:00:00Z")] = None
    reference: Annotated[str | None, Field(max_length=512, description="a text of at most 512 characters")] = None


class _Unfit(ValueError):
    """This item gives no message."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.code)
        self.rejection = rejection


@dataclass(frozen=True, slots=True)
class _Place:
    """Which item it is: what the results call it, and where it stands."""

    recipient: str
    path: str

    def unfit(self, code: str, path: str, detail: str) -> _Unfit:
        """`path` is relative to the item."""
        return _Unfit(Rejection(self.recipient, code, self.path + path, detail))


@dataclass(frozen=True, slots=True)
class _Call:
    """What is the same for every item."""

    event: Event
    rules: Rules
    new_id: Callable[[], str]
    caller: Caller


def parse_messages(
    document: object, event: Event, rules: Rules, new_id: Callable[[], str], caller: Caller
) -> ParsedEvent | Refusal:
    """Read one call; never raises, whatever the document is.

    `event` carries what the delivery itself tells (ids, receipt time); `new_id` names each message. Refused is a body
    without 1 to 1000 `messages`, or with a field that is not known, with every fault found.

    What makes the same message the same (G3) is the caller and the item's `id`, or the call's `Idempotency-Key` and the
    item's position; without both no other message is the same.
    """
    if not isinstance(document, dict):
        return Refusal(event, [Fault("", "not_an_object", 'the body must be a JSON object: {"messages": […]}')])
    if faults := list(_faults(document)):
        return Refusal(event, faults)
    event = replace(
        event,
        campaign_id=fact(document.get("campaign_id")),
        keys_expire_at=event.received_at + rules.key_lifetime,
    )
    call = _Call(event, rules, new_id, caller)
    return ParsedEvent(event, [_result(call, position, given) for position, given in enumerate(document["messages"])])


def _faults(document: Mapping[str, object]) -> Iterator[Fault]:
    """Everything for which nothing of the body can be used."""
    messages, campaign_id = document.get("messages"), document.get("campaign_id")
    if messages is None:
        yield Fault("messages", "missing", f"list the messages, each {_SHAPE}")
    elif not isinstance(messages, list):
        yield Fault("messages", "not_a_list", f"give a list of messages, each {_SHAPE}")
    elif not messages:
        yield Fault("messages", "empty", "give at least one message")
    elif len(messages) > MAX_MESSAGES:
        yield Fault(
            "messages",
            "too_many",
            f"{len(messages):,} messages; give at most {MAX_MESSAGES:,} in one call, and make more",
        )
    if not (campaign_id is None or (isinstance(campaign_id, str) and 0 < len(campaign_id) <= 256)):
        yield Fault("campaign_id", "invalid_value", "give a text of at most 256 characters, or leave it out")
    if unknown := [name for name in document if name not in FIELDS]:
        yield Fault(_shown(unknown[0]), "unknown_field", f"the body has no such field; give {' and '.join(FIELDS)}")


def _shown(name: str) -> str:
    return name if _FIELD_NAME.fullmatch(name) else ""


def _result(call: _Call, position: int, given: object) -> Message | Rejection:
    place = _Place(_name(position, given), f"messages[{position}]")
    try:
        item = _read(place, given)
        to = parse_address(item.to)
        if to is None:
            raise place.unfit("invalid_address", ".to", f"the address {HOW_TO_MEND}")
        due_at = _due_at(call, place, item.send_at)
        order = _order(call, place, item)
    except _Unfit as unfit:
        return unfit.rejection
    values = item.values or {}
    values_path = f"{place.path}.values"
    filled = order.fill(place.recipient, to, (), lambda wanted: look_up(values, wanted), values_path, item.locale)
    if isinstance(filled, Rejection):
        return filled
    return replace(
        filled,
        due_at=due_at,
        expires_at=filled.expires_at + (due_at - filled.due_at),
        key=_key(call.caller, item.id, position, filled.message_id),
        reference=None if item.reference is None else printable(item.reference)[:512],
        path=f"{place.path}.to",
    )


def _name(position: int, given: object) -> str:
    """The item's own id, or its position where it has none that can be used."""
    own = given.get("id") if isinstance(given, Mapping) else None
    return printable(own)[:256] if isinstance(own, str) and 0 < len(own) <= 256 else str(position)


def _read(place: _Place, given: object) -> _Item:
    """The item, with fields that are all known and of their types."""
    if not isinstance(given, dict):
        raise place.unfit("invalid_params", "", f"a message must be {_SHAPE}")
    _need_known(place, given, _Item, "")
    if isinstance(given.get("template"), dict):
        _need_known(place, given["template"], _Template, ".template")
    try:
        item = _Item.model_validate(given)
    except ValidationError as error:
        raise _first_of(place, error) from error
    if (item.template is None) == (item.message is None):
        said = "both template and message are given" if item.template else "neither template nor message is given"
        raise place.unfit("invalid_params", "", f"{said}; a message must be {_SHAPE}")
    if item.template and item.language:
        raise place.unfit("invalid_params", ".language", "beside a template, give its language as template.language")
    return item


def _need_known(place: _Place, given: Mapping[str, object], model: type[BaseModel], path: str) -> None:
    unknown = next((name for name in given if name not in model.model_fields), None)
    if unknown is None:
        return
    at = f"{path}.{unknown}" if _shown(unknown) else path
    hint = f"there is no such field; known are {', '.join(model.model_fields)}"
    raise place.unfit("invalid_params", at, hint)


def _first_of(place: _Place, error: ValidationError) -> _Unfit:
    """What is wrong with the first field that is, and what it should be."""
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = [str(name) for name in problem["loc"]]
    model: type[BaseModel] = _Template if path[0] == "template" and len(path) > 1 else _Item
    field = model.model_fields.get(path[-1]) or _Item.model_fields[path[0]]
    return place.unfit("invalid_params", f".{'.'.join(path)}", f"{problem['msg']}; give {field.description}")


def _due_at(call: _Call, place: _Place, written: str | None) -> datetime:
    """When it may go: at `send_at`, at once where that is past or not given."""
    received_at = call.event.received_at
    if written is None:
        return received_at
    try:
        moment = datetime.fromisoformat(written.upper()) if _MOMENT.fullmatch(written) else None
    except ValueError:
        moment = None
    if moment is None:
        hint = "give a moment with its zone (RFC 3339), such as 2026-12-01T09:00:00Z or 2026-12-01T17:00:00+08:00"
        raise place.unfit("invalid_params", ".send_at", hint)
    latest = min(LATEST, call.rules.key_lifetime)
    if moment - received_at > latest:
        raise place.unfit("invalid_params", ".send_at", f"give a moment at most {latest.days} days from now")
    return received_at + max(moment - received_at, timedelta(0))


def _order(call: _Call, place: _Place, item: _Item) -> Order:
    """What is sent and from which number; only the placeholders are open."""
    draft = _named(call, place, item) if item.template is None else _spelled_out(place, item.template)
    number = call.rules.phone_number_for(None, item.phone_number_id)
    if number is None:
        hint = "no phone number has this id; see the settings file's [numbers.<phone_number_id>]"
        if not item.phone_number_id:
            hint = "no phone number is the default; give the id of the one to send from, or set FB_BUSINESS_PHONE_ID"
        raise place.unfit("unknown_phone_number", ".phone_number_id", hint)
    return Order(
        event=call.event,
        rules=call.rules,
        draft=draft.but(item.language, item.priority, item.ttl_seconds),
        phone_number_id=number,
        key_facts=(),
        new_id=call.new_id,
        content_path=f"{place.path}.{'message' if item.template is None else 'template'}",
    )


def _named(call: _Call, place: _Place, item: _Item) -> Draft:
    assert item.message is not None
    named = call.rules.messages.get(item.message)
    if named is None:
        raise _Unfit(unknown_message(place.recipient, item.message, f"{place.path}.message"))
    return named


def _spelled_out(place: _Place, template: _Template) -> Draft:
    try:
        content = Content(template.params)
    except InvalidParams as error:
        path = f".template.params{printable(error.path)[:256]}"
        raise place.unfit("invalid_params", path, error.detail) from error
    return Draft(template.name, content, template.language)


def _key(caller: Caller, own_id: str | None, position: int, message_id: str) -> str:
    """What makes the message the same; without an id and a key for the call, it is like no other."""
    if own_id is not None:
        return key_of(SOURCE, caller.name, "id", own_id)
    if caller.idempotency_key is not None:
        return key_of(SOURCE, caller.name, "call", caller.idempotency_key, str(position))
    return key_of(SOURCE, caller.name, "message", message_id)

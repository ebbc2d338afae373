"""An Amazon Connect journey's custom-action event → one Message or Rejection per customer profile, in order.

The shape is AWS's (Connect administrator guide, "Invoke Lambda functions", read in November 2026): `CampaignContext` names
campaign, run and action, `CustomerProfiles` lists whom it concerns, each with its profile as JSON text in camelCase. It
carries no message: the action's name, `ActionId`, is the name of one in the settings. Unknown fields are ignored.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from service.intake.address import HOW_TO_MEND, parse_address
from service.intake.order import Order, fact, unknown_message
from service.intake.personalise import as_text, look_up
from service.intake.rules import Rules
from service.message import Event, Fault, Message, ParsedEvent, Refusal, Rejection, printable

SOURCE = "connect"

_CONTEXT = "InvocationMetadata.CampaignContext"
_PROFILES = "Items.CustomerProfiles"


def parse_event(document: object, event: Event, rules: Rules, new_id: Callable[[], str]) -> ParsedEvent | Refusal:
    """Read one event; never raises, whatever the document is.

    `event` carries what the delivery itself tells (ids, receipt time); the answer's copy has Connect's facts added.
    `new_id` names each message. Refused is an event without an action or without profiles, with every fault found. An action
    without its message in the settings rejects every profile, since that can be mended here, and the event sent again.

    What makes the same message the same (G3) is campaign, run, action and the profile's `IdempotencyToken`, or its
    `ProfileId` where there is no token. Without a run the key holds for a while only, lest it silence the next one.
    """
    if not isinstance(document, dict):
        hint = "the event must be a JSON object with InvocationMetadata and Items"
        return Refusal(event, [Fault("", "not_an_object", hint)])
    context, profiles = _at(document, _CONTEXT), _at(document, _PROFILES)
    run, action = as_text(_at(context, "RunId")), fact(_at(context, "ActionId"))
    event = replace(
        event,
        campaign_id=fact(_at(context, "CampaignId")),
        activity_id=action,
        keys_expire_at=event.received_at + (rules.key_lifetime if run else rules.duplicate_window),
    )
    if action is None or not isinstance(profiles, list) or not profiles:
        return Refusal(event, [*_action_faults(_at(context, "ActionId")), *_profile_faults(profiles)])
    draft = rules.messages.get(action)
    if draft is None:
        path = f"{_CONTEXT}.ActionId"
        return ParsedEvent(event, [unknown_message(_recipient_name(*of), action, path) for of in enumerate(profiles)])
    order = Order(
        event=event,
        rules=rules,
        draft=draft,
        phone_number_id=rules.phone_number_for(None),
        key_facts=(SOURCE, event.campaign_id or "", run or "", action),
        new_id=new_id,
        content_path=f"{_CONTEXT}.ActionId",
    )
    return ParsedEvent(event, [_recipient(order, position, profile) for position, profile in enumerate(profiles)])


def _at(value: object, path: str) -> object:
    """What stands at a path of objects, or None."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _action_faults(action: object) -> list[Fault]:
    path = f"{_CONTEXT}.ActionId"
    if action is None or action == "":
        hint = "the event names no action; is it the event of a Connect journey's custom action?"
        return [Fault(path, "missing", hint)]
    return [] if fact(action) else [Fault(path, "not_a_string", "give the name of the custom action")]


def _profile_faults(profiles: object) -> list[Fault]:
    if profiles is None:
        hint = "the event lists no profiles; is it the event of a Connect journey's custom action?"
        return [Fault(_PROFILES, "missing", hint)]
    if not isinstance(profiles, list):
        return [Fault(_PROFILES, "not_a_list", "CustomerProfiles must list the profiles, each with ProfileId")]
    return [] if profiles else [Fault(_PROFILES, "empty", "the event has no recipient; check the journey's segment")]


def _profile_id(profile: object) -> str | None:
    found = _at(profile, "ProfileId")
    return found if isinstance(found, str) and found else None


def _recipient_name(position: int, profile: object) -> str:
    """The profile's id, or its place in the event where it has none: no id of Connect's looks like that."""
    return printable(_profile_id(profile) or f"CustomerProfiles[{position}]")[:256]


def _recipient(order: Order, position: int, profile: object) -> Message | Rejection:
    recipient = _recipient_name(position, profile)
    path = f"{_PROFILES}[{position}]"
    if not isinstance(profile, dict):
        return Rejection(
            recipient, "invalid_params", path, "the profile must be an object with ProfileId, CustomerData"
        )
    profile_id = _profile_id(profile)
    if profile_id is None:
        return Rejection(recipient, "invalid_params", f"{path}.ProfileId", "give the profile's id, a text")
    path = f"{path}.CustomerData"
    data = _customer_data(profile.get("CustomerData"))
    if data is None:
        return Rejection(recipient, "invalid_params", path, "give the customer's profile: JSON text of an object")
    to = _address(data, order.rules.address_fields)
    if to is None:
        return _no_address(recipient, path, data, order.rules.address_fields)
    if order.phone_number_id is None:
        hint = "no phone number is the default, which serves Connect; set FB_BUSINESS_PHONE_ID"
        return Rejection(recipient, "unknown_phone_number", f"{_CONTEXT}.CampaignId", hint)
    token = as_text(profile.get("IdempotencyToken"))
    own_key = ("token", token) if token else ("profile", profile_id)
    locale = look_up(data, "attributes.locale") or look_up(data, "locale")
    return order.fill(recipient, to, own_key, lambda wanted: _look_up(profile_id, data, wanted), path, locale)


def _customer_data(given: object) -> dict[str, object] | None:
    """The customer's profile, from its JSON text or as it is; None where it is no object."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            return None
    return given if isinstance(given, dict) else None


def _address(data: Mapping[str, object], fields: Sequence[str]) -> str | None:
    """The first of the fields that holds an address."""
    return next((to for field in fields if (to := parse_address(look_up(data, field)))), None)


def _no_address(recipient: str, path: str, data: Mapping[str, object], fields: Sequence[str]) -> Rejection:
    listed = ", ".join(fields)
    filled = next((field for field in fields if look_up(data, field)), None)
    if filled is None:
        hint = f"the profile has none of {listed}; fill one of them, or list other fields in [connect] address_fields"
        return Rejection(recipient, "invalid_address", path, hint)
    return Rejection(recipient, "invalid_address", f"{path}.{filled}", f"{filled} {HOW_TO_MEND}; looked at: {listed}")


def _look_up(profile_id: str, data: Mapping[str, object], path: str) -> str | None:
    """`{{profileId}}` is the event's own where the profile does not repeat it."""
    return look_up(data, path) or (profile_id if path == "profileId" else None)

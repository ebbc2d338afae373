"""Events, rules and the parsing of both, as the tests of this folder need them. Where nothing is said, of Pinpoint."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

from service.intake import connect, pinpoint
from service.intake.draft import Draft
from service.intake.personalise import Content
from service.intake.rules import Rules
from service.message import Event, Fault, Message, ParsedEvent, Refusal, Rejection
from tests.conftest import SAMPLES

NUMBER = "106540352242922"
OTHER_NUMBER = "222222222222222"
APPLICATION = "f190affea10b4ce2b4a2cbbd85976c96"
RECEIVED_AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
RULES = Rules(phone_number_ids=frozenset({NUMBER, OTHER_NUMBER}), default_phone_number_id=NUMBER)


DRAFT = Draft("order_update", Content(["{{firstName|friend}}", "{{attributes.LastProduct}}"]))
NAMED = replace(RULES, messages={"ordertimeoutnotification": DRAFT, "Push Notification": DRAFT})


def sample(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_bytes())
    return document


def campaign(data: object = None, endpoint: object = None, **more: object) -> dict[str, Any]:
    """The article's event; `data` in place of its Data (dumped), `endpoint` on top of its endpoint's fields."""
    event = sample("pinpoint_campaign_article")
    if data is not None:
        event["Data"] = json.dumps(data)
    if isinstance(endpoint, Mapping):
        event["Endpoints"]["test123"].update(endpoint)
    return event | more


def parse(document: object, rules: Rules = RULES) -> ParsedEvent | Refusal:
    ids = count(1)
    event = Event("event-1", pinpoint.SOURCE, RECEIVED_AT, RECEIVED_AT)
    return pinpoint.parse_event(document, event, rules, lambda: f"message-{next(ids)}")


def journey(profile: object = None, context: object = None, **more: object) -> dict[str, Any]:
    """The sample of a Connect journey with its first profile only; `profile` and `context` on top of their fields."""
    event = sample("connect_journey_action")
    event["Items"]["CustomerProfiles"].pop()
    if isinstance(profile, Mapping):
        event["Items"]["CustomerProfiles"][0].update(profile)
    if isinstance(context, Mapping):
        event["InvocationMetadata"]["CampaignContext"].update(context)
    return event | more


def parse_connect(document: object, rules: Rules = NAMED) -> ParsedEvent | Refusal:
    ids = count(1)
    event = Event("event-1", connect.SOURCE, RECEIVED_AT, RECEIVED_AT)
    return connect.parse_event(document, event, rules, lambda: f"message-{next(ids)}")


def results(document: object, rules: Rules = RULES) -> list[Message | Rejection]:
    parsed = parse(document, rules)
    assert isinstance(parsed, ParsedEvent), parsed
    return parsed.results


def message(document: object, rules: Rules = RULES) -> Message:
    """The only message of an event with one endpoint."""
    (result,) = results(document, rules)
    assert isinstance(result, Message), result
    return result


def rejection(document: object, rules: Rules = RULES) -> Rejection:
    (result,) = results(document, rules)
    assert isinstance(result, Rejection), result
    return result


def faults(document: object) -> list[Fault]:
    parsed = parse(document)
    assert isinstance(parsed, Refusal), parsed
    return parsed.faults


def filled(text: str, endpoint: Mapping[str, object]) -> str:
    """What a body parameter with this text says to an endpoint."""
    components = message(campaign({"templateName": "t", "params": [text]}, endpoint)).template.components
    said: str = json.loads(components)[0]["parameters"][0]["text"]
    return said

"""No phone number, token, secret or text of a message in an error's body or a log line, whatever goes wrong (G10)."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from service.outbox.outbox import Outbox
from service.outbox.report import Report
from service.secrets import Credentials, SecretProblem
from tests.conftest import MAX_TRIES, Store
from tests.web.serving import (
    APP_SECRET,
    CONNECT,
    EVENTS,
    INSIDER,
    OTHER_KEY,
    READER,
    SENDER,
    SIGNING_KEY,
    VERIFY_TOKEN,
    WEBHOOK,
    Secret,
    Service,
    campaign,
    hub_signature,
    signed,
    statuses,
    told,
)

DIGITS = "13912345678"
NAME = "Zaphod-Canary"
TOKEN = "EAAGcanaryToken"
CANARIES = (DIGITS, NAME, TOKEN, APP_SECRET, VERIFY_TOKEN, READER, INSIDER, SENDER, SIGNING_KEY[6:], OTHER_KEY[6:])
SECRETS = (Secret(Credentials(TOKEN, (APP_SECRET,), VERIFY_TOKEN)), Secret(SecretProblem("secret arn:x is gone")))
EVENT = campaign(
    {"Address": f"+86{DIGITS}"}, {"Address": f"86{DIGITS}x"}, Data=json.dumps({"templateName": "x", "params": [NAME]})
)
PROFILES = [{"phoneNumber": f"+86{DIGITS}", "firstName": NAME}, {"phoneNumber": f"{DIGITS}x"}, NAME]
JOURNEY = {
    "InvocationMetadata": {"CampaignContext": {"ActionId": "ordertimeoutnotification", "CampaignName": NAME}},
    "Items": {"CustomerProfiles": [{"ProfileId": "p", "CustomerData": json.dumps(data)} for data in PROFILES]},
}
DIRECT = {
    "messages": [
        {"to": f"+86{DIGITS}", "template": {"name": "x", "params": [NAME]}, "reference": NAME},
        {"to": f"{DIGITS}x", "template": {"name": "x"}},
        {"to": f"+86{DIGITS}", "message": "ordertimeoutnotification", "values": [NAME]},
        {"to": f"+86{DIGITS}", "template": {"name": "x", "params": NAME}, "priority": NAME},
        {DIGITS: NAME},
        DIGITS,
    ]
}
UNKNOWN = {"InvocationMetadata": {"CampaignContext": {"ActionId": "unknown"}}}

CALLS: dict[str, Callable[[Service], Any]] = {
    "an event": lambda service: service.post(EVENT, "evt"),
    "a Connect event": lambda service: service.post(JOURNEY, "evt", CONNECT),
    "a Connect event of an unknown action": lambda service: service.post(JOURNEY | UNKNOWN, "evt", CONNECT),
    "a direct call": lambda service: service.direct(DIRECT, call=DIGITS),
    "its replay with another body": lambda service: [
        service.direct(body, call=DIGITS) for body in (DIRECT, DIRECT | {"campaign_id": NAME})
    ][-1],
    "a refused direct call": lambda service: service.direct({DIGITS: NAME, "campaign_id": [NAME]}),
    "a direct call without JSON": lambda service: service.direct(f'{{"{DIGITS}": "{NAME}"'.encode()),
    "a direct call with a bad query": lambda service: service.direct(DIRECT, query=f"?dry_run={NAME}&{DIGITS}={NAME}"),
    "a direct call by nobody": lambda service: service.direct(DIRECT, key=READER),
    "its replay": lambda service: [service.post(EVENT, "evt") for _ in range(2)][-1],
    "another body": lambda service: [service.post(body, "evt") for body in (EVENT, EVENT | {"x": NAME})][-1],
    "not signed": lambda service: service.client.post(EVENTS, json=EVENT),
    "wrongly signed": lambda service: service.post(EVENT, key=OTHER_KEY),
    "no JSON": lambda service: service.post(f'{{"{DIGITS}": "{NAME}"'.encode()),
    "refused": lambda service: service.post({"Endpoints": {DIGITS: NAME}, "Data": f'"{NAME}"'}),
    "wrong params": lambda service: service.post(EVENT | {"Data": json.dumps({"templateName": "x", "params": NAME})}),
    "wrong values": lambda service: service.post(
        EVENT | {"Data": json.dumps({"templateName": "x", "language": NAME, "priority": NAME, "ttlSeconds": NAME})}
    ),
    "too large": lambda service: service.post(json.dumps(EVENT).encode() + b" " * 7 * 1024 * 1024),
    "a challenge": lambda service: service.client.get(
        WEBHOOK, query_string={"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN + "x", "hub.challenge": NAME}
    ),
    "a notification": lambda service: service.notify(
        statuses(told("x.1", "failed", errors=[{"code": 1, "title": NAME}]))
    ),
    "a forged notification": lambda service: service.notify(statuses(told(NAME, "sent")), "forged"),
    "a notification without JSON": lambda service: service.notify(f'{{"{DIGITS}'.encode()),
    "a report": lambda service: service.get(f"/v1/messages/{DIGITS}"),
    "a report for nobody": lambda service: service.get(f"/v1/messages/{DIGITS}", SENDER),
    "a number in a path": lambda service: service.get(f"/v1/events/+{DIGITS}%0aline"),
    "no such page": lambda service: service.get(f"/{DIGITS}?x={NAME}"),
    "ready": lambda service: service.client.get("/readyz"),
    "metrics": lambda service: service.client.get("/metrics"),
}


class Poisoned(Outbox):
    """A store with a mistake in it, whose error holds everything it should not."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            return super().__getattribute__(name)
        raise RuntimeError(f"a mistake with {CANARIES}")


class PoisonedReport(Report):
    """Its reading side."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            return super().__getattribute__(name)
        if name == "queues":
            return list
        raise RuntimeError(f"a mistake with {CANARIES}")


def assert_nothing_leaks(service: Service, name: str, caplog: pytest.LogCaptureFixture) -> int:
    caplog.set_level(logging.DEBUG)
    answer = CALLS[name](service)
    written = "\n".join([answer.text, str(answer.headers), caplog.text])
    for canary in CANARIES:
        assert canary not in written
    assert "\nline" not in caplog.text
    return int(answer.status_code)


@pytest.mark.parametrize("name", CALLS)
def test_nothing_leaks_while_all_is_well(light: Service, name: str, caplog: pytest.LogCaptureFixture) -> None:
    assert assert_nothing_leaks(Service(light.store, secrets=SECRETS), name, caplog) < 500


@pytest.mark.parametrize("name", CALLS)
def test_nothing_leaks_while_the_store_is_down(down: Service, name: str, caplog: pytest.LogCaptureFixture) -> None:
    assert assert_nothing_leaks(Service(down.store, secrets=SECRETS), name, caplog) != 500


@pytest.mark.parametrize("name", sorted(set(CALLS) - {"metrics"}))
def test_nothing_leaks_from_a_mistake_of_ours(light: Service, name: str, caplog: pytest.LogCaptureFixture) -> None:
    engine = light.store.engine
    poisoned = Store(light.store.url, engine, Poisoned(engine, max_tries=MAX_TRIES), PoisonedReport(engine))
    status = assert_nothing_leaks(Service(poisoned, secrets=SECRETS), name, caplog)
    if status == 500:
        assert "request.failed" in caplog.text
        assert "RuntimeError" in caplog.text


def test_a_mistake_of_ours_is_answered_as_a_problem(light: Service) -> None:
    engine = light.store.engine
    poisoned = Store(light.store.url, engine, Poisoned(engine, max_tries=MAX_TRIES), light.store.report)
    body = json.dumps(EVENT).encode()
    answer = Service(poisoned).client.post(EVENTS, data=body, headers=signed(body, "evt"))
    assert answer.status_code == 500
    assert answer.content_type == "application/problem+json"
    body = json.dumps(statuses(told("x.1", "sent"))).encode()
    assert Service(poisoned).client.post(WEBHOOK, data=body, headers=hub_signature(body)).status_code == 500

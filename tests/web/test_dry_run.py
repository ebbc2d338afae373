"""`POST /v1/messages?dry_run=true`: everything is checked, nothing is kept."""

import json
from typing import Any

import pytest

from service.intake import direct
from service.intake.direct import Caller, parse_messages
from service.message import Event, Message, ParsedEvent, Template
from service.outbox.consent import Consent
from service.people import Blocked, Suppression, SuppressionSource
from service.whatsapp.payload import build
from service.whatsapp.templates import Rendered
from tests.web.serving import NOW, NUMBER, READER, RULES, Service, faults
from tests.web.test_direct_messages import ONE, items, rows

DRY = "?dry_run=true"
TO = "+8613800100042"


def rehearsed(service: Service, document: Any, **how: Any) -> list[dict[str, Any]]:
    answer = service.direct(document, query=DRY, **how)
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert list(answer.get_json()) == ["results"]
    found: list[dict[str, Any]] = answer.get_json()["results"]
    return found


def test_each_message_is_told_apart_and_nothing_is_kept(service: Service) -> None:
    accepted, rejected = rehearsed(service, items({"id": "order-17"}, {"to": "x"}), call="a-key")
    assert (accepted["recipient"], accepted["status"], accepted["rendered"]) == ("order-17", "accepted", None)
    assert rejected.keys() == {"recipient", "status", "code", "path", "detail"}
    assert (rejected["recipient"], rejected["status"]) == ("1", "rejected")
    assert (rejected["code"], rejected["path"]) == ("invalid_address", "messages[1].to")
    assert rows(service) == [0, 0, 0, 0]


def test_a_dry_run_uses_up_neither_the_key_nor_an_id(service: Service) -> None:
    document = items({"id": "order-17"})
    for _ in range(2):
        rehearsed(service, document, call="a-key")
    answer = service.direct(document, call="a-key")
    assert "Idempotent-Replayed" not in answer.headers
    assert answer.get_json()["results"][0]["status"] == "accepted"


def test_the_request_is_what_meta_would_be_sent(light: Service) -> None:
    template = {"name": "order_update", "language": "de", "params": ["{{firstName}}", "漢字"]}
    document = items({"template": template, "values": {"firstName": "Ada"}}, {"to": "US.13491208655302741918"})
    numbered, named = (result["request"] for result in rehearsed(light, document))
    message_id, _, attempt = numbered.pop("biz_opaque_callback_data").partition(".")
    assert message_id
    assert attempt == "1"
    texts = [{"type": "text", "text": "Ada"}, {"type": "text", "text": "漢字"}]
    assert numbered == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+8613800100000",
        "type": "template",
        "template": {
            "name": "order_update",
            "language": {"code": "de"},
            "components": [{"type": "body", "parameters": texts}],
        },
    }
    assert (named["recipient"], named.get("to")) == ("US.13491208655302741918", None)
    assert "components" not in named["template"]


def test_the_request_is_the_one_that_the_dispatcher_builds(light: Service) -> None:
    document = items({"template": {"name": "order_update", "params": {"who": "Ada"}}})
    event = Event("e", direct.SOURCE, NOW, NOW)
    parsed = parse_messages(document, event, RULES, lambda: "id00002", Caller("sender"))
    assert isinstance(parsed, ParsedEvent)
    (message,) = parsed.results
    assert isinstance(message, Message)
    (result,) = rehearsed(light, document)
    assert result["request"] == json.loads(build(message, "id00002.1"))


def test_a_known_template_is_rendered(light: Service) -> None:
    asked: list[tuple[str, Template]] = []

    def render(phone_number_id: str, template: Template) -> Rendered | None:
        asked.append((phone_number_id, template))
        return Rendered("Order", "Dear Ada", None, ["Pay"]) if template.name == "order_update" else None

    service = Service(light.store, render=render)
    template = {"name": "order_update", "params": ["Ada"]}
    known, unknown = rehearsed(service, items({"template": template}, {"template": {"name": "other"}}))
    shown = {"header": "Order", "body": "Dear Ada", "footer": None, "buttons": ["Pay"], "cards": []}
    assert (known["rendered"], unknown["rendered"]) == (shown, None)
    assert [(number, of.name) for number, of in asked] == [(NUMBER, "order_update"), (NUMBER, "other")]
    assert "Ada" in asked[0][1].components


@pytest.mark.parametrize("query", ["?dry_run=true", "?dry_run=1"])
def test_true_and_1_are_a_dry_run(service: Service, query: str) -> None:
    assert service.direct(ONE, query=query).status_code == 200
    assert rows(service) == [0, 0, 0, 0]


@pytest.mark.parametrize("query", ["", "?dry_run=false", "?dry_run=0"])
def test_false_and_0_are_none(light: Service, query: str) -> None:
    assert light.direct(ONE, query=query).status_code == 202


@pytest.mark.parametrize(
    "query", ["?dry_run", "?dry_run=", "?dry_run=yes", "?dry_run=True", "?dry_run=false&dry_run=true"]
)
def test_any_other_value_is_refused_and_sends_nothing(light: Service, query: str) -> None:
    answer = light.direct(ONE, query=query)
    assert answer.status_code == 422
    assert faults(answer) == [("dry_run", "invalid_value")]
    assert rows(light) == [0, 0, 0, 0]


def test_a_dry_run_is_refused_as_the_call_itself_would_be(light: Service) -> None:
    assert light.direct(b"{", query=DRY).status_code == 400
    assert light.direct({"messages": []}, query=DRY).status_code == 422
    assert light.direct(ONE, query=DRY, key=None).status_code == 401
    assert light.direct(ONE, query=DRY, key=READER).status_code == 403


def test_who_must_not_get_it_is_rejected_as_the_call_itself_would_be(service: Service) -> None:
    Consent(service.store.engine).suppress([Suppression(TO, Blocked.ALL, SuppressionSource.STOP_REPLY, NOW)], NOW)
    document = items({"to": TO}, {"to": "+8613800100099"}, {"to": "x"})
    told = rehearsed(service, document)
    assert [one.get("code") for one in told] == ["suppressed", None, "invalid_address"]
    sent = service.direct(document).get_json()["results"]
    assert [told[0], told[2]] == [sent[0], sent[2]]


def test_a_dry_run_while_the_store_is_down_is_503(down: Service) -> None:
    answer = down.direct(ONE, query=DRY)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")

"""The path of a message, end to end: the shim's handler → service → outbox → dispatcher → Cloud API → notification → report.

Everything runs for real: gunicorn, a dispatcher and the sandbox as processes, the handler called as Lambda calls it.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from lambda_shim.forward import Forwarder
from lambda_shim.handler import handler
from tests.conftest import SAMPLES
from tests.running import NUMBER, System, running


@pytest.fixture
def system(database_url: str, tmp_path: Path) -> Iterator[System]:
    with running(database_url, tmp_path) as system:
        system.start_sandbox()
        system.start_web()
        system.start_dispatcher()
        yield system


def _sample(name: str) -> Any:
    return json.loads((SAMPLES / name).read_text())


def _invoke(system: System, event: Any) -> dict[str, dict[str, str]]:
    """Each endpoint's attributes, as the shim answers Pinpoint."""
    answer = handler(event, None, Forwarder(system.shim_settings))
    return {endpoint: of["EventAttributes"] for endpoint, of in answer.items()}


def test_the_article_s_event_arrives_and_is_read(system: System) -> None:
    answer = _invoke(system, _sample("pinpoint_campaign_article.json"))

    assert answer["test123"]["whatsapp_status"] == "accepted"
    message_id = answer["test123"]["whatsapp_message_id"]
    system.until(lambda: system.report(message_id)["status"] == "read", "the message to be read")
    (body,) = requests.get(f"{system.sandbox}/sandbox/messages", timeout=5).json()
    assert json.dumps(body) == json.dumps(
        {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": "+8613800138000",
            "type": "template",
            "template": {
                "name": "ordertimeoutnotification",
                "language": {"code": "en_US"},
                "components": json.loads(_sample("pinpoint_campaign_article.json")["Data"])["params"],
            },
            "biz_opaque_callback_data": f"{message_id}.1",
        }
    )
    report = system.report(message_id)
    assert (report["to"], report["phone_number_id"], report["failure"]) == ("+8613800138000", NUMBER, None)
    (attempt,) = report["attempts"]
    assert [status["status"] for status in attempt["statuses"]] == ["sent", "delivered", "read"]


def test_a_connect_journeys_action_sends_its_named_message(database_url: str, tmp_path: Path) -> None:
    settings = (SAMPLES / "settings.toml").read_text()
    named = settings[settings.index("[messages.") :]  # the sample's number has its secret in AWS
    event = _sample("connect_journey_action.json")
    with running(database_url, tmp_path, CHANNEL_SETTINGS=named) as system:
        system.start_sandbox()
        system.start_web()
        system.start_dispatcher()
        answer = handler(event, None, Forwarder(system.shim_settings))
        sent, rejected = answer["Items"]["CustomerProfiles"]
        assert [sent["Id"], rejected["Id"]] == [profile["ProfileId"] for profile in event["Items"]["CustomerProfiles"]]
        assert rejected["ResultData"]["whatsapp_reason"].startswith("invalid_address: ")
        message_id = sent["ResultData"]["whatsapp_message_id"]
        system.until(lambda: system.report(message_id)["status"] == "read", "the message to be read")
        (body,) = requests.get(f"{system.sandbox}/sandbox/messages", timeout=5).json()

    texts = [{"type": "text", "text": text} for text in ("Tuohumai", "Champion T Shirt")]
    assert (body["to"], body["biz_opaque_callback_data"]) == ("+8613800138000", f"{message_id}.1")
    assert body["template"] == {
        "name": "ordertimeoutnotification",
        "language": {"code": "en_US"},
        "components": [{"type": "body", "parameters": texts}],
    }


def test_the_same_event_five_times_at_once_sends_one_message_per_endpoint(system: System) -> None:
    event = _sample("pinpoint_campaign_fifty.json")

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: _invoke(system, event), range(5)))

    system.until(lambda: system.counts() == {"read": 46}, "46 messages to be read")
    assert len(system.journal()) == 46
    for endpoint in event["Endpoints"]:
        results = [answer[endpoint]["whatsapp_status"] for answer in answers]
        if results[0] == "rejected":
            assert results == ["rejected"] * 5
        else:
            assert sorted(results) == ["accepted"] + ["duplicate"] * 4
            assert len({answer[endpoint]["whatsapp_message_id"] for answer in answers}) == 1


def test_nothing_private_is_in_any_log_metric_or_error(system: System) -> None:
    system.fault(kind="error", code=131026, next=1)
    answer = _invoke(system, _sample("pinpoint_campaign_article.json"))
    message_id = answer["test123"]["whatsapp_message_id"]
    system.until(lambda: system.report(message_id)["status"] == "failed", "the message to fail")

    assert "not on WhatsApp" in system.report(message_id)["failure"]["explanation"]
    metrics = requests.get(f"{system.url}/metrics", timeout=5).text
    assert "channel_messages_waiting" in metrics
    shown = system.log("web") + system.log("dispatcher") + metrics
    for private in ("13800138000", "sandbox-token", "sandbox-app-secret", "Tuohumai", "whsec_", "wck_"):
        assert private not in shown


def test_metrics_count_over_all_workers(system: System) -> None:
    for _ in range(8):
        _invoke(system, _sample("pinpoint_journey.json"))

    for _ in range(5):
        metrics = requests.get(f"{system.url}/metrics", timeout=5).text
        assert 'channel_events_total{http_status="202",source="pinpoint"} 8.0' in metrics
        assert 'channel_recipients_total{result="duplicate",source="pinpoint"} 7.0' in metrics


def test_a_stopped_dispatcher_ends_well_and_the_next_goes_on_at_once(system: System) -> None:
    assert system.stop("dispatcher") == 0
    _invoke(system, _sample("pinpoint_campaign_fifty.json"))
    assert system.counts() == {"queued": 46}

    system.start_dispatcher("next")

    system.until(lambda: system.counts() == {"read": 46}, "46 messages to be read", seconds=10)

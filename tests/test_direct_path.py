"""The other way in, end to end: direct call → check against Meta's templates → send → report; and what people answer.

Real processes and the sandbox over each kind of database.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from service.outbox.catalogue import Catalogues
from tests.conftest import SAMPLES
from tests.running import System, running

WABA = "102290129340398"
ADA = "+8613800138000"
TEMPLATE = {"name": "ordertimeoutnotification", "language": "en_US", "params": ["Ada", "Mug"]}


class Channel:
    """A whole channel, and a caller with an API key."""

    def __init__(self, system: System) -> None:
        self.system = system
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {system.api_key}"

    def post(self, path: str, body: Any, **headers: str) -> requests.Response:
        return self._session.post(self.system.url + path, json=body, headers=headers, timeout=30)

    def send(self, *messages: Any, **headers: str) -> list[dict[str, Any]]:
        """The results of a direct call that is taken."""
        answer = self.post("/v1/messages", {"messages": list(messages)}, **headers)
        assert answer.status_code == 202, answer.text
        results: list[dict[str, Any]] = answer.json()["results"]
        return results

    def get(self, path: str) -> Any:
        answer = self._session.get(self.system.url + path, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def says(self, text: str) -> None:
        """Ada types on the sandbox's phone page."""
        url = f"{self.system.sandbox}/phone/{ADA[1:]}"
        answer = requests.post(url, json={"text": text}, timeout=10)
        assert answer.status_code == 201, answer.text

    def until_a_second_later(self) -> None:
        """Meta tells the moment of a message in whole seconds; of two in the same second the STOP counts."""
        second = int(time.time())
        self.system.until(lambda: int(time.time()) > second, "the next second")

    def suppressions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.post("/v1/suppressions/search", {"to": ADA}).json()["suppressions"]
        return found

    def becomes(self, message_id: str, status: str) -> dict[str, Any]:
        self.system.until(lambda: self.system.report(message_id)["status"] == status, f"a message to be {status}")
        return self.system.report(message_id)


@pytest.fixture
def channel(database_url: str, tmp_path: Path) -> Iterator[Channel]:
    with running(database_url, tmp_path, WHATSAPP_BUSINESS_ACCOUNT_ID=WABA) as system:
        system.start_sandbox()
        system.start_web()
        system.start_dispatcher()
        catalogues = Catalogues(system.engine)
        system.until(lambda: bool(catalogues.standings([WABA])), "the templates to be read")
        yield Channel(system)
        _nothing_private(system)


def _nothing_private(system: System) -> None:
    """Whatever a test does, no log tells who it was or what was said."""
    logs = "".join(system.log(name) for name in ("web", "dispatcher"))
    for private in (ADA, ADA[1:], "sandbox-token", system.api_key):
        assert private not in logs


def test_a_direct_call_is_checked_sent_and_reported(channel: Channel) -> None:
    good = {"to": ADA, "template": TEMPLATE, "reference": "order-17", "id": "a"}
    unknown = {"to": ADA, "template": {"name": "nothing"}, "id": "b"}
    unfit = {"to": ADA, "template": {**TEMPLATE, "params": ["Ada"]}, "id": "c"}
    dry = channel.post("/v1/messages?dry_run=true", {"messages": [good, unknown, unfit]})
    assert dry.status_code == 200
    first = dry.json()["results"][0]
    assert first["rendered"]["body"].startswith("Hi Ada, the Mug in your order is not paid yet.")
    assert channel.system.accepted() == 0

    results = channel.send(good, unknown, unfit)
    assert [one.get("code") for one in results] == [None, "template_unknown", "template_mismatch"]
    assert [one.get("code") for one in dry.json()["results"]] == [one.get("code") for one in results]
    report = channel.becomes(results[0]["message_id"], "read")
    assert report["reference"] == "order-17"

    [sent] = requests.get(f"{channel.system.sandbox}/sandbox/messages", timeout=10).json()
    asked = first["request"]
    assert {**asked, "biz_opaque_callback_data": ""} == {**sent, "biz_opaque_callback_data": ""}
    found = channel.post("/v1/messages/search", {"reference": "order-17"}).json()["messages"]
    assert [one["message_id"] for one in found] == [results[0]["message_id"]]


def test_stop_on_the_phone_keeps_the_next_campaign_away_and_start_lifts_it(channel: Channel) -> None:
    event = json.loads((SAMPLES / "pinpoint_campaign_article.json").read_text())

    def campaign(number: int) -> dict[str, Any]:
        answer = channel.system.post_event({**event, "CampaignId": f"campaign-{number}"})
        [result] = answer.json()["results"]
        return dict(result)

    channel.becomes(campaign(1)["message_id"], "read")
    channel.says("Stop.")
    channel.system.until(lambda: len(channel.suppressions()) == 1, "STOP to be heeded")
    [row] = channel.suppressions()
    assert (row["to"], row["category"], row["source"]) == (ADA, "all", "stop_reply")
    channel.until_a_second_later()
    refused = campaign(2)
    assert (refused["status"], refused["code"]) == ("rejected", "suppressed")

    channel.says("START")
    channel.system.until(lambda: not channel.suppressions(), "START to be heeded")
    channel.becomes(campaign(3)["message_id"], "read")
    assert [line["to"] for line in channel.system.journal()] == [ADA, ADA]


def test_a_template_that_meta_pauses_is_refused_until_meta_approves_it_again(channel: Channel) -> None:
    def becomes(status: str, outcome: str) -> None:
        template = {"name": TEMPLATE["name"], "language": TEMPLATE["language"], "status": status}
        url = f"{channel.system.sandbox}/sandbox/templates"
        requests.post(url, json=template, timeout=10).raise_for_status()
        item = {"to": ADA, "template": TEMPLATE}
        channel.system.until(lambda: channel.send(item)[0].get("code") == outcome, f"{outcome} after {status}")

    becomes("PAUSED", "template_not_approved")
    becomes("APPROVED", None)  # type: ignore[arg-type]  # accepted: no code


def test_twenty_clients_with_one_idempotency_key_send_once_each(channel: Channel) -> None:
    people = [f"+86138001380{n:02}" for n in range(20)]
    body = {"messages": [{"to": to, "template": TEMPLATE} for to in people]}
    key = {"Idempotency-Key": "the-same"}
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: channel.post("/v1/messages", body, **key), range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    channel.system.until_counts({"read": 20})
    assert sorted(line["to"] for line in channel.system.journal()) == people

"""A web service in the test's own process, and callers that sign as the shim, Meta and an internal system do."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry
from standardwebhooks import Webhook
from werkzeug.test import TestResponse

from service.intake.draft import Draft
from service.intake.personalise import Content
from service.intake.rules import Rules
from service.message import Outcome, Settlement, Status
from service.metrics import StoreCollector
from service.outbox.audit import Audit
from service.outbox.catalogue import Catalogues
from service.outbox.consent import Consent
from service.outbox.database import open_engine
from service.outbox.inbound import Inbox
from service.outbox.outbox import Demand, Outbox
from service.outbox.report import Report
from service.outbox.search import Search
from service.people import Blocked
from service.secrets import Credentials, Source
from service.web import Parts, create_app
from service.web.auth import ApiKeys, Signatures, fixed
from service.web.events import Intake
from service.web.messages import Direct, Render
from service.web.operate import Operating
from service.web.reports import Reports
from service.web.suppressions import Suppressing
from service.web.webhooks import Notifications
from service.whatsapp.pausing import Account
from tests.conftest import MAX_TRIES, SAMPLES, Store

NOW = datetime(2026, 11, 1, 9, 0, 0, 123456, tzinfo=UTC)
NUMBER = "106540352242922"
SIGNING_KEY = "whsec_" + base64.b64encode(b"the shim's own signing key, 32 b").decode()
OTHER_KEY = "whsec_" + base64.b64encode(b"a key that nobody was ever given").decode()
APP_SECRET = "the-app-secret"
VERIFY_TOKEN = "the-verify-token"
READER, INSIDER, SENDER = "wck_reader", "wck_insider", "wck_sender"
OPERATOR = "wck_operator"
EVENTS = "/v1/events/pinpoint"
CONNECT = "/v1/events/connect"
MESSAGES = "/v1/messages"
WEBHOOK = "/webhooks/whatsapp"

DRAFT = Draft("ordertimeoutnotification", Content(["{{firstName|friend}}", "{{attributes.LastProduct|gift}}"]))
RULES = Rules(frozenset({NUMBER}), NUMBER, messages={"ordertimeoutnotification": DRAFT})


def sample(name: str) -> Any:
    return json.loads((SAMPLES / name).read_text("utf-8"))


def api_key(name: str, scopes: str, key: str) -> str:
    return f"{name}:{scopes}:{hashlib.sha256(key.encode()).hexdigest()}"


def signed(body: bytes, receipt_id: str, key: str = SIGNING_KEY, age: float = 0) -> dict[str, str]:
    """Standard Webhooks headers, made `age` seconds ago. The library reads the real clock, so this does too."""
    moment = datetime.fromtimestamp(time.time() - age, UTC)
    signature = Webhook(key).sign(receipt_id, moment, body.decode())
    return {
        "webhook-id": receipt_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": signature,
    }


def hub_signature(body: bytes, secret: str = APP_SECRET) -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def campaign(*endpoints: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A campaign's event with these endpoints, `ep0` and on."""
    named = {f"ep{n}": dict(endpoint) for n, endpoint in enumerate(endpoints)}
    data = json.dumps({"templateName": "order_update", "params": []})
    facts = {"ApplicationId": "app", "CampaignId": "campaign", "ScheduledTime": "2026-11-01T09:00:00Z"}
    return {**facts, "Data": data, "Endpoints": named} | changes


def person(n: int = 0, **changes: Any) -> dict[str, Any]:
    return {"Address": f"+86138001{n:05}"} | changes


def statuses(*items: Any) -> dict[str, Any]:
    """A notification that carries these status updates."""
    value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": NUMBER}, "statuses": list(items)}
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}],
    }


def heard(*items: object, number: str = NUMBER) -> dict[str, Any]:
    """A notification that carries these messages of people."""
    value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": number}, "messages": list(items)}
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}],
    }


def told(callback_data: str, status: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"wamid.{callback_data}",
        "status": status,
        "timestamp": str(int(NOW.timestamp()) + 5),
        "biz_opaque_callback_data": callback_data,
    } | more


@dataclass(slots=True)
class Secret:
    """What a secret holds now, and how often it was read."""

    credentials: Credentials | Exception = field(
        default_factory=lambda: Credentials("the-token", (APP_SECRET,), VERIFY_TOKEN)
    )
    reads: int = 0

    def read(self) -> Credentials:
        self.reads += 1
        if isinstance(self.credentials, Exception):
            raise self.credentials
        return self.credentials


@dataclass(slots=True)
class Service:
    """The web app over one store, with a clock that stands still."""

    store: Store
    signing_keys: tuple[str, ...] = (SIGNING_KEY,)
    rules: Rules = RULES
    secrets: tuple[Secret, ...] = field(default_factory=lambda: (Secret(),))
    now: datetime = NOW
    accounts: Mapping[str, Account] = field(default_factory=dict)
    stop_blocks: Blocked = Blocked.ALL
    render: Render = lambda _number, _template: None
    more_keys: tuple[str, ...] = ()
    client: FlaskClient = field(init=False)
    _receipts: Iterator[int] = field(default_factory=count)

    def _seconds(self) -> float:
        return self.now.timestamp()

    def __post_init__(self) -> None:
        ids = count(1)
        new_id = lambda: f"id{next(ids):05}"  # noqa: E731 - one sequence for all who make ids
        registry = CollectorRegistry()
        registry.register(StoreCollector(self.store.report, lambda: NOW))
        app = create_app(
            Parts(
                intake=Intake(
                    self.store.outbox,
                    self.rules,
                    Signatures(fixed(*self.signing_keys)),
                    lambda: self.now,
                    new_id,
                ),
                direct=Direct(self.store.outbox, self.rules, lambda: self.now, new_id, self.render),
                notifications=Notifications(
                    self.store.outbox,
                    Inbox(self.store.engine),
                    Catalogues(self.store.engine),
                    [Source(secret.read, self._seconds) for secret in self.secrets],
                    lambda: self.now,
                    self.accounts,
                    stop_blocks=self.stop_blocks,
                ),
                reports=Reports(self.store.report, Search(self.store.engine), lambda: self.now, self.accounts),
                operating=Operating(self.store.outbox, self.store.report, Audit(self.store.engine), lambda: self.now),
                suppressing=Suppressing(Consent(self.store.engine), Audit(self.store.engine), lambda: self.now),
                api_keys=ApiKeys(
                    fixed(
                        api_key("reader", "read", READER),
                        api_key("insider", "read+pii", INSIDER),
                        api_key("sender", "send", SENDER),
                        *self.more_keys,
                        api_key("operator", "operate", OPERATOR),
                    )
                ),
                registry=registry,
            )
        )
        self.client = app.test_client()

    def post(self, document: Any, receipt_id: str | None = None, path: str = EVENTS, **how: Any) -> TestResponse:
        """A signed event; `document` may be the raw body."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        name = receipt_id or f"receipt{next(self._receipts)}"
        return self.client.post(path, data=body, headers=signed(body, name, **how))

    def direct(self, document: Any, key: str | None = SENDER, call: str | None = None, query: str = "") -> TestResponse:
        """A direct call; `document` may be the raw body, `call` is its Idempotency-Key."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if call is not None:
            headers["Idempotency-Key"] = call
        return self.client.post(MESSAGES + query, data=body, headers=headers)

    def accept(self, *endpoints: Mapping[str, Any], **changes: Any) -> list[dict[str, Any]]:
        """The results of an event that is taken."""
        answer = self.post(campaign(*endpoints, **changes))
        assert answer.status_code == 202
        results: list[dict[str, Any]] = answer.get_json()["results"]
        return results

    def send(self, *endpoints: Mapping[str, Any]) -> list[str]:
        """The callback data of messages that are being sent."""
        self.accept(*(endpoints or (person(),)))
        return self.claim()

    def claim(self) -> list[str]:
        """The callback data of all that is queued, which is being sent from now on."""
        lease = self.store.outbox.acquire_lease(NUMBER, "a dispatcher")
        assert lease is not None
        attempts = self.store.outbox.claim(Demand(lease, 1000), self.now)
        self.store.outbox.release_lease(lease)
        return sorted(attempt.callback_data for attempt in attempts)

    def accepted(self, callback_data: str) -> None:
        """Meta took this attempt."""
        message_id, _, attempt = callback_data.partition(".")
        taken = Settlement(message_id, int(attempt), Outcome.ACCEPTED, Status.ACCEPTED, wamid=f"wamid.{callback_data}")
        self.store.outbox.settle([taken], self.now)

    def notify(self, document: Any, secret: str = APP_SECRET, headers: Mapping[str, str] | None = None) -> TestResponse:
        """A notification, signed as Meta signs."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.client.post(WEBHOOK, data=body, headers=hub_signature(body, secret) if headers is None else headers)

    def ask(self, path: str, document: Any, key: str | None = READER) -> TestResponse:
        """A read or an action with a body; `document` may be the raw body."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.client.post(path, data=body, headers={"Authorization": f"Bearer {key}"} if key else {})

    def get(self, path: str, key: str | None = READER) -> TestResponse:
        return self.client.get(path, headers={"Authorization": f"Bearer {key}"} if key else {})

    def message(self, message_id: str, key: str = READER) -> dict[str, Any]:
        answer = self.get(f"/v1/messages/{message_id}", key)
        assert answer.status_code == 200
        document: dict[str, Any] = answer.get_json()
        return document

    def event(self, event_id: str) -> dict[str, Any]:
        answer = self.get(f"/v1/events/{event_id}")
        assert answer.status_code == 200
        document: dict[str, Any] = answer.get_json()
        return document

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)


def store_that_is_down(folder: Path) -> Store:
    """A database whose folder is gone."""
    url = f"sqlite:///{folder}/gone/channel.db"
    engine = open_engine(url)
    (folder / "gone").rmdir()
    return Store(url, engine, Outbox(engine, max_tries=MAX_TRIES), Report(engine))


def faults(answer: TestResponse) -> list[tuple[str, str]]:
    """Path and code of each fault of a problem."""
    assert answer.content_type == "application/problem+json"
    document = answer.get_json()
    assert document.keys() >= {"type", "title", "status", "detail"}
    assert document["status"] == answer.status_code
    assert document["title"]
    assert document["detail"]
    return [(fault["path"], fault["code"]) for fault in document.get("errors", [])]

"""The one object that everything in a running sandbox belongs to, and the settings it starts with.

Call  ──► Sandbox.course_for ──► Sandbox.answer ──► the journal, then the webhook's waiting updates ──► Reply
Draft ──► Sandbox.send_back ──► the journal's inbox, then the webhook ──► Inbound
Template ──► Sandbox.add_templates ──► the catalogue, then the webhook
"""

import asyncio
import base64
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox.account import Account
from sandbox.catalogue import Catalogue
from sandbox.cloud_api import WABA_ID, Door, Message, acceptance, judge, who_gets
from sandbox.errors import REFUSED_TOKEN, GraphError
from sandbox.faults import Course, Held, NoWamid
from sandbox.inbound import Draft, Inbound
from sandbox.journal import Accepted, Journal, Kept
from sandbox.notifications import Delays, plan
from sandbox.numbers import Number, Numbers
from sandbox.switchboard import Switchboard
from sandbox.template_news import TemplateNews
from sandbox.templates import Template
from sandbox.webhook import Webhook


@dataclass(frozen=True, slots=True)
class Settings:
    """What `python -m sandbox` can be told. Port 0 is any free port; `answer_after` is in seconds.

    Without `notifications` nothing is told of accepted messages; of people's messages and templates it is.
    """

    host: str = "127.0.0.1"
    port: int = 8090
    token: str = field(default="sandbox-token", repr=False)
    app_secret: str = field(default="sandbox-app-secret", repr=False)
    verify_token: str = field(default="sandbox-verify-token", repr=False)
    webhook_url: str = "http://127.0.0.1:8080/webhooks/whatsapp"
    journal: Path | None = None
    answer_after: float = 0.0
    delays: Delays = field(default_factory=Delays)
    notifications: bool = True
    tls_cert: Path | None = None
    tls_key: Path | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One POST as it arrived; `body` is its parsed JSON, None when it is none."""

    phone_number_id: str
    door: Door
    authorization: str
    raw: bytes
    body: object


@dataclass(frozen=True, slots=True)
class Reply:
    """What Meta answers."""

    status: int
    body: dict[str, Any]


class Sandbox:
    """A running sandbox. `now` gives aware UTC, `rng` the ids.

    `token` and `account` may be replaced while it runs. `stopping` is set when the server goes down, and ends what hangs.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        catalogue: Catalogue,
        journal: Journal,
        switchboard: Switchboard,
        webhook: Webhook,
        now: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        self.settings = settings
        self.token = settings.token
        self.catalogue = catalogue
        self.journal = journal
        self.switchboard = switchboard
        self.webhook = webhook
        self.numbers = Numbers()
        self.account = Account()
        self.now = now
        self.stopping = asyncio.Event()
        self._rng = rng

    def is_authorised(self, authorization: str) -> bool:
        """Whether the header carries the token that is accepted now."""
        return authorization == f"Bearer {self.token}"

    def course_for(self, call: Call) -> Course:
        """What the faults that are switched on make of this call."""
        return self.switchboard.course_for(call.phone_number_id, who_gets(call.body))

    def answer(self, call: Call, course: Course) -> Reply:
        """What Meta answers; an accepted message is in the journal, its notifications planned, when this returns."""
        number = self.numbers.find(call.phone_number_id)
        at = self.now()
        message = self._judged(call, number, at)
        if isinstance(message, GraphError):
            if number:
                number.refusals[message.code] += 1
            return self.refusal(message)
        accepted = Accepted(message, call.phone_number_id, self._new_wamid(), at, call.door, _account_of(number))
        self._take(accepted, call, course)
        status = "held_for_quality_assessment" if isinstance(course.answer, Held) else "accepted"
        body = acceptance(message, accepted.wamid, status)
        if isinstance(course.answer, NoWamid):
            del body["messages"]
        return Reply(200, body)

    def send_back(self, draft: Draft) -> Inbound:
        """What a person sends to the business: it is in the inbox, and waits for the webhook, when this returns."""
        account = _account_of(self.numbers.find(draft.phone_number_id))
        inbound = Inbound(draft, self._new_wamid(), self.now(), account)
        self.journal.inbox.add(inbound)
        self.webhook.add([(0.0, inbound)])
        return inbound

    def add_templates(self, templates: Iterable[Template]) -> None:
        """Add or replace them. Each account, as all list the same ones, is told of those whose status is another now."""
        changed = self.catalogue.add(templates)
        accounts = self.numbers.waba_ids()
        self.webhook.add((0.0, TemplateNews(template, waba_id)) for template in changed for waba_id in accounts)

    def refusal(self, error: GraphError) -> Reply:
        """Meta's error body under an fbtrace_id of its own."""
        return Reply(error.status, error.body(fbtrace_id="A" + self._new_id(16)))

    def _judged(self, call: Call, number: Number | None, at: datetime) -> Message | GraphError:
        """The message, when Meta takes it and the number too; then it counts against the number's limits."""
        if not self.is_authorised(call.authorization):
            return REFUSED_TOKEN
        message = judge(call.body, self.catalogue, call.door)
        if number is None or isinstance(message, GraphError):
            return message
        return number.refuse_or_count(message, call.door, at) or message

    def _take(self, accepted: Accepted, call: Call, course: Course) -> None:
        template = self.catalogue.find(accepted.message.template, accepted.message.language)
        assert isinstance(template, Template), "the message was judged by it"
        self.journal.add(Kept(accepted, call.raw, template, course))
        if self.settings.notifications:
            self.webhook.add(plan(accepted, self.settings.delays, course))

    def _new_wamid(self) -> str:
        return "wamid.HBgN" + self._new_id(24)

    def _new_id(self, length: int) -> str:
        return base64.urlsafe_b64encode(self._rng.randbytes(length)).decode().rstrip("=")


def _account_of(number: Number | None) -> str:
    return number.settings.waba_id if number else WABA_ID

"""A console of two pages behind the guard, the whole console over a store, and browsers that visit them."""

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Flask, render_template_string
from jinja2 import ChoiceLoader, DictLoader
from prometheus_client import REGISTRY
from sqlalchemy import Engine
from werkzeug.test import Client, TestResponse

from service.doctor.finding import Finding
from service.intake.address import mask
from service.message import Outcome, Settlement, Status
from service.outbox.audit import Audit, Deed
from service.outbox.catalogue import Catalogues
from service.outbox.consent import Consent
from service.outbox.report import Report
from service.outbox.search import Search
from service.outbox.sessions import Sessions
from service.secrets import KeyEntries
from service.web.console import blueprint
from service.web.console.given import Console, NumberSetup
from service.web.console.oidc import Balancer
from service.web.console.people import People, console_user_entry
from service.web.console.sessions import Guard
from service.web.console.sign_in import add_sign_in
from service.web.known_templates import KnownTemplates
from service.web.reports import Reports
from service.whatsapp.pausing import Account
from tests.conftest import Store
from tests.web.serving import NOW, NUMBER, Service, person

ANNAS, BORISS = "canary password of anna", "canary password of boris"
ANNA = console_user_entry("anna", "operate", ANNAS, b"anna's own salt!")
BORIS = console_user_entry("boris", "look", BORISS, b"boris' own salt!")
CARLA = console_user_entry("carla@example.com", "look", None, b"")
LOCAL = "http://localhost:8080"
PUBLIC = "https://channel.example"

_PAGE = "<!doctype html><title>{% block title %}{% endblock %}</title><main>{% block main %}{% endblock %}</main>"
_FORM = '<p>{{ guard.person().name }}</p><form method="post">{{ guard.csrf_field() }}</form>'


@dataclass(slots=True)
class Site:
    """The guard in an app of its own: `/console/` to look at, with a form, and `/console/act` to operate with."""

    engine: Engine
    entries: Sequence[str] = (ANNA, BORIS, CARLA)
    now: datetime = NOW
    balancer: Balancer | None = None
    acts: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    guard: Guard = field(init=False)
    app: Flask = field(init=False)

    def __post_init__(self) -> None:
        people = People(KeyEntries(lambda: self.entries, "a secret"), self._seconds)
        self.guard = Guard(people, Sessions(self.engine), lambda: self.now, self._new_token, self.balancer)
        self.app = Flask("service.web", static_folder=None)
        own = self.app.jinja_loader
        assert own is not None
        self.app.jinja_loader = ChoiceLoader([DictLoader({"console/page.html": _PAGE}), own])
        routes = Blueprint("console", __name__, url_prefix="/console")
        add_sign_in(routes, self.guard)
        routes.get("/")(self.guard.signed_in()(self._overview))
        routes.route("/act", methods=["GET", "POST"])(self.guard.signed_in("operate")(self._act))
        routes.add_url_rule("/forgotten", "forgotten", self._act, methods=["POST"])
        self.app.register_blueprint(routes)

    def _seconds(self) -> float:
        return self.now.timestamp()

    def _new_token(self) -> str:
        self.tokens.append(f"token-{len(self.tokens)}")
        return self.tokens[-1]

    def _overview(self) -> str:
        return render_template_string(_FORM, guard=self.guard)

    def _act(self) -> str:
        person = self.guard.person()
        assert person is not None
        self.acts.append(person.name)
        return "done"

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)

    def browser(self, base: str = LOCAL) -> "Browser":
        return Browser(Client(self.app, TestResponse), base)


@dataclass(slots=True)
class Browser:
    """Keeps cookies, and says what browsers say of where a form stands. A public address is behind a load balancer."""

    client: Client
    base: str = LOCAL
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> TestResponse:
        return self._call(self.client.get, path, headers)

    def post(self, path: str, document: dict[str, Any] | None = None, **headers: str) -> TestResponse:
        return self._call(self.client.post, path, {"Sec_Fetch_Site": "same-origin"} | headers, data=document or {})

    def _call(self, how: Callable[..., TestResponse], path: str, headers: dict[str, str], **more: Any) -> TestResponse:
        is_public = self.base.startswith("https:")
        proxied = {"X-Forwarded-Proto": "https"} if is_public else {}
        said = {name.replace("_", "-"): value for name, value in headers.items() if value}
        base = self.base.replace("https:", "http:")  # what the load balancer makes of it
        return how(path, base_url=base, headers=proxied | self.headers | said, **more)

    def sign_in(self, name: str = "anna", password: str = ANNAS, **more: str) -> TestResponse:
        return self.post("/console/sign-in", {"name": name, "password": password, **more})

    def csrf(self) -> str:
        """What the form of the overview posts along."""
        (found,) = re.findall(r'name="csrf" value="(\w+)"', self.get("/console/").text)
        return str(found)

    def is_in(self) -> bool:
        answer = self.get("/console/")
        if answer.status_code == 200:
            return True
        assert (answer.status_code, answer.location) == (302, "/console/sign-in?next=/console/")
        return False


def refusals() -> float:
    """How many sign-ins and forms were refused since this process began."""
    return REGISTRY.get_sample_value("channel_unverified_calls_total", {"call": "console"}) or 0.0


WABA = "102290129340398"
TEMPLATE = {
    "name": "order_update",
    "language": "en_US",
    "status": "APPROVED",
    "category": "UTILITY",
    "parameter_format": "POSITIONAL",
    "quality_score": {"score": "GREEN"},
    "components": [{"type": "BODY", "text": "Hi {{1}}, <b>thanks</b>"}, {"type": "FOOTER", "text": "Reply STOP"}],
}


class Visitor(Browser):
    """Somebody who is signed in, and posts the forms of our pages."""

    def csrf(self) -> str:
        """What the forms of a page post along: all the same."""
        (found,) = set(re.findall(r'name="csrf" value="(\w+)"', self.get("/console/audit").text))
        return str(found)

    def act(self, path: str, **fields: Any) -> TestResponse:
        """Post a form of ours."""
        return self.post(path, {"csrf": self.csrf(), **fields})


class House:
    """The whole app with its console over a store. `anna` may operate, `boris` may look."""

    def __init__(self, store: Store) -> None:
        self.service = Service(store)
        self.findings: list[Finding] = []
        self.consent = Consent(store.engine)
        self.catalogues = Catalogues(store.engine)
        self.audit = Audit(store.engine)
        now: Callable[[], datetime] = lambda: self.service.now  # noqa: E731 - its clock
        seconds, tokens = itertools.count(step=10), itertools.count()
        people = People(KeyEntries(lambda: (ANNA, BORIS), "a secret"), lambda: now().timestamp())
        guard = Guard(people, Sessions(store.engine), now, lambda: f"token-{next(tokens)}")
        account = Account(WABA, "environment")
        self.console = Console(
            guard=guard,
            reports=Reports(store.report, Search(store.engine), now, {NUMBER: account}),
            outbox=store.outbox,
            consent=self.consent,
            catalogues=self.catalogues,
            render=KnownTemplates(self.catalogues, {NUMBER: WABA}, lambda: next(seconds)).render,
            audit=self.audit,
            examine=lambda: self.findings,
            numbers={NUMBER: NumberSetup(80, 0.9, "default", account)},
            wabas=[WABA],
            now=now,
        )
        self.app = self.service.client.application
        self.app.register_blueprint(blueprint(self.console))

    @property
    def report(self) -> Report:
        return self.service.store.report

    def visitor(self, name: str = "anna", password: str = ANNAS, base: str = LOCAL) -> Visitor:
        visitor = Visitor(Client(self.app, TestResponse), base)
        assert visitor.sign_in(name, password).status_code == 303
        return visitor

    def accept(self, *people: dict[str, Any], **changes: Any) -> list[str]:
        """The ids of messages that were taken; one person if none is given."""
        results = self.service.accept(*(people or (person(),)), **changes)
        return [one["message_id"] for one in results if "message_id" in one]

    def settle(self, outcome: Outcome, status: Status, **facts: Any) -> list[str]:
        """Everything that waits is sent and comes to this; the ids."""
        callbacks = self.service.claim()
        ids = [one.partition(".")[0] for one in callbacks]
        plain: dict[str, Any] = {"http_status": 400, "duration_ms": 211, "fbtrace_id": "Atrace"} | facts
        made = [
            Settlement(name, int(one.partition(".")[2]), outcome, status, **plain)
            for name, one in zip(ids, callbacks, strict=True)
        ]
        self.service.store.outbox.settle(made, self.service.now)
        return ids

    def failed(self, *people: dict[str, Any], code: int = 131026, **changes: Any) -> list[str]:
        """Messages that Meta refused with this code."""
        self.accept(*people, **changes)
        return self.settle(Outcome.REFUSED, Status.FAILED, code=code, title="Undeliverable", details="no such account")

    def unanswered(self, *people: dict[str, Any], **changes: Any) -> list[str]:
        self.accept(*people, **changes)
        return self.settle(Outcome.UNANSWERED, Status.UNANSWERED, http_status=None)

    def status(self, message_id: str) -> str:
        facts = self.report.message(message_id)
        assert facts is not None
        return str(facts.message["status"])

    def deeds(self) -> list[tuple[str, str, str, str]]:
        """What was written down, the oldest first: who, what, to what, and more."""
        found: list[Deed] = [deed for _, deed in self.audit.page(100)]
        return [(one.who, one.action, one.subject, one.detail) for one in reversed(found)]


def masked(n: int = 0) -> str:
    """The n-th person's number as it may be shown."""
    return mask(person(n)["Address"])

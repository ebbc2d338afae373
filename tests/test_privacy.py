"""One run of the whole channel with a canary in every place: none of them in any log, metric, error, address or title (G10).

shim under AWS's runtime client → service → outbox → dispatcher → Cloud API → notifications → replies → report → console
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from service.web.console.people import console_user_entry
from tests.conftest import SAMPLES
from tests.running import NUMBER, System, free_port, running

DIGITS = "13912345678"
TO = f"+86{DIGITS}"
TEXT = "canary text of a message"
REPLY = "canary text of a reply"
TOKEN = "EAAGcanarytoken"
APP_SECRET = "canary-app-secret"
VERIFY_TOKEN = "canary-verify-token"
PASSWORD = "canary password of anna"
MASKED_KEY = "wck_canary-key-without-pii"
PEOPLE = (DIGITS, TEXT, REPLY)
SECRETS = (TOKEN, APP_SECRET, VERIFY_TOKEN, PASSWORD, MASKED_KEY)


@dataclass
class Watch:
    """What the outside was shown: all of it, and what is in addresses and titles."""

    system: System
    dispatcher_port: int
    shown: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)

    @property
    def canaries(self) -> tuple[str, ...]:
        return (*PEOPLE, *SECRETS, self.system.api_key, self.system.shim_settings["SIGNING_KEYS"][6:])

    def keep(self, name: str, answer: requests.Response) -> requests.Response:
        """An answer that must hold no canary at all."""
        self.shown[name] = f"{answer.status_code} {answer.headers} {answer.text}"
        self.addresses[name] = answer.headers.get("Location", "")
        return answer

    def page(self, name: str, answer: requests.Response) -> requests.Response:
        """A page for who is signed in: it may show what a message says, and no number whole."""
        assert answer.status_code == 200, (name, answer.status_code)
        self.pages[name] = answer.text
        links = re.findall(r'(?:href|action|src)="([^"]*)"', answer.text)
        self.addresses[name] = " ".join([answer.url, *links])
        self.shown[f"the title of {name}"] = " ".join(re.findall(r"<title>(.*?)</title>", answer.text, re.DOTALL))
        return answer


@pytest.fixture
def watch(database_url: str, tmp_path: Path) -> Iterator[Watch]:
    keys = f"look:read+send:{hashlib.sha256(MASKED_KEY.encode()).hexdigest()}"
    settings = {
        "FB_APP_TOKEN": TOKEN,
        "FB_APP_SECRET": APP_SECRET,
        "WEBHOOK_VERIFY_TOKEN": VERIFY_TOKEN,
        "CONSOLE_USERS": console_user_entry("anna", "operate", PASSWORD, b"anna's own salt!"),
        "CLOUDWATCH_NAMESPACE": "Test/Channel",
        "LOG_LEVEL": "DEBUG",
    }
    with running(database_url, tmp_path, **settings) as system:
        system.settings["API_KEYS"] += f",{keys}"
        system.start_sandbox("--token", TOKEN, "--app-secret", APP_SECRET, "--verify-token", VERIFY_TOKEN)
        system.start_web()
        port = free_port()
        system._start("dispatcher", ["-m", "service", "dispatcher"], DISPATCHER_PORT=str(port))
        system.until(lambda: system._answers(f"http://127.0.0.1:{port}/healthz"), "the dispatcher to be alive")
        yield Watch(system, port)


def send(watch: Watch) -> dict[str, str]:
    """A campaign through the shim, which is read; a direct call, which fails; a reply to the one, and STOP. Their ids."""
    system = watch.system
    host = system.start_lambda_host()
    event = json.loads((SAMPLES / "pinpoint_campaign_article.json").read_text())
    data = json.loads(event["Data"])
    data["params"] = [TEXT, "T Shirt"]
    endpoint = next(iter(event["Endpoints"].values()))
    event |= {
        "Data": json.dumps(data),
        "Endpoints": {"ep1": endpoint | {"Address": TO}, "ep2": {"Address": f"{DIGITS}x"}},
    }
    answer = watch.keep("the shim's answer", requests.post(host, json=event, timeout=30))
    ids = {"read": answer.json()["ep1"]["EventAttributes"]["whatsapp_message_id"]}
    system.until(lambda: system.report(ids["read"])["status"] == "read", "a message to be read")
    words = f"{TO} cannot be written to"
    system.fault(kind="error", code=131026, next=1, details=words)
    template = {"name": "ordertimeoutnotification", "language": "en_US", "params": [TEXT, "Mug"]}
    direct = {"messages": [{"to": TO, "template": template}, {"to": DIGITS + "x", "template": template}]}
    answer = watch.keep("a direct call", call(watch, "POST", "/v1/messages", json=direct))
    ids |= {"event": answer.json()["event_id"], "failed": answer.json()["results"][0]["message_id"]}
    system.until(lambda: system.report(ids["failed"])["status"] == "failed", "a message to fail")
    for text in (REPLY, "STOP"):
        told = requests.post(f"{system.sandbox}/phone/86{DIGITS}", json={"text": text}, timeout=10)
        assert told.status_code == 201
    suppressed = {"to": TO}
    pii = {"Authorization": f"Bearer {system.api_key}"}
    search = f"{system.url}/v1/suppressions/search"
    system.until(
        lambda: bool(requests.post(search, json=suppressed, headers=pii, timeout=10).json()["suppressions"]),
        "the person to be suppressed",
    )
    watch.keep("a direct call to who said stop", call(watch, "POST", "/v1/messages", json=direct))
    return ids


def call(watch: Watch, method: str, path: str, key: str = MASKED_KEY, **more: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {key}"} | more.pop("headers", {})
    url = watch.system.url + path
    return requests.request(method, url, headers=headers, timeout=30, allow_redirects=False, **more)


def ask(watch: Watch, ids: dict[str, str]) -> None:
    """Everything that is read, by a key that may not see numbers."""
    for name in ("read", "failed"):
        report = call(watch, "GET", f"/v1/messages/{ids[name]}")
        assert report.status_code == 200
        assert DIGITS not in report.text
    watch.keep("an event", call(watch, "GET", f"/v1/events/{ids['event']}"))
    for path in ("/v1/messages/search", "/v1/messages/export"):
        found = call(watch, "POST", path, json={"to": TO})
        assert found.status_code == 200
        assert not [one for one in (DIGITS, TEXT, REPLY) if one in found.text]
    for path in ("/openapi.json", "/docs", "/metrics", "/healthz", "/readyz"):
        watch.keep(path, requests.get(watch.system.url + path, timeout=10))
    for path in ("/metrics", "/healthz"):
        url = f"http://127.0.0.1:{watch.dispatcher_port}{path}"
        watch.keep(f"the dispatcher's {path}", requests.get(url, timeout=10))


def attack(watch: Watch) -> None:
    """Calls that are refused, with canaries in all that they bring."""
    url = watch.system.url
    odd = {"to": TO, TEXT: DIGITS, "campaign_id": [TEXT]}
    watch.keep("no such page", call(watch, "GET", f"/{DIGITS}?x={TEXT}"))
    watch.keep("a report of a number", call(watch, "GET", f"/v1/messages/{TO}"))
    watch.keep("a key that lacks the scope", call(watch, "POST", "/v1/messages/replay", json=odd))
    watch.keep("a body with odd fields", call(watch, "POST", "/v1/messages", json={"messages": odd}))
    watch.keep("an item with odd fields", call(watch, "POST", "/v1/messages", json={"messages": [odd, DIGITS, [TEXT]]}))
    watch.keep("no JSON", call(watch, "POST", "/v1/messages", data=f'{{"{DIGITS}": "{TEXT}'.encode()))
    watch.keep("a wrong key", call(watch, "GET", f"/v1/messages/{DIGITS}", key=PASSWORD))
    watch.keep("a body of seven megabytes", call(watch, "POST", "/v1/messages", data=TEXT.encode() * 400_000))
    forged = json.dumps({"entry": [{"changes": [{"value": {"statuses": [{"id": TO, "status": TEXT}]}}]}]}).encode()
    watch.keep("a notification that is not signed", requests.post(f"{url}/webhooks/whatsapp", data=forged, timeout=10))
    signature = "sha256=" + hmac.new(APP_SECRET.encode(), forged, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": signature}
    watch.keep("an odd one", requests.post(f"{url}/webhooks/whatsapp", data=forged, headers=headers, timeout=10))
    challenge = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN + "x", "hub.challenge": TEXT}
    watch.keep("a challenge", requests.get(f"{url}/webhooks/whatsapp", params=challenge, timeout=10))
    assert watch.system.post_event({"Endpoints": {"ep": {"Address": TO}}, "Data": TEXT}).status_code == 422


def visit(watch: Watch, ids: dict[str, str]) -> None:
    """The console, by somebody who once typed the password for a name."""
    local = f"http://localhost:{watch.system.url.rpartition(':')[2]}"
    browser = requests.Session()
    browser.headers["Sec-Fetch-Site"] = "same-origin"
    for name, password in ((PASSWORD, "anna"), (TO, PASSWORD)):
        form = {"name": name, "password": password}
        watch.keep("a wrong name", browser.post(f"{local}/console/sign-in", data=form, timeout=20))
    answer = browser.post(
        f"{local}/console/sign-in", data={"name": "anna", "password": PASSWORD}, timeout=20, allow_redirects=False
    )
    assert answer.status_code == 303, answer.text
    pages = ["", "campaigns", "batches", "messages", "templates", "suppressions", "refused", "unanswered", "audit"]
    pages += [f"messages/{ids['read']}", f"messages/{ids['failed']}", f"batches/{ids['event']}"]
    pages += [f"messages?event_id={ids['event']}"]
    for page in pages:
        watch.page(f"/console/{page}", browser.get(f"{local}/console/{page}", timeout=20))
    assert TEXT in watch.pages[f"/console/messages/{ids['read']}"] or "canary" in "".join(watch.pages.values())
    csrf = re.findall(r'name="csrf" value="(\w+)"', watch.pages["/console/audit"])[0]
    found = browser.post(f"{local}/console/messages/search", data={"csrf": csrf, "q": TO}, timeout=20)
    assert ids["read"] in found.text
    watch.addresses["the search for a number"] = found.url
    watch.shown["the title of the search"] = " ".join(re.findall(r"<title>(.*?)</title>", found.text, re.DOTALL))
    unmask = browser.post(f"{local}/console/messages/{ids['read']}/number", data={"csrf": csrf}, timeout=20)
    assert TO in unmask.text
    watch.addresses["the number, whole"] = unmask.url
    watch.shown["the title of the number, whole"] = " ".join(
        re.findall(r"<title>(.*?)</title>", unmask.text, re.DOTALL)
    )
    watch.page("/console/audit, after that", browser.get(f"{local}/console/audit", timeout=20))


@pytest.mark.timeout(300)
def test_no_canary_is_where_it_does_not_belong(watch: Watch) -> None:
    system = watch.system
    ids = send(watch)
    ask(watch, ids)
    attack(watch)
    visit(watch, ids)
    watch.keep("/metrics, at the end", requests.get(f"{system.url}/metrics", timeout=10))
    for name in ("web", "dispatcher", "lambda host"):
        watch.shown[f"the log of {name}"] = system.log(name)

    assert NUMBER in watch.shown["the log of dispatcher"]
    assert "message.attempted" in watch.shown["the log of dispatcher"]
    leaks = [(name, one) for name, text in watch.shown.items() for one in watch.canaries if one in text]
    leaks += [(name, one) for name, text in watch.addresses.items() for one in watch.canaries if one in text]
    leaks += [(name, one) for name, text in watch.pages.items() for one in (DIGITS, *SECRETS) if one in text]
    assert leaks == []

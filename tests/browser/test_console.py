"""The console as a person has it before them: Chromium, and the real channel with its sandbox."""

import json
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from service.outbox.database import open_engine
from service.outbox.migrations import migrate
from service.web.console.people import console_user_entry
from tests.conftest import SAMPLES
from tests.crash import judging
from tests.running import System, campaign, running

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"
PASSWORD = "the password of a test"
EVENTS, SIZE = 10, 50
NOBODY = 131026
PAGES = (
    *("", "campaigns", "batches", "messages", "templates", "suppressions", "refused", "unanswered", "doctor", "audit"),
)


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Everything, with somebody who may operate and somebody who may look."""
    folder = tmp_path_factory.mktemp("console")
    url = f"sqlite:///{folder}/channel.db"
    engine = open_engine(url)
    migrate(engine)
    engine.dispose()
    people = [console_user_entry(name, name, PASSWORD, secrets.token_bytes(16)) for name in ("operate", "look")]
    settings = {"CONSOLE_USERS": ",".join(people), "WHATSAPP_BUSINESS_ACCOUNT_ID": "102290129340398"}
    with running(url, folder, **settings, MESSAGES_PER_SECOND="50") as system:
        system.start_sandbox("--read-after", "0.3")
        system.start_web()
        system.start_dispatcher()
        yield system


@pytest.fixture
def console(channel: System, visit: Callable[..., "Page"]) -> Callable[..., "Page"]:
    """A page of somebody who has signed in."""

    def signed_in(name: str = "operate", **settings: Any) -> "Page":
        page = visit(**{"viewport": {"width": 1280, "height": 900}, **settings})
        page.goto(f"{channel.url}/console/")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Overview").wait_for()
        return page

    return signed_in


def sample() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / "pinpoint_campaign_article.json").read_text())
    return found


def send(channel: System, name: str, first: int, events: int = EVENTS) -> None:
    for number in range(first, first + events):
        answer = channel.post_event({**campaign(sample(), number, SIZE), "CampaignId": name})
        assert answer.json()["accepted"] == SIZE


def sent(channel: System, first: int, events: int = EVENTS) -> list[judging.Sent]:
    prefixes = tuple(f"+86139{number:04}" for number in range(first, first + events))
    return judging.read(line for line in channel.journal() if line["to"].startswith(prefixes))


def test_a_campaign_is_watched_its_failures_sent_again_and_one_person_suppressed(
    channel: System, console: Callable[..., "Page"]
) -> None:
    channel.fault(kind="error", code=NOBODY, every=20)
    page = console()
    page.get_by_role("link", name="Campaigns", exact=True).click()
    send(channel, "watched", 100)
    row = page.get_by_role("row", name=re.compile("watched"))
    row.get_by_text("Running").wait_for()
    row.get_by_role("link", name="watched").click()
    page.get_by_role("row", name=re.compile(f"25.*{NOBODY}")).wait_for()
    assert page.locator(".funnel li", has_text="Read").locator(".n").inner_text() == "475"

    channel.mend()
    failures = page.get_by_role("row", name=re.compile(str(NOBODY)))
    failures.get_by_role("button", name="Send again").click()
    page.get_by_role("heading", name="Send 25 messages again?").wait_for()
    page.get_by_role("button", name="Send again").click()
    page.get_by_text("Queued again: 25.").wait_for()
    page.get_by_text("Nobody, so far.").wait_for()
    page.locator(".funnel li", has_text="Read").get_by_text("500").wait_for()
    journal = sent(channel, 100)
    assert sorted(one.to for one in journal) == [
        f"+86139{event:04}{n:04}" for event in range(100, 110) for n in range(SIZE)
    ]
    assert judging.sent_twice(journal) == []

    page.get_by_role("link", name="Messages", exact=True).click()
    page.get_by_label(re.compile("Recipient")).fill("+8613901000007")
    page.get_by_role("button", name="Search").click()
    assert "8613901000007" not in page.url
    page.get_by_role("link", name="ep100007").click()
    page.get_by_text("Hi ").first.wait_for()
    page.get_by_text("Suppress this person").click()
    page.get_by_label("Why").fill("asked on the phone")
    page.get_by_role("button", name="Suppress").click()
    page.get_by_text("Suppressed.").wait_for()
    again = channel.post_event({**campaign(sample(), 100, SIZE), "CampaignId": "next"}).json()
    assert [one["code"] for one in again["results"] if one["status"] == "rejected"] == ["suppressed"]


def test_a_running_campaign_is_paused_and_goes_on(channel: System, console: Callable[..., "Page"]) -> None:
    page = console()
    send(channel, "paused", 200)
    page.goto(f"{channel.url}/console/campaign/paused")
    page.get_by_role("button", name="Pause").click()
    page.get_by_text(re.compile("Paused. What is being sent")).wait_for()
    page.get_by_role("button", name="Resume").click()
    page.get_by_text("Resumed.").wait_for()
    page.locator(".funnel li", has_text="Read").get_by_text("500").wait_for()


def test_who_may_only_look_sees_no_button_and_no_whole_number(channel: System, console: Callable[..., "Page"]) -> None:
    send(channel, "looked-at", 300, events=1)
    page = console("look")
    page.goto(f"{channel.url}/console/campaign/looked-at")
    assert page.get_by_role("button").all_inner_texts() == ["Sign out"]
    page.get_by_role("link", name="All messages").click()
    assert "+86139" not in page.locator("main").inner_text()


def test_the_console_works_without_javascript(channel: System, console: Callable[..., "Page"]) -> None:
    send(channel, "plain", 400, events=1)
    page = console(java_script_enabled=False)
    page.get_by_role("link", name="Campaigns", exact=True).click()
    page.get_by_role("link", name="plain").click()
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").click()
    page.get_by_text("Resumed.").wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    page.goto(f"{channel.url}/console/campaigns")
    page.get_by_role("heading", name="Sign in").wait_for()


def test_times_are_shown_in_the_reader_s_zone(channel: System, console: Callable[..., "Page"]) -> None:
    send(channel, "zoned", 500, events=1)
    page = console(timezone_id="Asia/Shanghai", locale="de-DE")
    page.goto(f"{channel.url}/console/campaign/zoned")
    time = page.locator("time").first
    shown, moment = time.inner_text(), time.get_attribute("datetime")
    assert shown == page.evaluate(
        "at => new Date(at).toLocaleString('de-DE', {timeZone: 'Asia/Shanghai', day: 'numeric', month: 'short', "
        "year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit'})",
        moment,
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_no_page_is_hard_to_use(channel: System, console: Callable[..., "Page"], scheme: str, width: int) -> None:
    """axe-core finds nothing serious, and nothing is wider than the screen."""
    send(channel, f"seen-{scheme}-{width}", 600 + width + len(scheme), events=1)
    page = console(color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True)
    found = requests.post(
        f"{channel.url}/v1/messages/search",
        json={"limit": 1},
        headers={"Authorization": f"Bearer {channel.api_key}"},
        timeout=10,
    ).json()
    one = found["messages"][0]["message_id"]
    for path in (*PAGES, f"campaign/seen-{scheme}-{width}", f"messages/{one}"):
        page.goto(f"{channel.url}/console/{path}")
        page.add_script_tag(path=str(AXE))
        problems = page.evaluate("async () => (await axe.run()).violations")
        serious = [
            (problem["id"], problem["nodes"][0]["html"])
            for problem in problems
            if problem["impact"] in {"serious", "critical"}
        ]
        assert (path, serious) == (path, [])
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is too wide"

"""The overview, the campaigns and what is done from them: pauses, sending again, calling off, export."""

import csv
import re
from datetime import timedelta
from html import unescape
from urllib.parse import quote

import pytest

from service.message import NumberFacts, Outcome, Pause, PauseReason, Scope, Status
from service.outbox.outbox import Demand
from service.web.console import campaigns
from tests.web.console.visiting import TEMPLATE, WABA, House, Visitor, masked
from tests.web.serving import NUMBER, campaign, person, statuses, told

CAMPAIGN = "/console/campaign/campaign"
LATER = "2026-11-01T10:00:00Z"
"""Another run of the same campaign."""


def forms(html: str, action: str) -> list[dict[str, str]]:
    """The hidden fields of each form that posts to `action`."""
    found = re.findall(rf'<form[^>]*action="{action}"[^>]*>(.*?)</form>', html, re.DOTALL)
    return [
        {name: unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', form)} for form in found
    ]


def told_all(house: House, *callbacks: str, status: str = "delivered") -> None:
    for callback in callbacks:
        house.service.accepted(callback)
    answer = house.service.notify(statuses(*(told(callback, status) for callback in callbacks)))
    assert answer.status_code == 200


# --- the overview -----------------------------------------------------------------------------------------------------


def test_the_overview_shows_each_number_just_now(house: House, anna: Visitor) -> None:
    house.accept(person(0), person(1))
    house.service.pass_time(minutes=5)
    page = anna.get("/console/").text
    assert f'id="number-{NUMBER}"' in page
    assert "<b>2</b> <small>about 0 s</small>" in page or "<dt>Waiting</dt><dd><b>2</b>" in page
    assert "since 5 min" in page
    assert "of 72 a second" in page
    assert "No dispatcher is running: 2 messages waiting, and nothing is sent." in page


def test_the_day_is_drawn_and_told_in_a_table(house: House, anna: Visitor) -> None:
    callbacks = house.service.send(person(0), person(1))
    told_all(house, *callbacks)
    page = anna.get("/console/").text
    assert page.count("<polyline") == 5
    assert "As a table" in page
    assert re.search(r'class="delivered">.*?<b>2</b>', page)


def test_a_number_is_paused_and_resumed_from_its_card(house: House, anna: Visitor) -> None:
    (message_id,) = house.accept()
    (form,) = forms(anna.get("/console/").text, "/console/pause")
    answer = anna.post("/console/pause", {**form, "reason": "wrong price", "back": "/console/"})
    assert answer.location == "/console/?done=paused&n=1&m=0"
    page = anna.get(answer.location).text
    assert "Paused. What is being sent just now still goes; 1 wait." in page
    assert "rong price" in page
    assert "An operator lifts it." in page
    assert house.service.claim() == []
    (form, *_) = forms(page, "/console/resume")
    assert anna.post("/console/resume", form | {"back": "/console/"}).location == "/console/?done=resumed&n=0&m=0"
    assert house.service.claim() == [f"{message_id}.1"]
    assert house.deeds() == [
        ("anna", "pause", f"number {NUMBER}", "wrong price"),
        ("anna", "resume", f"number {NUMBER}", ""),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"scope": "nonsense", "key": "x"},
        {"scope": "message", "key": "x"},
        {"scope": "recipient", "key": "+8613800100000"},
        {"scope": "number", "key": ""},
        {"scope": "number", "key": "9" * 601},
        {},
    ],
)
def test_what_cannot_be_paused_is_not(house: House, anna: Visitor, fields: dict[str, str]) -> None:
    for action in ("pause", "resume"):
        assert anna.act(f"/console/{action}", **fields).status_code == 400
    assert house.deeds() == []
    assert house.report.pauses(house.service.now) == []


def test_a_number_that_meta_told_about_is_called_by_its_name(house: House, anna: Visitor) -> None:
    from service.outbox import numbers  # noqa: PLC0415 - no other test writes it

    with house.service.store.engine.begin() as connection:
        facts = NumberFacts("Tuohumai", "+86 138 0000", "RED", "CONNECTED", "STANDARD", "TIER_1K")
        numbers.keep(connection, NUMBER, facts, house.service.now)
    page = anna.get("/console/").text
    assert "Tuohumai" in page
    assert "has a low quality at Meta" in page


# --- campaigns --------------------------------------------------------------------------------------------------------


def test_each_campaign_is_a_row_with_its_funnel(house: House, anna: Visitor) -> None:
    callbacks = house.service.send(person(0), person(1))
    told_all(house, callbacks[0])
    house.accept(person(2), CampaignId="another")
    page = anna.get("/console/campaigns").text
    assert re.findall(r'<a href="/console/campaign/(\w+)"', page) == ["campaign", "another"]
    row = page[page.index("/console/campaign/campaign") :]
    cells = re.findall(r'data-label="(\w+)">([\d,]+)<', row)[:5]
    assert cells == [("Recipients", "2"), ("Accepted", "2"), ("Sent", "1"), ("Delivered", "1"), ("Read", "0")]
    assert "Pinpoint campaign" in page
    assert "order_update en_US" in page


def test_campaigns_are_paged(house: House, anna: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns, "PAGE", 2)
    for n in range(5):
        house.accept(CampaignId=f"c{n}")
        house.service.pass_time(minutes=15)
    path, seen = "/console/campaigns", []
    while path:
        page = anna.get(path).text
        seen.append(re.findall(r'<a href="/console/campaign/(\w+)"', page))
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = following[1].replace("&amp;", "&") if following else ""
    assert seen == [["c4", "c3"], ["c2", "c1"], ["c0"]]


def test_a_campaign_shows_its_funnel_and_why_people_got_nothing(house: House, anna: Visitor) -> None:
    house.failed(person(0), person(1), person(2, Address="nonsense"))
    (unanswered,) = house.unanswered(person(3), ScheduledTime=LATER)
    page = anna.get(CAMPAIGN).text
    funnel = re.findall(r'<span class="n">(\d+)</span>', page)
    assert funnel == ["4", "3", "0", "0", "0"]
    groups = re.findall(r'data-label="People"><b>(\d+)</b></td>\s*<td><span class="chip \w+">([^<]+)', page)
    assert groups[0][0] == "2"
    assert {title for _, title in groups} >= {"No answer from Meta", "Rejected"}
    assert 'href="/console/messages?campaign_id=campaign&amp;status=failed&amp;code=131026"' in page
    assert "code=invalid_address" in page
    assert house.status(unanswered) == "unanswered"


def test_a_campaign_that_goes_on_tells_how_far_it_is(house: House, anna: Visitor) -> None:
    house.service.send(*(person(n) for n in range(3)))
    house.accept(person(3), ScheduledTime=LATER)
    page = anna.get(CAMPAIGN).text
    assert "<b>0 of 4</b> gone, the rest in about" in page
    pause = Pause(Scope.CAMPAIGN, "campaign", PauseReason.OPERATOR, "wrong price", since=house.service.now)
    house.service.store.outbox.pause(pause)
    page = anna.get(CAMPAIGN).text
    assert "<b>0 of 4</b> gone." in page
    assert "<b>Paused</b>" in page
    assert '<span class="chip doubt">Paused</span>' in anna.get("/console/campaigns").text


def test_its_template_is_drawn(house: House, anna: Visitor) -> None:
    house.catalogues.replace(WABA, [TEMPLATE], house.service.now)
    house.accept()
    assert "Hi {{1}}, &lt;b&gt;thanks" in anna.get(CAMPAIGN).text


@pytest.mark.parametrize("name", ["a/b", "/a/", "ünï", "a b?c#d", "..", "a%2Fb", "<b>"])
def test_a_campaign_may_be_called_anything(house: House, anna: Visitor, name: str) -> None:
    house.accept(CampaignId=name)
    (link,) = set(re.findall(r'href="(/console/campaign/[^"]+)"', anna.get("/console/campaigns").text))
    answer = anna.get(link.replace("&amp;", "&"))
    assert answer.status_code == 200
    (form,) = forms(answer.text, "/console/pause")
    assert anna.post("/console/pause", form).status_code == 303
    assert [pause.key for pause in house.report.pauses(house.service.now)] == [name]


def test_rejected_recipients_are_named_with_what_is_wrong(house: House, anna: Visitor) -> None:
    house.accept(person(0), person(1, Address="nonsense"))
    page = anna.get("/console/campaigns/rejections?campaign_id=campaign&code=invalid_address").text
    assert "ep1" in page
    assert "<code>Endpoints.ep1.Address</code>" in page
    assert "The address can be no phone number." in page
    assert "Nobody was rejected for this" in anna.get("/console/campaigns/rejections?campaign_id=x&code=y").text


def test_a_direct_call_is_a_row_and_a_page(house: House, anna: Visitor) -> None:
    template = {"name": "order_update", "language": "en_US"}
    one = {"to": "+8613800100000", "template": template}
    answer = house.service.direct({"messages": [one, {**one, "to": "nonsense"}]}).get_json()
    page = anna.get("/console/batches").text
    assert f'href="/console/batches/{answer["event_id"]}"' in page
    house.settle(Outcome.REFUSED, Status.FAILED, code=131026)
    page = anna.get(f"/console/batches/{answer['event_id']}").text
    assert re.findall(r'<span class="n">(\d+)</span>', page) == ["2", "1", "0", "0", "0"]
    assert 'id="rejections"' in page
    assert f"event_id={answer['event_id']}&amp;status=failed&amp;code=131026" in page


def test_direct_calls_are_paged(house: House, anna: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns, "PAGE", 1)
    template = {"name": "order_update", "language": "en_US"}
    for n in range(2):
        house.service.direct({"messages": [{"to": person(n)["Address"], "template": template}]})
    first = anna.get("/console/batches").text
    (following,) = re.findall(r'rel="next" href="([^"]+)"', first)
    second = anna.get(following).text
    found = [re.findall(r'href="/console/batches/(\w+)"', page) for page in (first, second)]
    assert [len(one) for one in found] == [1, 1]
    assert found[0] != found[1]
    assert 'rel="next"' not in second


# --- what is done with a group ----------------------------------------------------------------------------------------


def test_a_group_is_sent_again_after_it_was_counted(house: House, anna: Visitor) -> None:
    first = house.failed(person(0), person(1))
    other = house.failed(person(2), code=131049, ScheduledTime=LATER)
    house.service.pass_time(days=3)
    anna.sign_in()
    page = anna.get(CAMPAIGN).text
    (form,) = [one for one in forms(page, "/console/messages/replay") if one["code"] == "131026"]
    preview = anna.post("/console/messages/replay", form, Referer=f"{anna.base}{CAMPAIGN}")
    assert "Send 2 messages again?" in preview.text
    assert house.deeds() == []
    (confirmed,) = forms(preview.text, "/console/messages/replay")
    assert confirmed["back"] == CAMPAIGN
    answer = anna.post("/console/messages/replay", confirmed)
    assert answer.location == f"{CAMPAIGN}?done=replayed&n=2&m=0"
    assert [house.status(one) for one in (*first, *other)] == ["queued", "queued", "failed"]
    meant = "campaign_id campaign, status failed, code 131026"
    assert house.deeds() == [("anna", "replay", meant, "")]


def test_what_is_left_out_of_a_replay_is_told_before(house: House, anna: Visitor) -> None:
    house.failed(person(0), code=131050)
    page = anna.act("/console/messages/replay", campaign_id="campaign").text
    assert "Send 0 messages again?" in page
    assert "1 whose recipient wants no messages" in page
    assert ">Send again</button>" not in page
    assert ">Send again</button>" not in anna.get(CAMPAIGN).text


def test_what_waits_is_called_off_after_it_was_counted(house: House, anna: Visitor) -> None:
    ids = house.accept(person(0), person(1))
    (form,) = forms(anna.get(CAMPAIGN).text, "/console/messages/cancel")
    preview = anna.post("/console/messages/cancel", form, Referer=f"{anna.base}{CAMPAIGN}")
    assert "Cancel 2 messages?" in preview.text
    (confirmed,) = forms(preview.text, "/console/messages/cancel")
    assert anna.post("/console/messages/cancel", confirmed).location == f"{CAMPAIGN}?done=cancelled&n=2&m=0"
    assert [house.status(one) for one in ids] == ["cancelled", "cancelled"]
    assert house.deeds() == [("anna", "cancel", "campaign_id campaign", "")]


@pytest.mark.parametrize("action", ["replay", "cancel"])
@pytest.mark.parametrize(
    "fields",
    [{}, {"status": "nonsense"}, {"campaign_id": "c", "status": "read"}, {"campaign_id": "c", "code": "x"}],
    ids=["nothing", "no status", "another status", "no code"],
)
def test_what_is_not_clear_is_not_done(house: House, anna: Visitor, action: str, fields: dict[str, str]) -> None:
    (message_id,) = house.failed(person())
    answer = anna.act(f"/console/messages/{action}", **fields, confirm="yes")
    assert answer.status_code == 400
    assert "Nothing was done" in answer.text
    assert house.deeds() == []
    assert house.status(message_id) == "failed"


def test_after_an_action_one_is_where_the_button_was(house: House, anna: Visitor) -> None:
    house.accept()
    fields = {"scope": "campaign", "key": "campaign"}
    for back in ("https://evil.example/", "//evil.example", "/v1/messages", "javascript:alert(1)", "/console/\r\nx: y"):
        assert anna.act("/console/pause", **fields, back=back).location == "/console/?done=paused&n=1&m=0"
    csrf = anna.csrf()
    away = anna.post("/console/pause", {**fields, "csrf": csrf}, Referer="https://evil.example/console/messages")
    assert away.location == "/console/?done=paused&n=1&m=0"
    here = f"{anna.base}/console/messages?status=failed&done=replayed&n=7&m=1"
    kept = anna.post("/console/pause", {**fields, "csrf": csrf}, Referer=here)
    assert kept.location == "/console/messages?status=failed&done=paused&n=1&m=0"


def test_just_a_group_is_exported_with_numbers_masked(house: House, boris: Visitor) -> None:
    house.failed(person(0))
    house.accept(person(1), CampaignId="another")
    answer = boris.get("/console/messages/export.csv?campaign_id=campaign&status=failed&code=131026")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    (row,) = csv.DictReader(answer.text.splitlines())
    assert (row["recipient"], row["to"], row["code"]) == ("ep0", masked(0), "131026")
    everything = boris.get("/console/messages/export.csv?status=failed")
    assert everything.status_code == 400
    assert "Say which messages" in everything.text


def test_a_long_campaign_is_drawn_for_a_week(house: House, anna: Visitor) -> None:
    house.accept(person(0))
    house.service.pass_time(days=30)
    house.accept(person(1), ScheduledTime=LATER)
    anna.sign_in()
    page = anna.get(CAMPAIGN).text
    row = house.report.campaign("campaign")
    assert row is not None
    assert row.last_at - row.first_at > timedelta(days=29)
    (points, *_) = re.findall(r'<polyline class="accepted" points="([^"]*)"', page)
    assert len(points.split()) <= 7 * 96 + 2


def test_a_journey_is_called_one(house: House, anna: Visitor) -> None:
    journey = campaign(person(), CampaignId=None, JourneyId="welcome")
    assert house.service.post(journey).status_code == 202
    assert "Pinpoint journey" in anna.get("/console/campaigns").text
    assert anna.get(f"/console/campaign/{quote('welcome')}").status_code == 200


def test_a_dispatcher_that_runs_is_counted(house: House, anna: Visitor) -> None:
    lease = house.service.store.outbox.acquire_lease(NUMBER, "a dispatcher")
    assert lease is not None
    house.service.store.outbox.claim(Demand(lease, 1), house.service.now)
    page = anna.get("/console/").text
    assert f'id="number-{NUMBER}"' in page

"""Every page of the console: who gets in, what each carries, what none shows."""

import re
from datetime import timedelta
from urllib.parse import quote

import pytest
from sqlalchemy import text
from werkzeug.test import Client, TestResponse

from service.doctor.finding import problem
from service.message import Outcome, Pause, PauseReason, Scope, Status
from service.people import Blocked, Suppression, SuppressionSource
from service.web.console import PAGES
from service.web.console.page import HEADERS
from tests.web.console.visiting import LOCAL, PUBLIC, TEMPLATE, WABA, Browser, House, Visitor
from tests.web.serving import NUMBER, campaign, heard, person, statuses, told

LISTS = [f"/console/{'' if name == 'overview' else name}" for name, _ in PAGES] + ["/console/batches"]
MARKUP = "<script>alert(1)</script>"
NAMED = f"{MARKUP}\r\nSet-Cookie: x=1"
ONLY_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

ACTIONS = {
    "/console/pause": {"scope": "number", "key": NUMBER},
    "/console/resume": {"scope": "number", "key": NUMBER},
    "/console/messages/replay": {"campaign_id": "campaign", "confirm": "yes"},
    "/console/messages/cancel": {"campaign_id": "campaign", "confirm": "yes"},
    "/console/messages/{message}/decide": {"decision": "sent"},
    "/console/messages/{message}/number": {},
    "/console/messages/{message}/suppress": {"reason": "asked"},
    "/console/messages/{message}/lift": {"reason": "asked"},
    "/console/suppressions/add": {"to": "+8613800138000", "reason": "asked"},
    "/console/suppressions/lift": {"to": "+8613800138000", "reason": "asked"},
    "/console/suppressions/import": {},
    "/console/refused/{event}/body": {},
}
"""What changes something, or shows what is hidden."""

SEARCHES = {
    "/console/messages/search": {"q": "+8613800138000"},
    "/console/suppressions": {"to": "+8613800138000"},
    "/console/doctor": {},
}
"""What is posted and may be by somebody who only looks."""


def full(house: House) -> dict[str, str]:
    """Something on every page, and the path of each page of one thing."""
    house.catalogues.replace(
        WABA, [TEMPLATE, TEMPLATE | {"language": "de", "rejected_reason": MARKUP}], house.service.now
    )
    house.failed(person(0), person(1, Address="nonsense"))
    (unanswered,) = house.unanswered(person(2), CampaignId="another")
    house.accept(person(3), CampaignId=NAMED)
    refused = house.service.post({"ApplicationId": MARKUP, "CampaignId": MARKUP, "Data": "{", "Endpoints": {}})
    assert refused.status_code == 422
    event_id = refused.get_json()["event_id"]
    one = Suppression("+8613800100009", Blocked.ALL, SuppressionSource.OPERATOR, house.service.now, MARKUP)
    house.consent.suppress([one], house.service.now)
    house.findings.append(problem(f"the token {MARKUP} was refused"))
    house.service.store.outbox.pause(
        Pause(Scope.NUMBER, NUMBER, PauseReason.REFUSED, f"it said {MARKUP}", since=house.service.now)
    )
    facts = house.report.message(unanswered)
    assert facts is not None
    return {
        "message": f"/console/messages/{unanswered}",
        "batch": f"/console/batches/{facts.message['event_id']}",
        "campaign": f"/console/campaign/{quote(NAMED, safe='')}",
        "rejections": "/console/campaigns/rejections?campaign_id=campaign&code=invalid_address",
        "template": f"/console/templates/{WABA}/order_update/de",
        "refused": f"/console/refused/{event_id}",
    }


def stranger(house: House) -> Browser:
    return Browser(Client(house.app, TestResponse))


@pytest.mark.parametrize("path", LISTS)
def test_an_empty_page_says_so_and_what_to_do_next(anna: Visitor, path: str) -> None:
    answer = anna.get(path)
    assert answer.status_code == 200
    assert 'class="empty"' in answer.text or 'class="well"' in answer.text or path.endswith("doctor")
    assert answer.text.count("<h1") == 1


def test_every_page_shows_what_there_is_with_its_headers_and_no_number(house: House, anna: Visitor) -> None:
    one_of = full(house)
    for path in (*LISTS, *one_of.values()):
        answer = anna.get(path)
        assert answer.status_code == 200, path
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, path
        assert answer.headers["Cache-Control"] == "no-store"
        assert not re.search(r"86138001000[0-9]{2}", answer.text), path
        assert answer.text.count("<h1") == 1, path
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


def test_no_page_runs_what_others_have_written(house: House, anna: Visitor) -> None:
    one_of = full(house)
    shown = 0
    for path in (*LISTS, *one_of.values()):
        html = anna.get(path).text
        assert MARKUP not in html, path
        assert not re.search(r"<[^>]+ (style|on\w+)=", html), f"{path}: nothing inline, or the policy would stop it"
        assert len(re.findall("<script", html)) == 1
        shown += "&lt;script&gt;" in html
    assert "&lt;script&gt;" in anna.act("/console/doctor").text
    assert shown >= 5


def test_what_people_are_called_given_and_answer_is_text(house: House, anna: Visitor) -> None:
    params = [f"{MARKUP}<img src=x onerror=alert(2)>"]
    template = {"name": "order_update", "language": "en_US", "params": params}
    one = {"to": "+8613800138000", "template": template, "id": MARKUP, "reference": f"{MARKUP}r"}
    house.catalogues.replace(WABA, [TEMPLATE], house.service.now)
    (result,) = house.service.direct({"messages": [one]}).get_json()["results"]
    message_id = result["message_id"]
    house.settle(Outcome.ACCEPTED, Status.ACCEPTED, http_status=200, wamid="wamid.A")
    reply = {"from": "8613800138000", "id": "wamid.R", "timestamp": "1761987700", "type": "text"}
    answered = reply | {"text": {"body": f"{MARKUP}answer"}, "context": {"id": "wamid.A", "from": "49"}}
    assert house.service.notify(heard(answered)).status_code == 200
    page = anna.get(f"/console/messages/{message_id}").text
    for written in (MARKUP, "<img", "<b>thanks"):
        assert written not in page
    for shown in ("&lt;script&gt;alert(1)&lt;/script&gt;answer", "Hi &lt;script&gt;", "&lt;b&gt;thanks", "&gt;r<"):
        assert shown in page, shown
    assert "&lt;script&gt;" in anna.get("/console/messages").text
    assert MARKUP not in anna.get("/console/messages").text


def test_what_was_answered_is_shown_to_operators_only(house: House, anna: Visitor, boris: Visitor) -> None:
    (callback,) = house.service.send(person())
    house.service.accepted(callback)
    reply = {"from": "8613800100000", "id": "wamid.R", "timestamp": "1761987700", "type": "text"}
    house.service.notify(heard(reply | {"text": {"body": "call me"}, "context": {"id": f"wamid.{callback}"}}))
    path = f"/console/messages/{callback.partition('.')[0]}"
    assert "call me" in anna.get(path).text
    assert "call me" not in boris.get(path).text
    assert "The person answered (text)" in boris.get(path).text


@ONLY_SQLITE
def test_nobody_sees_a_page_without_signing_in(house: House) -> None:
    one_of = full(house)
    for path in (*LISTS, *one_of.values(), "/console/messages/export.csv?campaign_id=campaign"):
        answer = stranger(house).get(path)
        assert answer.status_code == 302, path
        assert answer.location.startswith("/console/sign-in?next=/console/")
        assert answer.headers["X-Frame-Options"] == "DENY"
    for path, fields in {**ACTIONS, **SEARCHES}.items():
        answer = stranger(house).post(path.format(message="m", event="e"), dict(fields))
        assert (answer.status_code, answer.location) == (303, "/console/sign-in")
    assert house.deeds() == []


@ONLY_SQLITE
@pytest.mark.parametrize("path", ACTIONS)
def test_who_only_looks_can_act_on_nothing(house: House, boris: Visitor, path: str) -> None:
    places = {name: value.rpartition("/")[2] for name, value in full(house).items()}
    answer = boris.act(path.format(message=places["message"], event=places["refused"]), **ACTIONS[path])
    assert answer.status_code == 403
    assert "This needs the role operate" in answer.text
    assert house.deeds() == []


@ONLY_SQLITE
def test_who_only_looks_is_offered_nothing_to_act_with(house: House, boris: Visitor) -> None:
    one_of = full(house)
    allowed = {"/console/sign-out", *SEARCHES}
    for path in (*LISTS, *one_of.values()):
        posted = re.findall(r'<form[^>]*method="post"[^>]*action="([^"]+)"', boris.get(path).text)
        assert set(posted) <= allowed, path


@ONLY_SQLITE
@pytest.mark.parametrize("path", [*ACTIONS, *SEARCHES])
def test_a_form_of_another_session_does_nothing(house: House, anna: Visitor, path: str) -> None:
    places = {name: value.rpartition("/")[2] for name, value in full(house).items()}
    where = path.format(message=places["message"], event=places["refused"])
    fields = {**ACTIONS, **SEARCHES}[path]
    others = house.visitor().csrf()
    for token in ("", "x", others):
        answer = anna.post(where, {**fields, "csrf": token})
        assert answer.status_code == 403
        assert "This form is of another session" in answer.text
    assert house.deeds() == []


@ONLY_SQLITE
@pytest.mark.parametrize("path", [*ACTIONS, *SEARCHES])
def test_no_answer_carries_what_would_be_another_header(house: House, anna: Visitor, path: str) -> None:
    places = {name: value.rpartition("/")[2] for name, value in full(house).items()}
    where = path.format(message=places["message"], event=places["refused"])
    evil = "/console/messages?x=1\r\nSet-Cookie: stolen=1"
    answer = anna.act(where, **{**ACTIONS, **SEARCHES}[path], back=evil)
    assert "stolen" not in str(answer.headers)
    away = anna.act(where, **{**ACTIONS, **SEARCHES}[path], back="//evil.example/")
    assert not (away.location or "").startswith(("//", "http"))


@ONLY_SQLITE
def test_no_number_is_in_an_address_that_a_page_leads_to(house: House, anna: Visitor) -> None:
    one_of = full(house)
    for path in (*LISTS, *one_of.values()):
        for address in re.findall(r'(?:href|action|src)="([^"]*)"', anna.get(path).text):
            assert "86138001" not in address, path


PARTS = {
    "/console/": ("needs", "numbers", "day"),
    "/console/campaigns": ("campaign_rows",),
    "/console/batches": ("batch_rows",),
    "/console/messages": ("message_rows",),
    "/console/unanswered": ("unanswered_rows",),
    "message": ("message_state",),
    "campaign": ("campaign_state",),
    "batch": ("batch_state",),
}


def test_a_part_is_sent_again_only_when_it_is_new(house: House, anna: Visitor) -> None:
    one_of = full(house)
    for name, parts in PARTS.items():
        path = one_of.get(name, name)
        page = anna.get(path).text
        assert set(parts) == set(re.findall(r'data-live="(\w+)"', page)), name
        for part in parts:
            first = anna.get(f"{path}?part={part}")
            assert first.status_code == 200
            assert "<html" not in first.text
            assert first.headers["Cache-Control"] == "private, no-cache"
            again = anna.get(f"{path}?part={part}", If_None_Match=first.headers["ETag"])
            assert (again.status_code, again.data) == (304, b"")
            assert again.headers["X-Frame-Options"] == "DENY"


def test_a_part_that_changed_is_sent(house: House, anna: Visitor) -> None:
    (message_id,) = house.accept()
    path = f"/console/messages/{message_id}?part=message_state"
    before = anna.get(path)
    house.settle(Outcome.ACCEPTED, Status.ACCEPTED, http_status=200, wamid="wamid.A")
    after = anna.get(path, If_None_Match=before.headers["ETag"])
    assert after.status_code == 200
    assert "Accepted by Meta" in after.text


@ONLY_SQLITE
def test_a_part_that_a_page_has_not_is_the_page(anna: Visitor) -> None:
    for part in ("day", "../page", "x\r\ny"):
        assert "<html" in anna.get(f"/console/messages?part={quote(part)}").text


@ONLY_SQLITE
def test_what_was_done_is_said_in_our_words_only(anna: Visitor) -> None:
    assert "Queued again: 1,234. Left out: 2." in anna.get("/console/messages?done=replayed&n=1234&m=2").text
    for query in (
        "done=<b>x&n=1&m=1",
        "done=replayed&n=<b>&m=1",
        "done=replayed&n=%D9%A1&m=0",
        "done=replayed&n=1e5&m=0",
    ):
        assert '<p class="done"' not in anna.get(f"/console/messages?{query}").text


@ONLY_SQLITE
def test_where_the_database_is_down_a_page_says_so(house: House, anna: Visitor) -> None:
    with house.service.store.engine.begin() as connection:
        connection.execute(text("DROP TABLE messages"))
    answer = anna.get("/console/messages")
    assert answer.status_code == 503
    assert "The database does not answer" in answer.text


@ONLY_SQLITE
def test_pages_lead_to_pages_that_exist(house: House, anna: Visitor) -> None:
    one_of = full(house)
    seen: set[str] = set()
    for path in (*LISTS, *one_of.values()):
        for address in re.findall(r'href="(/console[^"]*)"', anna.get(path).text):
            seen.add(address.replace("&amp;", "&"))
    assert len(seen) > 20
    for address in sorted(seen):
        answer = anna.get(address)
        assert answer.status_code == 200, address
        answer.close()


@ONLY_SQLITE
def test_over_https_it_works_as_well(house: House) -> None:
    visitor = house.visitor(base=PUBLIC)
    assert visitor.get("/console/").status_code == 200
    assert LOCAL not in visitor.get("/console/").text


@ONLY_SQLITE
@pytest.mark.parametrize(
    "path",
    [
        "/console/messages?after=%00",
        "/console/messages?status=nonsense",
        "/console/messages?code=99999999999",
        "/console/messages?code=-1",
        "/console/messages?campaign_id=%00%ff",
        "/console/campaigns?at=yesterday",
        "/console/campaigns?at=2026-01-01T00:00:00&id=x",
        "/console/batches?after=../x",
        "/console/refused?after=%00",
        "/console/audit?before=1e9",
        "/console/audit?before=99999999999999999999",
        "/console/suppressions?at=x&skip=y",
        "/console/suppressions?at=2026-01-01T00:00:00%2B00:00&skip=9999999999999",
        "/console/suppressions?category=nonsense",
        "/console/campaigns/rejections?campaign_id=%00&code=%00",
        "/console/messages/export.csv",
    ],
)
def test_an_address_that_makes_no_sense_breaks_nothing(anna: Visitor, path: str) -> None:
    assert anna.get(path).status_code in {200, 400}


@ONLY_SQLITE
@pytest.mark.parametrize(
    "path",
    ["messages/nothing", "messages/%00", "batches/nothing", "campaign/nothing", "refused/nothing", "templates/1/x/de"],
)
def test_what_is_not_there_is_a_page_that_says_so(anna: Visitor, path: str) -> None:
    answer = anna.get(f"/console/{path}")
    assert answer.status_code == 404
    assert "No such" in answer.text


def test_a_late_notification_is_on_the_page(house: House, anna: Visitor) -> None:
    (callback,) = house.service.send(person())
    house.service.accepted(callback)
    house.service.notify(statuses(told(callback, "delivered")))
    page = anna.get(f"/console/messages/{callback.partition('.')[0]}").text
    assert "Meta told: delivered" in page
    assert f"{house.service.now + timedelta(seconds=5):%d %b %Y, %H:%M} UTC" in page
    assert campaign()["CampaignId"] in page

"""Refused events, what is unanswered, doctor, and the audit in the console."""

import re
from datetime import timedelta

import pytest

from service.doctor.finding import fine, note, problem, warning, worst_first
from service.outbox.audit import Deed
from service.web.console import deeds, troubles
from service.web.console.troubles import problem_of
from tests.web.console.visiting import House, Visitor, masked
from tests.web.serving import person


def refuse(house: House, n: int = 0) -> str:
    answer = house.service.post({"ApplicationId": "app", "CampaignId": f"c{n}", "Data": "{", "Endpoints": {}})
    assert answer.status_code == 422
    return str(answer.get_json()["event_id"])


# --- refused ----------------------------------------------------------------------------------------------------------


def test_a_refused_event_says_what_is_wrong_with_it(house: House, anna: Visitor) -> None:
    event_id = refuse(house)
    page = anna.get("/console/refused").text
    assert f'href="/console/refused/{event_id}"' in page
    assert "<code>Data</code>" in page
    assert "c0" in page
    one = anna.get(f"/console/refused/{event_id}").text
    assert "What to do:" in one
    assert "<code>Data</code>" in one


def test_its_body_is_shown_once_it_is_written_down(house: House, anna: Visitor) -> None:
    event_id = refuse(house)
    path = f"/console/refused/{event_id}"
    assert "&#34;CampaignId&#34;" not in anna.get(path).text
    assert "&#34;CampaignId&#34;: &#34;c0&#34;" in anna.act(f"{path}/body").text
    assert house.deeds() == [("anna", "look at body", f"event {event_id}", "")]
    assert anna.get(f"{path}/body").location == path


def test_who_only_looks_sees_why_and_no_body(house: House, boris: Visitor) -> None:
    event_id = refuse(house)
    page = boris.get(f"/console/refused/{event_id}").text
    assert "somebody with the role operate can look" in page
    assert boris.act(f"/console/refused/{event_id}/body").status_code == 403


def test_an_event_that_was_taken_is_no_refused_one(house: House, anna: Visitor) -> None:
    (message_id,) = house.accept()
    facts = house.report.message(message_id)
    assert facts is not None
    assert anna.get(f"/console/refused/{facts.message['event_id']}").status_code == 404
    assert anna.act(f"/console/refused/{facts.message['event_id']}/body").status_code == 404
    assert house.deeds() == []


def test_refused_events_are_paged(house: House, anna: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(troubles, "PAGE", 2)
    ids = [refuse(house, n) for n in range(3)]
    first = anna.get("/console/refused").text
    assert re.findall(r'href="/console/refused/(\w+)"', first) == ids[:0:-1]
    (following,) = re.findall(r'rel="next" href="([^"]+)"', first)
    assert re.findall(r'href="/console/refused/(\w+)"', anna.get(following).text) == ids[:1]


@pytest.mark.parametrize("answer", ["", "no JSON", "[]", "{}", '{"errors": 7}', '{"errors": [1, {}], "title": 3}'])
def test_whatever_was_stored_as_an_answer_something_is_shown(answer: str) -> None:
    found = problem_of(answer)
    assert found.title
    assert all(isinstance(fault, dict) for fault in found.faults)


# --- unanswered -------------------------------------------------------------------------------------------------------


def test_what_is_unanswered_is_told_with_its_age_and_decided_there(house: House, anna: Visitor) -> None:
    first, second = house.unanswered(person(0), person(1))
    house.service.pass_time(hours=3)
    page = anna.get("/console/unanswered").text
    assert page.count(">It arrived</button>") == 2
    assert masked(0) in page
    assert "3 h" in page
    assert "until <time" in page
    answer = anna.act(f"/console/messages/{first}/decide", decision="sent", back="/console/unanswered")
    assert answer.location == "/console/unanswered?done=decided&n=0&m=0"
    page = anna.get("/console/unanswered").text
    assert f"/console/messages/{first}" not in page
    assert f"/console/messages/{second}" in page


def test_after_a_week_meta_tells_no_more(house: House, anna: Visitor) -> None:
    house.unanswered(person())
    house.service.pass_time(days=7, seconds=1)
    anna.sign_in()
    assert ">no more<" in anna.get("/console/unanswered").text


def test_only_so_many_are_shown(house: House, anna: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(troubles, "DOUBTS_SHOWN", 1)
    house.unanswered(person(0), person(1))
    page = anna.get("/console/unanswered").text
    assert page.count(">It arrived</button>") == 1
    assert "The 1 oldest are shown" in page


# --- doctor -----------------------------------------------------------------------------------------------------------


def test_doctor_examines_nothing_before_it_is_asked(house: House, anna: Visitor) -> None:
    house.findings.append(problem("the token was refused"))
    page = anna.get("/console/doctor").text
    assert ">Examine</button>" in page
    assert "the token was refused" not in page


def test_doctor_says_what_it_found_the_worst_first(house: House, anna: Visitor) -> None:
    found = [note("noted"), fine("it is fine"), problem("the token was refused"), warning("it is late")]
    house.findings.extend(worst_first(found))
    page = anna.act("/console/doctor").text
    words = ["Problem", "the token was refused", "Warning", "it is late", "Fine", "it is fine", "Note", "noted"]
    places = [page.index(word, page.index("Examine again")) for word in words]
    assert places == sorted(places)


# --- audit ------------------------------------------------------------------------------------------------------------


def test_the_audit_says_who_did_what_by_which_way(house: House, boris: Visitor) -> None:
    for via, who in (("console", "anna"), ("api", "billing"), ("command", "root")):
        house.audit.record(Deed(house.service.now, who, via, "pause", f"campaign of {who}", "why"))  # type: ignore[arg-type]
    page = boris.get("/console/audit").text
    for fact in ("anna", "billing", "root", "Console", "API key", "Command", "campaign of billing", "why"):
        assert fact in page


def test_the_audit_is_paged(house: House, anna: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deeds, "PAGE", 2)
    for n in range(3):
        house.audit.record(Deed(house.service.now + timedelta(seconds=n), "anna", "console", "pause", f"c{n}"))
    first = anna.get("/console/audit").text
    (following,) = re.findall(r'rel="next" href="([^"]+)"', first)
    assert "c2" in first
    assert "c0" not in first
    older = anna.get(following).text
    assert "c0" in older
    assert 'rel="next"' not in older
    assert "Nothing older" in anna.get("/console/audit?before=1").text

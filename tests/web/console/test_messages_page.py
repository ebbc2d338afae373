"""Messages in the console: the list, the search, one message and what is done with it."""

import re
from urllib.parse import unquote

import pytest

from service.message import Outcome, Pause, PauseReason, Scope, Status
from service.people import Blocked
from service.web.console import messages
from tests.web.console.visiting import TEMPLATE, WABA, House, Visitor, masked
from tests.web.serving import NUMBER, person

WRITTEN = person()["Address"]


def shown(html: str) -> list[str]:
    """The ids of the messages in a list, in its order."""
    return re.findall(r'<th scope="row"><a href="/console/messages/(\w+)"', html)


# --- the list ---------------------------------------------------------------------------------------------------------


def test_the_newest_messages_come_first_with_their_facts(house: House, anna: Visitor) -> None:
    ids = house.failed(person(0), person(1))
    page = anna.get("/console/messages").text
    assert shown(page) == ids[::-1]
    for fact in (masked(0), "ep0", "order_update", '<span class="chip bad"', "Undeliverable"):
        assert fact in page


def test_a_filter_is_shown_and_can_be_taken_away(house: House, anna: Visitor) -> None:
    (failed,) = house.failed(person(0))
    (queued,) = house.accept(person(1), CampaignId="another")
    page = anna.get("/console/messages?campaign_id=campaign&status=failed&code=131026&template=order_update").text
    assert shown(page) == [failed]
    assert "Code: 131026, " in page
    without = re.findall(r'<a href="([^"]+)" aria-label="Without', page)
    assert len(without) == 4
    assert all(shown(anna.get(one.replace("&amp;", "&")).text) == [failed] for one in without)
    assert shown(anna.get("/console/messages?campaign_id=another").text) == [queued]


def test_what_fits_nothing_says_what_to_do(anna: Visitor) -> None:
    assert "No message fits" in anna.get("/console/messages?campaign_id=nothing").text


def test_pages_follow_each_other(house: House, anna: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "PAGE", 2)
    ids = house.accept(*(person(n) for n in range(5)))
    path, seen = "/console/messages?campaign_id=campaign", []
    while path:
        page = anna.get(path).text
        seen.append(shown(page))
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = following[1].replace("&amp;", "&") if following else ""
    assert seen == [ids[:2:-1], ids[2:0:-1], ids[:1]]


# --- the search -------------------------------------------------------------------------------------------------------


def test_an_id_of_ours_or_metas_leads_to_its_message(house: House, anna: Visitor) -> None:
    (callback,) = house.service.send(person())
    house.service.accepted(callback)
    message_id = callback.partition(".")[0]
    for wanted in (message_id, f" {message_id} ", f"wamid.{callback}"):
        answer = anna.act("/console/messages/search", q=wanted)
        assert (answer.status_code, answer.location) == (303, f"/console/messages/{message_id}")


def test_a_number_is_found_however_it_is_written_and_is_in_no_address(house: House, anna: Visitor) -> None:
    ids = [*house.accept(person(0)), *house.accept(person(0), CampaignId="another")]
    house.accept(person(1))
    for written in (WRITTEN, WRITTEN.removeprefix("+"), "+86 138 0010 0000"):
        answer = anna.act("/console/messages/search", q=written)
        assert answer.status_code == 200
        assert "Location" not in answer.headers
        assert shown(answer.text) == ids[::-1]
        assert masked(0) in answer.text
        assert WRITTEN not in answer.text
        for address in re.findall(r'(?:href|action)="([^"]*)"', answer.text):
            assert "8613800" not in unquote(address)


def test_a_number_is_found_in_the_other_way_in_which_whatsapp_writes_it(house: House, anna: Visitor) -> None:
    (message_id,) = house.accept(person(0, Address="+5511987654321"))
    assert shown(anna.act("/console/messages/search", q="+551187654321").text) == [message_id]


def test_a_number_that_nothing_went_to_says_so_and_is_not_repeated(anna: Visitor) -> None:
    answer = anna.act("/console/messages/search", q="+4915112345678")
    assert (answer.status_code, "Location" in answer.headers) == (200, False)
    assert "No message fits" in answer.text
    assert "4915112345678" not in answer.text


def test_many_are_shown_page_by_page_in_bodies(house: House, anna: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "PAGE", 2)
    ids = [house.accept(person(0), CampaignId=f"c{n}")[0] for n in range(3)]
    first = anna.act("/console/messages/search", q=WRITTEN).text
    fields = dict(re.findall(r'type="hidden" name="(q|by|after)" value="([^"]*)"', first))
    assert shown(first) == ids[:0:-1]
    assert fields["by"] == "to"
    second = anna.act("/console/messages/search", **fields).text
    assert shown(second) == ids[:1]
    assert 'name="after"' not in second


def test_a_reference_and_a_recipient_are_found_by_their_whole_name(house: House, anna: Visitor) -> None:
    template = {"name": "order_update", "language": "en_US"}
    sent = [
        {"to": person(n)["Address"], "template": template, "reference": f"order-{n}", "id": f"who {n}"}
        for n in range(2)
    ]
    first, second = (one["message_id"] for one in house.service.direct({"messages": sent}).get_json()["results"])
    assert shown(anna.act("/console/messages/search", q="order-0").text) == [first]
    assert shown(anna.act("/console/messages/search", q="who 1").text) == [second]
    assert shown(anna.act("/console/messages/search", q="who").text) == []


@pytest.mark.parametrize("wanted", ["", "   ", "\0", "x" * 5000, "é", "wamid.", "+", "' OR 1=1 --", "%"])
def test_whatever_is_searched_for_breaks_nothing(anna: Visitor, wanted: str) -> None:
    answer = anna.act("/console/messages/search", q=wanted)
    assert answer.status_code in {200, 303}
    if answer.status_code == 303:
        assert answer.location == "/console/messages"


def test_loading_the_search_anew_begins_anew(anna: Visitor) -> None:
    assert anna.get("/console/messages/search").location == "/console/messages"


# --- one message ------------------------------------------------------------------------------------------------------


def test_a_message_tells_its_way_in_order(house: House, anna: Visitor) -> None:
    (message_id,) = house.failed(person())
    page = anna.get(f"/console/messages/{message_id}").text
    steps = ["Event received", "Checked and accepted", "Attempt 1: Meta refused it"]
    assert [page.index(step) for step in steps] == sorted(page.index(step) for step in steps)
    for fact in ("HTTP status <b>400", "Code <b>131026", "Took <b>211 ms", "Trace id <b>Atrace", "Call <b>messages"):
        assert fact in page
    assert "Meta says: Undeliverable: no such account." in page
    assert "What to do:" in page
    assert masked() in page


def test_what_the_person_sees_is_drawn(house: House, anna: Visitor) -> None:
    house.catalogues.replace(WABA, [TEMPLATE], house.service.now)
    data = '{"templateName": "order_update", "params": ["Ada"]}'
    (message_id,) = house.accept(person(), Data=data)
    page = anna.get(f"/console/messages/{message_id}").text
    assert "Hi Ada, &lt;b&gt;thanks" in page
    assert "Reply STOP" in page


def test_of_a_template_that_is_not_known_the_parameters_are_shown(house: House, anna: Visitor) -> None:
    data = '{"templateName": "order_update", "params": ["Ada <3"]}'
    (message_id,) = house.accept(person(), Data=data)
    page = anna.get(f"/console/messages/{message_id}").text
    assert "is not known here" in page
    assert "Ada &lt;3" in page
    (bare,) = house.accept(person(1))
    assert "the message has no parameters" in anna.get(f"/console/messages/{bare}").text


def test_a_page_looks_again_until_nothing_more_is_expected(house: House, anna: Visitor) -> None:
    (message_id,) = house.accept()
    path = f"/console/messages/{message_id}"
    assert 'data-live="message_state" data-every="4"' in anna.get(path).text
    assert "data-final" not in anna.get(f"{path}?part=message_state").text
    house.settle(Outcome.REFUSED, Status.FAILED, code=131026)
    assert "data-final" in anna.get(f"{path}?part=message_state").text


def test_what_a_message_waits_for_is_told(house: House, anna: Visitor) -> None:
    (message_id,) = house.accept()
    pause = Pause(Scope.CAMPAIGN, "campaign", PauseReason.OPERATOR, "wrong price", since=house.service.now)
    house.service.store.outbox.pause(pause)
    page = anna.get(f"/console/messages/{message_id}").text
    assert "Waits: campaign campaign is paused" in page
    assert "rong price" in page


def test_the_number_is_shown_whole_once_it_is_written_down(house: House, anna: Visitor) -> None:
    (message_id,) = house.accept()
    path = f"/console/messages/{message_id}"
    assert WRITTEN not in anna.get(path).text
    answer = anna.act(f"{path}/number")
    assert answer.status_code == 200
    assert WRITTEN in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert "data-live" not in answer.text, "the address of this page shows another"
    assert "<title>Message · " in answer.text
    assert house.deeds() == [("anna", "unmask", f"message {message_id}", masked())]
    assert anna.get(f"{path}/number").location == path
    assert WRITTEN not in anna.get(path).text


def test_a_failed_message_is_sent_again(house: House, anna: Visitor) -> None:
    (message_id,) = house.failed(person())
    house.service.pass_time(minutes=5)
    path = f"/console/messages/{message_id}"
    assert ">Send again</button>" in anna.get(path).text
    first = anna.act("/console/messages/replay", message_id=message_id, back=path)
    assert "Send 1 message again?" in first.text
    assert house.status(message_id) == "failed"
    answer = anna.act("/console/messages/replay", message_id=message_id, back=path, confirm="yes")
    assert answer.location == f"{path}?done=replayed&n=1&m=0"
    assert house.status(message_id) == "queued"
    house.service.pass_time(seconds=30)
    house.settle(Outcome.ACCEPTED, Status.ACCEPTED, http_status=200, wamid="wamid.A")
    page = anna.get(path).text
    steps = ["Attempt 1", "Queued again", "Attempt 2: Meta took it"]
    assert [page.index(step) for step in steps] == sorted(page.index(step) for step in steps)


def test_who_stopped_messages_is_not_offered_them_again(house: House, anna: Visitor) -> None:
    (message_id,) = house.failed(person(), code=131050)
    assert ">Send again</button>" not in anna.get(f"/console/messages/{message_id}").text


def test_a_queued_message_is_called_off(house: House, anna: Visitor) -> None:
    (message_id,) = house.accept()
    path = f"/console/messages/{message_id}"
    assert ">Cancel</button>" in anna.get(path).text
    answer = anna.act("/console/messages/cancel", message_id=message_id, back=path, confirm="yes")
    assert answer.location == f"{path}?done=cancelled&n=1&m=0"
    page = anna.get(path).text
    assert "An operator called it off." in page
    assert ">Cancel</button>" not in page


@pytest.mark.parametrize(
    ("outcome", "status", "offered"),
    [
        (Outcome.UNANSWERED, Status.UNANSWERED, ["sent", "failed", "resend"]),
        (Outcome.HELD, Status.HELD, ["sent", "failed"]),
        (Outcome.ACCEPTED, Status.ACCEPTED, []),
    ],
)
def test_what_can_be_decided_is_offered(
    house: House, anna: Visitor, outcome: Outcome, status: Status, offered: list[str]
) -> None:
    house.accept()
    (message_id,) = house.settle(outcome, status)
    page = anna.get(f"/console/messages/{message_id}").text
    assert re.findall(r'name="decision" value="(\w+)"', page) == offered


@pytest.mark.parametrize(("decision", "becomes"), [("sent", "sent"), ("failed", "failed"), ("resend", "queued")])
def test_a_decision_is_written_down_and_made(house: House, anna: Visitor, decision: str, becomes: str) -> None:
    (message_id,) = house.unanswered(person())
    path = f"/console/messages/{message_id}"
    answer = anna.act(f"{path}/decide", decision=decision, back=path)
    assert answer.location == f"{path}?done=decided&n=0&m=0"
    assert house.status(message_id) == becomes
    assert house.deeds() == [("anna", "decide", f"message {message_id}", decision)]
    assert "Decided by an operator" in anna.get(path).text


def test_a_decision_that_cannot_be_made_says_why(house: House, anna: Visitor) -> None:
    (message_id,) = house.failed(person())
    answer = anna.act(f"/console/messages/{message_id}/decide", decision="sent")
    assert answer.status_code == 409
    assert "send it again with replay" in answer.text
    assert anna.act(f"/console/messages/{message_id}/decide", decision="maybe").status_code == 400
    assert anna.act("/console/messages/nothing/decide", decision="sent").status_code == 404


def test_a_recipient_is_suppressed_and_lifted_from_the_page_of_a_message(house: House, anna: Visitor) -> None:
    (message_id,) = house.accept()
    path = f"/console/messages/{message_id}"
    fields = {"category": "marketing", "reason": "asked by phone", "back": path}
    answer = anna.act(f"{path}/suppress", **fields)
    assert answer.location == f"{path}?done=suppressed&n=1&m=0"
    page = anna.get(path).text
    assert "<b>Marketing</b> kept away" in page
    assert "asked by phone" in page
    assert anna.act(f"{path}/lift", reason="changed their mind", back=path).location == f"{path}?done=lifted&n=1&m=0"
    assert "Nothing is kept from this person" in anna.get(path).text
    assert house.deeds() == [
        ("anna", "suppress", masked(), f"marketing, message {message_id}, asked by phone"),
        ("anna", "lift", masked(), f"message {message_id}, changed their mind"),
    ]


def test_what_is_queued_for_a_suppressed_recipient_does_not_go(house: House, anna: Visitor) -> None:
    (message_id,) = house.accept()
    answer = anna.act(f"/console/messages/{message_id}/suppress", category=Blocked.ALL.value, reason="asked")
    assert answer.location.endswith("done=suppressed&n=1&m=0")
    assert house.status(message_id) == "suppressed"


@pytest.mark.parametrize("fields", [{"reason": ""}, {"reason": "  "}, {"reason": "x", "category": "nonsense"}])
def test_a_suppression_without_a_reason_or_of_no_kind_is_none(
    house: House, anna: Visitor, fields: dict[str, str]
) -> None:
    (message_id,) = house.accept()
    answer = anna.act(f"/console/messages/{message_id}/suppress", **fields)
    assert answer.status_code == 400
    assert house.status(message_id) == "queued"
    assert house.deeds() == []


@pytest.mark.parametrize("what", ["number", "suppress", "lift"])
def test_what_is_asked_of_no_message_is_not_done(house: House, anna: Visitor, what: str) -> None:
    assert anna.act(f"/console/messages/nothing/{what}", reason="x").status_code == 404
    assert house.deeds() == []
    assert NUMBER not in anna.get("/console/audit").text

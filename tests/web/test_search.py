"""`POST /v1/messages/search` and `POST /v1/messages/export` (contract: calls)."""

import csv
import io
from typing import Any

import pytest
from sqlalchemy import update

from service.message import Outcome, Pause, PauseReason, Scope, Settlement, Status
from service.outbox import tables
from service.outbox.database import StoreUnavailable
from service.outbox.search import STREAMED_AT_ONCE
from tests.outbox.making import event, message
from tests.web.odd_bodies import NOT_JSON, ODD_FILTERS, UNUSABLE
from tests.web.serving import INSIDER, NOW, OPERATOR, READER, SENDER, Service, faults, person

SEARCH, EXPORT = "/v1/messages/search", "/v1/messages/export"
BOTH = pytest.mark.parametrize("path", [SEARCH, EXPORT])


def search(service: Service, key: str = READER, **body: Any) -> dict[str, Any]:
    answer = service.ask(SEARCH, body, key)
    assert answer.status_code == 200
    document: dict[str, Any] = answer.get_json()
    return document


def ids(document: dict[str, Any]) -> list[str]:
    return [message["message_id"] for message in document["messages"]]


def export(service: Service, key: str = READER, **body: Any) -> list[dict[str, str]]:
    answer = service.ask(EXPORT, body, key)
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.text)))


def set_message(service: Service, message_id: str, **facts: Any) -> None:
    with service.store.engine.begin() as connection:
        of = tables.messages.c.message_id == message_id
        connection.execute(update(tables.messages).where(of).values(**facts))


def refuse(service: Service, name: str, code: int) -> None:
    message_id, _, attempt = name.partition(".")
    refused = Settlement(message_id, int(attempt), Outcome.REFUSED, Status.FAILED, code=code, title="Meta's title")
    service.store.outbox.settle([refused], service.now)


def test_a_found_message_looks_as_it_does_alone(service: Service) -> None:
    [name] = service.send()
    refuse(service, name, 131026)
    message_id = name.partition(".")[0]
    assert search(service, campaign_id="campaign") == {"messages": [service.message(message_id)], "next": None}


def test_of_several_attempts_the_newest_is_shown(service: Service) -> None:
    [name] = service.send()
    message_id = name.partition(".")[0]
    again = Settlement(message_id, 1, Outcome.UNAVAILABLE, Status.QUEUED, due_at=NOW, code=131016)
    service.store.outbox.settle([again], NOW)
    service.send(person(5))
    [message] = search(service, message_ids=[message_id])["messages"]
    assert [attempt["attempt"] for attempt in message["attempts"]] == [2]
    assert [attempt["attempt"] for attempt in service.message(message_id)["attempts"]] == [1, 2]


def test_pages_go_on_by_their_cursor_to_the_end(service: Service) -> None:
    results = service.accept(*(person(n) for n in range(5)))
    seen, cursor = [], None
    for _ in range(3):
        page = search(service, limit=2, cursor=cursor)
        cursor = page["next"]
        seen += ids(page)
        service.accept(person(), CampaignId=f"later than {len(seen)}")
    assert cursor is None
    assert seen == sorted((result["message_id"] for result in results), reverse=True)


def test_a_page_has_a_hundred_messages_unless_asked_otherwise(light: Service) -> None:
    for batch in range(3):
        light.accept(*(person(n) for n in range(50)), CampaignId=str(batch))
    assert len(ids(search(light))) == 100
    assert len(ids(search(light, limit=1000))) == 150
    assert len(ids(search(light, limit=1))) == 1


BAD_CURSORS: list[Any] = ["", "x", "%%%", "====", "ÿ", "\0", "\ud800", "L2V0Yy9wYXNzd2Q", "x" * 1000, 1, [], {}]


@pytest.mark.parametrize("cursor", BAD_CURSORS)
def test_a_cursor_that_is_none_is_422(light: Service, cursor: Any) -> None:
    answer = light.ask(SEARCH, {"cursor": cursor})
    assert answer.status_code == 422
    assert faults(answer) == [("cursor", "invalid_value")]


@pytest.mark.parametrize("limit", [0, 1001, -1, 10**40, 1.5, "10", True, None, []])
def test_a_limit_that_is_none_is_422(light: Service, limit: Any) -> None:
    answer = light.ask(SEARCH, {"limit": limit})
    assert (answer.status_code, faults(answer)) == (422, [("limit", "invalid_value")])


WRITINGS = ["+8613800100000", "8613800100000", "+86 138 0010 0000", "+86-138-0010-0000", " +8613800100000 "]


@pytest.mark.parametrize("written", WRITINGS)
def test_an_address_is_found_in_any_usual_writing(light: Service, written: str) -> None:
    first, _ = light.accept(person(0), person(1))
    assert ids(search(light, to=written)) == [first["message_id"]]


def test_a_field_is_each_of_the_filters(service: Service) -> None:
    [name] = service.send(person())
    refuse(service, name, 131026)
    service.accept(person(1), CampaignId="another")
    message_id = name.partition(".")[0]
    set_message(service, message_id, reference="order-17", template_name="sale", phone_number_id="77")
    for narrow in (
        {"status": "failed"},
        {"status": ["failed", "read"]},
        {"campaign_id": "campaign"},
        {"event_id": service.message(message_id)["event_id"]},
        {"template": "sale"},
        {"phone_number_id": "77"},
        {"to": "+8613800100000"},
        {"recipient": "ep0", "campaign_id": "campaign"},
        {"reference": "order-17"},
        {"code": 131026},
        {"message_ids": [message_id, "x"]},
    ):
        assert ids(search(service, **narrow)) == [message_id], narrow
        assert [row["message_id"] for row in export(service, **narrow)] == [message_id]
    assert len(ids(search(service, created_from="2026-11-01T10:00:00.123456+01:00"))) == 2
    assert ids(search(service, created_until="2026-11-01T09:00:00.123456Z")) == []


def test_a_queued_message_names_what_holds_it_back_among_others(service: Service) -> None:
    service.accept(person())
    service.accept(person(1), CampaignId="another")
    service.store.outbox.pause(Pause(Scope.CAMPAIGN, "campaign", PauseReason.OPERATOR, "wrong price", NOW))
    other, held = search(service)["messages"]
    assert other["waits_for"] == []
    assert held["waits_for"] == service.message(held["message_id"])["waits_for"]
    assert [pause["key"] for pause in held["waits_for"]] == ["campaign"]


def test_only_the_scope_pii_shows_whole_numbers(light: Service) -> None:
    light.accept(person())
    for key, shown in ((READER, "+86••••••••000"), (INSIDER, "+8613800100000")):
        assert [message["to"] for message in search(light, key)["messages"]] == [shown]
        assert [row["to"] for row in export(light, key)] == [shown]


@BOTH
@pytest.mark.parametrize("key", [None, "", "wrong"])
def test_a_missing_or_wrong_key_is_a_silent_401(light: Service, path: str, key: str | None) -> None:
    answer = light.ask(path, {}, key)
    assert (answer.status_code, answer.data) == (401, b"")


@BOTH
@pytest.mark.parametrize("key", [SENDER, OPERATOR])
def test_a_key_that_lacks_the_scope_is_403(light: Service, path: str, key: str) -> None:
    answer = light.ask(path, {}, key)
    assert answer.status_code == 403
    assert "scope read" in answer.get_json()["detail"]


@BOTH
def test_a_body_over_6_mb_is_413(light: Service, path: str) -> None:
    assert light.ask(path, b" " * (6 * 1024 * 1024 + 1)).status_code == 413


@BOTH
def test_a_store_that_is_down_is_503(down: Service, path: str) -> None:
    answer = down.ask(path, {})
    assert (answer.status_code, faults(answer)) == (503, [])
    assert answer.headers["Retry-After"]


@BOTH
@pytest.mark.parametrize("name", NOT_JSON)
def test_what_is_no_json_is_400(light: Service, path: str, name: str) -> None:
    answer = light.ask(path, NOT_JSON[name])
    assert (answer.status_code, faults(answer)) == (400, [("", "invalid_json")])


@BOTH
@pytest.mark.parametrize("name", UNUSABLE)
def test_a_body_that_cannot_be_used_is_422_and_says_where(light: Service, path: str, name: str) -> None:
    body, expected = UNUSABLE[name]
    answer = light.ask(path, body)
    assert (answer.status_code, faults(answer)) == (422, expected)


def test_an_unknown_field_is_told_with_the_known_ones(light: Service) -> None:
    answer = light.ask(SEARCH, {"campain_id": "x", "statuses": "failed"})
    errors = {error["path"]: error["detail"] for error in answer.get_json()["errors"]}
    assert errors.keys() == {"campain_id", "statuses"}
    assert "campaign_id" in errors["campain_id"]
    assert "cursor" in errors["statuses"]


def test_an_address_that_is_none_is_not_repeated(light: Service) -> None:
    assert "12345" not in light.ask(SEARCH, {"to": "12345"}).text


def test_an_odd_filter_finds_nothing(service: Service) -> None:
    service.accept(person())
    for name, body in ODD_FILTERS.items():
        found = len(ids(search(service, **body)))
        assert found == (1 if name == "the first moment" else 0), name
        assert len(export(service, **body)) == found, name


# --- export


def test_an_export_has_a_line_for_each_message_under_a_header(service: Service) -> None:
    [name] = service.send()
    refuse(service, name, 131026)
    service.accept(person(1), CampaignId="another")
    answer = service.ask(EXPORT, {})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="messages.csv"'
    assert answer.text.splitlines()[0] == (
        "message_id,event_id,campaign_id,recipient,to,phone_number_id,template,language,status,status_at,reference,"
        "code,title,explanation,next_step"
    )
    assert answer.text.endswith("\r\n")
    queued, failed = csv.DictReader(io.StringIO(answer.text))
    failure = service.message(failed["message_id"])["failure"]
    assert failed == {
        "message_id": name.partition(".")[0],
        "event_id": "id00001",
        "campaign_id": "campaign",
        "recipient": "ep0",
        "to": "+86••••••••000",
        "phone_number_id": "106540352242922",
        "template": "order_update",
        "language": "en_US",
        "status": "failed",
        "status_at": "2026-11-01T09:00:00.123Z",
        "reference": "",
        "code": "131026",
        "title": "Meta's title",
        "explanation": failure["explanation"],
        "next_step": failure["next_step"],
    }
    assert (queued["status"], queued["code"], queued["title"]) == ("queued", "", "")


@pytest.fixture
def many(service: Service) -> list[str]:
    """The ids of so many messages that an export reads three times, newest first."""
    messages = [message(n) for n in range(2 * STREAMED_AT_ONCE + 1)]
    service.store.outbox.add(event(*messages), NOW)
    return [one.message_id for one in reversed(messages)]


def test_an_export_of_several_pages_has_each_message_once(service: Service, many: list[str]) -> None:
    assert [row["message_id"] for row in export(service)] == many


def test_an_export_is_sent_while_it_is_read(service: Service, many: list[str]) -> None:
    """Else a large one would need the memory for all of it, and its caller would wait for the first line."""
    pieces = service.ask(EXPORT, {}).iter_encoded()
    first = next(pieces)
    set_message(service, many[-1], reference="changed meanwhile")
    rest = list(pieces)
    assert [piece.count(b"\r\n") for piece in (first, *rest)] == [1 + STREAMED_AT_ONCE, STREAMED_AT_ONCE, 1]
    assert b"changed meanwhile" in rest[-1]


def test_an_export_that_the_store_breaks_off_is_no_whole_file(light: Service, caplog: pytest.LogCaptureFixture) -> None:
    light.store.outbox.add(event(*(message(n) for n in range(STREAMED_AT_ONCE + 1))), NOW)
    pieces = light.ask(EXPORT, {}).iter_encoded()
    next(pieces)
    with light.store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE attempts RENAME TO gone")
    with pytest.raises(StoreUnavailable):
        next(pieces)
    assert "export.broken_off reason=OperationalError: no such table: attempts" in caplog.text


def test_an_export_of_nothing_is_the_header(light: Service) -> None:
    assert light.ask(EXPORT, {"campaign_id": "none"}).text.count("\r\n") == 1


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=cmd|' /C calc'!A0"]


@pytest.mark.parametrize("written", FORMULAS)
def test_no_cell_is_a_formula_for_a_spreadsheet(light: Service, written: str) -> None:
    [result] = light.accept(person(), CampaignId=written)
    set_message(light, result["message_id"], reference=written, recipient=written)
    [row] = export(light)
    assert {row["reference"], row["recipient"], row["campaign_id"]} == {f"'{written}"}
    [raw] = csv.reader(io.StringIO(light.ask(EXPORT, {}).text.partition("\r\n")[2], newline=""))
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in raw if cell != row["to"])


def test_a_cell_may_hold_commas_quotes_and_lines(light: Service) -> None:
    [result] = light.accept(person())
    set_message(light, result["message_id"], reference='a,"b"\r\nc 漢字')
    answer = light.ask(EXPORT, {})
    [row] = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert row["reference"] == 'a,"b"\r\nc 漢字'

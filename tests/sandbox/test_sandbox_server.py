"""The sandbox over HTTP: Meta's answers, the journal, the faults, and what can be switched."""

import json
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

Answer = tuple[int, Any]
Api = Callable[..., Answer]
MESSAGES = "/v25.0/106540352242922/messages"
BEARER = {"Authorization": "Bearer sandbox-token"}


def test_a_message_is_accepted_under_a_wamid_of_its_own(send: Api) -> None:
    answers = [send() for _ in range(3)]
    assert [status for status, _ in answers] == [200] * 3
    assert answers[0][1]["contacts"] == [{"input": "+8613800138000", "wa_id": "8613800138000"}]
    assert answers[0][1]["messages"][0]["message_status"] == "accepted"
    assert len({body["messages"][0]["id"] for _, body in answers}) == 3


@pytest.mark.parametrize("path", ["/v19.0/1/messages", "/v26.0/106540352242922/messages"])
def test_any_version_and_number_is_served(path: str, api: Api, message: Callable[..., Any]) -> None:
    assert api("POST", path, message(), **BEARER)[0] == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer another"}, {"Authorization": "sandbox-token"}])
def test_a_wrong_token_is_401(headers: dict[str, str], api: Api, message: Callable[..., Any]) -> None:
    status, body = api("POST", MESSAGES, message(), **headers)
    assert (status, body["error"]["code"], body["error"]["error_subcode"]) == (401, 190, 463)
    assert body["error"]["fbtrace_id"]
    assert api("GET", "/sandbox/accepted")[1] == ""


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_is_code_100(body: bytes, api: Api) -> None:
    status, answer = api("POST", MESSAGES, body, **BEARER)
    assert (status, answer["error"]["code"]) == (400, 100)


def test_a_token_can_be_replaced(api: Api, send: Api) -> None:
    assert api("POST", "/sandbox/token", {"token": "new"})[0] == 204
    assert send()[0] == 401
    assert send(token="new")[0] == 200


def test_the_journal_has_a_line_per_accepted_message(api: Api, send: Api) -> None:
    wamid = send()[1]["messages"][0]["id"]
    send(to="abc")
    send(to=None, recipient="US.1349", biz_opaque_callback_data=None)
    status, lines = api("GET", "/sandbox/accepted")
    first, second = (json.loads(line) for line in lines.splitlines())
    assert status == 200
    assert first == {
        "to": "+8613800138000",
        "callback_data": "m1.1",
        "at": "2026-11-01T09:00:00.123456+00:00",
        "phone_number_id": "106540352242922",
        "template": "ordertimeoutnotification",
        "wamid": wamid,
        "door": "messages",
    }
    assert (second["to"], second["callback_data"]) == ("US.1349", None)
    assert api("GET", "/sandbox/accepted", Accept="application/json") == (200, [first, second])
    assert api("DELETE", "/sandbox/accepted") == (204, "")
    assert api("GET", "/sandbox/accepted") == (200, "")


@pytest.mark.parametrize("query", ["?to=%2B8613800138000", "?to=+8613800138000", "?to=8613800138000"])
def test_the_bodies_that_arrived_can_be_had_by_recipient(query: str, api: Api, send: Api, message: Api) -> None:
    send()
    send(to="+447700900123")
    assert api("GET", f"/sandbox/messages{query}") == (200, [message()])
    assert len(api("GET", "/sandbox/messages")[1]) == 2


# kind of fault: (its fields, the HTTP status, the code, lines in the journal)
ANSWERS: dict[str, tuple[dict[str, Any], int, int | None, int]] = {
    "error with Meta's status": ({"kind": "error", "code": 132001}, 404, 132001, 0),
    "error with another status": ({"kind": "error", "code": 130429, "http_status": 429}, 429, 130429, 0),
    "error nobody documented": ({"kind": "error", "code": 139999}, 400, 139999, 0),
    "error after acceptance": ({"kind": "error", "code": 2, "accepted": True}, 503, 2, 1),
    "held": ({"kind": "held"}, 200, None, 1),
    "no wamid": ({"kind": "no_wamid"}, 200, None, 1),
    "silent": ({"kind": "silent"}, 200, None, 1),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_a_fault_decides_the_answer_once(case: str, api: Api, send: Api) -> None:
    fault, http_status, code, lines = ANSWERS[case]
    assert api("POST", "/sandbox/faults", {**fault, "next": 1})[0] == 201
    status, body = send()
    assert (status, body.get("error", {}).get("code")) == (http_status, code)
    assert len(api("GET", "/sandbox/accepted")[1].splitlines()) == lines
    assert send()[1]["messages"][0]["message_status"] == "accepted"


def test_a_held_message_says_so_and_a_200_may_name_no_message(api: Api, send: Api) -> None:
    api("POST", "/sandbox/faults", {"kind": "held", "next": 1})
    assert send()[1]["messages"][0]["message_status"] == "held_for_quality_assessment"
    api("POST", "/sandbox/faults", {"kind": "no_wamid", "next": 1})
    assert "messages" not in send()[1]


def test_a_raw_answer_is_no_json(api: Api, send: Api) -> None:
    api("POST", "/sandbox/faults", {"kind": "raw", "http_status": 502, "body": "<html>Bad gateway</html>"})
    assert send() == (502, "<html>Bad gateway</html>")
    assert api("GET", "/sandbox/accepted")[1] == ""


@pytest.mark.parametrize(("accepted", "lines"), [(True, 1), (False, 0)])
def test_a_dropped_connection_may_hide_an_acceptance(accepted: bool, lines: int, api: Api, send: Api) -> None:
    api("POST", "/sandbox/faults", {"kind": "drop", "accepted": accepted, "next": 1})
    with pytest.raises(aiohttp.ServerDisconnectedError):
        send()
    assert len(api("GET", "/sandbox/accepted")[1].splitlines()) == lines


def test_a_hanging_request_is_never_answered_and_does_not_hold_up_the_end(api: Api, send: Api) -> None:
    api("POST", "/sandbox/faults", {"kind": "hang", "next": 1})
    with pytest.raises(TimeoutError):
        send(seconds=0.2)
    assert len(api("GET", "/sandbox/accepted")[1].splitlines()) == 1


def test_latency_comes_before_the_answer_of_another_fault(api: Api, send: Api) -> None:
    api("POST", "/sandbox/faults", {"kind": "latency", "seconds": 0.1})
    api("POST", "/sandbox/faults", {"kind": "error", "code": 131016})
    started = time.monotonic()
    assert send()[0] == 500
    assert time.monotonic() - started >= 0.1


def test_faults_are_listed_with_what_they_met_and_taken_back(api: Api, send: Api) -> None:
    ids = [api("POST", "/sandbox/faults", {"kind": kind, "every": 2})[1]["fault_id"] for kind in ("held", "silent")]
    send()
    send()
    listed = api("GET", "/sandbox/faults")[1]
    assert [(one["fault_id"], one["seen"], one["hits"]) for one in listed] == [(ids[0], 2, 1), (ids[1], 2, 1)]
    assert api("DELETE", f"/sandbox/faults/{ids[0]}")[0] == 204
    assert [one["fault_id"] for one in api("GET", "/sandbox/faults")[1]] == [ids[1]]
    assert api("DELETE", f"/sandbox/faults/{ids[0]}")[0] == 404
    assert api("DELETE", "/sandbox/faults")[0] == 204
    assert api("GET", "/sandbox/faults") == (200, [])


BAD_INPUT: dict[str, tuple[str, object, str]] = {
    "a fault that is no JSON": ("/sandbox/faults", b"{", "The body must be JSON"),
    "a fault of unknown kind": ("/sandbox/faults", {"kind": "flood"}, "kind must be one of error, latency"),
    "a template without name": ("/sandbox/templates", {"language": "en_US", "components": []}, "template 0: name"),
    "the second of two": ("/sandbox/templates", [{"name": "a", "language": "b", "components": []}, 7], "template 1:"),
    "a status nobody knows": (
        "/sandbox/templates",
        {"name": "a", "language": "b", "components": [], "status": "GREAT"},
        "template 0: status must be one of APPROVED, PENDING",
    ),
    "a status of a wrong type": (
        "/sandbox/templates",
        {"name": "a", "language": "b", "components": [], "status": {}},
        "template 0: status must be one of",
    ),
    "a template id of a wrong shape": (
        "/sandbox/templates",
        {"name": "a", "language": "b", "components": [], "id": "t-1"},
        "template 0: id must be a string of digits",
    ),
    "a template that is not known without components": (
        "/sandbox/templates",
        {"name": "a", "language": "b", "status": "PAUSED"},
        "template 0: components must be a list",
    ),
    "a number that is no JSON": ("/sandbox/numbers", b"[", "The body must be JSON"),
    "a number without id": ("/sandbox/numbers", {"throughput": "HIGH"}, "phone_number_id must be a string"),
    "components of a wrong shape": ("/sandbox/templates", {"name": "a", "components": {}}, "components must be a list"),
    "buttons of a wrong shape": (
        "/sandbox/templates",
        {"name": "a", "language": "b", "components": [{"type": "BUTTONS", "buttons": 7}]},
        "buttons must be a list of objects",
    ),
    "an empty token": ("/sandbox/token", {"token": ""}, "token must be a string"),
    "a webhook that is no URL": ("/sandbox/webhook", {"url": "localhost"}, "url must start with http"),
    "a webhook nobody answers": (
        "/sandbox/webhook",
        {"url": "http://127.0.0.1:9", "verify": True},
        "echo the challenge",
    ),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_explained(case: str, api: Api) -> None:
    path, body, sentence = BAD_INPUT[case]
    status, answer = api("POST", path, body)
    assert status == 400
    assert sentence in answer["error"]


def test_templates_can_be_added_and_replaced(api: Api, send: Api) -> None:
    template = {"name": "hello", "language": "de", "components": [{"type": "BODY", "text": "Hallo"}]}
    body = {"template": {"name": "hello", "language": {"code": "de"}}}
    assert send(**body)[1]["error"]["code"] == 132001
    assert api("POST", "/sandbox/templates", template)[0] == 201
    assert send(**body)[0] == 200
    assert api("POST", "/sandbox/templates", {"data": [{**template, "status": "PAUSED"}]})[0] == 201
    assert send(**body)[1]["error"]["code"] == 132015


def test_templates_are_listed_page_by_page(api: Api) -> None:
    everything = api("GET", "/sandbox/templates")[1]["data"]
    path = "/v25.0/102290129340398/message_templates"
    listed: list[Any] = []
    query = "?limit=2"
    while query:
        status, page = api("GET", path + query, **BEARER)
        assert status == 200
        assert len(page["data"]) <= 2
        listed += page["data"]
        query = "?" + page["paging"]["next"].partition("?")[2] if "next" in page["paging"] else ""
    assert listed == everything


@pytest.mark.parametrize("query", ["?limit=0", "?limit=x", "?after=x", "?limit=99999999999999999999"])
def test_a_page_that_cannot_be_is_code_100(query: str, api: Api) -> None:
    status, body = api("GET", f"/v25.0/1/message_templates{query}", **BEARER)
    assert (status, body["error"]["code"]) == (400, 100)


def test_the_list_of_templates_needs_the_token(api: Api) -> None:
    assert api("GET", "/v25.0/1/message_templates")[0] == 401


def test_healthz_counts(api: Api, send: Api) -> None:
    send()
    status, body = api("GET", "/sandbox/healthz")
    assert (status, body["status"], body["accepted"]) == (200, "ok", 1)

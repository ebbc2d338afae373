"""Numbers over HTTP: Meta's node, what can be set, the two doors and what was refused at them."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.errors import InputError
from sandbox.number_json import parse_number
from sandbox.numbers import NumberSettings

Answer = tuple[int, Any]
Api = Callable[..., Answer]
Told = Callable[[int], list[Any]]
Template = dict[str, Any]

NUMBER = "106540352242922"
NODE = f"/v25.0/{NUMBER}"
MARKETING = f"/v25.0/{NUMBER}/marketing_messages"
BEARER = {"Authorization": "Bearer sandbox-token"}
LIMIT = "whatsapp_business_manager_messaging_limit"
UNSET = {
    "throughput": "STANDARD",
    "messaging_limit": "TIER_UNLIMITED",
    "pair_limit": False,
    "marketing_door": "either",
    "waba_id": "102290129340398",
    "quality_rating": "GREEN",
    "status": "CONNECTED",
    "can_send_message": "AVAILABLE",
}

# case: (the query, what is answered besides the id)
FIELDS: dict[str, tuple[str, dict[str, Any]]] = {
    "what limits there are": (
        f"?fields=throughput,{LIMIT}",
        {"throughput": {"level": "STANDARD"}, LIMIT: "TIER_UNLIMITED"},
    ),
    "one": ("?fields=quality_rating", {"quality_rating": "GREEN"}),
    "with spaces, and the id": ("?fields=display_phone_number,+id", {"display_phone_number": "+1 555-078-3881"}),
    "only the id": ("?fields=id", {}),
    "none in particular": (
        "",
        {"verified_name": "Sandbox", "display_phone_number": "+1 555-078-3881", "quality_rating": "GREEN"},
    ),
}


@pytest.mark.parametrize("case", FIELDS)
def test_a_number_tells_the_fields_it_is_asked_for(case: str, api: Api) -> None:
    query, expected = FIELDS[case]
    assert api("GET", NODE + query, **BEARER) == (200, {**expected, "id": NUMBER})


def test_a_number_tells_what_it_was_set_to(api: Api) -> None:
    api("POST", "/sandbox/numbers", {"phone_number_id": NUMBER, "throughput": "HIGH", "messaging_limit": "TIER_2K"})
    path = f"?fields=throughput,{LIMIT}"
    assert api("GET", NODE + path, **BEARER)[1] == {"throughput": {"level": "HIGH"}, LIMIT: "TIER_2K", "id": NUMBER}
    assert api("GET", "/v25.0/1" + path, **BEARER)[1]["throughput"] == {"level": "STANDARD"}


def test_a_number_tells_all_that_is_shown_of_it_and_is_as_well_as_it_was_set(api: Api) -> None:
    api("POST", "/sandbox/numbers", {"phone_number_id": NUMBER, "quality_rating": "RED", "status": "FLAGGED"})
    names = f"verified_name,display_phone_number,quality_rating,status,throughput,{LIMIT}"
    assert api("GET", f"{NODE}?fields={names}", **BEARER)[1] == {
        "verified_name": "Sandbox",
        "display_phone_number": "+1 555-078-3881",
        "quality_rating": "RED",
        "status": "FLAGGED",
        "throughput": {"level": "STANDARD"},
        LIMIT: "TIER_UNLIMITED",
        "id": NUMBER,
    }
    well = api("GET", f"/v25.0/1?fields={names}", **BEARER)[1]
    assert (well["quality_rating"], well["status"]) == ("GREEN", "CONNECTED")


def test_a_field_a_number_does_not_have_is_code_100(api: Api) -> None:
    status, body = api("GET", NODE + "?fields=throughput,shoe_size", **BEARER)
    assert (status, body["error"]["code"]) == (400, 100)
    assert body["error"]["message"] == "(#100) Tried accessing nonexisting field (shoe_size)"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer another"}])
def test_a_number_tells_nothing_without_the_token(headers: dict[str, str], api: Api) -> None:
    status, body = api("GET", NODE + "?fields=throughput", **headers)
    assert (status, body["error"]["code"]) == (401, 190)


GOOD: dict[str, dict[str, Any]] = {
    "nothing": {},
    "throughput": {"throughput": "NOT_APPLICABLE"},
    "messaging limit": {"messaging_limit": "TIER_100K"},
    "everything": {
        "throughput": "HIGH",
        "messaging_limit": "TIER_250",
        "messages_per_second": 1000,
        "pair_limit": True,
        "marketing_door": "only",
        "waba_id": "7",
    },
}


@pytest.mark.parametrize("case", GOOD)
def test_a_number_keeps_what_it_is_given(case: str, api: Api) -> None:
    given = {"phone_number_id": NUMBER, **GOOD[case]}
    assert parse_number(given) == NumberSettings(**given)
    expected = {**UNSET, **given, "refusals": {}}
    assert api("POST", "/sandbox/numbers", given) == (201, expected)
    assert api("GET", "/sandbox/numbers") == (200, [expected])


BAD: dict[str, tuple[object, str]] = {
    "no object": ([], "A number must be a JSON object"),
    "no id": ({}, "phone_number_id must be a string that is not empty"),
    "an id that is no string": ({"phone_number_id": 1}, "phone_number_id must be a string"),
    "a misspelt field": (
        {"phone_number_id": "1", "mps": 1},
        "mps is no field of a number; it has phone_number_id, thr",
    ),
    "an unknown throughput": ({"phone_number_id": "1", "throughput": "LOW"}, "one of STANDARD, HIGH, NOT_APPLICABLE"),
    "an unknown limit": (
        {"phone_number_id": "1", "messaging_limit": "TIER_1K"},
        "messaging_limit must be one of TIER_",
    ),
    "a limit that is a list": ({"phone_number_id": "1", "messaging_limit": []}, "messaging_limit must be one of"),
    "no message a second": ({"phone_number_id": "1", "messages_per_second": 0}, "whole number from 1 to 10000"),
    "half a message a second": ({"phone_number_id": "1", "messages_per_second": 0.5}, "whole number from 1"),
    "true messages a second": ({"phone_number_id": "1", "messages_per_second": True}, "whole number from 1"),
    "too many a second": ({"phone_number_id": "1", "messages_per_second": 10_001}, "messages_per_second must be"),
    "a pair limit in quotes": ({"phone_number_id": "1", "pair_limit": "true"}, "pair_limit must be true or false"),
    "an unknown door": ({"phone_number_id": "1", "marketing_door": "back"}, "must be one of either, only, never"),
    "an account that is a number": ({"phone_number_id": "1", "waba_id": 7}, "waba_id must be a string"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_number_is_explained(case: str) -> None:
    given, sentence = BAD[case]
    with pytest.raises(InputError, match=re.escape(sentence)):
        parse_number(given)


def test_a_message_too_fast_is_refused_and_counted(api: Api, send: Api) -> None:
    api("POST", "/sandbox/numbers", {"phone_number_id": NUMBER, "messages_per_second": 2})
    answers = [send() for _ in range(4)]
    assert [status for status, _ in answers] == [200, 200, 400, 400]
    assert answers[2][1]["error"]["message"] == "(#130429) Rate limit hit"
    assert send(to="abc")[0] == 400
    assert send(token="another")[0] == 401
    assert api("GET", "/sandbox/numbers")[1][0]["refusals"] == {"100": 1, "190": 1, "130429": 2}
    assert len(api("GET", "/sandbox/accepted")[1].splitlines()) == 2


def test_too_many_messages_to_one_recipient_are_refused(api: Api, send: Api) -> None:
    api("POST", "/sandbox/numbers", {"phone_number_id": NUMBER, "pair_limit": True})
    answers = [send() for _ in range(46)]
    assert [status for status, _ in answers] == [200] * 45 + [400]
    assert answers[-1][1]["error"]["code"] == 131056
    assert send(to="+8613800138001")[0] == 200
    assert send(path="/v25.0/1/messages")[0] == 200, "another number has limits of its own"


def test_a_number_that_is_set_again_or_forgotten_starts_anew(api: Api, send: Api) -> None:
    for _ in range(2):
        api("POST", "/sandbox/numbers", {"phone_number_id": NUMBER, "messages_per_second": 1})
        assert [send()[0] for _ in range(2)] == [200, 400]
    assert api("GET", "/sandbox/numbers")[1][0]["refusals"] == {"130429": 1}
    assert api("DELETE", "/sandbox/numbers") == (204, "")
    assert api("GET", "/sandbox/numbers") == (200, [])
    assert [send()[0] for _ in range(3)] == [200] * 3


def test_a_fault_answers_before_the_number_does(api: Api, send: Api) -> None:
    api("POST", "/sandbox/numbers", {"phone_number_id": NUMBER, "messages_per_second": 1})
    api("POST", "/sandbox/faults", {"kind": "error", "code": 131000, "next": 2})
    assert [send()[0] for _ in range(4)] == [500, 500, 200, 400]


def test_each_door_is_in_the_journal_and_tells_of_marketing(api: Api, send: Api, told: Told, sale: Template) -> None:
    for path in (MARKETING, f"{NODE}/messages"):
        assert send(path=path, template=sale)[1]["messages"][0]["message_status"] == "accepted"
    lines = api("GET", "/sandbox/accepted", Accept="application/json")[1]
    assert [line["door"] for line in lines] == ["marketing_messages", "messages"]
    pricing = [status["pricing"] for status in told(6) if status["status"] == "sent"]
    assert [one["category"] for one in pricing] == ["marketing", "marketing"]


@pytest.mark.parametrize(("setting", "refused"), [("only", [131063, None]), ("never", [None, 131055])])
def test_a_number_may_close_a_door(
    setting: str, refused: list[int | None], api: Api, send: Api, sale: Template
) -> None:
    api("POST", "/sandbox/numbers", {"phone_number_id": NUMBER, "marketing_door": setting})
    answers = [send(path=path, template=sale)[1] for path in (f"{NODE}/messages", MARKETING)]
    assert [answer.get("error", {}).get("code") for answer in answers] == refused
    codes = [str(code) for code in refused if code]
    assert api("GET", "/sandbox/numbers")[1][0]["refusals"] == dict.fromkeys(codes, 1)


def test_a_refusal_at_the_door_is_worded_as_metas(api: Api, send: Api, sale: Template) -> None:
    assert send(path=MARKETING)[1]["error"]["error_data"]["details"] == "Only marketing template messages are supported"
    api("POST", "/sandbox/numbers", {"phone_number_id": NUMBER, "marketing_door": "only"})
    error = send(template=sale)[1]["error"]
    assert error["message"] == "(#131063) Marketing templates disabled for Cloud API"
    assert error["error_data"]["details"].endswith("turning off disable_marketing_messages_on_cloud_api.")


def test_a_number_is_told_of_under_its_account(api: Api, send: Api, told: Told, notifications: list[Any]) -> None:
    api("POST", "/sandbox/numbers", {"phone_number_id": NUMBER, "waba_id": "7"})
    send()
    send(path="/v25.0/1/messages")
    told(6)
    entries = [entry for one in notifications for entry in one["entry"]]
    accounts = {
        change["value"]["metadata"]["phone_number_id"]: entry["id"] for entry in entries for change in entry["changes"]
    }
    assert accounts == {NUMBER: "7", "1": UNSET["waba_id"]}

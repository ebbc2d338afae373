"""`/v1/suppressions`: an operator suppresses people, lifts that, looks at them, and hands over a list."""

import json
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from service.people import SuppressionSource
from service.web import consent_contract
from tests.web.serving import NOW, OPERATOR, READER, SENDER, Service, api_key, faults, person

PATH = "/v1/suppressions"
PHONE, MASKED = "+8613800100000", "+86••••••••000"
LOOKER = "wck_looker"


def call(service: Service, method: str, body: Any, path: str = PATH, key: str | None = OPERATOR) -> TestResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return service.client.open(path, method=method, data=data, headers=headers)


def put(service: Service, **body: Any) -> TestResponse:
    return call(service, "PUT", {"to": PHONE} | body)


def search(service: Service, key: str = OPERATOR, **body: Any) -> dict[str, Any]:
    answer = call(service, "POST", body, f"{PATH}/search", key)
    assert answer.status_code == 200
    document: dict[str, Any] = answer.get_json()
    return document


def import_list(service: Service, text: str | bytes) -> TestResponse:
    body = text.encode() if isinstance(text, str) else text
    headers = {"Authorization": f"Bearer {OPERATOR}", "Content-Type": "text/csv"}
    return service.client.post(f"{PATH}/import", data=body, headers=headers)


def status_of(service: Service, message_id: str) -> str:
    return str(service.message(message_id)["status"])


def test_a_person_is_suppressed_and_gets_nothing_from_then_on(service: Service) -> None:
    [queued] = service.accept(person())
    answer = put(service, category="marketing", reason="asked by phone")
    assert answer.status_code == 200
    assert answer.get_json() == {
        "to": MASKED,
        "category": "marketing",
        "source": "operator",
        "since": "2026-11-01T09:00:00.123Z",
        "reason": "asked by phone",
    }
    assert status_of(service, queued["message_id"]) == "suppressed"
    [rejected, accepted] = service.accept(person(), person(1), CampaignId="next")
    assert (rejected["status"], rejected["code"]) == ("rejected", "suppressed")
    assert rejected["path"].startswith("Endpoints.ep0")
    assert "DELETE /v1/suppressions" in rejected["detail"]
    assert accepted["status"] == "accepted"


def test_a_person_who_is_lifted_gets_messages_again(service: Service) -> None:
    put(service)
    answer = call(service, "DELETE", {"to": PHONE})
    assert (answer.status_code, answer.get_json()) == (200, {"lifted": 1})
    assert call(service, "DELETE", {"to": PHONE}).get_json() == {"lifted": 0}
    [result] = service.accept(person())
    assert result["status"] == "accepted"


def test_one_category_may_be_lifted_alone(service: Service) -> None:
    put(service, category="all")
    put(service, category="marketing")
    assert call(service, "DELETE", {"to": PHONE, "category": "all"}).get_json() == {"lifted": 1}
    assert [row["category"] for row in search(service)["suppressions"]] == ["marketing"]


@pytest.mark.parametrize("written", ["8613800100000", "+86 138 0010 0000", 8613800100000])
def test_a_number_may_be_written_in_any_usual_way(light: Service, written: object) -> None:
    assert put(light, to=written).status_code == 200
    assert len(search(light, to="86-138-0010-0000")["suppressions"]) == 1


def test_a_user_id_may_be_suppressed(light: Service) -> None:
    assert put(light, to="US.13491208655302741918").get_json()["to"] == "US.••••"


def test_without_a_category_everything_is_blocked(light: Service) -> None:
    assert put(light).get_json()["category"] == "all"


def test_numbers_are_whole_only_for_a_key_that_may_see_them(light: Service) -> None:
    keys = (api_key("looker", "operate+pii", LOOKER),)
    service = Service(light.store, more_keys=keys)
    put(service)
    assert search(service)["suppressions"][0]["to"] == MASKED
    assert search(service, LOOKER)["suppressions"][0]["to"] == PHONE


def test_a_search_goes_page_by_page_and_its_cursor_names_nobody(service: Service) -> None:
    lines = "\n".join(f"+49151000{n:05}" for n in range(25))
    import_list(service, f"to\n{lines}\n")
    service.pass_time(hours=1)
    put(service)
    pages: list[list[dict[str, Any]]] = []
    cursor = None
    while not pages or cursor:
        page = search(service, limit=10, **({"cursor": cursor} if cursor else {}))
        cursor = page["next"]
        pages.append(page["suppressions"])
        assert "49151" not in str(cursor)
    assert [len(page) for page in pages] == [10, 10, 6]
    assert [row["source"] for row in pages[0][:2]] == ["operator", "import"]


FILTERS: Mapping[str, tuple[dict[str, Any], int]] = {
    "nothing": ({}, 2),
    "a person": ({"to": PHONE}, 1),
    "a category": ({"category": "marketing"}, 1),
    "a source": ({"source": "import"}, 1),
    "a moment": ({"since": (NOW + timedelta(minutes=30)).isoformat()}, 1),
    "what nobody is": ({"source": "stop_reply"}, 0),
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_search_finds_what_fits(light: Service, name: str) -> None:
    import_list(light, "to,category\n+4915100000001,marketing")
    light.pass_time(hours=1)
    put(light)
    wanted, number = FILTERS[name]
    assert len(search(light, **wanted)["suppressions"]) == number


BAD: Mapping[str, tuple[str, str, Any, list[tuple[str, str]]]] = {
    "no address": ("PUT", "", {}, [("to", "missing")]),
    "an address that is none": ("PUT", "", {"to": "12"}, [("to", "invalid_address")]),
    "an address of a wrong kind": ("PUT", "", {"to": [PHONE]}, [("to", "invalid_address")]),
    "a category that is none": ("PUT", "", {"to": PHONE, "category": "utility"}, [("category", "invalid_value")]),
    "a category of a wrong kind": ("PUT", "", {"to": PHONE, "category": ["all"]}, [("category", "not_a_string")]),
    "a reason of a wrong kind": ("PUT", "", {"to": PHONE, "reason": 5}, [("reason", "not_a_string")]),
    "two faults": ("PUT", "", {"to": "x", "category": "x"}, [("to", "invalid_address"), ("category", "invalid_value")]),
    "a misspelt field": ("DELETE", "", {"to": PHONE, "kategory": "all"}, [("kategory", "unknown_field")]),
    "a list": ("DELETE", "", [PHONE], [("", "not_an_object")]),
    "nobody to lift": ("DELETE", "", {"category": "all"}, [("to", "missing")]),
    "a search for no address": ("POST", "/search", {"to": "x"}, [("to", "invalid_address")]),
    "a search for a null": ("POST", "/search", {"to": None}, [("to", "missing")]),
    "an unknown source": ("POST", "/search", {"source": "me"}, [("source", "invalid_value")]),
    "a limit of none": ("POST", "/search", {"limit": 0}, [("limit", "invalid_value")]),
    "a limit over a thousand": ("POST", "/search", {"limit": 1001}, [("limit", "invalid_value")]),
    "a cursor of another kind": ("POST", "/search", {"cursor": "x"}, [("cursor", "invalid_value")]),
    "a cursor without a zone": ("POST", "/search", {"cursor": "2026-11-01T09:00:00/1"}, [("cursor", "invalid_value")]),
    "a cursor beyond all time": ("POST", "/search", {"cursor": "9999-99-99T99:99:99/1"}, [("cursor", "invalid_value")]),
    "a moment without a zone": ("POST", "/search", {"since": "2026-11-01T09:00:00"}, [("since", "invalid_value")]),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_422_and_says_where(light: Service, name: str) -> None:
    method, path, body, expected = BAD[name]
    answer = call(light, method, body, PATH + path)
    assert answer.status_code == 422
    assert faults(answer) == expected
    assert search(light)["suppressions"] == []


@pytest.mark.parametrize(("method", "path"), [("PUT", ""), ("DELETE", ""), ("POST", "/search")])
def test_what_is_no_json_is_400(light: Service, method: str, path: str) -> None:
    assert call(light, method, b"{", PATH + path).status_code == 400


@pytest.mark.parametrize(("method", "path"), [("PUT", ""), ("DELETE", ""), ("POST", "/search"), ("POST", "/import")])
def test_every_call_needs_the_scope_operate(light: Service, method: str, path: str) -> None:
    for key, status in ((None, 401), ("wck_unknown", 401), (READER, 403), (SENDER, 403)):
        assert call(light, method, {"to": PHONE}, PATH + path, key).status_code == status


@pytest.mark.parametrize(("method", "path"), [("PUT", ""), ("DELETE", ""), ("POST", "/search")])
def test_a_store_that_is_down_is_503(down: Service, method: str, path: str) -> None:
    body = {} if path else {"to": PHONE}
    assert call(down, method, body, PATH + path).status_code == 503
    assert import_list(down, f"to\n{PHONE}").status_code == 503


def test_one_bad_line_never_spoils_the_others(service: Service) -> None:
    lines = [
        "\ufeffto, category ,reason,since",
        f"{PHONE},marketing,by phone,2026-10-01",
        "not a number,,,",
        "",
        '+4915100000001,all,"said ""stop"", twice",2026-10-01T08:00:00+02:00',
        "+4915100000002,utility,,",
        "+4915100000003,,,yesterday",
        "+4915100000003,,,2026-12-01",
        '+4915100000004,"never closed,,',
        "+4915100000005,,,,,",
        "+49 151 00000006,ALL",
    ]
    answer = import_list(service, "\r\n".join(lines))
    assert answer.status_code == 200
    document = answer.get_json()
    assert (document["added"], document["more_rejected"]) == (3, 0)
    assert [(one["line"], one["code"]) for one in document["rejected"]] == [
        (3, "invalid_address"),
        (6, "invalid_value"),
        (7, "invalid_value"),
        (8, "invalid_value"),
        (9, "invalid_csv"),
        (10, "invalid_csv"),
    ]
    assert all(one["detail"] for one in document["rejected"])
    rows = {row["reason"]: row for row in search(service)["suppressions"]}
    assert set(rows) == {"by phone", 'said "stop", twice', None}
    assert rows["by phone"]["since"] == "2026-10-01T00:00:00.000Z"
    assert rows['said "stop", twice']["since"] == "2026-10-01T06:00:00.000Z"
    assert {row["source"] for row in rows.values()} == {"import"}


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"number,category\n1,all", b"to,to\n1,1", b"to,colour\n1,red", b'"to\n1']
)
def test_a_list_without_a_usable_header_is_422_and_says_what_it_needs(light: Service, body: bytes) -> None:
    answer = import_list(light, body)
    assert answer.status_code == 422
    assert faults(answer) == [("", "invalid_value")]


def test_a_list_of_bad_lines_has_an_answer_that_is_bounded(light: Service) -> None:
    document = import_list(light, "to\n" + "x\n" * 5_000).get_json()
    assert (document["added"], len(document["rejected"]), document["more_rejected"]) == (0, 1_000, 4_000)


def test_a_list_of_thousands_is_taken_and_its_people_get_nothing(service: Service) -> None:
    lines = "\n".join(f"+86138001{n:05},all" for n in range(3_000))
    assert import_list(service, f"to,category\n{lines}").get_json()["added"] == 3_000
    results = service.accept(person(1), person(2_999), person(3_000))
    assert [result["status"] for result in results] == ["rejected", "rejected", "accepted"]


def test_a_list_of_seven_megabytes_is_413(light: Service) -> None:
    assert import_list(light, b"to\n" + b" " * 7 * 1024 * 1024).status_code == 413


def test_nothing_private_is_logged_or_answered(light: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    digits, words = "13912345678", "Zaphod-Canary"
    answers = [
        put(light, to=f"+86{digits}", reason=words),
        put(light, to=f"86{digits}x"),
        import_list(light, f"to,reason\n86{digits},{words}\n86{digits}x,{words}"),
        call(light, "DELETE", {"to": f"+86{digits}"}),
    ]
    assert digits not in caplog.text + "".join(answer.text for answer in answers)
    assert words not in caplog.text
    assert "operate.suppressed by=operator" in caplog.text


MODELS = [
    "SuppressRequest",
    "LiftRequest",
    "SuppressionSearch",
    "SuppressionRow",
    "SuppressionPage",
    "Lifted",
    "Imported",
]


@pytest.mark.parametrize("name", MODELS)
def test_an_example_fits_its_model(name: str) -> None:
    model = getattr(consent_contract, name)
    for example in model.model_config["json_schema_extra"]["examples"]:
        model.model_validate(example, strict=True)
        assert example.keys() <= model.model_fields.keys()


def test_the_contract_names_every_source(light: Service) -> None:
    schema = light.client.get("/openapi.json").get_json()["components"]["schemas"]["SuppressionRow"]
    assert schema["properties"]["source"]["enum"] == [source.value for source in SuppressionSource]

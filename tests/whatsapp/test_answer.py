"""What an answer of the Cloud API means: Meta's code first, the HTTP status second."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.message import Scope
from service.whatsapp.answer import Accepted, Answer, classify
from service.whatsapp.errors import CODES
from service.whatsapp.send_error import (
    Refused,
    SendError,
    Throttled,
    Unanswered,
    Unauthorised,
    Unavailable,
)
from tests.conftest import SAMPLES
from tests.whatsapp.answering import answer, error

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)

# --- codes that the table does not have -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, Refused) for status in (400, 403, 404, 499)),
        (401, Unauthorised),
        (429, Throttled),
        *((status, Unanswered) for status in (200, 302, 500, 502, 503, 599)),
    ],
)
@pytest.mark.parametrize("code", [131999, None, "many", 1.5, True, [], {}, 2**31, "9" * 5000])
def test_an_unknown_code_is_refused_throttled_or_unanswered(code: object, status: int, kind: type[SendError]) -> None:
    assert type(error(code, status)) is kind


def test_an_unknown_code_is_kept_as_a_number_and_an_unreadable_one_is_none() -> None:
    assert error(131999).code == 131999
    assert error("131999").code == 131999
    assert error("131 999").code is None
    assert error(2**31).code is None


def test_an_unknown_429_holds_the_number() -> None:
    found = error(131999, 429)
    assert (found.scope, found.wait) == (Scope.NUMBER, SECOND)


@pytest.mark.parametrize(
    ("code", "status", "transient", "kind"),
    [
        (1, 400, True, Unavailable),
        (1, 400, False, Refused),
        (1, 400, None, Refused),
        (1, 400, "yes", Refused),
        (1, 500, True, Unanswered),
        (131999, 400, True, Unavailable),
        (131999, 500, True, Unanswered),
        (131026, 400, True, Refused),
        (190, 401, True, Unauthorised),
    ],
)
def test_metas_word_that_it_passes_counts_where_ours_is_missing(
    code: int, status: int, transient: object, kind: type[SendError]
) -> None:
    assert type(error(code, status, is_transient=transient)) is kind


# --- Meta's facts -----------------------------------------------------------------------------------------------------


def test_the_sample_of_wrong_params_keeps_metas_words() -> None:
    found = classify(Answer(400, (SAMPLES / "cloud_api_error_template_params.json").read_bytes()))
    assert isinstance(found, Refused)
    assert (found.code, found.http_status, found.fbtrace_id) == (132000, 400, "AXXXXXXXXXXXXXXXXXXXXXX")
    assert found.title == "(#132000) Number of parameters does not match the expected number of params"
    assert found.details == "body: number of localizable_params (1) does not match the expected number of params (2)"


def test_the_sample_of_an_expired_token_is_unauthorised() -> None:
    found = classify(Answer(401, (SAMPLES / "cloud_api_error_token.json").read_bytes()))
    assert isinstance(found, Unauthorised)
    assert (found.code, found.subcode, found.scope) == (190, 463, Scope.TOKEN)
    assert found.title == "Error validating access token: Session has expired"


@pytest.mark.parametrize(
    ("more", "details"),
    [
        pytest.param({"error_data": {"details": "why"}}, "why", id="an object"),
        pytest.param({"error_data": "why"}, "why", id="a string, as for templates"),
        pytest.param({"error_data": {"messaging_product": "whatsapp"}}, None, id="an object without details"),
        pytest.param({"error_data": {"details": {"a": 1}}}, None, id="details that are no string"),
        pytest.param({"error_data": None, "error_user_msg": "why"}, "why", id="only a message for the user"),
        pytest.param({"error_data": ["why"]}, None, id="a list"),
        pytest.param({}, None, id="nothing"),
        pytest.param({"error_data": {"details": "a\0b\ud800"}}, "a\\0b\\ud800", id="what no store keeps"),
        pytest.param({"error_data": "x" * 5000}, "x" * 1000, id="a long one"),
    ],
)
def test_details_come_from_wherever_meta_put_them(more: dict[str, Any], details: str | None) -> None:
    assert error(131026, **more).details == details


@pytest.mark.parametrize("subcode", [33, "33"])
def test_a_number_that_the_token_does_not_see_is_no_fault_of_the_message(subcode: object) -> None:
    found = error(100, 400, error_subcode=subcode)
    assert type(found) is Unauthorised
    assert (found.code, found.subcode, found.scope, found.wait) == (100, 33, Scope.NUMBER, 15 * MINUTE)


@pytest.mark.parametrize(
    ("subcode", "kept"),
    [(None, None), (2494002, 2494002), ("many", None), (True, None), (33.0, None), ([33], None), (2**31, None)],
)
def test_any_other_subcode_is_kept_and_changes_nothing(subcode: object, kept: int | None) -> None:
    found = error(100, 400, error_subcode=subcode)
    assert type(found) is Refused
    assert (found.subcode, found.scope) == (kept, Scope.MESSAGE)


@pytest.mark.parametrize("message", [None, "", 5, {"a": 1}])
def test_without_metas_words_ours_stand(message: object) -> None:
    assert error(131026, message=message).title == "Message undeliverable"


@pytest.mark.parametrize("code", [0, 190, 200, 368])
def test_metas_words_about_a_token_do_not_show_it(code: int) -> None:
    token = "EAAGcanaryZC" + "x1" * 80
    found = error(
        code, 401, message=f"Malformed access token {token}", error_data={"details": f'"{token}" is no token'}
    )
    assert "canary" not in f"{found!r} {found} {vars(found)}"
    assert found.title == "Malformed access token …"
    assert found.details == '"…" is no token'


# --- how long to wait -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        ("7", timedelta(seconds=7)),
        ("86400", DAY),
        ("99999999", DAY),
        ("0", SECOND),
        ("", SECOND),
        ("soon", SECOND),
        ("-5", SECOND),
        ("1.5", SECOND),
        ("²", SECOND),
        ("٣", SECOND),
        ("9" * 5000, SECOND),
        ("Wed, 21 Oct 2026 07:28:00 GMT", SECOND),
    ],
)
def test_retry_after_is_heeded_where_it_can_be_read(retry_after: str, wait: timedelta) -> None:
    headers = {"retry_after": retry_after}
    assert error(130429, 429, headers).wait == wait
    without_json = classify(answer(429, b"slow down", **headers))
    assert isinstance(without_json, Throttled)
    assert (without_json.wait, without_json.scope) == (wait, Scope.NUMBER)


def usage(*minutes: object) -> str:
    """Meta's header with one limit for each time."""
    limits = [{"type": "whatsapp", "call_count": 100, "estimated_time_to_regain_access": time} for time in minutes]
    return json.dumps({"102290129340398": limits})


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        pytest.param(usage(5), 5 * MINUTE, id="one limit"),
        pytest.param(usage(5, 19, 0), 19 * MINUTE, id="the longest of three"),
        pytest.param(
            json.dumps({"1": [], "2": json.loads(usage(3))["102290129340398"]}), 3 * MINUTE, id="two accounts"
        ),
        pytest.param(usage(1441), DAY, id="over a day"),
        pytest.param(usage(10**30), DAY, id="beyond time"),
        pytest.param(usage(None, "7", 7.5, True, [], {}, 2), 2 * MINUTE, id="the one that can be read"),
        *(
            pytest.param(header, SECOND, id=name)
            for name, header in {
                "none left to wait": usage(0),
                "before now": usage(-3),
                "without limits": usage(),
                "empty": "",
                "no JSON": "5",
                "cut off": usage(5)[:-1],
                "a list": "[5]",
                "no list in it": '{"1": {"estimated_time_to_regain_access": 5}}',
                "no object in that": '{"1": [5, null, "5"]}',
                "not a number": '{"1": [{"estimated_time_to_regain_access": NaN}]}',
                "a number beyond reading": usage(7).replace("7", "7" * 5000),
                "without bottom": "[" * 100_000,
            }.items()
        ),
    ],
)
def test_the_usage_header_says_when_the_limit_ends(header: str, wait: timedelta) -> None:
    headers = {"x_business_use_case_usage": header}
    assert error(130429, 429, headers).wait == wait
    assert error(131999, 429, headers).wait == wait
    without_json = classify(answer(429, b"slow down", **headers))
    assert isinstance(without_json, Throttled)
    assert without_json.wait == wait


@pytest.mark.parametrize(
    ("code", "retry_after", "minutes", "wait"),
    [
        pytest.param(80007, "30", 2, 2 * MINUTE, id="the longer of both: usage"),
        pytest.param(80007, "300", 2, 5 * MINUTE, id="the longer of both: Retry-After"),
        pytest.param(131048, "600", 0, 10 * MINUTE, id="shorter than the table's"),
        pytest.param(131048, "", 600, 600 * MINUTE, id="longer than the table's"),
        pytest.param(131048, "0", 0, 60 * MINUTE, id="the table's where there is none"),
        pytest.param(368, "", 30, 15 * MINUTE, id="usage that comes along with a refused account"),
        pytest.param(131000, "", 5, 5 * MINUTE, id="usage on an outage"),
        pytest.param(1, "", 5, None, id="no usage on a refusal"),
        pytest.param(132015, "", 5, 180 * MINUTE, id="no usage on a refused template"),
        pytest.param(131049, "", 5, DAY, id="no usage on a refused recipient"),
    ],
)
def test_metas_word_on_waiting_counts_before_the_tables(
    code: int, retry_after: str, minutes: int, wait: timedelta | None
) -> None:
    headers = {"retry_after": retry_after, "x_business_use_case_usage": usage(minutes)}
    assert error(code, 400, headers).wait == wait


# --- answers without Meta's error -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"", b"<html>Bad gateway</html>", b"null", b"[]", b"{}", b'{"error": "x"}', b"\xff\xfe"]
)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Unanswered),
        (201, Unanswered),
        (204, Unanswered),
        (302, Unavailable),
        (400, Unavailable),
        (401, Unauthorised),
        (403, Unavailable),
        (404, Unavailable),
        (408, Unavailable),
        (413, Unavailable),
        (429, Throttled),
        (500, Unanswered),
        (502, Unanswered),
        (503, Unanswered),
        (504, Unanswered),
    ],
)
def test_an_answer_that_is_not_metas(status: int, kind: type[SendError], body: bytes) -> None:
    found = classify(Answer(status, body))
    assert type(found) is kind
    assert found.http_status == status
    assert found.code is None
    assert found.title


def test_what_an_edge_says_about_waiting_is_heeded() -> None:
    found = classify(answer(403, b"<html>", retry_after="30"))
    assert isinstance(found, Unavailable)
    assert found.wait == timedelta(seconds=30)
    assert found.scope is Scope.MESSAGE


# --- accepted ---------------------------------------------------------------------------------------------------------


def test_the_sample_answer_is_accepted() -> None:
    found = classify(Answer(200, (SAMPLES / "cloud_api_accepted.json").read_bytes()))
    assert found == Accepted("wamid.HBgNODYxMzgwMDEzODAwMBUCABEYEjQ1", 200, held=False)


@pytest.mark.parametrize(
    ("message_status", "held"),
    [
        ("accepted", False),
        ("held_for_quality_assessment", True),
        ("paused", True),
        ("something new", False),
        (None, False),
        ({}, False),
        ([], False),
    ],
)
def test_a_message_may_be_held(message_status: object, held: bool) -> None:
    found = classify(answer(200, {"messages": [{"id": "wamid.1", "message_status": message_status}]}))
    assert found == Accepted("wamid.1", held=held)


def test_another_success_counts_as_one() -> None:
    assert classify(answer(201, {"messages": [{"id": "wamid.1"}]})) == Accepted("wamid.1", 201)


@pytest.mark.parametrize(
    "document",
    [
        {"messages": []},
        {"messages": None},
        {"messages": {}},
        {"messages": ["wamid.1"]},
        {"messages": [{}]},
        {"messages": [{"id": ""}]},
        {"messages": [{"id": 5}]},
        {"success": True},
    ],
)
def test_a_success_without_wamid_is_no_answer(document: object) -> None:
    assert type(classify(answer(200, document))) is Unanswered


# --- however odd ------------------------------------------------------------------------------------------------------

odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "code", "details", "message_status", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
error_fields = st.dictionaries(
    st.sampled_from(["code", "error_subcode", "message", "error_data", "is_transient", "fbtrace_id", "error_user_msg"]),
    odd | st.sampled_from([*CODES, *map(str, CODES)]),
)
documents: st.SearchStrategy[Any] = odd | st.fixed_dictionaries(
    {}, optional={"error": odd | error_fields, "messages": odd | st.lists(odd, max_size=2)}
)
limits = st.dictionaries(st.sampled_from(["type", "estimated_time_to_regain_access"]), odd)
headers = st.fixed_dictionaries(
    {},
    optional={
        "retry-after": st.text() | st.integers().map(str),
        "x-business-use-case-usage": st.text()
        | (odd | st.dictionaries(st.text(), odd | st.lists(limits | odd, max_size=2), max_size=2)).map(json.dumps),
    },
)


@settings(max_examples=300, deadline=None)
@given(st.integers(100, 599), documents.map(lambda document: json.dumps(document).encode()) | st.binary(), headers)
def test_no_answer_however_odd_raises(status: int, body: bytes, headers: dict[str, str]) -> None:
    found = classify(Answer(status, body, headers))
    if isinstance(found, Accepted):
        assert 200 <= status < 300
        words = [found.wamid]
    else:
        assert found.title
        assert all(code is None or abs(code) < 2**31 for code in (found.code, found.subcode))
        assert found.wait is None or timedelta(0) <= found.wait <= DAY
        words = [found.title, found.details or "", found.fbtrace_id or ""]
    for text in words:
        text.encode("utf-8")
        assert "\0" not in text


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 100_000, id="without bottom"),
        pytest.param(b'{"error": {"code": ' + b"9" * 5000 + b"}}", id="an integer beyond reading"),
        pytest.param(b'{"error": {"code": NaN}}', id="not a number"),
        pytest.param('{"error": {"code": 190}}'.encode("utf-16"), id="in UTF-16"),
    ],
)
def test_these_bodies_are_read_or_left(body: bytes) -> None:
    assert isinstance(classify(Answer(400, body)), SendError)

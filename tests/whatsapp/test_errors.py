"""What an answer of the Cloud API means: Meta's code first, the HTTP status second."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.message import Outcome
from service.whatsapp.answer import Accepted, Answer, classify
from service.whatsapp.errors import (
    CODES,
    UNKNOWN,
    NotSent,
    OptedOut,
    Refused,
    SendError,
    Throttled,
    Unanswered,
    Unauthorised,
    Unavailable,
    Verdict,
    may_retry_late,
    verdict_on,
)
from tests.conftest import SAMPLES

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)

WANTED: dict[int, tuple[type[SendError], str, timedelta | None]] = {
    0: (Unauthorised, "token", None),
    1: (Refused, "message", None),
    2: (Unavailable, "message", None),
    4: (Throttled, "app", MINUTE),
    10: (Unauthorised, "token", None),
    100: (Refused, "message", None),
    190: (Unauthorised, "token", None),
    200: (Unauthorised, "token", None),
    368: (Unauthorised, "waba", 15 * MINUTE),
    80007: (Throttled, "waba", MINUTE),
    130429: (Throttled, "number", SECOND),
    131000: (Unavailable, "message", None),
    131016: (Unavailable, "message", None),
    131026: (Refused, "recipient", None),
    131049: (Refused, "recipient", DAY),
    131050: (OptedOut, "recipient", None),
    131056: (Throttled, "recipient", None),
    132000: (Refused, "template", None),
    132001: (Refused, "template", None),
    132012: (Refused, "template", None),
    132015: (Refused, "template", None),
}
"""Every code of the table: what it is, whom it concerns, how long to wait. A second reading of Meta's page."""

UNCERTAIN = {1, 2}
"""On a 5xx Meta may have taken the message all the same (design, G4)."""


def answer(status: int, document: object = None, **headers: str) -> Answer:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def error(code: object, status: int = 400, headers: dict[str, str] | None = None, **more: object) -> SendError:
    fields = {"message": f"(#{code}) Not so", "type": "OAuthException", "code": code, "fbtrace_id": "AbC"}
    found = classify(answer(status, {"error": fields | more}, **(headers or {})))
    assert isinstance(found, SendError)
    return found


# --- the table --------------------------------------------------------------------------------------------------------


def test_every_code_of_the_table_is_walked_here() -> None:
    assert set(WANTED) == set(CODES)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("code", WANTED)
def test_a_code_means_the_same_under_every_status(code: int, status: int) -> None:
    kind, scope, wait = WANTED[code]
    found = error(code, status)
    uncertain = code in UNCERTAIN and not 400 <= status < 500
    assert type(found) is (Unanswered if uncertain else kind)
    assert (found.code, found.scope, found.wait, found.http_status) == (code, scope, wait, status)


@pytest.mark.parametrize("verdict", [*CODES.values(), UNKNOWN], ids=[*map(str, CODES), "unknown"])
def test_every_verdict_says_what_it_means_and_what_to_do(verdict: Verdict) -> None:
    assert verdict.title
    assert not verdict.title.endswith(".")
    for sentence in (verdict.explanation, verdict.next_step):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
    assert verdict.scope in {"message", "recipient", "template", "number", "token", "waba", "app"}


def test_every_kind_of_error_has_its_own_outcome() -> None:
    kinds = [Throttled, Unavailable, Refused, Unauthorised, Unanswered, NotSent]
    assert [kind.outcome for kind in kinds] == [
        Outcome.THROTTLED,
        Outcome.UNAVAILABLE,
        Outcome.REFUSED,
        Outcome.UNAUTHORISED,
        Outcome.UNANSWERED,
        Outcome.NOT_SENT,
    ]
    assert OptedOut.outcome is Outcome.REFUSED


@pytest.mark.parametrize("code", [200, 201, 250, 299])
def test_200_to_299_are_missing_permissions(code: int) -> None:
    assert type(error(code, 403)) is Unauthorised
    assert verdict_on(code).next_step


@pytest.mark.parametrize("code", [199, 300, 3, 131999, -1, 2**31 - 1])
def test_the_neighbours_of_known_codes_are_unknown(code: int) -> None:
    assert verdict_on(code) is UNKNOWN


# --- codes that the table does not have -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, Refused) for status in (400, 401, 403, 404, 499)),
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
    assert (found.scope, found.wait) == ("number", SECOND)


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
    assert (found.code, found.scope) == (190, "token")
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
    assert (without_json.wait, without_json.scope) == (wait, "number")


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
        (401, Unavailable),
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


# --- late failures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [*CODES, 299, 131999, None])
def test_a_notified_failure_is_retried_only_where_it_passes(code: int | None) -> None:
    assert may_retry_late(code) == (code in {2, 4, 80007, 130429, 131000, 131016, 131056})


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
    st.sampled_from(["code", "message", "error_data", "is_transient", "fbtrace_id", "error_user_msg"]),
    odd | st.sampled_from([*CODES, *map(str, CODES)]),
)
documents: st.SearchStrategy[Any] = odd | st.fixed_dictionaries(
    {}, optional={"error": odd | error_fields, "messages": odd | st.lists(odd, max_size=2)}
)
headers = st.dictionaries(st.just("retry-after"), st.text() | st.integers().map(str))


@settings(max_examples=300, deadline=None)
@given(st.integers(100, 599), documents.map(lambda document: json.dumps(document).encode()) | st.binary(), headers)
def test_no_answer_however_odd_raises(status: int, body: bytes, headers: dict[str, str]) -> None:
    found = classify(Answer(status, body, headers))
    if isinstance(found, Accepted):
        assert 200 <= status < 300
        words = [found.wamid]
    else:
        assert found.title
        assert found.code is None or abs(found.code) < 2**31
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

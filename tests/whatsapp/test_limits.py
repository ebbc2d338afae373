"""What Meta tells of a number: words that can be kept, and the limits in them; and what is said where it tells nothing."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.message import NumberFacts
from service.whatsapp.asking import why_not_told
from service.whatsapp.limits import ALL_FIELDS, Limits, limits_of, parse_limits, parse_number
from service.whatsapp.send_error import Unavailable
from tests.whatsapp.answering import error

LIMIT = "whatsapp_business_manager_messaging_limit"
NODE: dict[str, Any] = {
    "verified_name": "Shop",
    "display_phone_number": "+1 555-078-3881",
    "quality_rating": "GREEN",
    "status": "CONNECTED",
    "throughput": {"level": "HIGH"},
    LIMIT: "TIER_2K",
    "id": "106540352242922",
}
FACTS = NumberFacts("Shop", "+1 555-078-3881", "GREEN", "CONNECTED", "HIGH", "TIER_2K")


def parsed(**changes: object) -> NumberFacts:
    facts = parse_number(json.dumps({**NODE, **changes}).encode())
    assert facts is not None
    return facts


def test_a_number_is_read_as_meta_tells_it() -> None:
    assert parsed() == FACTS
    assert set(ALL_FIELDS.split(",")) == NODE.keys() - {"id"}


def test_what_meta_leaves_out_is_not_known() -> None:
    assert parse_number(b'{"id": "1"}') == NumberFacts()


@pytest.mark.parametrize("value", [None, "", 7, True, [], {}, ["GREEN"], {"level": 7}, {"level": ""}])
def test_a_value_of_another_kind_is_as_if_it_was_left_out(value: object) -> None:
    assert parsed(**dict.fromkeys(NODE, value)) == NumberFacts()


def test_words_are_cut_to_what_can_be_kept() -> None:
    long = "x" * 5000
    facts = parsed(**{**dict.fromkeys(NODE, long), "throughput": {"level": long}})
    lengths = [len(str(word)) for word in (facts.verified_name, facts.display_phone_number, facts.quality)]
    assert lengths == [100, 40, 30]
    assert [len(str(word)) for word in (facts.status, facts.throughput, facts.tier)] == [30, 30, 40]


def test_characters_that_no_database_keeps_are_written_out() -> None:
    assert parsed(verified_name="a\0b\ud800").verified_name == "a\\0b\\ud800"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b"\xff", b"[" * 100_000, b'{"error": {"code": 190}}'])
def test_what_is_no_answer_tells_nothing(body: bytes) -> None:
    assert (parse_number(body), parse_limits(body)) == (None, Limits())


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda one: st.lists(one) | st.dictionaries(st.sampled_from([*NODE, "level"]), one),
    )
)
def test_no_answer_is_too_odd(document: object) -> None:
    facts = parse_number(json.dumps(document).encode())
    assert (facts is not None) == isinstance(document, dict)


@pytest.mark.parametrize(
    ("throughput", "tier", "limits"),
    [
        ("STANDARD", "TIER_250", Limits(80.0, 250)),
        ("HIGH", "TIER_100K", Limits(1000.0, 100_000)),
        ("HIGH", "TIER_UNLIMITED", Limits(1000.0, unlimited=True)),
        ("NOT_APPLICABLE", "TIER_NOT_SET", Limits()),
        (None, None, Limits()),
        ("high", "TIER_2K ", Limits()),
    ],
)
def test_the_limits_are_in_the_words(throughput: str | None, tier: str | None, limits: Limits) -> None:
    assert limits_of(NumberFacts(throughput=throughput, tier=tier)) == limits


def test_why_meta_tells_nothing_is_said_in_our_words_only() -> None:
    words = why_not_told(error(190, 401, message="Malformed access token EAAGcanary"))
    assert words.startswith("Access token refused (code 190). ")
    assert "canary" not in words
    assert why_not_told(error(100, 400, message="canary")) == (
        "Meta refuses to tell it (code 100); check the id, and that the system user has full control of the account"
    )
    assert why_not_told(Unavailable("No answer: TimeoutError")) == (
        "No answer: TimeoutError; check WHATSAPP_API_URL and the network path, and try again"
    )

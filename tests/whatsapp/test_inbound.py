"""What people tell our numbers: how it is read, and which words stop and start messages."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.people import Inbound
from service.whatsapp.inbound import (
    LONGEST_TEXT,
    START_WORDS,
    STOP_WORDS,
    Preference,
    Word,
    Words,
    folded,
    read_inbound,
    read_preference,
)
from service.whatsapp.webhook import Notification, parse_notification
from tests.conftest import SAMPLES

AT = datetime.fromtimestamp(1791486100, UTC)
PHONE = "+8613800138000"


def sample(name: str) -> Notification:
    return parse_notification(json.loads((SAMPLES / f"{name}.json").read_bytes()))


def item(**more: object) -> dict[str, object]:
    text = {"type": "text", "text": {"body": "Hello"}}
    return {"from": "8613800138000", "id": "wamid.1", "timestamp": "1791486100", **text} | more


def read(**more: object) -> Inbound:
    found = read_inbound(item(**more), {"phone_number_id": "1"})
    assert found is not None
    return found


def said(text: str | None, payload: str | None = None) -> Word | None:
    return Words().said(Inbound("w", "1", PHONE, "text", AT, None, text, payload))


# --- the samples ------------------------------------------------------------------------------------------------------


def test_a_text_is_read() -> None:
    wamid = "wamid.HBgNODYxMzgwMDEzODAwMBUCABIYFjNFQjA"
    expected = Inbound(wamid, "106540352242922", PHONE, "text", AT, None, "STOP")
    assert sample("notification_stop_reply") == Notification(inbound=[expected])


def test_a_tap_on_a_button_is_read_with_what_it_answers() -> None:
    [tap] = sample("notification_button_reply").inbound
    assert (tap.kind, tap.text, tap.payload) == ("button", "Pay now", "button 0 clicked")
    assert tap.answers == "wamid.HBgNODYxMzgwMDEzODAwMBUCABEYEjQ1"


def test_a_preference_is_read() -> None:
    at = datetime.fromtimestamp(1791486300, UTC)
    assert sample("notification_user_preferences") == Notification(preferences=[Preference((PHONE,), True, at)])


# --- one message ------------------------------------------------------------------------------------------------------

CONTENTS: dict[str, tuple[dict[str, object], str | None, str | None]] = {
    "a text": ({"text": {"body": "Hi"}}, "Hi", None),
    "an empty text": ({"text": {"body": ""}}, None, None),
    "a text without body": ({"text": {}}, None, None),
    "a text of a wrong kind": ({"text": "Hi"}, None, None),
    "a button without payload": ({"type": "button", "button": {"text": "Yes"}}, "Yes", None),
    "a button reply": (
        {"type": "interactive", "interactive": {"button_reply": {"id": "b1", "title": "Yes"}}},
        "Yes",
        "b1",
    ),
    "a list reply": (
        {"type": "interactive", "interactive": {"list_reply": {"id": "l1", "title": "Red", "description": "d"}}},
        "Red",
        "l1",
    ),
    "a flow": ({"type": "interactive", "interactive": {"nfm_reply": {"response_json": "{}"}}}, None, None),
    "an image": ({"type": "image", "image": {"id": "1", "caption": "STOP"}}, None, None),
    "a reaction": ({"type": "reaction", "reaction": {"emoji": "👍", "message_id": "w"}}, None, None),
    "what nobody knows": ({"type": "hologram"}, None, None),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_a_message_is_read_by_its_kind(name: str) -> None:
    facts, text, payload = CONTENTS[name]
    found = read(**facts)
    assert (found.kind, found.text, found.payload) == (facts.get("type", "text"), text, payload)


def test_long_texts_are_cut() -> None:
    assert len(read(text={"body": "x" * 99_999}).text or "") == LONGEST_TEXT
    assert len(read(type="button", button={"payload": "x" * 9_999}).payload or "") == 1_000


def test_somebody_without_a_number_is_known_by_the_user_id() -> None:
    found = read(**{"from": None, "from_user_id": "US.1349"})
    assert (found.sender, found.user_id) == ("US.1349", "US.1349")
    found = read(from_user_id="US.1349")
    assert (found.sender, found.user_id) == (PHONE, "US.1349")


@pytest.mark.parametrize(
    "more",
    [
        {"from": None},
        {"from": "me"},
        {"from": 8613800138000},
        {"from": ""},
        {"from": "9" * 40},
        {"id": ""},
        {"id": 5},
        {"timestamp": None},
        {"timestamp": "soon"},
        {"timestamp": "0"},
        {"timestamp": "-62135596800"},
    ],
)
def test_what_has_no_sender_no_id_or_no_moment_cannot_be_read(more: dict[str, object]) -> None:
    assert read_inbound(item(**more), {}) is None


@pytest.mark.parametrize("metadata", [None, {}, [], {"phone_number_id": 5}])
def test_without_its_number_it_is_read_all_the_same(metadata: object) -> None:
    found = read_inbound(item(), metadata)
    assert found is not None
    assert found.phone_number_id == ""


PREFERENCES: dict[str, tuple[dict[str, object], tuple[int, int, int]]] = {
    "stop": ({}, (1, 0, 0)),
    "resume": ({"value": "resume"}, (1, 0, 0)),
    "only a user id": ({"wa_id": None, "user_id": "US.1349"}, (1, 0, 0)),
    "without a category": ({"category": "marketing_messages"}, (1, 0, 0)),
    "signup": ({"value": "signup"}, (0, 1, 0)),
    "of another category": ({"category": "utility_messages"}, (0, 1, 0)),
    "without a value": ({"value": None}, (0, 0, 1)),
    "without a person": ({"wa_id": None}, (0, 0, 1)),
    "without a moment": ({"timestamp": None}, (0, 0, 1)),
}


@pytest.mark.parametrize("name", PREFERENCES)
def test_preferences_are_read_ignored_or_counted_as_broken(name: str) -> None:
    more, expected = PREFERENCES[name]
    facts = {"wa_id": "8613800138000", "category": "marketing_messages", "value": "stop", "timestamp": 1791486300}
    change = {"field": "user_preferences", "value": {"user_preferences": [facts | more]}}
    found = parse_notification({"entry": [{"id": "1", "changes": [change]}]})
    assert (len(found.preferences), found.ignored, found.unreadable) == expected


def test_both_of_a_persons_addresses_are_told() -> None:
    facts = {"wa_id": "8613800138000", "user_id": "CN.1", "value": "resume", "timestamp": 1791486100}
    assert read_preference(facts) == Preference((PHONE, "CN.1"), False, AT)


@pytest.mark.parametrize("value", [{}, {"errors": [{"code": 130429}]}, {"user_actions": []}])
def test_other_news_about_messages_is_counted_and_left(value: object) -> None:
    change = {"field": "messages", "value": value}
    assert parse_notification({"entry": [{"id": "1", "changes": [change]}]}) == Notification(ignored=1)


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", STOP_WORDS)
def test_every_stop_word_stops(word: str) -> None:
    assert said(word) is said(word.lower()) is said(f" «{word.upper()}»! ") is Word.STOP


@pytest.mark.parametrize("word", START_WORDS)
def test_every_start_word_starts(word: str) -> None:
    assert said(word) is said(word.lower()) is said(f'"{word.upper()}".\n') is Word.START


def test_no_word_does_both() -> None:
    assert not set(map(folded, STOP_WORDS)) & set(map(folded, START_WORDS))


MESSAGES: dict[str, Word | None] = {
    "stop": Word.STOP,
    "StOp": Word.STOP,
    "  stop.\n": Word.STOP,
    "STOP!!!": Word.STOP,
    "„Stop“": Word.STOP,
    "*stop*": Word.STOP,
    "stop 🛑": Word.STOP,
    "⛔️ stop ⛔️": Word.STOP,
    "\u200bstop\u200b": Word.STOP,
    "ＳＴＯＰ": Word.STOP,
    "opt   out": Word.STOP,
    "Désabonner": Word.STOP,
    "De\u0301sabonner": Word.STOP,
    "退订。": Word.STOP,
    "回复：退订": None,
    "please stop": None,
    "stop by tomorrow": None,
    "don't stop": None,
    "stopped": None,
    "cancel": None,
    "no": None,
    "yes": None,
    "Start": Word.START,
    "S\u2019abonner": Word.START,
    "when does it start": None,
    "🛑": None,
    "...": None,
    "": None,
}


@pytest.mark.parametrize("text", MESSAGES)
def test_a_whole_message_is_a_word_or_nothing(text: str) -> None:
    assert said(text) is MESSAGES[text]


@pytest.mark.parametrize(
    ("label", "payload", "word"),
    [
        ("Stop", None, Word.STOP),
        ("Stop", "btn-1", Word.STOP),
        ("No thanks", "STOP", Word.STOP),
        ("Start", "STOP", Word.STOP),
        ("Again", "START", Word.START),
        ("No thanks", "btn-1", None),
        (None, None, None),
    ],
)
def test_a_button_counts_by_its_label_or_its_payload(label: str | None, payload: str | None, word: Word | None) -> None:
    assert said(label, payload) is word


def test_words_that_are_given_take_the_place_of_the_others() -> None:
    words = Words(stop=["Genug!"], start=["Weiter"])
    found = [words.said(Inbound("w", "1", PHONE, "text", AT, text=text)) for text in ("genug", "WEITER", "stop")]
    assert found == [Word.STOP, Word.START, None]


# --- however odd ------------------------------------------------------------------------------------------------------

odd_text = st.text(st.characters(exclude_categories=()), max_size=20)
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | odd_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_text, inner, max_size=3),
    max_leaves=8,
)
odd_item = st.fixed_dictionaries(
    {"id": odd_text, "from": st.just("491") | odd, "timestamp": st.just("1791486100") | odd},
    optional={
        "type": st.sampled_from(["text", "button", "interactive"]) | odd,
        "text": st.fixed_dictionaries({"body": odd}) | odd,
        "button": st.fixed_dictionaries({"text": odd, "payload": odd}) | odd,
        "interactive": st.fixed_dictionaries({"button_reply": odd}) | odd,
        "from_user_id": odd,
        "context": st.fixed_dictionaries({"id": odd}) | odd,
    },
)


@settings(max_examples=200, deadline=None)
@given(odd_item | odd, odd)
def test_no_message_however_odd_raises(document: Any, metadata: object) -> None:
    found = read_inbound(document, metadata)
    if found is not None:
        Words().said(found)
        for text in (found.wamid, found.kind, found.text, found.payload, found.answers, found.phone_number_id):
            (text or "").encode("utf-8")
            assert "\0" not in (text or "")

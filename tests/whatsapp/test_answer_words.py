"""Meta's words about an error are kept and shown to everybody: without the number that they may quote."""

import pytest

from service.whatsapp.answer import read_error_words

WORDS = {
    "+8613912345678 is not on WhatsApp": "+86••••••••678 is not on WhatsApp",
    "(to: 8613912345678)": "(to: 861•••••••678)",
    "Object with ID '106540352242922' does not exist": "Object with ID '106540352242922' does not exist",
    "template 1234567890123456": "template 1234567890123456",
    "(#131026) Message undeliverable": "(#131026) Message undeliverable",
    "24 hours, 2026-11-01T09:00:00": "24 hours, 2026-11-01T09:00:00",
}


@pytest.mark.parametrize("words", WORDS)
def test_a_phone_number_is_masked_and_metas_own_ids_are_not(words: str) -> None:
    assert read_error_words(words) == WORDS[words]


@pytest.mark.parametrize("nothing", [None, "", 17, {}, []])
def test_what_is_no_text_is_nothing(nothing: object) -> None:
    assert read_error_words(nothing) is None

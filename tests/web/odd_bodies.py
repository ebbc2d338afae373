"""Bodies that no call can use, for every route that reads one; and filters that are read, whatever stands in them."""

from collections.abc import Mapping
from typing import Any

NOT_JSON: Mapping[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "no UTF-8": b'{"campaign_id": "\xff"}',
    "nested deeply": b'{"campaign_id":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number of 5,000 digits": b'{"code": ' + b"1" * 5_000 + b"}",
}

UNUSABLE: Mapping[str, tuple[Any, list[tuple[str, str]]]] = {
    "a list": ([], [("", "not_an_object")]),
    "null": (None, [("", "not_an_object")]),
    "a text": ("x", [("", "not_an_object")]),
    "a misspelt field": ({"campaignId": "x"}, [("campaignId", "unknown_field")]),
    "a field with NUL for a name": ({"\0": 1}, [("\\0", "unknown_field")]),
    "half a character for a name": ({"\ud800": 1}, [("\\ud800", "unknown_field")]),
    "null for a text": ({"campaign_id": None}, [("campaign_id", "not_a_string")]),
    "an empty text": ({"event_id": ""}, [("event_id", "empty")]),
    "a number for a text": ({"reference": 17}, [("reference", "not_a_string")]),
    "a list for a text": ({"template": ["x"]}, [("template", "not_a_string")]),
    "an object for a text": ({"recipient": {}}, [("recipient", "not_a_string")]),
    "an unknown status": ({"event_id": "x", "status": "gone"}, [("status", "invalid_value")]),
    "an unknown status among others": (
        {"event_id": "x", "status": ["queued", "gone"]},
        [("status", "invalid_value")],
    ),
    "no status": ({"event_id": "x", "status": []}, [("status", "empty")]),
    "a status that is no text": ({"event_id": "x", "status": [["queued"]]}, [("status[0]", "not_a_string")]),
    "null for a status": ({"event_id": "x", "status": None}, [("status", "not_a_list")]),
    "too many statuses": ({"event_id": "x", "status": ["queued"] * 13}, [("status", "too_many")]),
    "a text for a code": ({"code": "131026"}, [("code", "invalid_value")]),
    "a fraction for a code": ({"code": 1.5}, [("code", "invalid_value")]),
    "true for a code": ({"code": True}, [("code", "invalid_value")]),
    "a code below all": ({"code": -1}, [("code", "invalid_value")]),
    "a code beyond 32 bits": ({"code": 2**31}, [("code", "invalid_value")]),
    "a code beyond 64 bits": ({"code": 10**40}, [("code", "invalid_value")]),
    "infinity for a code": ({"code": float("inf")}, [("code", "invalid_value")]),
    "a name for an address": ({"to": "Ada"}, [("to", "invalid_value")]),
    "a number without its country": ({"to": "12345"}, [("to", "invalid_value")]),
    "an address with NUL": ({"to": "+8613800138000\0"}, [("to", "invalid_value")]),
    "an address with half a character": ({"to": "\ud800"}, [("to", "invalid_value")]),
    "a moment without its zone": ({"created_from": "2026-11-01T09:00:00"}, [("created_from", "invalid_value")]),
    "a day for a moment": ({"created_until": "2026-11-01"}, [("created_until", "invalid_value")]),
    "no moment": ({"created_from": "yesterday"}, [("created_from", "invalid_value")]),
    "a moment that no calendar has": ({"created_from": "2026-13-01T09:00:00Z"}, [("created_from", "invalid_value")]),
    "a moment before all": ({"created_from": "0001-01-01T00:00:00+14:00"}, [("created_from", "invalid_value")]),
    "a moment after all": ({"created_until": "9999-12-31T23:59:59-14:00"}, [("created_until", "invalid_value")]),
    "a number for a moment": ({"created_from": 1793523600}, [("created_from", "not_a_string")]),
    "a text for ids": ({"message_ids": "x"}, [("message_ids", "not_a_list")]),
    "no ids": ({"message_ids": []}, [("message_ids", "empty")]),
    "an id that is no text": ({"message_ids": ["x", 1]}, [("message_ids[1]", "not_a_string")]),
    "too many ids": ({"message_ids": ["x"] * 10_001}, [("message_ids", "too_many")]),
    "several faults at once": ({"code": "x", "to": 1}, [("to", "not_a_string"), ("code", "invalid_value")]),
}

ODD_FILTERS: Mapping[str, dict[str, Any]] = {
    "NUL": {"campaign_id": "a\0b", "recipient": "\0", "message_ids": ["\0"]},
    "half a character": {"campaign_id": "\ud800", "template": "\udfff", "message_ids": ["\ud800"]},
    "very long": {"reference": "x" * 1_000_000, "event_id": "x" * 100_000},
    "ten thousand ids": {"message_ids": [f"m{n}" for n in range(10_000)]},
    "the first moment": {"created_from": "0001-01-01T00:00:00Z"},
    "the last moment": {"created_from": "9999-12-31T23:59:59.999999Z"},
    "the largest code": {"code": 2**31 - 1},
    "quotes": {"campaign_id": "'; DROP TABLE messages; --"},
}

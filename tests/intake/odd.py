"""JSON that no caller should send, and items of direct calls made of it."""

from typing import Any

from hypothesis import strategies as st

odd_text: st.SearchStrategy[str] = st.text(st.characters(exclude_categories=()), max_size=30)  # surrogates and NUL too
odd_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | odd_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_text, inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("id", "values", "language", "locale", "priority", "ttl_seconds", "phone_number_id", "send_at", "reference")
odd_template = st.fixed_dictionaries(
    {"name": st.just("order_update") | odd_json},
    optional={
        "language": st.sampled_from(["auto", "de"]) | odd_json,
        "params": st.lists(st.just("{{a.b|x}}") | odd_text) | st.dictionaries(odd_text, odd_text) | odd_json,
    },
)
odd_items: st.SearchStrategy[Any] = (
    st.fixed_dictionaries(
        {"to": st.just("+8613800138000") | odd_json},
        optional={"template": odd_template | odd_json, "message": st.just("unpaid-order") | odd_json}
        | dict.fromkeys(FIELDS, odd_json),
    )
    | st.fixed_dictionaries(
        {"to": st.just("+8613800138000"), "template": odd_template},
        optional={"id": odd_text, "reference": odd_text, "values": st.dictionaries(odd_text, odd_json)},
    )
    | odd_json
)

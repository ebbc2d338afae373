"""Whatever the body is, a read or an operator's action answers 200 or says what is wrong; never 5xx."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.message import Status
from service.web.filters import FILTERS
from tests.web.serving import INSIDER, OPERATOR, Service

PATHS = {
    "/v1/messages/search": INSIDER,
    "/v1/messages/export": INSIDER,
    "/v1/messages/replay": OPERATOR,
    "/v1/messages/cancel": OPERATOR,
    "/v1/messages/x/decide": OPERATOR,
    "/v1/campaigns/x/pause": OPERATOR,
}
_CHARACTERS = st.text(st.characters(exclude_categories=()), max_size=12)  # also NUL and halves of characters
_MOMENTS = st.datetimes().map(lambda moment: f"{moment.isoformat()}Z")
_WORDS = st.sampled_from([*Status, "+8613800138000", "US.1", "sent", "campaign"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _CHARACTERS | _MOMENTS | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_CHARACTERS, inner, max_size=2),
    max_leaves=5,
)
_FIELDS = st.sampled_from([*FILTERS, "limit", "cursor", "confirm", "preview", "decision", "reason"])


@given(path=st.sampled_from(sorted(PATHS)), body=_VALUES | st.dictionaries(_FIELDS, _VALUES, max_size=3))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_is_an_error_of_ours(service: Service, path: str, body: Any) -> None:
    answer = service.ask(path, json.dumps(body).encode(), PATHS[path])
    assert answer.status_code in {200, 404, 422}, answer.text
    assert answer.get_data() is not None

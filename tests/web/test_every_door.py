"""Bodies that attack whoever reads them, at every call that reads one: found in the app itself, so that a new call is in it."""

import gzip
import json
import re
from io import BytesIO
from typing import Any

import pytest

from service.web import MAX_BODY_BYTES
from tests.web.serving import (
    EVENTS,
    OPERATOR,
    READER,
    SENDER,
    WEBHOOK,
    Service,
    campaign,
    hub_signature,
    person,
    signed,
)

SIGNED = (EVENTS, "/v1/events/connect")
SENDS = ("/v1/messages",)
READS = ("/v1/messages/search", "/v1/messages/export")
OPERATES = (
    *("/v1/messages/replay", "/v1/messages/cancel", "/v1/messages/<message_id>/decide"),
    "/v1/campaigns/<path:campaign_id>/pause",
    *("/v1/suppressions", "/v1/suppressions/search", "/v1/suppressions/import"),
)
BODILESS = "/v1/campaigns/<path:campaign_id>/resume"
DOORS = (*SIGNED, WEBHOOK, *SENDS, *READS, *OPERATES)
WRITES = {"POST", "PUT", "PATCH", "DELETE"}

NESTED = b"[" * 100_000
NESTED_IN_AN_OBJECT = b'{"campaign_id":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}"


class Body(BytesIO):
    """Counts what is read of it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        some = super().read(size)
        self.taken += len(some)
        return some

    def readinto(self, buffer: Any, /) -> int:
        number = super().readinto(buffer)
        self.taken += number
        return number


def test_every_call_with_a_body_is_in_the_list(light: Service) -> None:
    rules = light.client.application.url_map.iter_rules()
    assert {rule.rule for rule in rules if (rule.methods or set()) & WRITES} == {*DOORS, BODILESS}


def knock(service: Service, door: str, body: bytes, proven: bytes | None = None, **more: Any) -> Any:
    """The call as one who may make it; where it is signed, the signature is of `proven`."""
    path = re.sub("<[^>]+>", "x", door)
    if door in SIGNED:
        proof = signed(body if proven is None else proven, f"receipt-{len(body)}")
    elif door == WEBHOOK:
        proof = hub_signature(body if proven is None else proven)
    else:
        key = SENDER if door in SENDS else READER if door in READS else OPERATOR
        proof = {"Authorization": f"Bearer {key}"}
    method = "PUT" if door == "/v1/suppressions" else "POST"
    headers = proof | more.pop("headers", {})
    return service.client.open(path, method=method, headers=headers, **({"data": body} | more))


@pytest.mark.parametrize("door", DOORS)
def test_json_that_is_nested_without_end_is_refused_with_a_sentence(light: Service, door: str) -> None:
    for body in (NESTED, NESTED_IN_AN_OBJECT):
        answer = knock(light, door, body)
        assert answer.status_code in {400, 422}, answer.text
        assert answer.content_type == "application/problem+json"
        assert len(answer.data) < 1_000


@pytest.mark.parametrize("door", DOORS)
def test_a_compressed_body_is_never_unpacked(light: Service, door: str) -> None:
    """A kilobyte could be a gigabyte. It is read as it stands, and is no JSON then."""
    good = json.dumps(campaign(person())).encode()
    for plain in (good, b" " * 50_000_000):
        packed = gzip.compress(plain)
        answer = knock(light, door, packed, proven=good, headers={"Content-Encoding": "gzip"})
        assert answer.status_code == (401 if door in {*SIGNED, WEBHOOK} else 400 if "import" not in door else 422)
    assert [*light.store.report.batches(10), *light.store.report.refused(10)] == []


def test_a_compressed_notification_that_is_signed_as_it_stands_is_no_json(light: Service) -> None:
    packed = gzip.compress(b"{}")
    assert knock(light, WEBHOOK, packed, headers={"Content-Encoding": "gzip"}).status_code == 400


@pytest.mark.parametrize("door", DOORS)
def test_a_body_that_says_it_is_over_6_mb_is_413_and_not_read(light: Service, door: str) -> None:
    stream = Body(b" " * 100)
    length = {"CONTENT_LENGTH": str(MAX_BODY_BYTES + 1)}
    answer = knock(light, door, b"", data=None, input_stream=stream, environ_overrides=length)
    assert (answer.status_code, stream.taken) == (413, 0)


FORGED = "order-17\r\nSet-Cookie: session=stolen\r\n\r\n<script>alert(1)</script>"


def test_what_callers_wrote_ends_no_header(light: Service) -> None:
    """In every field that is kept and told again; names of files and addresses are headers too."""
    facts = {"campaign_id": FORGED, "messages": [{"to": "+8613800138000", "reference": FORGED, "id": FORGED[:256]}]}
    facts["messages"][0]["template"] = {"name": "order_update", "language": "en_US"}  # type: ignore[index]
    answers = [light.direct(facts, call="call-1"), light.direct(facts, call="call-1")]
    assert [answer.status_code for answer in answers] == [202, 202], answers[0].text
    message_id = answers[0].get_json()["results"][0]["message_id"]
    answers.append(light.get(f"/v1/messages/{message_id}"))
    assert answers[-1].get_json()["reference"] == FORGED
    answers.append(light.ask("/v1/messages/export", {"reference": FORGED}))
    answers.append(light.ask("/v1/messages/search", {"reference": FORGED}))
    answers.append(light.get("/v1/campaigns/" + "".join(f"%{byte:02x}" for byte in FORGED.encode())))
    for answer in answers:
        assert answer.status_code in {200, 202}
        assert "Set-Cookie" not in answer.headers
        assert "stolen" not in str(answer.headers)
        assert answer.content_type.split(";")[0] in {"application/json", "text/csv"}  # which no browser runs


def test_headers_that_try_to_end_themselves_are_refused_or_kept_as_they_are(light: Service) -> None:
    body = json.dumps({"messages": [{"to": "+8613800138000", "template": {"name": "order_update"}}]}).encode()
    for odd in ("a" * 5_000, "é" * 100, "\x7f", "a, b", "'; DROP TABLE events; --"):
        headers = {"Authorization": f"Bearer {SENDER}", "Idempotency-Key": odd}
        answer = light.client.post("/v1/messages", data=body, headers=headers)
        assert answer.status_code in {202, 400, 422}
        assert odd not in str(answer.headers)

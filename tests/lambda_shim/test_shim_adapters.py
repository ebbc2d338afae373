"""Which events the adapters take, what they ask of the service, and how they read its answers: no network."""

import json
from typing import Any

import pytest
from mangum.types import Response

from lambda_shim.adapters import ConnectEvent, NotTaken, PinpointEvent, Refused
from tests.lambda_shim.serving import Context, article, as_bytes, problem, result, sample


def read(status: int, body: object, event: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the article's event, of one endpoint, gets for this answer; bytes are sent as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer: Response = {"status": status, "headers": [], "body": content}
    return PinpointEvent(event or article(), None, None)(answer)


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize("name", ["pinpoint_campaign_article", "pinpoint_journey", "pinpoint_console_without_data"])
def test_pinpoints_shapes_are_taken(name: str) -> None:
    assert PinpointEvent.infer(sample(name), None, None)
    assert not ConnectEvent.infer(sample(name), None, None)


@pytest.mark.parametrize("name", ["ApplicationId", "CampaignId", "JourneyId", "Endpoints", "Data"])
def test_one_of_pinpoints_names_is_enough_since_the_service_says_what_is_missing(name: str) -> None:
    assert PinpointEvent.infer({name: None}, None, None)


@pytest.mark.parametrize("name", ["InvocationMetadata", "Items"])
def test_one_of_connects_names_is_enough_too(name: str) -> None:
    assert ConnectEvent.infer({name: None}, None, None)


@pytest.mark.parametrize("name", ["lambda_sqs_event", "lambda_function_url_webhook"])
def test_other_shapes_are_neithers(name: str) -> None:
    assert not PinpointEvent.infer(sample(name), None, None)
    assert not ConnectEvent.infer(sample(name), None, None)


def test_connects_shape_is_not_pinpoints() -> None:
    assert not PinpointEvent.infer(sample("connect_journey_action"), None, None)


@pytest.mark.parametrize("event", [None, [], "Endpoints", 7, ["Items"]])
def test_what_is_no_object_is_neithers(event: object) -> None:
    assert not PinpointEvent.infer(event, None, None)
    assert not ConnectEvent.infer(event, None, None)


def test_the_body_is_the_event_and_ascii_even_with_half_a_surrogate_pair() -> None:
    event = {"Endpoints": {"e": {"Attributes": {"Name": ["张三 \ud83d"]}}}}
    body = PinpointEvent(event, None, None).body
    assert body.isascii()
    assert event == json.loads(body)
    assert body == as_bytes(event)


@pytest.mark.parametrize(
    "text",
    [
        '{"Data": 1e400}',
        '{"Data": [1.10, -0.0, 12345678901234567890123]}',
        '{"Data": "\\ud83d\\ude00 \\udc00 \\u007f"}',
    ],
)
def test_what_was_written_once_is_written_the_same_again(text: str) -> None:
    """A parked body is parsed and written anew: the bytes, which the service compares, do not change."""
    body = PinpointEvent(json.loads(text), None, None).body
    assert PinpointEvent(json.loads(body), None, None).body == body


def test_each_recipient_gets_its_facts_and_absent_ones_are_left_out() -> None:
    event: dict[str, Any] = {"Endpoints": {"one": {}, "two": {}, "three": {}, "four": {}}}
    results = [
        {"recipient": "one", "status": "accepted", "message_id": "m1"},
        {"recipient": "two", "status": "duplicate", "message_id": "m0"},
        {"recipient": "three", "status": "rejected", "code": "opted_out", "path": "p", "detail": "OptOut is ALL"},
        {"recipient": "four", "status": "accepted", "message_id": None},
    ]
    assert read(202, {"event_id": "x", "accepted": 2, "duplicates": 1, "rejected": 1, "results": results}, event) == {
        "one": {"EventAttributes": {"whatsapp_status": "accepted", "whatsapp_message_id": "m1"}},
        "two": {"EventAttributes": {"whatsapp_status": "duplicate", "whatsapp_message_id": "m0"}},
        "three": {"EventAttributes": {"whatsapp_status": "rejected", "whatsapp_reason": "opted_out: OptOut is ALL"}},
        "four": {"EventAttributes": {"whatsapp_status": "accepted"}},
    }


def test_what_the_service_says_more_does_no_harm() -> None:
    more = result("test123", phone="…", event_id=7, self="x", path=None)
    assert list(read(202, {"results": [more], "more": 1})) == ["test123"]


def test_results_belong_to_recipients_by_their_order() -> None:
    """The service shortens and escapes names for its own use; the sender knows its own."""
    name = "e" * 300 + "\ud83d"
    assert read(202, {"results": [result("e" * 256, message_id="m")]}, {"Endpoints": {name: {}}}) == {
        name: {"EventAttributes": {"whatsapp_status": "accepted", "whatsapp_message_id": "m"}}
    }


def test_attributes_keep_pinpoints_limits() -> None:
    rejection = {"recipient": "e", "status": "rejected", "code": "invalid_params", "detail": "字" * 500}
    attributes = read(202, {"results": [rejection]})["test123"]["EventAttributes"]
    assert attributes == {"whatsapp_status": "rejected", "whatsapp_reason": "invalid_params: " + "字" * 111 + "…"}
    assert len(attributes["whatsapp_reason"]) == 128


def test_a_reason_of_128_characters_is_whole() -> None:
    rejection = {"recipient": "e", "status": "rejected", "code": "c", "detail": "d" * 125}
    assert read(202, {"results": [rejection]})["test123"]["EventAttributes"]["whatsapp_reason"] == "c: " + "d" * 125


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_event_raises_the_status_and_the_services_words(status: int) -> None:
    with pytest.raises(Refused) as refused:
        read(status, problem(status, "Data: give the campaign a CustomMessage; Endpoints: there is nobody"))
    assert str(refused.value) == (
        f"The service refused the event ({status}): Data: give the campaign a CustomMessage; Endpoints: there is nobody"
    )


NOT_THE_SERVICES: list[object] = [
    b"",
    b"<html>Bad Request</html>",
    b"\xff",
    b"[1]",
    b"null",
    nested(100_000),
    {"message": "Request Too Long"},
    {"detail": [{"loc": ["body"], "msg": "Field required", "input": {"Address": "8613800138000"}}]},
    {"detail": "Field required for 8613800138000"},
    {"status": 500, "detail": "of another answer"},
    {"status": "422", "detail": "a text"},
    {"status": 422, "detail": ""},
    {"status": 422, "detail": None},
    {"status": 422},
]


@pytest.mark.parametrize("body", NOT_THE_SERVICES, ids=str)
def test_a_refusal_that_is_not_the_services_means_not_taken(body: object) -> None:
    """What stands before the service, or instead of it, refuses too: that is no reason to give the event up."""
    with pytest.raises(NotTaken, match=r"^The event was not taken \(422\): Check SIGNING_KEYS \(401\), SERVICE_URL"):
        read(422, body)


@pytest.mark.parametrize("status", [200, 201, 204, 301, 401, 403, 404, 405, 408, 409, 418, 429, 500, 502, 503, 504])
def test_any_other_answer_means_not_taken_and_says_what_to_look_at(status: int) -> None:
    with pytest.raises(NotTaken) as not_taken:
        read(status, {"results": [result("test123")]} if status < 300 else b"<html>8613800138000</html>")
    assert str(not_taken.value) == (
        f"The event was not taken ({status}): Check SIGNING_KEYS (401), SERVICE_URL (404), "
        "what stands before the service (403), else its /readyz."
    )


def test_the_services_own_reason_goes_before_ours() -> None:
    with pytest.raises(NotTaken) as not_taken:
        read(503, problem(503, "The database cannot be reached; nothing was stored. Send it again."))
    sentence = "The event was not taken (503): The database cannot be reached; nothing was stored. Send it again."
    assert str(not_taken.value) == sentence


@pytest.mark.parametrize(
    "body",
    [
        *NOT_THE_SERVICES,
        {"results": None},
        {"results": 1},
        {"results": "a"},
        {"results": {"a": 1}},
        {"results": ["a"]},
        {"results": []},
        {"results": [result("test123"), result("one too many")]},
        {"results": [{"recipient": "e"}]},
        {"results": [{"recipient": "e", "status": "queued"}]},
        {"results": [{"recipient": "e", "status": "status"}]},
        {"results": [{"recipient": "e", "status": ["accepted"]}]},
        {"results": [{"recipient": "e", "status": "rejected", "code": 7}]},
        {"results": [{"recipient": "e", "status": "rejected", "detail": ["d"]}]},
    ],
    ids=str,
)
def test_a_202_that_is_not_the_services_means_not_taken(body: object) -> None:
    with pytest.raises(NotTaken, match=r"^The event was not taken \(202\): Check SIGNING_KEYS"):
        read(202, body)


@pytest.mark.parametrize("results", [{}, "", None, 0])
def test_an_event_without_recipients_is_not_taken_by_a_202_without_results(results: object) -> None:
    event: dict[str, Any] = {"ApplicationId": "a", "Data": "d"}
    with pytest.raises(NotTaken, match=r"\(202\)"):
        read(202, {"results": results}, event)
    assert read(202, {"results": []}, event) == {}


def test_the_event_id_is_receipt_time_and_request_id() -> None:
    event_id = PinpointEvent(article(), Context("request-1"), None).event_id
    assert event_id.startswith("evt_1")
    assert event_id.endswith("_request-1")
    assert PinpointEvent(article(), Context("request-1"), None, "evt_1_x").event_id == "evt_1_x"


@pytest.mark.parametrize(
    ("event", "ids"),
    [
        ({"ApplicationId": "a", "JourneyId": "j", "CampaignId": {"Address": "8613800138000"}, "Data": "d"}, ["a", "j"]),
        ({"ApplicationId": "", "CampaignId": None, "JourneyId": 7, "Endpoints": []}, []),
    ],
)
def test_only_ids_that_are_texts_are_logged(event: dict[str, Any], ids: list[str]) -> None:
    scope = PinpointEvent(event, None, None, "evt_1_x").scope
    assert scope["shim"].pop("recipients") == 0
    assert list(scope["shim"].values()) == ["evt_1_x", *ids]

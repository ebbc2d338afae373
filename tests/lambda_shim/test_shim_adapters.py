"""The answers table of the shim, row by row, and which events it takes for Pinpoint's: no network."""

import json
from pathlib import Path
from typing import Any

import pytest
from mangum.types import Response

from lambda_shim.adapters import NotTaken, PinpointEvent, Refused

SAMPLES = Path(__file__).parents[1] / "samples"


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_bytes())


def read(status: int, body: object) -> dict[str, Any]:
    """What the article's event gets for this answer; bytes are sent as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer: Response = {"status": status, "headers": [], "body": content}
    return PinpointEvent(sample("pinpoint_campaign_article"), None, None)(answer)


def problem(**more: object) -> dict[str, object]:
    return {"type": "about:blank", "title": "Not right", **more}


@pytest.mark.parametrize("name", ["pinpoint_campaign_article", "pinpoint_journey", "pinpoint_console_without_data"])
def test_pinpoints_shapes_are_taken(name: str) -> None:
    assert PinpointEvent.infer(sample(name), None, None)


@pytest.mark.parametrize("name", ["ApplicationId", "CampaignId", "JourneyId", "Endpoints", "Data"])
def test_one_of_pinpoints_names_is_enough_since_the_service_says_what_is_missing(name: str) -> None:
    assert PinpointEvent.infer({name: None}, None, None)


@pytest.mark.parametrize("name", ["connect_journey_action", "lambda_sqs_event", "lambda_function_url_webhook"])
def test_other_shapes_are_not_pinpoints(name: str) -> None:
    assert not PinpointEvent.infer(sample(name), None, None)


def test_the_body_is_the_event_and_ascii_even_with_half_a_surrogate_pair() -> None:
    event = {"Endpoints": {"e": {"Attributes": {"Name": ["张三 \ud83d"]}}}}
    body = PinpointEvent(event, None, None).body
    assert body.isascii()
    assert event == json.loads(body)
    assert b", " not in body


def test_each_recipient_gets_its_facts_and_absent_ones_are_left_out() -> None:
    results = [
        {"recipient": "one", "status": "accepted", "message_id": "m1"},
        {"recipient": "two", "status": "duplicate", "message_id": "m0"},
        {"recipient": "three", "status": "rejected", "code": "opted_out", "path": "p", "detail": "OptOut is ALL"},
        {"recipient": "four", "status": "accepted", "message_id": None},
    ]
    assert read(202, {"event_id": "x", "accepted": 2, "duplicates": 1, "rejected": 1, "results": results}) == {
        "one": {"EventAttributes": {"whatsapp_status": "accepted", "whatsapp_message_id": "m1"}},
        "two": {"EventAttributes": {"whatsapp_status": "duplicate", "whatsapp_message_id": "m0"}},
        "three": {"EventAttributes": {"whatsapp_status": "rejected", "whatsapp_reason": "opted_out: OptOut is ALL"}},
        "four": {"EventAttributes": {"whatsapp_status": "accepted"}},
    }


def test_attributes_keep_pinpoints_limits() -> None:
    rejection = {"recipient": "e", "status": "rejected", "code": "invalid_params", "detail": "字" * 500}
    attributes = read(202, {"results": [rejection]})["e"]["EventAttributes"]
    assert len(attributes) <= 5
    assert all(len(name) <= 128 and isinstance(value, str) for name, value in attributes.items())
    assert len(attributes["whatsapp_reason"]) == 128
    assert attributes["whatsapp_reason"].endswith("字…")


def test_all_rejected_does_not_raise() -> None:
    assert read(202, {"results": [{"recipient": "e", "status": "rejected", "code": "c", "detail": "d"}]})


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_event_raises_the_status_and_each_fault(status: int) -> None:
    errors = [
        {"path": "Data", "code": "missing", "detail": "Give the campaign a CustomMessage."},
        {"path": "Endpoints", "code": "missing", "detail": "There is nobody to send to."},
    ]
    with pytest.raises(Refused) as refused:
        read(status, problem(status=status, detail="Two faults.", errors=errors))
    assert str(refused.value) == (
        f"The service refused the event ({status}): Data: Give the campaign a CustomMessage.; "
        "Endpoints: There is nobody to send to."
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (problem(detail="Too large."), "Too large."),
        (problem(errors=[], detail="Too large."), "Too large."),
        (problem(), "it gave no reason."),
        (problem(errors=[7], detail="x"), "it gave no reason."),
        (b"<html>", "it gave no reason."),
        ([1], "it gave no reason."),
    ],
)
def test_a_refusal_without_faults_still_raises_refused(body: object, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        read(413, body)
    assert str(refused.value).endswith(f"(413): {reason}")


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, b"", "SIGNING_KEYS"),
        (403, b"<html>", "load balancer"),
        (404, b"", "SERVICE_URL"),
        (404, problem(detail="Nothing here."), "Nothing here. That was not the service"),
        (408, b"", "overloaded"),
        (429, b"", "overloaded"),
        (500, b"Internal Server Error", "overloaded"),
        (502, b"", "overloaded"),
        (503, problem(detail="The store cannot be written."), "The store cannot be written. Then hand it over again."),
        (504, b"", "overloaded"),
        (418, b"", "overloaded"),
        (301, b"", "SERVICE_URL"),
        (200, {"results": []}, "SERVICE_URL"),
        (204, b"", "SERVICE_URL"),
    ],
)
def test_any_other_answer_means_not_taken_and_says_what_to_do(status: int, body: object, says: str) -> None:
    with pytest.raises(NotTaken) as not_taken:
        read(status, body)
    assert f"({status})" in str(not_taken.value)
    assert says in str(not_taken.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"ok",
        b"[]",
        b"null",
        {},
        {"results": None},
        {"results": {"a": 1}},
        {"results": ["a"]},
        {"results": [{"recipient": "e"}]},
        {"results": [{"recipient": "e", "status": "queued"}]},
        {"results": [{"recipient": "e", "status": ["accepted"]}]},
        {"results": [{"recipient": {}, "status": "accepted"}]},
    ],
)
def test_a_202_that_is_not_the_services_means_not_taken(body: object) -> None:
    with pytest.raises(NotTaken, match=r"\(202\): That was not the service"):
        read(202, body)


def test_the_log_line_has_ids_and_counts_and_nothing_private(capsys: pytest.CaptureFixture[str]) -> None:
    event = sample("pinpoint_campaign_fifty")
    results = [{"recipient": "a", "status": status, "message_id": "m"} for status in ("accepted", "rejected")]
    results = [result | {"recipient": str(n)} for n, result in enumerate(results)]
    adapter = PinpointEvent(event, None, None)
    adapter({"status": 202, "headers": [], "body": json.dumps({"results": results}).encode()})
    (line,) = capsys.readouterr().out.splitlines()
    facts = json.loads(line)
    assert facts.pop("duration_ms") >= 0
    assert facts == {
        "log": "shim.invoked",
        "status": 202,
        "webhook_id": adapter.event_id,
        "application": event["ApplicationId"],
        "campaign": event["CampaignId"],
        "endpoints": 50,
        "accepted": 1,
        "duplicates": 0,
        "rejected": 1,
    }
    assert all(endpoint["Address"].lstrip("+") not in line for endpoint in event["Endpoints"].values())


def test_a_failure_is_logged_too_and_odd_ids_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    odd: dict[str, Any] = {"ApplicationId": {"Address": "8613800138000"}, "JourneyId": "j1", "Endpoints": []}
    with pytest.raises(NotTaken):
        PinpointEvent(odd, None, None)({"status": 500, "headers": [], "body": b""})
    facts = json.loads(capsys.readouterr().out)
    assert (facts["status"], facts["journey"], facts["endpoints"]) == (500, "j1", 0)
    assert "application" not in facts

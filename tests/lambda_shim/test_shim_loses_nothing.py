"""Whatever is handed in and whatever the service answers: documented shapes or Refused or NotTaken, and nothing lost."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambda_shim.adapters import NotTaken, Refused
from lambda_shim.handler import handler
from tests.lambda_shim.asking import SHAPES, reply
from tests.lambda_shim.conftest import Desk
from tests.lambda_shim.serving import HANGS_UP, Answer, Context, as_bytes, problem, receipt, result

fuzz = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    database=None,
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
anything = st.recursive(scalars, lambda kind: st.lists(kind) | st.dictionaries(st.text(), kind), max_leaves=12)
names = st.text(min_size=1, max_size=20)


def objects(*keys: str, **known: Any) -> Any:
    """Objects that may have any of these keys, with anything under it or what is given."""
    return st.fixed_dictionaries({}, optional={key: known.get(key, anything) for key in [*keys, *known]})


profiles = st.lists(objects("CustomerData", "IdempotencyToken", ProfileId=names | anything) | anything, max_size=4)
pinpoint = objects(
    "ApplicationId", "CampaignId", "JourneyId", "Data", "Message", Endpoints=st.dictionaries(names, anything) | anything
).filter(lambda event: not event.keys().isdisjoint({"ApplicationId", "CampaignId", "JourneyId", "Endpoints", "Data"}))
connect = objects(
    InvocationMetadata=objects(CampaignContext=objects("CampaignId", "RunId", "ActionId") | anything) | anything,
    Items=objects(CustomerProfiles=profiles | anything) | anything,
).filter(bool)
own_events = pinpoint | connect
http = st.builds(
    lambda shape, method, target, headers, body: shape(method, target, headers=headers, body=body, encoded=True),
    st.sampled_from(list(SHAPES.values())),
    st.sampled_from(["GET", "POST", "PURGE", "get", ""]) | st.text(max_size=8),
    st.sampled_from(["/v1/messages", "/webhooks/whatsapp", "/v1/x?a=b"]) | st.text().map(lambda text: f"/{text}"),
    st.dictionaries(st.sampled_from(["Authorization", "Content-Type", "Webhook-Id"]), st.text()),
    st.binary(),
)
records = st.fixed_dictionaries(
    {"messageId": names},
    optional={
        "body": anything | own_events.map(json.dumps),
        "messageAttributes": st.dictionaries(
            st.sampled_from(["webhook-id", "content-encoding"]), objects("stringValue", "binaryValue") | anything
        )
        | anything,
    },
)
batches = st.lists(records, min_size=1, max_size=3).map(lambda batch: {"Records": batch})
known = {"ApplicationId", "CampaignId", "JourneyId", "Endpoints", "Data", "InvocationMetadata", "Items"}
unknown = (anything | objects("Records", "requestContext", "version", "resource")).filter(
    lambda event: not isinstance(event, dict) or known.isdisjoint(event)
)
odd = objects("Records", "requestContext", "version", "resource", "httpMethod", "path", "headers", "body", "rawPath")
broken_http = st.builds(lambda event, more: {**event, **more}, http, odd)
statuses = st.sampled_from([200, 202, 202, 204, 304, 400, 401, 413, 422, 500, 503]) | st.integers(200, 999)
bodies = (
    st.none()
    | st.binary()
    | anything.map(lambda value: json.dumps(value).encode())
    | objects("results", "detail", "status", "title").map(lambda value: json.dumps(value).encode())
    | st.lists(st.builds(result, names, st.sampled_from(["accepted", "rejected", "", "log", "queued"]))).map(receipt)
    | st.sampled_from([400, 413, 422]).map(problem)
)
replies: list[dict[str, str]] = [
    {},
    {"Content-Type": "text/plain"},
    {"Retry-After": "\xff"},
    {"Content-Encoding": "gzip"},
]
answers = st.builds(Answer, statuses, bodies, st.sampled_from(replies)) | st.just(HANGS_UP) | st.just(Answer())


def is_real(answer: Answer, recipients: int) -> bool:
    """Whether the service took the event, or refused it in its own words: the rule, said another way."""
    readable = answer.way == "answers" and "Content-Encoding" not in answer.headers
    if not readable or answer.status not in {202, 400, 413, 422}:
        return False
    if answer.body is None:
        return True
    with suppress(ValueError, RecursionError):
        return is_the_services(answer.status, json.loads(answer.body), recipients)
    return False


def is_the_services(status: int, said: Any, recipients: int) -> bool:
    if not isinstance(said, dict):
        return False
    if status != 202:
        same, detail = said.get("status"), said.get("detail")
        return isinstance(same, int) and same == status and isinstance(detail, str) and detail != ""
    found = said.get("results")
    if not isinstance(found, list) or len(found) != recipients:
        return False
    outcomes = [each.get("status") if isinstance(each, dict) else None for each in found]
    return all(each in ("accepted", "duplicate", "rejected") for each in outcomes)


def facts_of(event: dict[str, Any], answer: dict[str, Any]) -> list[dict[str, str]]:
    """Each recipient's facts, from an answer of exactly the documented shape."""
    assert json.loads(json.dumps(answer)) == answer
    if "Items" in event or "InvocationMetadata" in event:
        profiles = event.get("Items", {})["CustomerProfiles"] if has_profiles(event) else []
        known = [
            each["ProfileId"] for each in profiles if isinstance(each, dict) and isinstance(each.get("ProfileId"), str)
        ]
        assert answer.keys() == {"Items"}
        items = answer["Items"]["CustomerProfiles"]
        assert sorted(item["Id"] for item in items) == sorted({name for name in known if name})
        return [item["ResultData"] for item in items]
    endpoints = event.get("Endpoints")
    assert list(answer) == (list(endpoints) if isinstance(endpoints, dict) else [])
    assert all(each.keys() == {"EventAttributes"} for each in answer.values())
    facts = [each["EventAttributes"] for each in answer.values()]
    assert all(len(each) <= 5 and max(map(len, each.values())) <= 128 for each in facts)
    return facts


def has_profiles(event: dict[str, Any]) -> bool:
    items = event.get("Items")
    return isinstance(items, dict) and isinstance(items.get("CustomerProfiles"), list)


def count_of(event: dict[str, Any]) -> int:
    if has_profiles(event):
        return len(event["Items"]["CustomerProfiles"])
    return len(event["Endpoints"]) if isinstance(event.get("Endpoints"), dict) else 0


@fuzz
@given(own_events, answers, st.booleans())
def test_an_event_is_taken_or_refused_or_in_the_queue_or_raised(
    desk: Desk, event: dict[str, Any], answer: Answer, sqs_works: bool
) -> None:
    desk.service.requests.clear()
    desk.service.answers(answer, answer)
    outcome, returned = "returned", {}
    try:
        returned = handler(event, Context(), desk.shim if sqs_works else desk.stranded)
    except (Refused, NotTaken) as raised:
        outcome = type(raised).__name__
    statuses = {each["whatsapp_status"] for each in facts_of(event, returned)} if outcome == "returned" else set()
    parked = desk.queue.messages()
    desk.queue.delete(parked)
    assert desk.service.bodies in ([as_bytes(event)], [as_bytes(event)] * 2)
    if is_real(answer, count_of(event)):
        assert parked == []
        if answer.status == 202:
            assert outcome == "returned"
            assert statuses <= {"accepted", "duplicate", "rejected"}
        else:
            assert outcome == "Refused" or (outcome == "returned" and statuses <= {"refused"})
    elif sqs_works:
        assert (outcome, statuses) in [("returned", {"parked"}), ("returned", set())]
        (message,) = parked
        assert message["Body"].encode() == as_bytes(event)
        (webhook_id,) = {request.webhook_id for request in desk.service.requests}
        assert message["MessageAttributes"]["webhook-id"]["StringValue"] == webhook_id
    else:
        assert (outcome, parked) == ("NotTaken", [])


@fuzz
@given(st.one_of(http, broken_http), answers)
def test_http_is_answered_or_of_no_known_shape_and_reaches_nothing_else(
    desk: Desk, event: dict[str, Any], answer: Answer
) -> None:
    desk.service.requests.clear()
    desk.service.answers(answer)
    with suppress(Refused):
        assert 200 <= reply(handler(event, Context(), desk.shim)).status <= 999
    assert len(desk.service.requests) <= 1
    for request in desk.service.requests:
        assert request.path == "/webhooks/whatsapp" or request.path.startswith("/v1/")


@fuzz
@given(batches, answers)
def test_a_batch_names_what_comes_again_and_loses_no_other(desk: Desk, batch: dict[str, Any], answer: Answer) -> None:
    names = {record["messageId"] for record in batch["Records"]}
    desk.service.requests.clear()
    desk.service.answers(*[answer] * 6)
    returned = handler(batch, Context(), desk.shim)
    assert returned.keys() == {"batchItemFailures"}
    assert all(failure.keys() == {"itemIdentifier"} for failure in returned["batchItemFailures"])
    again = {failure["itemIdentifier"] for failure in returned["batchItemFailures"]}
    assert again <= names
    done = [record for record in batch["Records"] if record["messageId"] not in again]
    assert len(done) <= len(desk.service.requests)
    for record in done:
        event = json.loads(record["body"])
        assert is_real(answer, count_of(event))
        assert as_bytes(event) in desk.service.bodies


@fuzz
@given(unknown)
def test_anything_else_is_of_no_known_shape(desk: Desk, event: Any) -> None:
    desk.service.requests.clear()
    with pytest.raises(Refused, match=r"^The event has no known shape\. This function takes a Pinpoint event"):
        handler(event, None, desk.shim)
    assert not desk.service.requests

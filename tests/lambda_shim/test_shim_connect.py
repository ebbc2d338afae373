"""Connect's custom action: exactly one item for each ProfileId, whatever the service answers."""

import json
import re
from typing import Any

import pytest

from lambda_shim.adapters import NotTaken
from lambda_shim.forward import Forwarder
from lambda_shim.handler import handler
from tests.lambda_shim.serving import (
    PRIVATE,
    REASON,
    Answer,
    Context,
    Log,
    Service,
    as_bytes,
    problem,
    receipt,
    result,
    sample,
)

FIRST, SECOND = "a1b2c3d4e5f60718293a4b5c6d7e8f90", "b2c3d4e5f60718293a4b5c6d7e8f90a1"
NO_ADDRESS = {"code": "invalid_address", "detail": "the profile has none of mobilePhoneNumber, phoneNumber"}


def journey() -> Any:
    return sample("connect_journey_action")


def of(*profiles: object) -> dict[str, Any]:
    """The sample with other profiles."""
    return {**journey(), "Items": {"CustomerProfiles": list(profiles)}}


def items(answer: dict[str, Any]) -> dict[str, dict[str, str]]:
    """The answer's items by Id, each Id once, and nothing else in the answer."""
    assert answer.keys() == {"Items"}
    assert answer["Items"].keys() == {"CustomerProfiles"}
    found = answer["Items"]["CustomerProfiles"]
    assert all(item.keys() == {"Id", "ResultData"} for item in found)
    by_id = {item["Id"]: item["ResultData"] for item in found}
    assert len(by_id) == len(found)
    return by_id


def test_each_profile_gets_what_became_of_it(service: Service, forwarder: Forwarder, log: Log) -> None:
    results = [result(FIRST), result(SECOND, "rejected", message_id=None, **NO_ADDRESS)]
    service.answers(Answer(202, receipt(results)))
    assert items(handler(journey(), Context("r1"), forwarder)) == {
        FIRST: {"whatsapp_status": "accepted", "whatsapp_message_id": f"m-{FIRST}"},
        SECOND: {
            "whatsapp_status": "rejected",
            "whatsapp_reason": "invalid_address: the profile has none of mobilePhoneNumber, phoneNumber",
        },
    }
    (request,) = service.requests
    assert (request.method, request.target) == ("POST", "/v1/events/connect")
    assert request.verified() == journey()
    assert request.body == as_bytes(journey())
    assert log.line() == {
        "status": 202,
        "webhook_id": request.webhook_id,
        "recipients": 2,
        "CampaignId": "0d9f3a52-6f2e-4f1b-9a55-2b8f7c1d4e60",
        "RunId": "5c1f0d3e-7a41-4be0-9d0b-0f6f7f1b2a33#2026-10-03T10-04-00Z",
        "ActionId": "ordertimeoutnotification",
        "accepted": 1,
        "rejected": 1,
    }


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_event_refuses_every_profile_and_says_why(
    status: int, service: Service, forwarder: Forwarder, log: Log
) -> None:
    service.answers(status)
    reason = f"The service refused the event ({status}): {REASON}"
    refused = {"whatsapp_status": "refused", "whatsapp_reason": reason}
    assert items(handler(journey(), Context(), forwarder)) == {FIRST: refused, SECOND: refused}
    line = log.line()
    assert (line["status"], line["refused"]) == (status, 2)


def test_a_long_reason_is_whole(service: Service, forwarder: Forwarder) -> None:
    """Connect takes 32 KB a profile."""
    service.answers(Answer(422, problem(422, "字" * 500)))
    answer = items(handler(journey(), Context(), forwarder))
    assert answer[FIRST]["whatsapp_reason"].endswith("字" * 500)


def test_what_is_not_taken_and_not_parked_raises(service: Service, forwarder: Forwarder, log: Log) -> None:
    """An exception is an error of every profile: the journey's error branch."""
    service.answers(503, 503)
    with pytest.raises(NotTaken, match=r"\(503\)"):
        handler(journey(), Context(), forwarder)
    line = log.line()
    assert (line["status"], line["not_taken"]) == (503, 2)
    assert "parked" not in line


def test_a_profile_id_that_comes_twice_gets_one_item(service: Service, forwarder: Forwarder) -> None:
    twice = of(*({"ProfileId": name, "CustomerData": "{}"} for name in ("p", "q", "p")))
    results = [result("p"), result("q"), result("p", "duplicate")]
    service.answers(Answer(202, receipt(results)))
    answer = items(handler(twice, Context(), forwarder))
    assert list(answer) == ["p", "q"]
    assert answer["q"]["whatsapp_message_id"] == "m-q"


@pytest.mark.parametrize("odd", [7, None, True, "", [], {"ProfileId": "p"}], ids=repr)
def test_a_profile_without_a_usable_id_spoils_no_other(odd: object, service: Service, forwarder: Forwarder) -> None:
    """There is no Id to answer under; Connect counts what has no item as an error."""
    event = of({"ProfileId": "first"}, {"ProfileId": odd}, {"ProfileId": "last"})
    service.answers(Answer(202, receipt([result("first"), result("CustomerProfiles[1]", "rejected"), result("last")])))
    answer = items(handler(event, Context(), forwarder))
    assert {name: facts["whatsapp_message_id"] for name, facts in answer.items()} == {
        "first": "m-first",
        "last": "m-last",
    }


@pytest.mark.parametrize("odd", [None, 7, "p", ["p"], {}], ids=repr)
def test_a_profile_that_is_none_spoils_no_other(odd: object, service: Service, forwarder: Forwarder) -> None:
    service.answers(Answer(202, receipt([result("CustomerProfiles[0]", "rejected"), result("last")])))
    answer = items(handler(of(odd, {"ProfileId": "last"}), Context(), forwarder))
    assert list(answer) == ["last"]


def test_an_id_may_be_any_text(service: Service, forwarder: Forwarder) -> None:
    name = "张三 \ud83d" + "x" * 1000
    service.answers(Answer(202, receipt([result("shortened")])))
    answer = handler(of({"ProfileId": name}), Context(), forwarder)
    assert items(json.loads(json.dumps(answer))).keys() == {name}


def test_two_hundred_profiles_get_two_hundred_items(forwarder: Forwarder, log: Log) -> None:
    names = [f"profile-{number}" for number in range(200)]
    answer = items(handler(of(*({"ProfileId": name} for name in names)), Context(), forwarder))
    assert list(answer) == names
    assert log.line()["accepted"] == 200


@pytest.mark.parametrize(
    "event",
    [
        {"Items": {}},
        {"Items": None},
        {"Items": []},
        {"Items": {"CustomerProfiles": {}}},
        {"Items": {"CustomerProfiles": []}},
        {"InvocationMetadata": None},
        {"InvocationMetadata": {"CampaignContext": 7}},
        {"InvocationMetadata": {"CampaignContext": {"ActionId": ["a"]}}},
    ],
    ids=str,
)
def test_what_is_unusable_the_service_refuses_and_keeps(
    event: dict[str, Any], service: Service, forwarder: Forwarder
) -> None:
    service.answers(422)
    assert items(handler(event, Context(), forwarder)) == {}
    assert service.bodies == [as_bytes(event)]


def test_an_event_with_pinpoints_names_too_is_connects(forwarder: Forwarder) -> None:
    event = journey() | {"Endpoints": {"e": {}}, "Data": "d", "ApplicationId": "a"}
    assert items(handler(event, Context(), forwarder)).keys() == {FIRST, SECOND}


def test_no_profile_stands_in_the_log_or_in_an_error(
    service: Service, forwarder: Forwarder, capsys: pytest.CaptureFixture[str]
) -> None:
    service.answers(202, 422, 500)
    shown = [json.dumps(handler(journey(), Context(), forwarder)) for _ in range(2)]
    with pytest.raises(NotTaken) as not_taken:
        handler(journey(), Context(), forwarder)
    printed = capsys.readouterr()
    everything = f"{shown} {not_taken.value!r} {printed.out} {printed.err}"
    assert not re.search(f"{PRIVATE}|Ada|IdempotencyToken", everything)
    assert not re.search(f"{FIRST}|{SECOND}", printed.out)

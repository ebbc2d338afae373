"""What Meta tells of the token, of the account's subscriptions and of a number's health, and what can be set of them."""

from collections.abc import Callable
from typing import Any

import pytest

Answer = tuple[int, Any]
Api = Callable[..., Answer]

BEARER = {"Authorization": "Bearer sandbox-token"}
TOKEN = "/v25.0/debug_token?input_token=sandbox-token"
APPS = "/v25.0/102290129340398/subscribed_apps"
NUMBER = "106540352242922"
HEALTH = f"/v25.0/{NUMBER}?fields=status,health_status,quality_rating"
BOTH = ["whatsapp_business_management", "whatsapp_business_messaging"]
UNSET = {"scopes": BOTH, "expires_at": 0, "subscribed_apps": ["634974688087057"]}


def test_the_token_that_is_accepted_may_do_everything_and_never_ends(api: Api) -> None:
    status, body = api("GET", TOKEN, **BEARER)
    told = body["data"]
    assert (status, told["is_valid"], told["expires_at"], told["scopes"]) == (200, True, 0, BOTH)
    assert (told["app_id"], told["type"]) == ("634974688087057", "SYSTEM_USER")


def test_another_token_is_not_valid(api: Api) -> None:
    status, body = api("GET", "/v25.0/debug_token?input_token=another", **BEARER)
    assert (status, body["data"]["is_valid"], body["data"]["error"]["code"]) == (200, False, 190)


def test_a_question_without_a_token_in_it_is_code_100(api: Api) -> None:
    status, body = api("GET", "/v25.0/debug_token", **BEARER)
    assert (status, body["error"]["code"]) == (400, 100)


@pytest.mark.parametrize("path", [TOKEN, APPS])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer another"}])
def test_nothing_is_told_without_the_token(path: str, headers: dict[str, str], api: Api) -> None:
    status, body = api("GET", path, **headers)
    assert (status, body["error"]["code"]) == (401, 190)


def test_a_replaced_token_is_the_one_that_is_valid(api: Api) -> None:
    api("POST", "/sandbox/token", {"token": "second"})
    status, body = api("GET", "/v25.0/debug_token?input_token=second", Authorization="Bearer second")
    assert (status, body["data"]["is_valid"]) == (200, True)


def test_the_apps_own_subscription_is_told(api: Api) -> None:
    status, body = api("GET", APPS, **BEARER)
    assert (status, [one["whatsapp_business_api_data"]["id"] for one in body["data"]]) == (200, ["634974688087057"])


def test_what_was_set_is_told_until_it_is_forgotten(api: Api) -> None:
    wanted = {"scopes": BOTH[1:], "expires_at": 1793523600, "subscribed_apps": []}
    assert api("POST", "/sandbox/account", wanted) == (201, wanted)
    told = api("GET", TOKEN, **BEARER)[1]["data"]
    assert (told["scopes"], told["expires_at"]) == (BOTH[1:], 1793523600)
    assert api("GET", APPS, **BEARER)[1] == {"data": []}
    assert api("POST", "/sandbox/account", {"expires_at": 1})[1] == {**UNSET, "expires_at": 1}
    assert api("DELETE", "/sandbox/account")[0] == 204
    assert api("GET", "/sandbox/account") == (200, UNSET)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ([], "An account must be a JSON object"),
        ({"age": 1}, "age is no field of an account; it has scopes, expires_at, subscribed_apps."),
        ({"expires_at": "never"}, "expires_at must be whole seconds since 1970, or 0 for never."),
        ({"expires_at": True}, "expires_at must be whole seconds"),
        ({"scopes": "all"}, "scopes must be a list of strings"),
        ({"subscribed_apps": [""]}, "subscribed_apps must be a list of strings"),
    ],
)
def test_a_wrong_field_is_said(body: Any, sentence: str, api: Api) -> None:
    status, answer = api("POST", "/sandbox/account", body)
    assert (status, sentence in answer["error"]) == (400, True)


def test_a_number_is_well_unless_it_was_set_otherwise(api: Api) -> None:
    told = api("GET", HEALTH, **BEARER)[1]
    assert (told["status"], told["quality_rating"]) == ("CONNECTED", "GREEN")
    assert told["health_status"]["can_send_message"] == "AVAILABLE"
    unwell = {"phone_number_id": NUMBER, "quality_rating": "RED", "status": "FLAGGED", "can_send_message": "BLOCKED"}
    api("POST", "/sandbox/numbers", unwell)
    told = api("GET", HEALTH, **BEARER)[1]
    assert (told["status"], told["quality_rating"]) == ("FLAGGED", "RED")
    health = told["health_status"]
    assert [one["can_send_message"] for one in (health, *health["entities"])] == ["BLOCKED", "BLOCKED", "AVAILABLE"]
    assert health["entities"][0]["errors"][0]["possible_solution"] == "Register it."
    api("POST", "/sandbox/numbers", {"phone_number_id": NUMBER, "can_send_message": "LIMITED"})
    entity = api("GET", HEALTH, **BEARER)[1]["health_status"]["entities"][0]
    assert entity["additional_info"] == ["The display name was not approved yet."]

"""Who may hand in events: whoever signs with one of our keys, now. Everybody else learns nothing."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook
from werkzeug.test import TestResponse

from service.outbox import tables
from service.web.auth import BadKeys, Signatures, fixed
from tests.web.serving import EVENTS, OTHER_KEY, SIGNING_KEY, Service, campaign, person, signed

BODY = json.dumps(campaign(person())).encode()


def is_silent_401(answer: TestResponse) -> bool:
    return (answer.status_code, answer.data) == (401, b"") and "WWW-Authenticate" not in answer.headers


def stored(service: Service) -> int:
    with service.store.engine.connect() as connection:
        return len(connection.execute(tables.events.select()).all())


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature", "all"])
def test_a_missing_header_is_a_silent_401(light: Service, missing: str) -> None:
    headers = {} if missing == "all" else signed(BODY, "evt_1")
    headers.pop(missing, None)
    assert is_silent_401(light.client.post(EVENTS, data=BODY, headers=headers))


def test_a_wrong_key_is_a_silent_401_and_nothing_is_kept(light: Service) -> None:
    assert is_silent_401(light.post(BODY, key=OTHER_KEY))
    assert stored(light) == 0


@pytest.mark.parametrize("changed", ["the body", "the id", "the time"])
def test_a_signature_is_good_for_its_own_body_id_and_time_only(light: Service, changed: str) -> None:
    headers = signed(BODY, "evt_1")
    body = BODY + b" " if changed == "the body" else BODY
    if changed == "the id":
        headers["webhook-id"] = "evt_2"
    if changed == "the time":
        headers["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) + 1)
    assert is_silent_401(light.client.post(EVENTS, data=body, headers=headers))


@pytest.mark.parametrize(("age", "status"), [(290, 202), (310, 401), (-290, 202), (-310, 401), (10**6, 401)])
def test_a_signature_is_good_for_five_minutes(light: Service, age: float, status: int) -> None:
    answer = light.post(BODY, age=age)
    assert answer.status_code == status
    assert status == 202 or is_silent_401(answer)


def test_any_of_several_keys_will_do(light: Service) -> None:
    rotating = Service(light.store, signing_keys=(OTHER_KEY, SIGNING_KEY))
    assert rotating.post(BODY, key=SIGNING_KEY).status_code == 202
    assert rotating.post(BODY, key=OTHER_KEY).status_code == 202
    assert is_silent_401(light.post(BODY, key=OTHER_KEY))


def test_any_of_several_signatures_in_one_header_will_do(light: Service) -> None:
    headers = signed(BODY, "evt_1")
    other = signed(BODY, "evt_1", key=OTHER_KEY)
    headers["webhook-signature"] = f"v2,xyz {other['webhook-signature']} {headers['webhook-signature']}"
    assert light.client.post(EVENTS, data=BODY, headers=headers).status_code == 202


def test_a_service_without_keys_refuses_everybody(light: Service) -> None:
    assert is_silent_401(Service(light.store, signing_keys=()).post(BODY))


def test_a_body_that_is_no_text_is_a_silent_401(light: Service) -> None:
    assert is_silent_401(light.client.post(EVENTS, data=b"\xff\xfe", headers=signed(BODY, "evt_1")))


def test_who_cannot_sign_does_not_learn_that_the_store_is_down(down: Service) -> None:
    assert is_silent_401(down.post(BODY, key=OTHER_KEY))


header = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=40)
odd_signature = header | header.map(lambda text: f"v1,{text}") | st.just("v1,") | st.just("v1") | st.just("v1,a,b")
odd_time = header | st.integers().map(str) | st.floats().map(str) | st.just("1e400")


@given(receipt_id=header, moment=st.none() | odd_time, signature=st.none() | odd_signature)
@example(receipt_id="evt_1", moment=None, signature="v1,\xff")
@example(receipt_id="evt_1", moment=None, signature="v1,a")
@example(receipt_id="evt_1", moment=None, signature=" ")
@example(receipt_id="evt_1", moment="nan", signature=None)
@example(receipt_id="evt_1", moment="inf", signature=None)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_malformed_headers_of_every_kind_are_a_silent_401(
    light: Service, receipt_id: str, moment: str | None, signature: str | None
) -> None:
    """None stands for the right value, so that each header is the only odd one in some cases."""
    headers = signed(BODY, "evt_1") | {"webhook-id": receipt_id}
    if moment is not None:
        headers["webhook-timestamp"] = moment
    if signature is not None:
        headers["webhook-signature"] = signature
    if moment is None and signature is None and receipt_id.strip() == "evt_1":
        return
    assert is_silent_401(light.client.post(EVENTS, data=BODY, headers=headers))


NO_KEYS = [
    "",
    "whsec_",
    "whsec_a",
    "whsec_漢字",
    "whatever this is",
    "not a key!",
    '{"SIGNING_KEYS": "whsec_AAAA"}',
    "abcd\n",
]


@pytest.mark.parametrize("key", NO_KEYS)
def test_a_key_that_cannot_be_one_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(BadKeys, match="SIGNING_KEYS: each key is whsec_") as caught:
        Signatures(fixed(SIGNING_KEY, key))
    assert SIGNING_KEY not in str(caught.value)


@pytest.mark.parametrize("key", [SIGNING_KEY, SIGNING_KEY.rstrip("="), SIGNING_KEY.removeprefix("whsec_"), "c0" * 32])
def test_a_key_may_lack_its_padding_and_its_prefix(key: str) -> None:
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(key).sign("evt_1", now, BODY.decode()),
    }
    assert Signatures(fixed(key)).are_genuine(BODY, headers)

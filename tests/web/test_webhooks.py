"""`/webhooks/whatsapp`: Meta's challenge and notifications."""

from typing import Any

import pytest

from service.outbox import tables
from service.secrets import Credentials, SecretProblem
from tests.web.serving import (
    APP_SECRET,
    VERIFY_TOKEN,
    WEBHOOK,
    Secret,
    Service,
    faults,
    hub_signature,
    sample,
    statuses,
    told,
)


def ask(service: Service, token: str = VERIFY_TOKEN, **changes: str) -> Any:
    query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1158201444"}
    return service.client.get(WEBHOOK, query_string=query | {f"hub.{name}": value for name, value in changes.items()})


def credentials(secret: str | tuple[str, ...] = APP_SECRET, verify_token: str | None = VERIFY_TOKEN) -> Credentials:
    return Credentials("the-token", (secret,) if isinstance(secret, str) else secret, verify_token)


def test_the_challenge_comes_back_for_the_right_token(light: Service) -> None:
    answer = ask(light)
    assert (answer.status_code, answer.data, answer.mimetype) == (200, b"1158201444", "text/plain")


@pytest.mark.parametrize("token", ["", "wrong", VERIFY_TOKEN + "x", "漢字", "\ud800"])
def test_a_wrong_token_is_403_and_does_not_echo(light: Service, token: str) -> None:
    answer = ask(light, token.encode("utf-8", "replace").decode())
    assert answer.status_code == 403
    assert b"1158201444" not in answer.data
    assert faults(answer) == []


def test_the_right_token_for_something_else_than_subscribing_is_403(light: Service) -> None:
    assert ask(light, mode="unsubscribe").status_code == 403


def test_without_a_query_it_is_403(light: Service) -> None:
    assert light.client.get(WEBHOOK).status_code == 403


def test_with_several_numbers_the_token_of_any_will_do(light: Service) -> None:
    second = Secret(credentials("another-secret", "another-token"))
    service = Service(light.store, secrets=(Secret(), second, Secret(credentials(verify_token=None))))
    assert [ask(service, token).status_code for token in (VERIFY_TOKEN, "another-token", "")] == [200, 200, 403]


def test_without_any_verify_token_nobody_subscribes(light: Service) -> None:
    service = Service(light.store, secrets=(Secret(credentials(verify_token=None)),))
    assert [ask(service, token).status_code for token in ("", "None", VERIFY_TOKEN)] == [403] * 3


def test_a_secret_that_cannot_be_read_does_not_keep_the_other_numbers_from_subscribing(light: Service) -> None:
    service = Service(light.store, secrets=(Secret(SecretProblem("secret arn:x does not exist")), Secret()))
    assert ask(service).status_code == 200


def test_statuses_move_the_message_and_the_answer_follows_the_commit(service: Service) -> None:
    [name] = service.send()
    for status in ("sent", "delivered", "read"):
        answer = service.notify(statuses(told(name, status)))
        assert (answer.status_code, answer.data) == (200, b"")
        message = service.message(name.partition(".")[0])
        assert message["status"] == status
    assert [one["status"] for one in message["attempts"][0]["statuses"]] == ["sent", "delivered", "read"]
    assert message["attempts"][0]["wamid"] == f"wamid.••••{name[-6:]}"


def test_metas_own_sample_of_a_batch_is_applied_whole(service: Service) -> None:
    [name] = service.send()
    document = sample("notification_statuses_batch.json")
    items = [item for change in document["entry"][0]["changes"] for item in change["value"]["statuses"]]
    for item in items:
        item["biz_opaque_callback_data"] = name
    assert service.notify(document).status_code == 200
    assert service.message(name.partition(".")[0])["status"] == "read"


def test_a_failure_is_shown_with_metas_reason_and_our_next_step(service: Service) -> None:
    [name] = service.send()
    document = sample("notification_failed.json")
    document["entry"][0]["changes"][0]["value"]["statuses"][0]["biz_opaque_callback_data"] = name
    service.notify(document)
    message = service.message(name.partition(".")[0])
    assert message["status"] == "failed"
    assert message["failure"]["code"] == 131049
    assert message["failure"]["details"].startswith("In order to maintain a healthy ecosystem")
    assert message["failure"]["explanation"]
    assert message["failure"]["next_step"]


BROKEN: dict[str, Any] = {
    "null": None,
    "a string": "sent",
    "empty": {},
    "no status": {"id": "w", "timestamp": "1"},
    "no id": {"status": "sent", "timestamp": "1"},
    "no time": {"id": "w", "status": "sent"},
    "a time that is none": {"id": "w", "status": "sent", "timestamp": "yesterday"},
    "a time beyond all calendars": {"id": "w", "status": "sent", "timestamp": "9" * 30},
    "a time before all calendars": {"id": "w", "status": "sent", "timestamp": "-62135596800"},
    "a status of a wrong kind": {"id": "w", "status": ["sent"], "timestamp": "1"},
    "a status that nobody knows": {"id": "w", "status": "played", "timestamp": "1"},
    "half a character and NULs": {
        "id": "\ud800\0",
        "status": "sent",
        "timestamp": "1",
        "biz_opaque_callback_data": "\udfff\0",
    },
    "an endless id": {"id": "w" * 5000, "status": "sent", "timestamp": "1", "biz_opaque_callback_data": "x" * 5000},
    "errors of a wrong kind": {"id": "w", "status": "failed", "timestamp": "1", "errors": "all"},
    "an enormous code": {"id": "w", "status": "failed", "timestamp": "1", "errors": [{"code": 10**30, "title": "\0"}]},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_item_does_not_spoil_its_batch(service: Service, name: str) -> None:
    first, second = service.send({"Address": "+8613800138001"}, {"Address": "+8613800138002"})
    answer = service.notify(statuses(told(first, "sent"), BROKEN[name], told(second, "delivered")))
    assert answer.status_code == 200
    assert service.message(first.partition(".")[0])["status"] == "sent"
    assert service.message(second.partition(".")[0])["status"] == "delivered"


@pytest.mark.parametrize(
    "document",
    [
        *(None, [], {}, 1, {"entry": None}, {"entry": [None, {"changes": [None]}]}),
        *(
            sample(f"notification_{name}.json")
            for name in ("button_reply", "stop_reply", "template_paused", "user_preferences")
        ),
    ],
)
def test_news_of_another_kind_is_200(light: Service, document: Any) -> None:
    assert light.notify(document).status_code == 200


@pytest.mark.parametrize(
    "signature",
    [None, "", "sha256=", "sha256=" + "0" * 64, "sha1=x", "\xff", hub_signature(b"{}")["X-Hub-Signature-256"].upper()],
)
def test_an_unsigned_notification_is_a_silent_401_and_changes_nothing(light: Service, signature: str | None) -> None:
    [name] = light.send()
    headers = {} if signature is None else {"X-Hub-Signature-256": signature}
    answer = light.notify(statuses(told(name, "read")), headers=headers)
    assert (answer.status_code, answer.data) == (401, b"")
    assert light.message(name.partition(".")[0])["status"] == "sending"


def test_the_signature_is_over_the_raw_bytes(light: Service) -> None:
    """Meta escapes what is not ASCII; the same JSON written differently has another signature."""
    body, same = rb'{"entry": [], "x": "\u00e9"}', '{"entry": [], "x": "é"}'.encode()
    assert light.notify(body).status_code == 200
    assert light.notify(same, headers=hub_signature(body)).status_code == 401


def test_a_signature_by_any_numbers_app_or_any_of_its_secrets_will_do(light: Service) -> None:
    service = Service(light.store, secrets=(Secret(), Secret(credentials(("old-secret", "new-secret")))))
    answers = [service.notify({}, secret).status_code for secret in (APP_SECRET, "old-secret", "new-secret", "none")]
    assert answers == [200, 200, 200, 401]


def test_without_an_app_secret_nothing_is_believed(light: Service) -> None:
    service = Service(light.store, secrets=(Secret(credentials(())),))
    assert service.notify({}, "").status_code == 401


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe\xfd", b"[" * 200_000])
def test_a_signed_body_that_is_no_json_is_400(light: Service, body: bytes) -> None:
    answer = light.notify(body)
    assert answer.status_code == 400
    assert faults(answer) == []


def test_a_notification_of_seven_megabytes_is_413(light: Service) -> None:
    assert light.notify(b" " * 7 * 1024 * 1024).status_code == 413


def test_a_store_that_is_down_is_503_so_that_meta_sends_it_again(down: Service) -> None:
    answer = down.notify(statuses(told("m.1", "sent")))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]


def test_a_rotated_app_secret_is_read_again_once_and_believed(light: Service) -> None:
    secret = Secret()
    service = Service(light.store, secrets=(secret,))
    assert service.notify({}).status_code == 200
    secret.credentials = credentials("rotated-secret")
    assert service.notify({}, "rotated-secret").status_code == 200
    assert secret.reads == 2
    assert service.notify({}, APP_SECRET).status_code == 401
    assert secret.reads == 2


def test_forged_signatures_do_not_make_the_secret_be_read_again_and_again(light: Service) -> None:
    secret = Secret()
    service = Service(light.store, secrets=(secret,))
    for _ in range(20):
        assert service.notify({}, "forged").status_code == 401
    assert secret.reads == 2
    service.pass_time(minutes=1)
    assert service.notify({}, "forged").status_code == 401
    assert secret.reads == 3


def test_a_rotation_that_cannot_be_read_yet_keeps_what_is_known(light: Service) -> None:
    secret = Secret()
    service = Service(light.store, secrets=(secret,))
    assert service.notify({}).status_code == 200
    secret.credentials = SecretProblem("secret arn:x could not be read")
    assert service.notify({}, "rotated-secret").status_code == 401
    assert service.notify({}).status_code == 200


def test_callers_do_not_make_an_unreadable_secret_be_asked_for_again_and_again(light: Service) -> None:
    """Each try may hold a thread for seconds, and the threads are needed to accept events."""
    secret = Secret(SecretProblem("secret arn:x could not be read"))
    service = Service(light.store, secrets=(secret,))
    for _ in range(20):
        assert service.notify({}, headers={}).status_code == 401
    assert secret.reads == 0
    for _ in range(20):
        assert ask(service).status_code == 403
    assert secret.reads == 1
    secret.credentials = credentials()
    service.pass_time(seconds=10)
    assert service.notify({}).status_code == 200


def test_a_status_of_another_systems_message_is_kept_for_a_while(service: Service) -> None:
    assert service.notify(statuses(told("order-17", "sent"))).status_code == 200
    with service.store.engine.connect() as connection:
        [row] = connection.execute(tables.unmatched_statuses.select()).all()
    assert (row.callback_data, row.wamid, row.status) == ("order-17", "wamid.order-17", "sent")

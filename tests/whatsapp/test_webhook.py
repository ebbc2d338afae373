"""Meta's notifications: genuine or not, and what they tell."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.message import Status, StatusUpdate
from service.whatsapp.webhook import Notification, TemplateUpdate, is_genuine, parse_notification
from tests.conftest import SAMPLES

WAMID = "wamid.HBgNODYxMzgwMDEzODAwMBUCABEYEjQ1"
MINUTE = timedelta(minutes=1)
AT = datetime.fromtimestamp(1791486000, UTC)
BODY = b'{"object":"whatsapp_business_account","text":"\\u4f60\\u597d"}'


def sign(body: bytes, secret: str = "app-secret") -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def read(name: str) -> Notification:
    return parse_notification(json.loads((SAMPLES / f"{name}.json").read_bytes()))


def carrying(*statuses: object) -> dict[str, Any]:
    return {"entry": [{"id": "1", "changes": [{"field": "messages", "value": {"statuses": list(statuses)}}]}]}


def status(**more: object) -> dict[str, object]:
    fields = {"id": WAMID, "status": "sent", "timestamp": "1791486000", "biz_opaque_callback_data": "m.1"}
    return fields | more


def only(item: object) -> StatusUpdate:
    notification = parse_notification(carrying(item))
    assert (notification.ignored, notification.unreadable) == (0, 0)
    (update,) = notification.statuses
    return update


# --- genuine or not ---------------------------------------------------------------------------------------------------


def test_a_notification_signed_with_the_apps_secret_is_genuine() -> None:
    assert is_genuine(BODY, sign(BODY), ["app-secret"])


@pytest.mark.parametrize("secrets", [["app-secret", "new"], ["new", "app-secret"], ["a", "app-secret", "b"]])
def test_any_of_several_secrets_may_have_signed(secrets: list[str]) -> None:
    assert is_genuine(BODY, sign(BODY), secrets)


def test_the_secrets_may_come_one_by_one() -> None:
    assert is_genuine(BODY, sign(BODY), iter(["new", "app-secret"]))


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(None, id="missing"),
        pytest.param("", id="empty"),
        pytest.param("sha256=", id="without digest"),
        pytest.param(sign(BODY).removeprefix("sha256="), id="without its name"),
        pytest.param(sign(BODY).replace("sha256", "sha1"), id="another name"),
        pytest.param(sign(BODY).upper(), id="upper case"),
        pytest.param(sign(BODY).replace("sha256=", "SHA256="), id="its name in upper case"),
        pytest.param(sign(BODY)[:-1], id="cut off"),
        pytest.param(sign(BODY) + "0", id="too long"),
        pytest.param(" " + sign(BODY), id="a space before it"),
        pytest.param(sign(BODY, "another"), id="another secret"),
        pytest.param(sign(BODY, ""), id="no secret"),
        pytest.param(sign(BODY + b" "), id="other bytes"),
        pytest.param(sign(json.dumps(json.loads(BODY)).encode()), id="the same JSON written anew"),
        pytest.param("sha256=" + "ä" * 64, id="not ASCII"),
        pytest.param("sha256=\ud800", id="half a surrogate pair"),
        pytest.param("sha256=" + "0" * 64, id="zeros"),
    ],
)
def test_anything_else_is_not(signature: str | None) -> None:
    assert not is_genuine(BODY, signature, ["app-secret", "new"])


def test_without_secrets_nothing_is_genuine() -> None:
    assert not is_genuine(BODY, sign(BODY), [])
    assert not is_genuine(BODY, sign(BODY, ""), [])


def test_every_byte_is_signed_even_what_is_no_text() -> None:
    body = bytes(range(256))
    assert is_genuine(body, sign(body), ["app-secret"])


# --- the samples ------------------------------------------------------------------------------------------------------


def test_a_batch_tells_of_each_status() -> None:
    notification = read("notification_statuses_batch")
    assert notification.statuses == [
        StatusUpdate(status, AT, WAMID, "MESSAGE_ID") for status in (Status.SENT, Status.DELIVERED, Status.READ)
    ]
    assert (notification.ignored, notification.unreadable) == (0, 0)


def test_a_failure_comes_with_its_reason() -> None:
    (update,) = read("notification_failed").statuses
    assert (update.status, update.code, update.retry_after) == (Status.FAILED, 131049, None)
    assert update.title == "This message was not delivered to maintain healthy ecosystem engagement."
    assert (update.details or "").startswith("In order to maintain")


def test_other_news_is_counted_and_left() -> None:
    change = {"field": "account_alerts", "value": {"alert_severity": "INFORMATIONAL"}}
    assert parse_notification({"entry": [{"id": "1", "changes": [change]}]}) == Notification(ignored=1)


@pytest.mark.parametrize(("code", "opted_out"), [(131050, True), (131049, False), (None, False)])
def test_a_failure_says_whether_the_person_stopped_marketing(code: int | None, opted_out: bool) -> None:
    assert only(status(status="failed", errors=[{"code": code}])).opted_out is opted_out


def test_the_body_in_the_function_urls_event_is_a_notification_too() -> None:
    event = json.loads((SAMPLES / "lambda_function_url_webhook.json").read_bytes())
    assert len(parse_notification(json.loads(event["body"])).statuses) == 3


# --- one status -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sent", "delivered", "read", "failed"])
def test_metas_statuses_are_ours(name: str) -> None:
    assert only(status(status=name)).status is Status(name)


@pytest.mark.parametrize("name", ["played", "deleted", "accepted", "queued", "", "SENT"])
def test_other_statuses_are_ignored(name: str) -> None:
    assert parse_notification(carrying(status(status=name))) == Notification(ignored=1)


@pytest.mark.parametrize(
    ("timestamp", "at"),
    [
        ("1791486000", AT),
        (1791486000, AT),
        ("1791486000000", AT),
        (1791486000123, datetime(2026, 10, 8, 19, 0, 0, 123000, UTC)),
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_timestamp_is_in_seconds_or_milliseconds(timestamp: object, at: datetime) -> None:
    assert only(status(timestamp=timestamp)).at == at


@pytest.mark.parametrize("callback_data", [None, 5, {}, []])
def test_without_our_name_the_wamid_must_do(callback_data: object) -> None:
    update = only(status(biz_opaque_callback_data=callback_data))
    assert (update.callback_data, update.wamid) == (None, WAMID)


def test_only_a_failure_has_reasons() -> None:
    update = only(status(errors=[{"code": 131000, "title": "x"}]))
    assert (update.code, update.title, update.retry_after) == (None, None, None)


@pytest.mark.parametrize(
    ("errors", "code", "title", "details", "retry_after"),
    [
        pytest.param(
            [{"code": 131026, "title": "T", "message": "M", "error_data": {"details": "D"}}],
            131026,
            "T",
            "D",
            None,
            id="all",
        ),
        pytest.param([{"code": 131000, "message": "M"}], 131000, "M", None, MINUTE, id="only a message"),
        pytest.param(
            [{"code": 131000, "title": 5, "message": "M"}], 131000, "M", None, MINUTE, id="a title that is none"
        ),
        pytest.param([{"code": "130429", "error_data": "D"}], 130429, None, "D", MINUTE, id="code and data as strings"),
        pytest.param([{"code": 131026}, {"code": 131000}], 131026, None, None, None, id="the first of two"),
        pytest.param([{"code": 131057}], 131057, None, None, MINUTE, id="one that passes"),
        pytest.param([{"code": 134101}], 134101, None, None, 10 * MINUTE, id="one that takes longer"),
        pytest.param([{"code": 131999}], 131999, None, None, None, id="an unknown code"),
        pytest.param([{"code": "9" * 5000}], None, None, None, None, id="a code beyond reading"),
        pytest.param([{"title": "a\0b\ud800"}], None, "a\\0b\\ud800", None, None, id="what no store keeps"),
        pytest.param([], None, None, None, None, id="no reason"),
        pytest.param(None, None, None, None, None, id="null"),
        pytest.param(["T"], None, None, None, None, id="a string"),
        pytest.param({"code": 131026}, None, None, None, None, id="not in a list"),
    ],
)
def test_a_failures_reason_is_read_as_far_as_it_goes(
    errors: object, code: int | None, title: str | None, details: str | None, retry_after: timedelta | None
) -> None:
    update = only(status(status="failed", errors=errors))
    assert (update.code, update.title, update.details, update.retry_after) == (code, title, details, retry_after)


# --- templates --------------------------------------------------------------------------------------------------------


def template(**more: object) -> dict[str, object]:
    fields = {"event": "PAUSED", "message_template_name": "order_update", "message_template_language": "en-US"}
    return fields | {"message_template_id": 594425479261596} | more


def telling(*values: object, waba_id: object = "1") -> dict[str, Any]:
    changes = [{"field": "message_template_status_update", "value": value} for value in values]
    return {"entry": [{"id": waba_id, "changes": changes}]}


def only_template(value: object) -> TemplateUpdate:
    notification = parse_notification(telling(value))
    assert (notification.statuses, notification.ignored, notification.unreadable) == ([], 0, 0)
    (update,) = notification.templates
    return update


def test_the_sample_tells_of_a_paused_template() -> None:
    update = TemplateUpdate("102290129340398", "ordertimeoutnotification", "en_US", "PAUSED", "FIRST_PAUSE")
    told = Notification(templates=[update], changed_accounts={"102290129340398"})
    assert read("notification_template_paused") == told


@pytest.mark.parametrize(("language", "ours"), [("en-US", "en_US"), ("en_US", "en_US"), ("de", "de")])
def test_a_language_is_written_as_in_a_send(language: str, ours: str) -> None:
    assert only_template(template(message_template_language=language)).language == ours


@pytest.mark.parametrize("event", ["APPROVED", "reinstated", "Disabled", "SOMETHING_NEW"])
def test_an_event_is_in_capitals_and_may_be_any(event: str) -> None:
    assert only_template(template(event=event)).event == event.upper()


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        pytest.param({"reason": "ABUSIVE_CONTENT", "other_info": {"title": "T"}}, "ABUSIVE_CONTENT", id="its reason"),
        pytest.param({"reason": "NONE", "other_info": {"title": "SECOND_PAUSE"}}, "SECOND_PAUSE", id="other info"),
        pytest.param({"reason": None, "disable_info": {"disable_date": "1/2/26"}}, "1/2/26", id="disabled: an object"),
        pytest.param({"disable_info": "for good"}, "for good", id="disabled: a text"),
        pytest.param({"rejection_info": {"reason": "spam", "recommendation": "r"}}, "spam", id="rejected: an object"),
        pytest.param({"disable_info": {"at": 5}, "rejection_info": "spam"}, "spam", id="rejected: a text"),
        pytest.param({"reason": "a\0b\ud800"}, "a\\0b\\ud800", id="what no store keeps"),
        pytest.param({"reason": "x" * 5000}, "x" * 1000, id="a long one"),
        pytest.param({"reason": "NONE"}, None, id="none, in words"),
        pytest.param({"reason": 5, "other_info": ["T"], "disable_info": 5, "rejection_info": []}, None, id="no text"),
        pytest.param({}, None, id="nothing"),
    ],
)
def test_a_reason_is_read_from_wherever_meta_put_it(more: dict[str, object], reason: str | None) -> None:
    assert only_template(template(**more)).reason == reason


@pytest.mark.parametrize(("waba_id", "ours"), [("1", "1"), (None, None), (5, None), ("", None)])
def test_the_account_may_be_missing(waba_id: object, ours: str | None) -> None:
    (update,) = parse_notification(telling(template(), waba_id=waba_id)).templates
    assert update.waba_id == ours


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "PAUSED",
        {},
        *(
            template(**{name: broken})
            for name in ("event", "message_template_name", "message_template_language")
            for broken in (None, "", 5, ["PAUSED"])
        ),
    ],
)
def test_a_broken_update_of_a_template_never_spoils_the_others(value: object) -> None:
    notification = parse_notification(telling(template(), value, template(event="APPROVED")))
    assert [update.event for update in notification.templates] == ["PAUSED", "APPROVED"]
    assert notification.unreadable == 1


def test_one_post_may_tell_of_messages_and_templates() -> None:
    both = {"entry": carrying(status())["entry"] + telling(template())["entry"]}
    notification = parse_notification(both)
    assert (len(notification.statuses), len(notification.templates)) == (1, 1)


# --- broken items -----------------------------------------------------------------------------------------------------

BROKEN: dict[str, object] = {
    "null": None,
    "a string": "sent",
    "a list": [],
    "empty": {},
    "no status": {"id": WAMID, "timestamp": "1791486000"},
    "a status that is none": status(status=5),
    "no id": status(id=None),
    "an empty id": status(id=""),
    "an id that is none": status(id=5),
    "no timestamp": status(timestamp=None),
    "a timestamp in words": status(timestamp="today"),
    "a truth value for timestamp": status(timestamp=True),
    "not a number": status(timestamp="nan"),
    "an infinite timestamp": status(timestamp="inf"),
    "a timestamp beyond time": status(timestamp="9" * 30),
    "a timestamp beyond numbers": status(timestamp="9" * 5000),
    "an integer beyond numbers": status(timestamp=10**5000),
    "a timestamp before time": status(timestamp="-" + "9" * 15),
}


@pytest.mark.parametrize("item", BROKEN.values(), ids=BROKEN)
def test_one_broken_item_never_spoils_its_batch(item: object) -> None:
    notification = parse_notification(carrying(status(status="sent"), item, status(status="read")))
    assert [update.status for update in notification.statuses] == [Status.SENT, Status.READ]
    assert notification.unreadable == 1


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "entry",
        {},
        {"entry": None},
        {"entry": {}},
        {"entry": [None]},
        {"entry": [{}]},
        {"entry": [{"changes": "x"}]},
        {"entry": [{"changes": [None]}]},
        {"entry": [{"changes": [{"field": "messages"}]}]},
        {"entry": [{"changes": [{"field": "messages", "value": []}]}]},
        {"entry": [{"changes": [{"field": "messages", "value": {"statuses": {}}}]}]},
    ],
)
def test_a_broken_envelope_is_counted(document: object) -> None:
    assert parse_notification(document) == Notification(unreadable=1)


def test_a_broken_entry_or_change_never_spoils_the_others() -> None:
    (good,) = carrying(status())["entry"]
    document = {"entry": [None, {"changes": [5, *good["changes"], {"field": "messages", "value": None}]}, good]}
    notification = parse_notification(document)
    assert (len(notification.statuses), notification.unreadable) == (2, 3)


def test_a_full_batch_is_read_whole() -> None:
    notification = parse_notification(carrying(*(status(id=f"wamid.{n}") for n in range(1000))))
    assert [update.wamid for update in notification.statuses] == [f"wamid.{n}" for n in range(1000)]


# --- however odd ------------------------------------------------------------------------------------------------------

odd_text = st.text(st.characters(exclude_categories=()), max_size=20)
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | odd_text | st.builds(pow, st.just(10), st.just(5000)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_text, inner, max_size=3),
    max_leaves=8,
)
odd_error = st.dictionaries(st.sampled_from(["code", "title", "message", "error_data"]), odd)
odd_status = st.fixed_dictionaries(
    {"status": st.sampled_from(["sent", "failed"]) | odd},
    optional={
        "id": odd | st.just(WAMID),
        "timestamp": odd | st.integers(0, 10**14) | st.integers(0, 10**14).map(str),
        "biz_opaque_callback_data": odd,
        "errors": odd | st.lists(odd_error, max_size=2),
    },
)


def holding(name: str, inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: odd | st.lists(inner | odd, max_size=3)})


odd_template = st.dictionaries(
    st.sampled_from(["event", "message_template_name", "message_template_language", "reason", "other_info"]),
    odd_text | odd,
)
change = st.fixed_dictionaries(
    {
        "field": st.sampled_from(["messages", "message_template_status_update"]) | odd,
        "value": odd | holding("statuses", odd_status) | odd_template,
    }
)


@settings(max_examples=300, deadline=None)
@given(odd | holding("entry", holding("changes", change)))
def test_no_notification_however_odd_raises(document: Any) -> None:
    notification = parse_notification(document)
    for template in notification.templates:
        for text in (template.waba_id or "", template.name, template.language, template.event, template.reason or ""):
            text.encode("utf-8")
            assert "\0" not in text
    for update in notification.statuses:
        assert update.at.tzinfo is UTC
        assert update.code is None or abs(update.code) < 2**31
        assert 0 < len(update.wamid) <= 256
        for text in (update.wamid, update.callback_data or "", update.title or "", update.details or ""):
            text.encode("utf-8")
            assert "\0" not in text


@given(st.binary(max_size=50), st.none() | odd_text, st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_no_signature_however_odd_raises(body: bytes, signature: str | None, secrets: list[str]) -> None:
    assert not is_genuine(body, signature, secrets)

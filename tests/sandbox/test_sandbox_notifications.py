"""Status notifications: what they say, when they come, and that they come again."""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.app import Running
from sandbox.catalogue import Catalogue, default_templates
from sandbox.cloud_api import Message, judge
from sandbox.journal import Accepted
from sandbox.notifications import Update, build
from sandbox.webhook import pause_before

Answer = tuple[int, Any]
Api = Callable[..., Answer]
Told = Callable[[int], list[Any]]


def filled(sample: Any, wamid: str, callback_data: str) -> Any:
    """The statuses of a sample notification, with the facts of a message in them."""
    statuses = sample["entry"][0]["changes"][0]["value"]["statuses"]
    facts = {"id": wamid, "biz_opaque_callback_data": callback_data, "timestamp": "1793523600"}
    return [{**status, **facts} for status in statuses]


def test_a_message_is_sent_delivered_and_read_as_meta_tells_it(
    send: Api, told: Told, notifications: list[Any], sample: Callable[[str], Any]
) -> None:
    wamid = send()[1]["messages"][0]["id"]
    expected = sample("notification_statuses_batch.json")
    assert told(3) == filled(expected, wamid, "m1.1")
    got = notifications[0]
    assert (got["object"], got["entry"][0]["id"]) == (expected["object"], expected["entry"][0]["id"])
    for key in ("messaging_product", "metadata"):
        assert got["entry"][0]["changes"][0]["value"][key] == expected["entry"][0]["changes"][0]["value"][key]


def test_a_failing_message_is_told_once_as_meta_tells_it(
    api: Api, send: Api, told: Told, sample: Callable[[str], Any]
) -> None:
    expected = sample("notification_failed.json")
    error = expected["entry"][0]["changes"][0]["value"]["statuses"][0]["errors"][0]
    details = error["error_data"]["details"]
    api("POST", "/sandbox/faults", {"kind": "fails", "code": error["code"], "details": details, "next": 1})
    wamid = send()[1]["messages"][0]["id"]
    assert told(1) == filled(expected, wamid, "m1.1")
    send(biz_opaque_callback_data="m2.1")
    assert [status["biz_opaque_callback_data"] for status in told(4)] == ["m1.1", "m2.1", "m2.1", "m2.1"]


def test_a_user_id_is_told_as_such_and_no_callback_data_is_told_as_none(send: Api, told: Told) -> None:
    send(to=None, recipient="US.1349", biz_opaque_callback_data=None)
    for status in told(3):
        assert status["recipient_user_id"] == "US.1349"
        assert not {"recipient_id", "biz_opaque_callback_data"} & set(status)


def test_an_unavailable_answer_after_acceptance_is_notified_all_the_same(api: Api, send: Api, told: Told) -> None:
    api("POST", "/sandbox/faults", {"kind": "error", "code": 131000, "accepted": True, "next": 1})
    assert send()[0] == 500
    assert [status["status"] for status in told(3)] == ["sent", "delivered", "read"]


def test_a_silent_message_is_never_told_and_a_late_one_after_the_others(api: Api, send: Api, told: Told) -> None:
    api("POST", "/sandbox/faults", {"kind": "silent", "next": 1})
    api("POST", "/sandbox/faults", {"kind": "late", "seconds": 0.3, "to": "+8613800138001"})
    send(biz_opaque_callback_data="silent.1")
    send(biz_opaque_callback_data="late.1", to="+8613800138001")
    send(biz_opaque_callback_data="usual.1")
    statuses = told(6)
    assert [status["biz_opaque_callback_data"] for status in statuses] == ["usual.1"] * 3 + ["late.1"] * 3
    assert {status["timestamp"] for status in statuses} == {"1793523600"}, "lateness does not change what happened when"


def test_a_batch_that_is_not_taken_comes_again_as_it_was(
    send: Api, told: Told, webhook_answers: deque[int], notifications: list[Any], api: Api
) -> None:
    webhook_answers.extend([500, 404])
    send()
    told(5)
    assert notifications[0] in notifications[1:]
    assert api("GET", "/sandbox/healthz")[1]["updates"]["refused_posts"] == 2


def test_a_batch_that_is_not_taken_does_not_hold_up_others(
    api: Api, send: Api, told: Told, webhook_answers: deque[int]
) -> None:
    api("POST", "/sandbox/faults", {"kind": "fails", "code": 131026})
    webhook_answers.extend([503, 503, 503])
    send(biz_opaque_callback_data="first.1")
    told(3)  # and a fourth time in 0.8 s
    send(biz_opaque_callback_data="second.1")
    told_data = [status["biz_opaque_callback_data"] for status in told(5)]
    assert told_data == ["first.1", "first.1", "first.1", "second.1", "first.1"]


def test_notifications_wait_while_the_webhook_is_down(
    api: Api, send: Api, told: Told, notifications: list[Any], runner: asyncio.Runner
) -> None:
    fault = api("POST", "/sandbox/faults", {"kind": "webhook_down", "seconds": 3600})[1]
    send()
    send()
    runner.run(asyncio.sleep(0.1))  # all six were due after 0.03 s
    assert notifications == []
    assert api("GET", "/sandbox/healthz")[1]["updates"]["waiting"] == 6
    api("DELETE", f"/sandbox/faults/{fault['fault_id']}")
    assert len(told(6)) == 6
    assert len(notifications) == 1, "what came due in the meantime is one batch"


def test_a_batch_carries_at_most_a_thousand_updates(
    running: Running, told: Told, notifications: list[Any], message: Callable[..., Any]
) -> None:
    judged = judge(message(), running.sandbox.catalogue)
    assert isinstance(judged, Message)
    update = Update(Accepted(judged, "1", "wamid.x", datetime.now(UTC)), "sent", 1)
    running.sandbox.webhook.add([(0.0, update)] * 2500)
    told(2500)
    counts = [len(one["entry"][0]["changes"][0]["value"]["statuses"]) for one in notifications]
    assert sorted(counts) == [500, 1000, 1000]


def test_numbers_share_a_notification_but_not_a_change(message: Callable[..., Any]) -> None:
    judged = judge(message(), Catalogue(default_templates()))
    assert isinstance(judged, Message)
    updates = [Update(Accepted(judged, number, "w", datetime.now(UTC)), "read", 1) for number in ("1", "2", "1")]
    changes = json.loads(build(updates))["entry"][0]["changes"]
    told = {one["value"]["metadata"]["phone_number_id"]: len(one["value"]["statuses"]) for one in changes}
    assert told == {"1": 2, "2": 1}


def test_the_webhook_can_be_replaced_once_it_echoes_the_challenge(
    api: Api, send: Api, told: Told, webhook_url: str
) -> None:
    assert api("POST", "/sandbox/webhook", {"url": "http://127.0.0.1:9/nobody"})[0] == 204
    send()
    assert api("POST", "/sandbox/webhook", {"url": webhook_url, "verify": True})[0] == 204
    assert len(told(3)) >= 3


@pytest.mark.parametrize(("redelivery", "seconds"), [(1, 0.2), (2, 0.4), (5, 3.2), (6, 5.0), (1000, 5.0)])
def test_the_pause_before_a_redelivery_grows(redelivery: int, seconds: float) -> None:
    assert pause_before(redelivery) == pytest.approx(seconds)

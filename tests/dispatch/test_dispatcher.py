"""Claim → send → settle, round by round, on both databases."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from service.message import Door, Pause, PauseReason, Priority, Scope, Settlement, Status, StatusUpdate, Template
from service.outbox.outbox import Outbox, StoreUnavailable
from service.whatsapp.answer import Accepted
from service.whatsapp.client import Client, Fence
from tests.conftest import MAX_TRIES, Store
from tests.dispatch.cloud_api import CloudApi, drop, ok, refuse, silence, text
from tests.dispatch.conftest import Stages
from tests.dispatch.stage import NUMBER, Stage, SteppedClock


def test_a_queued_message_is_sent_and_accepted(stage: Stage, cloud_api: CloudApi) -> None:
    (message_id,) = stage.add()

    assert stage.run_once() == 1
    assert stage.run_once() == 0

    (request,) = cloud_api.requests
    assert request.path == f"/v25.0/{NUMBER}/messages"
    assert request.token == "token-1"
    assert request.body["biz_opaque_callback_data"] == f"{message_id}.1"
    facts = stage.facts(message_id)
    assert facts.message["status"] == "accepted"
    assert [(a["attempt"], a["outcome"], a["wamid"]) for a in facts.attempts] == [(1, "accepted", "wamid.1")]


def test_a_throttled_message_goes_again_and_uses_up_no_try(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    cloud_api.answers(refuse(130429, 429), then=ok)
    (message_id,) = stage.add()

    stage.run_once()
    assert stage.status(message_id) == "queued"
    assert stage.facts(message_id).message["tries"] == 0
    stage.run_once()
    assert len(cloud_api.requests) == 1, "nothing goes before the throttle is over"
    clock.step(seconds=1.1)
    stage.run_once()

    assert stage.status(message_id) == "accepted"
    assert [r.body["biz_opaque_callback_data"] for r in cloud_api.requests] == [f"{message_id}.1", f"{message_id}.2"]


class _AwayOnce(Outbox):
    """Its database is away when the first answer is to be settled."""

    is_away = True

    def settle(self, settlements: Sequence[Settlement], now: datetime) -> None:
        if self.is_away:
            self.is_away = False
            raise StoreUnavailable("gone")
        super().settle(settlements, now)


def test_an_answer_that_the_store_cannot_take_is_settled_once_it_can(
    stages: Stages, store: Store, cloud_api: CloudApi
) -> None:
    stage = stages(store=replace(store, outbox=_AwayOnce(store.engine, max_tries=MAX_TRIES)))
    (message_id,) = stage.add()

    stage.run_once()

    assert stage.status(message_id) == "accepted"
    assert len(cloud_api.requests) == 1


def test_a_refused_message_has_failed_and_says_why(stage: Stage, cloud_api: CloudApi) -> None:
    cloud_api.answers(refuse(132000))
    (message_id,) = stage.add()

    stage.run_once()

    (attempt,) = stage.facts(message_id).attempts
    assert stage.status(message_id) == "failed"
    assert (attempt["code"], attempt["details"], attempt["fbtrace_id"]) == (132000, "why", "AbC")


def test_an_unavailable_api_is_tried_again_until_the_tries_are_used_up(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    cloud_api.answers(then=refuse(131016, 500))
    (message_id,) = stage.add()

    for _ in range(20):
        stage.run_once()
        clock.step(hours=1)

    assert stage.status(message_id) == "failed"
    assert len(cloud_api.requests) == 8


def test_what_cannot_be_reached_is_not_sent_and_uses_up_no_try(
    stages: Stages,
) -> None:
    stage = stages(client=Client("http://127.0.0.1:9", "v25.0"))
    (message_id,) = stage.add()

    assert stage.run_once() == 1

    facts = stage.facts(message_id)
    assert (facts.message["status"], facts.message["tries"]) == ("queued", 0)
    assert facts.attempts[0]["outcome"] == "unavailable"


@pytest.mark.parametrize(
    "reply",
    [drop, silence, text(502, "<html>Bad Gateway</html>"), refuse(1, 500), refuse(2, 503), text(200, "{}")],
    ids=["reset", "no-answer", "html-502", "code-1-on-500", "code-2-on-503", "200-without-wamid"],
)
def test_what_may_have_been_taken_is_unanswered_and_not_sent_again(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi, reply: object
) -> None:
    cloud_api.answers(reply)  # type: ignore[arg-type]
    (message_id,) = stage.add()

    stage.run_once()
    clock.step(minutes=30)
    stage.run_once()

    assert stage.status(message_id) == "unanswered"
    assert len(cloud_api.requests) == 1


def test_a_notification_settles_an_unanswered_message(stage: Stage, clock: SteppedClock, cloud_api: CloudApi) -> None:
    cloud_api.answers(drop)
    (message_id,) = stage.add()
    stage.run_once()

    update = StatusUpdate(Status.DELIVERED, clock.time, "wamid.77", f"{message_id}.1")
    stage.store.outbox.apply_statuses([update], clock.time)

    facts = stage.facts(message_id)
    assert (facts.message["status"], facts.attempts[0]["outcome"]) == ("delivered", "accepted")


def test_an_unanswered_message_goes_again_on_evidence_only(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    cloud_api.answers(drop)
    (doubtful,) = stage.add()
    stage.run_once()
    peers = stage.add(20)
    stage.run_once()
    for peer in peers[:-1]:
        _notify(stage, clock, peer)
    clock.step(minutes=6)
    stage.tidy()
    assert stage.status(doubtful) == "unanswered", "one of its twenty neighbours was not notified either"

    _notify(stage, clock, peers[-1])
    clock.step(minutes=1)
    stage.run_once()
    stage.tidy()
    stage.run_once()

    assert stage.status(doubtful) == "accepted"
    sent = [r.body["biz_opaque_callback_data"] for r in cloud_api.requests]
    assert sent.count(f"{doubtful}.1") == sent.count(f"{doubtful}.2") == 1


def _notify(stage: Stage, clock: SteppedClock, message_id: str) -> None:
    update = StatusUpdate(Status.SENT, clock.time, f"wamid.of.{message_id}", f"{message_id}.1")
    stage.store.outbox.apply_statuses([update], clock.time)


def test_a_restricted_account_pauses_the_number_for_a_while(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    cloud_api.answers(refuse(368, 403), then=ok)
    (message_id,) = stage.add()

    stage.run_once()
    stage.run_once()
    assert len(cloud_api.requests) == 1
    clock.step(minutes=16)
    stage.run_once()

    assert stage.status(message_id) == "accepted"


@pytest.mark.parametrize(("written", "status"), [(False, "failed"), (True, "unanswered")])
def test_a_poison_message_harms_no_other_and_is_never_sent_twice(
    stages: Stages,
    cloud_api: CloudApi,
    clock: SteppedClock,
    caplog: pytest.LogCaptureFixture,
    written: bool,
    status: str,
) -> None:
    class Stumbling(Client):
        async def send(
            self,
            phone_number_id: str,
            token: str,
            body: bytes,
            may_write: Fence = bool,
            door: Door = Door.MESSAGES,
        ) -> Accepted:
            if b"poison" in body and not written:
                raise ZeroDivisionError("text of +8613800138000")
            accepted = await super().send(phone_number_id, token, body, may_write, door)
            if b"poison" in body:
                raise ZeroDivisionError("text of +8613800138000")
            return accepted

    stage = stages(client=Stumbling(cloud_api.url, "v25.0"))
    good = stage.add(2)
    (poison,) = stage.add(template=Template("poison", "en_US"))
    good += stage.add(2)

    assert stage.run_once() == 5
    clock.step(minutes=10)
    stage.run_once()

    assert stage.status(poison) == status
    assert {stage.status(message_id) for message_id in good} == {"accepted"}
    assert f"message.poison message_id={poison} error=ZeroDivisionError" in caplog.text
    assert "13800138000" not in caplog.text


def test_an_urgent_message_overtakes_and_a_normal_one_still_gets_every_tenth_slot(
    stage: Stage, cloud_api: CloudApi
) -> None:
    stage.add(60)
    stage.add(200, priority=Priority.HIGH)

    stage.run_once()

    sent = [stage.facts(r.body["biz_opaque_callback_data"].partition(".")[0]) for r in cloud_api.requests]
    urgent = [facts.message["priority"] == Priority.HIGH for facts in sent]
    assert len(urgent) == 51
    assert urgent.count(False) == 5


def test_a_message_past_its_time_is_never_sent(stage: Stage, clock: SteppedClock, cloud_api: CloudApi) -> None:
    (message_id,) = stage.add(expires_at=clock.time + timedelta(seconds=30))
    clock.step(minutes=1)

    stage.run_once()

    assert stage.status(message_id) == "expired"
    assert cloud_api.requests == []


def test_a_message_whose_time_ends_between_its_claim_and_its_request_is_never_sent(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    (message_id,) = stage.add(expires_at=clock.time + timedelta(seconds=3))

    async def stand_still_before_the_write() -> None:
        await stage.lane.hold()
        await stage.lane.round()
        clock.step(seconds=5)
        assert stage.lane.tenure.stands(), "it is not the lease that holds it back"
        await stage.lane.drain()
        await stage.dispatcher.flush()

    stage.do(stand_still_before_the_write())

    facts = stage.facts(message_id)
    assert (facts.message["status"], facts.attempts[0]["outcome"]) == ("expired", "not_sent")
    assert cloud_api.requests == []


def test_a_pause_set_by_anyone_is_obeyed(stage: Stage, clock: SteppedClock) -> None:
    stage.add()
    stage.store.outbox.pause(Pause(Scope.NUMBER, NUMBER, PauseReason.OPERATOR, "looking into it", clock.time))
    assert stage.run_once() == 0
    assert stage.store.outbox.resume([(Scope.NUMBER, NUMBER)]) == 0, "what an operator paused, only an operator lifts"
    assert stage.run_once() == 0
    stage.store.outbox.resume([(Scope.NUMBER, NUMBER)], even_an_operators=True)
    assert stage.run_once() == 1


def test_a_log_line_has_every_fact_and_nothing_private(
    stage: Stage, cloud_api: CloudApi, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    cloud_api.answers(refuse(130429, 429))
    (message_id,) = stage.add(to="+8613800138000")

    stage.run_once()

    (line,) = [r.getMessage() for r in caplog.records if r.getMessage().startswith("message.attempted")]
    assert f"message_id={message_id} attempt=1 outcome=throttled" in line
    assert "code=130429" in line
    assert "next_at=2026-11-01T09:00:01" in line
    assert "13800138000" not in caplog.text
    assert "token-1" not in caplog.text

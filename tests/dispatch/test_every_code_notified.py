"""Every code of Meta's as a failure that is notified after the message was accepted (G5, G9)."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from service.message import Pause, PauseReason, Scope
from service.outbox.outbox import Applied, Demand, LateFailure, Outbox, StoreUnavailable
from service.whatsapp import errors
from service.whatsapp.pausing import Account
from tests.conftest import MAX_TRIES, Store
from tests.dispatch.every_code import MINUTE, PLACES, WALK, Fate, Wanted
from tests.web.serving import NOW, NUMBER, Service, person, statuses, told

WABA = "102290129340398"
SECRET = "arn:secret"
KEYS = {
    Scope.TEMPLATE: f"order_update/en_US@{WABA}",
    Scope.COUNTRY: f"CN@{WABA}",
    Scope.NUMBER: NUMBER,
    Scope.WABA: WABA,
    Scope.TOKEN: SECRET,
}
AGAIN = {Fate.STAYS, Fate.WAITS, Fate.BACKS_OFF, Fate.IN_DOUBT}
"""What goes again: the message was not at fault. A notified failure is certain, so nothing is in doubt."""

NOTIFIABLE = [(name, url) for name, url in PLACES if "-on-" not in name and name != "100-33"]
"""A notification has no HTTP status and no subcode."""


def _failed(name: str, code: int) -> dict[str, Any]:
    """As Meta writes it."""
    reason = {"code": code, "title": "Not so", "message": "Not so", "error_data": {"details": "why"}}
    return statuses(told(name, "failed", errors=[reason]))


@pytest.fixture
def service(store: Store) -> Service:
    return Service(store, accounts={NUMBER: Account(WABA, SECRET)})


def _assert_pauses(pauses: list[Pause], code: int, wanted: Wanted) -> None:
    assert [(pause.scope, pause.key) for pause in pauses] == (
        [(wanted.pauses, KEYS[wanted.pauses])] if wanted.pauses else []
    )
    verdict = errors.verdict_on(code)
    for pause in pauses:
        assert (pause.reason, pause.since) == (PauseReason.REFUSED, NOW)
        assert pause.detail == f"{verdict.title} (code {code}). {verdict.next_step}"
        if pause.scope is not Scope.TOKEN:
            assert pause.until == (NOW + wanted.wait if wanted.wait else None)


@pytest.mark.parametrize(("name", "database_url"), NOTIFIABLE, indirect=["database_url"])
def test_the_message_who_waits_with_it_what_to_do_and_when_it_goes_again(service: Service, name: str) -> None:
    code, wanted = WALK[name]
    (attempt,) = service.send()
    service.accepted(attempt)
    message_id = attempt.partition(".")[0]

    assert service.notify(_failed(attempt, code)).status_code == 200

    pauses = service.store.report.pauses(NOW)
    _assert_pauses(pauses, code, wanted)
    report = service.message(message_id)
    assert report["attempts"][0]["code"] == code
    if wanted.fate in AGAIN:
        facts = service.store.report.message(message_id)
        assert facts is not None
        assert (report["status"], report["failure"]) == ("queued", None)
        assert facts.message["due_at"] == NOW + max(MINUTE, wanted.wait or MINUTE)
        assert facts.message["tries"] == 1
        assert [one["detail"] for one in report["waits_for"]] == [pause.detail for pause in pauses]
    else:
        verdict = errors.verdict_on(code)
        assert report["status"] == "failed"
        assert (report["failure"]["code"], report["failure"]["details"]) == (code, "why")
        assert (report["failure"]["explanation"], report["failure"]["next_step"]) == (
            verdict.explanation,
            verdict.next_step,
        )

    assert service.notify(_failed(attempt, code)).status_code == 200
    assert service.message(message_id) == report, "Meta repeats itself"


def test_whoever_a_notified_pause_concerns_waits_and_the_others_go(service: Service) -> None:
    (first,) = service.send(person(1))
    service.accepted(first)
    service.notify(_failed(first, 132015))
    service.accept(person(2), ActivityId="another")
    service.accept(person(3), Data='{"templateName": "another", "params": []}')

    assert [one.message.template.name for one in _claim(service)] == ["another"]
    service.pass_time(hours=3)
    assert [one.message.template.name for one in _claim(service)] == ["order_update"]


def _claim(service: Service) -> Any:
    lease = service.store.outbox.acquire_lease(NUMBER, "a dispatcher")
    assert lease is not None
    attempts = service.store.outbox.claim(Demand(lease, 10, waba_id=WABA), service.now)
    service.store.outbox.release_lease(lease)
    return attempts


def test_a_message_that_fails_late_again_and_again_waits_longer_each_time_and_fails_in_the_end(
    service: Service,
) -> None:
    (attempt,) = service.send()
    waits, message_id = [], attempt.partition(".")[0]
    while True:
        service.accepted(attempt)
        service.notify(_failed(attempt, 131016))
        facts = service.store.report.message(message_id)
        assert facts is not None
        if facts.message["status"] != "queued":
            break
        waits.append(facts.message["due_at"] - service.now)
        service.now = facts.message["due_at"]
        (again,) = _claim(service)
        attempt = again.callback_data
    assert waits == [timedelta(minutes=minutes) for minutes in (1, 4, 16, 60, 60, 60, 60)]
    assert facts.message["status"] == "failed"
    failure = service.message(message_id)["failure"]
    assert failure["next_step"] == errors.CODES[131016].next_step


class _Stumbling(Outbox):
    """Its database goes away the first time that something is to be paused."""

    stumbled = False

    def apply_statuses(self, updates: Any, now: datetime, pause_for: Any = None) -> Applied:
        def stumble(failure: LateFailure, moment: datetime) -> Pause | None:
            if not self.stumbled:
                self.stumbled = True
                raise StoreUnavailable("gone")
            found: Pause | None = pause_for(failure, moment)
            return found

        return super().apply_statuses(updates, now, stumble)


def test_a_pause_that_could_not_be_written_is_made_when_meta_sends_the_same_again(store: Store) -> None:
    service = Service(replace(store, outbox=_Stumbling(store.engine, max_tries=MAX_TRIES)))
    (attempt,) = service.send()
    service.accepted(attempt)
    answers = [service.notify(_failed(attempt, 132015)).status_code for _ in range(2)]
    assert answers == [503, 200]
    assert len(store.report.pauses(NOW)) == 1

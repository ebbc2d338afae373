"""Every code of Meta's as the answer to a send: what becomes of the message, who waits with it, how long, what to do."""

from datetime import timedelta

import pytest

from service.message import Pause, PauseReason, Scope, Template
from service.secrets import fingerprint
from service.whatsapp import errors
from tests.dispatch.cloud_api import CloudApi, ok, refuse
from tests.dispatch.conftest import Stages
from tests.dispatch.every_code import CODES, HOUR, PLACES, SECOND, WALK, Fate
from tests.dispatch.stage import NUMBER, Stage, SteppedClock

WABA = "102290129340398"
KEYS = {
    Scope.TEMPLATE: f"hello/en_US@{WABA}",
    Scope.COUNTRY: f"CN@{WABA}",
    Scope.NUMBER: NUMBER,
    Scope.WABA: WABA,
    Scope.TOKEN: "environment",
}
STATUS = {Fate.FAILS: "failed", Fate.IN_DOUBT: "unanswered"}
AGAIN_THROUGH = {
    Fate.FAILS: [],
    Fate.IN_DOUBT: [],
    Fate.STAYS: ["messages"],
    Fate.WAITS: ["messages"],
    Fate.BACKS_OFF: ["messages"],
    Fate.SWITCHES: ["marketing_messages"],
}

each_code = pytest.mark.parametrize(("name", "database_url"), PLACES, indirect=["database_url"])


class Scene:
    """Two messages of one template and one of another, to another country, of which the first is answered with the code."""

    def __init__(self, stage: Stage, cloud_api: CloudApi, clock: SteppedClock, name: str) -> None:
        self.stage, self.cloud_api, self.clock = stage, cloud_api, clock
        self.code, self.wanted = WALK[name]
        cloud_api.answers(refuse(self.code, self.wanted.http, subcode=self.wanted.subcode), then=ok)
        self.first, self.second = stage.add(2, country="CN")
        (self.other,) = stage.add(template=Template("goodbye", "en_US"), country="DE")
        assert stage.run_once() == 1
        self.answered_at = clock.time

    @property
    def goes_after(self) -> timedelta:
        """When it is due again; where a pause alone holds it, at once, so that lifting that is enough."""
        return timedelta(0) if self.wanted.fate is Fate.STAYS else self.wanted.wait or timedelta(0)

    @property
    def jitter(self) -> timedelta:
        """A first try backs off for up to four seconds."""
        return timedelta(seconds=4 if self.wanted.fate is Fate.BACKS_OFF else 0)

    def go_on(self) -> None:
        """Less than a second: time for three messages, and not for 4^0 s."""
        for _ in range(4):
            self.clock.step(seconds=0.2)
            self.stage.run_once()

    def go_to(self, after: timedelta) -> None:
        """So long after the answer, and let go what can; what was put on a shelf is looked at, as every two seconds."""
        now = self.answered_at + after
        self.clock.step(seconds=(now - self.clock.time).total_seconds())
        self.stage.run_once()
        self.stage.tidy()
        for _ in range(4):
            self.clock.step(seconds=0.1)
            self.stage.run_once()

    def queue(self) -> list[str]:
        return [one for one in (self.first, self.second, self.other) if self.stage.status(one) == "queued"]

    @property
    def verdict(self) -> errors.Verdict:
        """The table's row, for its sentences only."""
        if self.wanted.subcode:
            return errors.SUBCODES[self.code, self.wanted.subcode]
        if self.code not in errors.CODES and self.wanted.http == 401:
            return errors.UNKNOWN_401
        return errors.CODES.get({250: 200}.get(self.code, self.code), errors.UNKNOWN)


@pytest.fixture
def scene(stages: Stages, cloud_api: CloudApi, clock: SteppedClock, name: str) -> Scene:
    return Scene(stages(per_second=10.0, waba_id=WABA), cloud_api, clock, name)


def test_every_code_of_the_table_is_walked() -> None:
    assert set(CODES) == set(errors.CODES)


@each_code
def test_the_message_who_waits_with_it_what_to_do_and_when_it_goes_again(scene: Scene) -> None:
    assert scene.stage.pauses() == _wanted_pauses(scene)
    _assert_message(scene)
    _assert_sentences(scene)
    scene.go_on()
    assert set(scene.queue()) - {scene.first} == _held(scene)
    _assert_resumption(scene)


def _wanted_pauses(scene: Scene) -> list[Pause]:
    wanted, verdict = scene.wanted, scene.verdict
    if wanted.pauses is None:
        return []
    refused = wanted.pauses is Scope.TOKEN and wanted.fate is Fate.STAYS
    return [
        Pause(
            wanted.pauses,
            KEYS[wanted.pauses],
            PauseReason.REFUSED,
            f"{verdict.title} (code {scene.code}). {verdict.next_step}",
            scene.answered_at,
            scene.answered_at + wanted.wait if wanted.wait else None,
            fingerprint("token-1") if refused else None,
        )
    ]


def _assert_message(scene: Scene) -> None:
    wanted = scene.wanted
    facts = scene.stage.facts(scene.first)
    (attempt,) = facts.attempts
    assert facts.message["status"] == STATUS.get(wanted.fate, "queued")
    assert (attempt["code"], attempt["http_status"]) == (scene.code, wanted.http)
    assert (attempt["details"], attempt["fbtrace_id"]) == ("why", "AbC")
    if facts.message["status"] == "queued":
        after = facts.message["due_at"] - scene.answered_at
        assert scene.goes_after <= after <= scene.goes_after + scene.jitter
        assert facts.message["tries"] == (1 if wanted.fate is Fate.BACKS_OFF else 0)


def _assert_sentences(scene: Scene) -> None:
    """On the message where it has failed or is in doubt; the pause's was looked at with the pause."""
    said = scene.stage.failure(scene.first)
    if scene.wanted.fate is Fate.FAILS:
        assert (said["explanation"], said["next_step"]) == (scene.verdict.explanation, scene.verdict.next_step)
        assert (said["code"], said["details"]) == (scene.code, "why")
    elif scene.wanted.fate is Fate.IN_DOUBT:
        assert said["code"] == scene.code
        assert "may or may not have it" in said["explanation"]
    else:
        assert said is None, "it has not failed"


def _held(scene: Scene) -> set[str]:
    """Who does not go meanwhile, besides the message itself; on 130429 and 429 the whole number waits a second."""
    wanted = scene.wanted
    if wanted.pauses in {Scope.TOKEN, Scope.NUMBER, Scope.WABA} or scene.code == 130429 or wanted.http == 429:
        return {scene.second, scene.other}
    return {scene.second} if wanted.pauses in {Scope.TEMPLATE, Scope.COUNTRY} else set()


def _assert_resumption(scene: Scene) -> None:
    wanted, stage = scene.wanted, scene.stage
    held = set(scene.queue()) - {scene.first}
    if wanted.pauses and wanted.wait is None:
        scene.go_to(12 * HOUR)
        assert set(scene.queue()) >= held, "it waits for a person"
        stage.resume(wanted.pauses, KEYS[wanted.pauses])
        scene.go_to(12 * HOUR + SECOND)
    elif wanted.wait:
        scene.go_to(wanted.wait - SECOND / 2)
        assert set(scene.queue()) >= held
        scene.go_to(wanted.wait)
    else:
        scene.go_to(SECOND + scene.jitter)
    assert stage.states([scene.second, scene.other]) == ["accepted"] * 2
    doors = [request.door for request in scene.cloud_api.requests if request.message_id == scene.first]
    assert doors == ["messages", *AGAIN_THROUGH[wanted.fate]]
    assert stage.status(scene.first) == STATUS.get(wanted.fate, "accepted")

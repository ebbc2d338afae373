"""A token that Meta refuses, or a secret that cannot be read (G7): all that share the secret wait, and go on by themselves."""

from datetime import timedelta

import pytest

from service.message import PauseReason, Scope
from service.secrets import SecretProblem, Source, fingerprint
from service.whatsapp.pausing import Account
from tests.conftest import Store
from tests.dispatch.cloud_api import CloudApi, ok, refuse, text
from tests.dispatch.conftest import Stages
from tests.dispatch.stage import NUMBER, Secret, Stage, SteppedClock
from tests.web.serving import Service, statuses, told


def test_a_refused_token_is_read_again_once_and_the_message_goes(
    stage: Stage, cloud_api: CloudApi, secret: Secret
) -> None:
    cloud_api.answers(refuse(190, 401), then=ok)
    (message_id,) = stage.add()
    stage.lane.number.credentials.get()
    secret.token = "token-2"

    stage.run_once()
    stage.run_once()

    assert [r.token for r in cloud_api.requests] == ["token-1", "token-2"]
    assert stage.status(message_id) == "accepted"
    assert secret.reads == 2


def test_a_token_that_stays_refused_pauses_the_number_and_keeps_its_messages(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi, secret: Secret
) -> None:
    cloud_api.answers(then=refuse(190, 401))
    messages = stage.add(5)

    stage.run_once()
    sent = len(cloud_api.requests)
    for _ in range(5):
        clock.step(minutes=5)
        stage.run_once()
        stage.tidy()

    assert len(cloud_api.requests) == sent, "a paused number sends nothing"
    assert {stage.status(message_id) for message_id in messages} == {"queued"}
    (pause,) = stage.pauses()
    assert (pause.scope, pause.key, pause.reason) == (Scope.TOKEN, "environment", PauseReason.REFUSED)
    assert "190" in pause.detail
    assert "token-1" not in f"{pause}"

    cloud_api.answers(then=ok)
    secret.token = "token-2"
    clock.step(minutes=1)
    stage.tidy()
    stage.run_once()

    assert stage.pauses() == []
    assert {stage.status(message_id) for message_id in messages} == {"accepted"}
    assert cloud_api.requests[-1].token == "token-2"


def test_a_401_without_a_code_keeps_the_messages_too(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi, secret: Secret
) -> None:
    cloud_api.answers(then=text(401, "<html>Unauthorized</html>"))
    messages = stage.add(5)
    stage.run_once()
    (pause,) = stage.pauses()
    assert (pause.scope, pause.until) == (Scope.TOKEN, clock.time + timedelta(minutes=15))
    assert "Not authenticated (HTTP 401). Put a valid" in pause.detail

    cloud_api.answers(then=ok)
    secret.token = "token-2"
    clock.step(minutes=1)
    stage.tidy()
    stage.run_once()
    assert stage.states(messages) == ["accepted"] * 5


def test_a_number_without_a_readable_secret_waits_and_says_so(stages: Stages, cloud_api: CloudApi) -> None:
    class Broken(Secret):
        def read(self):  # type: ignore[no-untyped-def]
            raise SecretProblem("secret x has no FB_APP_TOKEN")

    stage = stages(secret=Broken())
    (message_id,) = stage.add()

    stage.run_once()

    (pause,) = stage.pauses()
    assert (pause.scope, pause.reason) == (Scope.TOKEN, PauseReason.SECRET)
    assert "FB_APP_TOKEN" in pause.detail
    assert stage.status(message_id) == "queued"
    assert cloud_api.requests == []


# --- whom a token concerns --------------------------------------------------------------------------------------------


def _source(secret: Secret, clock: SteppedClock, name: str) -> Source:
    return Source(secret.read, lambda: clock.seconds, name)


def test_numbers_that_share_a_secret_wait_together_and_go_on_together(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi, secret: Secret
) -> None:
    shared = _source(secret, clock, "arn:shared")
    first, second = (stages(one, phone_number_ids=[one], credentials=shared) for one in ("1", "2"))
    cloud_api.answers(refuse(190, 401), then=ok)
    messages = first.add(2)
    first.run_once()
    messages += second.add(2)
    clock.step(seconds=1)
    sent = len(cloud_api.requests)
    second.run_once()

    assert len(cloud_api.requests) == sent
    (pause,) = first.pauses()
    assert (pause.scope, pause.key) == (Scope.TOKEN, "arn:shared")
    assert pause.token_fingerprint == fingerprint("token-1")

    secret.token = "token-2"
    clock.step(minutes=1)
    second.run_once()
    second.tidy()
    for stage in (first, second):
        stage.run_once()
    assert first.states(messages) == ["accepted"] * 4
    assert {request.token for request in cloud_api.requests[sent:]} == {"token-2"}
    assert first.pauses() == []


def test_numbers_with_secrets_of_their_own_do_not_wait_for_each_other(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    first, second = (
        stages(one, phone_number_ids=[one], credentials=_source(Secret(f"token-{one}"), clock, f"arn:{one}"))
        for one in ("1", "2")
    )
    cloud_api.answers(refuse(190, 401), then=ok)
    (refused,) = first.add()
    first.run_once()
    (message,) = second.add()
    clock.step(seconds=1)
    for stage in (first, second):
        stage.run_once()

    assert [pause.key for pause in first.pauses()] == ["arn:1"]
    assert first.states([refused, message]) == ["queued", "accepted"]
    assert [request.token for request in cloud_api.requests] == ["token-1", "token-2"]


def test_a_call_limit_of_the_app_holds_all_numbers_of_its_token_for_a_minute(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi, secret: Secret
) -> None:
    shared, own = _source(secret, clock, "arn:shared"), _source(Secret("own"), clock, "arn:own")
    places = {"1": shared, "2": shared, "3": own}
    first, second, third = (stages(one, phone_number_ids=[one], credentials=of) for one, of in places.items())
    cloud_api.answers(refuse(4), then=ok)
    messages = first.add()
    first.run_once()
    messages += second.add() + third.add()
    for stage in (first, second, third):
        stage.run_once()
    assert first.states(messages) == ["queued", "queued", "accepted"]
    assert secret.reads == 1, "the token was not at fault"

    clock.step(seconds=60)
    for stage in (first, second):
        stage.run_once()
    assert first.states(messages) == ["accepted"] * 3


@pytest.mark.parametrize("code", [3, 10, 200, 131005])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_missing_permission_is_over_with_another_token_or_looked_at_again_after_a_quarter_of_an_hour(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi, secret: Secret, code: int
) -> None:
    stage = stages()
    cloud_api.answers(refuse(code, 403), refuse(code, 403), then=ok)
    (message,) = stage.add()
    stage.run_once()
    clock.step(minutes=14)
    stage.run_once()
    assert len(cloud_api.requests) == 1
    clock.step(minutes=1)
    stage.run_once()
    assert len(cloud_api.requests) == 2, "somebody may have granted it"
    secret.token = "token-2"
    clock.step(minutes=1)
    stage.run_once()
    stage.tidy()
    stage.run_once()
    assert stage.status(message) == "accepted"


def test_a_token_failure_that_is_notified_ends_by_itself_too(
    stage: Stage, clock: SteppedClock, secret: Secret, store: Store
) -> None:
    (message,) = stage.add()
    stage.run_once()
    web = Service(store, now=clock.time, accounts={NUMBER: Account(secret="environment")})
    web.notify(statuses(told(f"{message}.1", "failed", errors=[{"code": 190}])))
    assert stage.status(message) == "queued"

    secret.token = "token-2"
    for _ in range(2):
        clock.step(minutes=1)
        stage.run_once()
        stage.tidy()
    stage.run_once()

    assert stage.status(message) == "accepted"

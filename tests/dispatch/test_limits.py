"""What Meta says of a number: kept for people to see, and its limits used where the settings are silent.

And the daily limit of different people, kept by us (G6).
"""

from collections.abc import Sequence

import pytest

from service.message import NumberFacts, Priority
from service.outbox.numbers import KnownNumber
from service.outbox.outbox import Portfolio
from service.secrets import Credentials, SecretProblem, Source
from tests.dispatch.cloud_api import CloudApi, Reply, drop, limits, ok, refuse, text
from tests.dispatch.conftest import Stages
from tests.dispatch.stage import NUMBER, Stage, SteppedClock

SILENT = Portfolio("business", (NUMBER,))
TWENTY = Portfolio("business", (NUMBER,), limit=20)
FIELDS = "verified_name,display_phone_number,quality_rating,status,throughput,whatsapp_business_manager_messaging_limit"
QUESTION = f"/v25.0/{NUMBER}?fields={FIELDS}"
SHOP = {"verified_name": "Shop", "display_phone_number": "+1 555-078-3881", "status": "CONNECTED"}

sqlite_only = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def rate(stage: Stage, clock: SteppedClock) -> float:
    return stage.lane._pacer.rate(clock.seconds)


def daily(stage: Stage) -> list[tuple[int, int]]:
    """The portfolio's limit, and how much of it is used."""
    return [(limit, used) for _, limit, used in stage.store.report.daily_usage()]


# --- what Meta says ---------------------------------------------------------------------------------------------------

SAID: dict[str, tuple[Reply, float, list[tuple[int, int]]]] = {
    "high throughput, 250 people": (limits("HIGH", "TIER_250"), 900.0, [(250, 0)]),
    "standard throughput, 2,000 people": (limits("STANDARD", "TIER_2K"), 72.0, [(2000, 0)]),
    "100,000 people": (limits("HIGH", "TIER_100K"), 900.0, [(100_000, 0)]),
    "any number of people": (limits("HIGH", "TIER_UNLIMITED"), 900.0, []),
    "not applicable": (limits("NOT_APPLICABLE", "TIER_NOT_SET"), 72.0, []),
    "nothing of use": (limits(), 72.0, []),
    "kinds that are wrong": (limits(throughput=["HIGH"], whatsapp_business_manager_messaging_limit=250), 72.0, []),
    "a refusal as 200": (refuse(10, 200), 72.0, []),
    "a list": (text(200, "[]"), 72.0, []),
    "no JSON": (text(200, "<html>"), 72.0, []),
    "nothing": (text(200, ""), 72.0, []),
    "deep nesting": (text(200, "[" * 100_000), 72.0, []),
    "no permission": (refuse(10, 403), 72.0, []),
    "a refused token": (refuse(190, 401), 72.0, []),
    "a limit of calls": (refuse(4, 400), 72.0, []),
    "an outage": (text(502, "Bad Gateway"), 72.0, []),
}


@pytest.mark.parametrize("name", SAID)
@sqlite_only
def test_the_settings_are_silent_and_meta_says(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi, name: str
) -> None:
    cloud_api.limits, per_second, people = SAID[name]
    stage = stages(per_second=None, share=0.9, portfolio=SILENT)
    (message,) = stage.add()
    stage.run_once()

    assert (rate(stage, clock), cloud_api.questions) == (per_second, [QUESTION])
    assert [limit for limit, _ in daily(stage)] == [limit for limit, _ in people]
    assert stage.status(message) == "accepted", "a number that cannot be asked about sends as usual"
    assert stage.pauses() == []


SETTINGS: dict[str, tuple[dict[str, object], float, list[int], int]] = {
    "the rate": ({"per_second": 40.0, "portfolio": SILENT}, 36.0, [250], 1),
    "the people": ({"per_second": None, "portfolio": TWENTY}, 900.0, [20], 1),
    "both": ({"per_second": 40.0, "portfolio": TWENTY}, 36.0, [20], 0),
    "no portfolio": ({"per_second": None}, 900.0, [], 1),
}


@pytest.mark.parametrize("name", SETTINGS)
@sqlite_only
def test_the_settings_win_over_meta_where_they_say(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi, name: str
) -> None:
    facts, per_second, people, questions = SETTINGS[name]
    cloud_api.limits = limits("HIGH", "TIER_250")
    stage = stages(share=0.9, **facts)
    stage.run_once()
    assert (rate(stage, clock), len(cloud_api.questions)) == (per_second, questions)
    assert [limit for limit, _ in daily(stage)] == people


def test_meta_is_asked_again_every_hour_and_what_it_said_stays_while_it_does_not_answer(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    cloud_api.limits = limits("STANDARD", "TIER_250")
    stage = stages(per_second=None, portfolio=SILENT)
    stage.run_once()
    for said, wanted in ((text(502, ""), (80.0, 250)), (limits("HIGH", "TIER_2K"), (1000.0, 2000))):
        cloud_api.limits = said
        asked = len(cloud_api.questions)
        for _ in range(2):
            clock.step(minutes=30)
            stage.run_once()
            stage.tidy()
        assert len(cloud_api.questions) == asked + 1
        assert (rate(stage, clock), daily(stage)[0][0]) == wanted
    cloud_api.limits = limits("HIGH", "TIER_UNLIMITED")
    clock.step(hours=1)
    stage.run_once()
    stage.tidy()
    assert daily(stage) == []


def test_a_higher_rate_of_metas_is_used_at_once(stages: Stages, cloud_api: CloudApi) -> None:
    cloud_api.limits = limits("HIGH")
    stage = stages(per_second=None)
    stage.add(60)
    assert stage.run_once() == 51, "the slots of 50 ms at 1,000 a second"


# --- what people are shown of it ------------------------------------------------------------------------------------------


def told(stage: Stage) -> KnownNumber | None:
    return stage.store.report.numbers().get(NUMBER)


def test_what_meta_says_is_kept_before_the_first_message_goes(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    cloud_api.limits = limits("HIGH", "TIER_2K", quality_rating="YELLOW", **SHOP)
    stage = stages(per_second=None)
    stage.run_once()
    facts = NumberFacts("Shop", "+1 555-078-3881", "YELLOW", "CONNECTED", "HIGH", "TIER_2K")
    assert told(stage) == KnownNumber(NUMBER, facts, clock.time)


@sqlite_only
def test_a_number_whose_limits_the_settings_give_is_asked_about_beside_its_sending(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    cloud_api.limits = limits("STANDARD", "TIER_250", quality_rating="GREEN")
    stage = stages(per_second=40.0, portfolio=TWENTY)
    (message,) = stage.add()
    stage.run_once()
    assert (stage.status(message), cloud_api.questions, told(stage)) == ("accepted", [], None)
    stage.tidy()
    for _ in range(2):
        clock.step(minutes=30)
        stage.run_once()
        stage.tidy()
    assert cloud_api.questions == [QUESTION] * 2, "at once, and an hour later"
    known = told(stage)
    assert known is not None
    assert (known.facts.quality, known.asked_at) == ("GREEN", clock.time)
    assert (rate(stage, clock), daily(stage)) == (40.0, [(20, 1)])


@sqlite_only
def test_whoever_takes_a_number_over_asks_anew(stages: Stages, cloud_api: CloudApi) -> None:
    first, second = stages(), stages("second")
    first.run_once()
    first.tidy()
    second.take_over()
    second.tidy()
    assert cloud_api.questions == [QUESTION] * 2


WHY: dict[str, tuple[Reply, str]] = {
    "a refused token": (refuse(190, 401), "Access token refused (code 190). "),
    "no permission": (refuse(10, 403), "Permission denied (code 10). "),
    "an unknown id": (refuse(100), "Meta refuses to tell it (code 100); check the id"),
    "an outage": (text(502, "Bad Gateway"), "HTTP error without Meta's answer (HTTP 502); check WHATSAPP_API_URL"),
    "no JSON": (text(200, "token-1"), "No answer that can be used (HTTP 200); check WHATSAPP_API_URL"),
    "a reset": (drop, "No answer: "),
}


@pytest.mark.parametrize("name", WHY)
@sqlite_only
def test_while_meta_says_nothing_the_last_word_stands_with_the_reason(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi, name: str
) -> None:
    cloud_api.limits = limits("HIGH", quality_rating="GREEN", **SHOP)
    stage = stages(per_second=None)
    stage.run_once()
    before = told(stage)
    cloud_api.limits, why = WHY[name]
    clock.step(hours=1)
    stage.run_once()
    stage.tidy()
    now = told(stage)
    assert before is not None
    assert now is not None
    assert (now.facts, now.asked_at, before.problem) == (before.facts, before.asked_at, None)
    assert str(now.problem).startswith(why)
    assert "token-1" not in str(now.problem)

    cloud_api.limits = limits("STANDARD")
    clock.step(hours=1)
    stage.run_once()
    stage.tidy()
    assert told(stage) == KnownNumber(NUMBER, NumberFacts(throughput="STANDARD"), clock.time)


@sqlite_only
def test_a_number_whose_secret_cannot_be_read_is_not_asked_about(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    def read() -> Credentials:
        raise SecretProblem("secret channel could not be read")

    stage = stages(credentials=Source(read, lambda: clock.seconds, "channel"))
    stage.run_once()
    stage.tidy()
    problem = "the secret with the number's token cannot be read; the pause of the token says why"
    assert told(stage) == KnownNumber(NUMBER, NumberFacts(), clock.time, problem)
    assert cloud_api.questions == []


# --- the daily limit --------------------------------------------------------------------------------------------------


def play(stage: Stage, clock: SteppedClock, rounds: int = 3) -> None:
    for _ in range(rounds):
        clock.step(seconds=0.1)
        stage.run_once()


def went(stage: Stage, messages: Sequence[str]) -> int:
    return stage.states(messages).count("accepted")


@pytest.fixture
def limited(stages: Stages) -> Stage:
    """A number whose portfolio may write to twenty people in 24 hours."""
    return stages(portfolio=TWENTY)


def test_a_campaign_leaves_a_tenth_of_the_limit_to_urgent_messages(limited: Stage, clock: SteppedClock) -> None:
    normal = limited.add(30)
    play(limited, clock)
    assert (went(limited, normal), daily(limited)) == (18, [(20, 18)])
    urgent = limited.add(5, priority=Priority.HIGH)
    play(limited, clock)
    assert (went(limited, normal), went(limited, urgent), daily(limited)) == (18, 2, [(20, 20)])


def test_people_who_count_already_get_more(limited: Stage, clock: SteppedClock) -> None:
    people = [f"+86137{n:08}" for n in range(18)]
    for to in people:
        limited.add(to=to)
    waiting = limited.add(30)
    play(limited, clock)
    more = [message for to in people for message in limited.add(to=to)]
    play(limited, clock)
    assert (went(limited, more), went(limited, waiting), daily(limited)) == (18, 0, [(20, 18)])


def test_after_24_hours_it_goes_on(limited: Stage, clock: SteppedClock) -> None:
    first = limited.add(30, expires_at=clock.time.replace(day=8))
    play(limited, clock)
    clock.step(hours=23, minutes=59)
    play(limited, clock)
    assert went(limited, first) == 18
    clock.step(minutes=1)
    play(limited, clock)
    assert (went(limited, first), daily(limited)) == (30, [(20, 12)])


def test_somebody_counts_until_24_hours_after_the_last_message(limited: Stage, clock: SteppedClock) -> None:
    limited.add(to="+8613700000001")
    play(limited, clock)
    clock.step(hours=20)
    limited.add(to="+8613700000001")
    play(limited, clock)
    clock.step(hours=20)
    limited.add()
    play(limited, clock)
    assert daily(limited) == [(20, 2)]


@pytest.mark.parametrize("reply", [refuse(132000), refuse(131026), refuse(130429), refuse(131016, 500), refuse(131049)])
@sqlite_only
def test_what_meta_did_not_take_uses_up_nothing(
    limited: Stage, clock: SteppedClock, cloud_api: CloudApi, reply: Reply
) -> None:
    cloud_api.answers(*[reply] * 5, then=ok)
    limited.add(5)
    limited.run_once()
    assert len(cloud_api.requests) == 5
    assert daily(limited) == [(20, 0)]
    normal = limited.add(30)
    clock.step(seconds=30)
    play(limited, clock, rounds=5)
    assert went(limited, normal) + 5 >= 18
    assert daily(limited) == [(20, 18)]


def test_what_is_in_doubt_counts(limited: Stage, cloud_api: CloudApi) -> None:
    cloud_api.answers(text(502, ""), ok)
    limited.add(2)
    limited.run_once()
    assert daily(limited) == [(20, 2)]


def test_what_was_put_back_unsent_uses_up_nothing(limited: Stage, clock: SteppedClock, cloud_api: CloudApi) -> None:
    messages = limited.add(5)

    async def freeze_before_the_write() -> None:
        await limited.lane.hold()
        await limited.lane.round()
        clock.step(seconds=14)
        await limited.lane.drain()
        await limited.dispatcher.flush()

    limited.do(freeze_before_the_write())
    assert (cloud_api.requests, daily(limited)) == ([], [(20, 0)])
    play(limited, clock)
    assert (went(limited, messages), daily(limited)) == (5, [(20, 5)])


def test_the_numbers_of_a_portfolio_share_its_limit(stages: Stages, clock: SteppedClock) -> None:
    shared = Portfolio("business", ("1", "2"), limit=20)
    own = Portfolio("another", ("3",), limit=20)
    first, second = (stages(one, phone_number_ids=[one], portfolio=shared) for one in ("1", "2"))
    third = stages("3", phone_number_ids=["3"], portfolio=own)
    sent = [first.add(10), second.add(30), third.add(30)]
    for stage in (first, second, third):
        play(stage, clock)
    assert [went(first, messages) for messages in sent] == [10, 8, 18]
    assert sorted(daily(first)) == [(20, 18), (20, 18)]


def test_a_limit_that_becomes_known_later_counts_whom_the_last_24_hours_reached(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    stage = stages(portfolio=SILENT)
    stage.add(10)
    play(stage, clock)
    assert daily(stage) == []
    cloud_api.limits = limits("HIGH", "TIER_250")
    clock.step(hours=1)
    stage.run_once()
    stage.tidy()
    assert daily(stage) == [(250, 10)]


# A plan of such a slow number has one slot; the tenth is for a normal message, and must not stay empty for want of one.
def test_urgent_messages_go_on_where_no_normal_one_waits(stages: Stages, clock: SteppedClock) -> None:
    stage = stages(per_second=10.0, portfolio=Portfolio("business", (NUMBER,), limit=1000))
    urgent = stage.add(30, priority=Priority.HIGH)
    play(stage, clock, rounds=40)
    assert went(stage, urgent) == 30


def test_urgent_messages_go_on_where_the_campaign_has_used_up_its_part(stages: Stages, clock: SteppedClock) -> None:
    stage = stages(per_second=10.0, portfolio=Portfolio("business", (NUMBER,), limit=40))
    stage.add(40)
    play(stage, clock, rounds=40)
    urgent = stage.add(4, priority=Priority.HIGH)
    play(stage, clock, rounds=10)
    assert went(stage, urgent) == 4

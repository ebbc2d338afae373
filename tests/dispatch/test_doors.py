"""Which of a number's two calls a template goes through: the settings', until Meta asks for the other one."""

import pytest

from service.message import Category, Door, Template
from service.whatsapp.payload import Marketing
from tests.dispatch.cloud_api import CloudApi, Handler, Reply, ok, refuse
from tests.dispatch.conftest import Stages
from tests.dispatch.stage import Stage, SteppedClock

PROMO, RECEIPT = Template("promo", "en_US"), Template("receipt", "en_US")
MESSAGES, MARKETING = "messages", "marketing_messages"


def only_through(doors: dict[str, str]) -> Reply:
    """Meta takes each template through one call only, and says so as it does."""

    def reply(handler: Handler) -> None:
        wanted = doors[handler.asked.body["template"]["name"]]
        (ok if handler.asked.door == wanted else refuse(131063 if wanted == MARKETING else 131055))(handler)

    return reply


def doors_of(cloud_api: CloudApi, template: Template = PROMO) -> list[str]:
    return [one.door for one in cloud_api.requests if one.body["template"]["name"] == template.name]


def go_on(stage: Stage, clock: SteppedClock, rounds: int = 2) -> None:
    for _ in range(rounds):
        clock.step(seconds=0.1)
        stage.run_once()


@pytest.mark.parametrize("door", Door)
def test_a_number_sends_through_the_call_of_its_settings(stages: Stages, cloud_api: CloudApi, door: Door) -> None:
    stage = stages(door=door)
    stage.add()
    stage.run_once()
    assert [request.door for request in cloud_api.requests] == [door.value]
    assert set(cloud_api.requests[0].body) == {
        "messaging_product",
        "recipient_type",
        "to",
        "type",
        "template",
        "biz_opaque_callback_data",
    }


@pytest.mark.parametrize("category", [*Category, None])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_known_to_be_no_marketing_never_goes_through_the_marketing_call(
    stages: Stages, cloud_api: CloudApi, category: Category | None
) -> None:
    stage = stages(door=Door.MARKETING)
    stage.add(category=category)
    stage.run_once()
    wanted = MARKETING if category in {Category.MARKETING, None} else MESSAGES
    assert [request.door for request in cloud_api.requests] == [wanted]


OPTIONS = {
    "neither": (Marketing(), {}),
    "no fallback": (Marketing(product_policy="STRICT"), {"product_policy": "STRICT"}),
    "fallback": (Marketing(product_policy="CLOUD_API_FALLBACK"), {"product_policy": "CLOUD_API_FALLBACK"}),
    "not shared": (Marketing(activity_sharing=False), {"message_activity_sharing": False}),
    "both": (
        Marketing("STRICT", activity_sharing=True),
        {"product_policy": "STRICT", "message_activity_sharing": True},
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_marketing_options_go_with_the_marketing_call_only(stages: Stages, cloud_api: CloudApi, name: str) -> None:
    marketing, wanted = OPTIONS[name]
    for number, door in enumerate(Door):
        one = stages(phone_number_ids=[str(number)], door=door, marketing=marketing)
        one.add()
        one.run_once()
    through = {request.door: request.body for request in cloud_api.requests}
    named = ("product_policy", "message_activity_sharing")
    assert {key: through[MARKETING][key] for key in named if key in through[MARKETING]} == wanted
    assert not set(named) & set(through[MESSAGES])


def test_after_131063_a_template_goes_through_the_marketing_call_at_once_and_from_then_on(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    cloud_api.answers(then=only_through({"promo": MARKETING, "receipt": MESSAGES}))
    (first,) = stage.add(template=PROMO)
    stage.run_once()
    facts = stage.facts(first).message
    assert (facts["status"], facts["due_at"], facts["tries"]) == ("queued", clock.time, 0)

    (second,) = stage.add(template=PROMO)
    (receipt,) = stage.add(template=RECEIPT)
    go_on(stage, clock)

    assert stage.states([first, second, receipt]) == ["accepted"] * 3
    assert doors_of(cloud_api) == [MESSAGES, MARKETING, MARKETING]
    assert doors_of(cloud_api, RECEIPT) == [MESSAGES]
    assert [(one["attempt"], one["code"], one["door"]) for one in stage.facts(first).attempts] == [
        (1, 131063, MESSAGES),
        (2, None, MARKETING),
    ]
    assert stage.pauses() == []


def test_after_131055_a_template_goes_back_through_the_ordinary_call(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    stage = stages(door=Door.MARKETING)
    cloud_api.answers(then=only_through({"promo": MARKETING, "receipt": MESSAGES}))
    messages = stage.add(2, template=RECEIPT) + stage.add(2, template=PROMO)
    stage.run_once()
    messages += stage.add(2, template=RECEIPT)
    go_on(stage, clock)

    assert stage.states(messages) == ["accepted"] * 6
    assert doors_of(cloud_api) == [MARKETING] * 2
    doors = doors_of(cloud_api, RECEIPT)
    assert doors.count(MESSAGES) == 4
    assert 1 <= doors.count(MARKETING) <= 2, "the second may have left before the first was refused"


def test_what_was_learned_is_kept_for_the_next_holder_and_for_a_week(
    stages: Stages, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    cloud_api.answers(then=only_through({"promo": MARKETING}))
    first, second, third = stages(), stages("second"), stages("third")
    first.add(template=PROMO)
    first.run_once()
    go_on(first, clock)

    second.take_over()
    second.add(template=PROMO)
    second.run_once()
    assert doors_of(cloud_api) == [MESSAGES, MARKETING, MARKETING]

    clock.step(days=7)
    cloud_api.answers(then=ok)
    third.take_over()
    third.add(template=PROMO)
    third.run_once()
    assert doors_of(cloud_api)[3:] == [MESSAGES]


def test_another_number_has_to_learn_by_itself(stages: Stages, clock: SteppedClock, cloud_api: CloudApi) -> None:
    cloud_api.answers(then=only_through({"promo": MARKETING}))
    first, another = stages(), stages("second", phone_number_ids=["2"])
    first.add(template=PROMO)
    first.run_once()
    go_on(first, clock)
    (message,) = another.add(template=PROMO)
    another.run_once()
    go_on(another, clock)
    assert another.status(message) == "accepted"
    assert doors_of(cloud_api) == [MESSAGES, MARKETING] * 2


def test_a_message_that_both_calls_refuse_has_failed_and_was_tried_once_through_each(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    cloud_api.answers(refuse(131063), refuse(131055), then=ok)
    (message,) = stage.add(template=PROMO)
    stage.run_once()
    go_on(stage, clock, rounds=4)
    assert stage.status(message) == "failed"
    assert doors_of(cloud_api) == [MESSAGES, MARKETING]
    failure = stage.failure(message)
    assert (failure["code"], failure["next_step"][:10]) == (131055, "Nothing to")


def test_messages_that_are_under_way_while_the_call_is_learned_go_again_too(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    cloud_api.answers(then=only_through({"promo": MARKETING}))
    messages = stage.add(20, template=PROMO)
    assert stage.run_once() == 20
    go_on(stage, clock)
    assert stage.states(messages) == ["accepted"] * 20
    assert {stage.facts(one).attempts[-1]["door"] for one in messages} == {MARKETING}
    assert doors_of(cloud_api).count(MARKETING) == 20


def test_a_template_that_gets_another_category_goes_back_through_the_other_call(
    stage: Stage, clock: SteppedClock, cloud_api: CloudApi
) -> None:
    cloud_api.answers(then=only_through({"promo": MARKETING}))
    stage.add(template=PROMO)
    stage.run_once()
    go_on(stage, clock)
    assert doors_of(cloud_api) == [MESSAGES, MARKETING]

    clock.step(days=1)
    cloud_api.answers(then=only_through({"promo": MESSAGES}))
    messages = stage.add(3, template=PROMO)
    stage.run_once()
    go_on(stage, clock)

    assert stage.states(messages) == ["accepted"] * 3

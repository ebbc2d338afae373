"""The settings file's named messages and address fields: what they come to, and what is said of those that cannot be used."""

from datetime import timedelta

import pytest

from service import wiring
from service.config import ConfigError, Settings
from service.intake.draft import Draft
from service.intake.rules import ADDRESS_FIELDS, Rules
from service.message import Priority
from service.people import Blocked
from service.whatsapp.inbound import START_WORDS, STOP_WORDS
from tests.conftest import SAMPLES


def rules(toml: str) -> Rules:
    return wiring.rules(Settings.from_environment({"CHANNEL_SETTINGS": toml}))


def problem(toml: str) -> str:
    with pytest.raises(ConfigError) as caught:
        rules(toml)
    (found,) = caught.value.problems
    return found


def said(draft: Draft, **values: str) -> str:
    """The draft's components with placeholders filled."""
    return draft.content.components_for(values.get)


def test_the_samples_messages_are_as_it_says() -> None:
    found = rules(str(SAMPLES / "settings.toml"))
    assert list(found.messages) == ["ordertimeoutnotification", "unpaid-order"]
    plain, urgent = found.messages.values()
    assert (plain.template, plain.language, plain.priority, plain.time_to_live) == (
        "ordertimeoutnotification",
        "en_US",
        None,
        None,
    )
    assert (urgent.template, urgent.language, urgent.priority) == ("ordertimeoutnotification", None, Priority.HIGH)
    assert urgent.time_to_live == timedelta(hours=1)
    assert '"text":"friend"' in said(plain, **{"attributes.LastProduct": "Mug"})
    assert found.address_fields == ("mobilePhoneNumber", "phoneNumber")


def test_without_a_settings_file_there_are_no_messages_and_aws_own_address_fields() -> None:
    found = wiring.rules(Settings.from_environment({}))
    assert (found.messages, found.address_fields) == ({}, ADDRESS_FIELDS)


@pytest.mark.parametrize(
    ("params", "components"),
    [
        pytest.param("", "", id="none"),
        pytest.param('params = ["{{a}}"]', '[{"type":"body","parameters":[{"type":"text","text":"1"}]}]', id="a list"),
        pytest.param(
            'params = {x = "{{a}}"}',
            '[{"type":"body","parameters":[{"type":"text","parameter_name":"x","text":"1"}]}]',
            id="named strings",
        ),
        pytest.param(
            'params = [{type = "header", parameters = [{type = "text", text = "{{a}}"}]}]',
            '[{"type":"header","parameters":[{"type":"text","text":"1"}]}]',
            id="components",
        ),
    ],
)
def test_params_may_have_every_shape_that_data_may_have(params: str, components: str) -> None:
    assert said(rules(f'[messages.m]\ntemplate = "t"\n{params}').messages["m"], a="1") == components


def test_a_name_may_be_any_text() -> None:
    assert list(rules('[messages."Push Notification"]\ntemplate = "t"').messages) == ["Push Notification"]


def test_what_the_file_says_besides_is_ignored() -> None:
    assert list(rules('[messages.m]\ntemplate = "t"\ncolour = "red"\n[colours]\nstop_words = 5').messages) == ["m"]


@pytest.mark.parametrize(
    ("toml", "place"),
    [
        ("[messages.m]", "[messages.m]: template: "),
        ('[messages.m]\ntemplate = ""', "[messages.m]: template: "),
        ('[messages."My message"]\ntemplate = "a b"', '[messages."My message"]: template: '),
        ('[messages.m]\ntemplate = "t"\nlanguage = "English"', "[messages.m]: language: "),
        ('[messages.m]\ntemplate = "t"\npriority = "urgent"', "[messages.m]: priority: "),
        ('[messages.m]\ntemplate = "t"\nttl_seconds = 0', "[messages.m]: ttl_seconds: "),
        ('[messages.m]\ntemplate = "t"\nttl_seconds = 2592001', "[messages.m]: ttl_seconds: "),
        ('[messages.m]\ntemplate = "t"\nparams = "Ada"', "[messages.m]: params: give a list of components"),
        ('[messages.m]\ntemplate = "t"\nparams = ["Ada", {}]', "[messages.m]: params: at [1]: give a string here"),
        ('[messages.m]\ntemplate = "t"\nparams = [{}]', "[messages.m]: params: at [0].type: "),
        (
            '[messages.m]\ntemplate = "t"\nparams = [{type = "body", x = inf}]',
            "[messages.m]: params: there is a number",
        ),
        (
            '[messages.m]\ntemplate = "t"\nparams = [{type = "body", x = 2026-01-01}]',
            "[messages.m]: params: there is a d",
        ),
        ("[messages]\nm = 5", "[messages.m]: "),
        ("messages = 5\n[x]", "[messages]: "),
        ('[messages.""]\ntemplate = "t"', '[messages.""]: '),
        ("[connect]\naddress_fields = []", "[connect]: address_fields: "),
        ('[connect]\naddress_fields = "phoneNumber"', "[connect]: address_fields: "),
        ('[connect]\naddress_fields = ["phoneNumber", " "]', "[connect]: address_fields: 1: "),
        ("connect = 5\n[x]", "[connect]: "),
        ("[consent]\nstop_words = []", "[consent]: stop_words: "),
        ('[consent]\nstop_words = "STOP"', "[consent]: stop_words: "),
        ('[consent]\nstop_words = ["STOP", "!!"]', "[consent]: stop_words: 1: there is no letter"),
        ("[consent]\nstart_words = [5]", "[consent]: start_words: 0: "),
        ('[consent]\nstop_words = ["Go"]\nstart_words = ["go!"]', "[consent]: go: among stop_words and start_words"),
        ('[consent]\nstop_blocks = "utility"', "[consent]: stop_blocks: "),
        ("consent = 5\n[x]", "[consent]: "),
        (
            '[numbers.1]\napplications = ["a"]\n[numbers.2]\napplications = ["a"]',
            "[numbers]: application a is listed under two numbers",
        ),
    ],
)
def test_what_cannot_be_used_is_one_sentence_that_says_where(toml: str, place: str) -> None:
    found = problem(toml)
    assert found.startswith(f"CHANNEL_SETTINGS: {place}")
    assert "\n" not in found
    assert "Value error" not in found


def test_the_samples_words_are_as_it_says() -> None:
    consent = Settings.from_environment({"CHANNEL_SETTINGS": str(SAMPLES / "settings.toml")}).consent
    assert consent.stop_words == ("STOP", "UNSUBSCRIBE", "退订")
    assert consent.start_words == ("START", "订阅")
    assert consent.stop_blocks is Blocked.ALL


def test_without_words_of_its_own_a_service_knows_those_of_many_languages() -> None:
    consent = Settings.from_environment({"CHANNEL_SETTINGS": '[consent]\nstop_blocks = "marketing"'}).consent
    assert (consent.stop_words, consent.start_words) == (STOP_WORDS, START_WORDS)
    assert consent.stop_blocks is Blocked.MARKETING


def test_the_problems_of_two_messages_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        rules('[messages.one]\n[messages.two]\ntemplate = "t"\npriority = "x"')
    assert len(caught.value.problems) == 2

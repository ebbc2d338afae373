"""The body that goes to the Cloud API, byte by byte."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from service.message import Message, Template
from service.whatsapp.payload import build
from tests.intake.making import message, sample

NOW = datetime(2026, 11, 23, tzinfo=UTC)

FROM_THE_ARTICLE = (
    '{"messaging_product":"whatsapp","recipient_type":"individual","to":"+8613800138000","type":"template",'
    '"template":{"name":"ordertimeoutnotification","language":{"code":"en_US"},'
    '"components":[{"type":"body","parameters":[{"type":"text","text":"Tuohumai"},'
    '{"type":"text","text":" Champion T Shirt"}]},'
    '{"type":"button","sub_type":"quick_reply","index":"0",'
    '"parameters":[{"type":"payload","payload":"button 0 clicked"}]}]},'
    '"biz_opaque_callback_data":"message-1.1"}'
)


def make(to: str = "+8613800138000", components: str = "", name: str = "order_update", language: str = "de") -> Message:
    template = Template(name, language, components)
    return Message("m", "r", to, "1065", template, due_at=NOW, expires_at=NOW + timedelta(1), key="k")


def test_the_articles_body_is_sent_with_plus_callback_data_and_language() -> None:
    assert build(message(sample("pinpoint_campaign_article")), "message-1.1") == FROM_THE_ARTICLE.encode()


def test_a_user_id_goes_to_recipient_in_the_place_of_to() -> None:
    body = json.loads(build(make("US.13491208655302741918"), "m.1"))
    assert list(body) == [
        "messaging_product",
        "recipient_type",
        "recipient",
        "type",
        "template",
        "biz_opaque_callback_data",
    ]
    assert body["recipient"] == "US.13491208655302741918"


def test_without_components_the_key_is_absent() -> None:
    assert json.loads(build(make(), "m.1"))["template"] == {"name": "order_update", "language": {"code": "de"}}


@pytest.mark.parametrize("name", ['a"b', "a\\b", "张三", "a\nb", "\ud800"])
def test_a_name_cannot_break_out_of_its_string(name: str) -> None:
    body = build(make(name=name, language=name), name)
    assert body.isascii()
    document = json.loads(body)
    assert document["template"] == {"name": name, "language": {"code": name}}
    assert document["biz_opaque_callback_data"] == name


def test_components_are_the_callers_own_text() -> None:
    components = '[{"z":1,"a":"\\u5f20"}]'
    assert f'"components":{components}}}'.encode() in build(make(components=components), "m.1")

"""What a person types or taps on their phone: what the webhook hears of it, and what is refused."""

import asyncio
import io
import json
from collections import deque
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import aiohttp
import pytest

from sandbox.app import Running
from sandbox.inbound import PROFILE_NAME
from tests.sandbox.phone.looking import BSUID, CHAT, Page

Answer = tuple[int, Any]
Api = Callable[..., Answer]
Browse = Callable[..., Page]
Heard = Callable[[int], list[Any]]
UntilShown = Callable[[str, str], str]


def sample_with(sample: Any, **facts: Any) -> Any:
    """A sample notification with the facts of a message in it."""
    notification = deepcopy(sample)
    value = notification["entry"][0]["changes"][0]["value"]
    value["contacts"][0]["profile"]["name"] = PROFILE_NAME
    value["messages"][0].update(facts)
    return notification


def test_a_tap_is_told_as_meta_tells_it(
    api: Api, send: Api, heard: Heard, notifications: list[Any], sample: Callable[[str], Any]
) -> None:
    template = {
        "name": "ordertimeoutnotification",
        "language": {"code": "en_US"},
        "components": [
            {"type": "body", "parameters": [{"type": "text", "text": "Ada"}, {"type": "text", "text": "T Shirt"}]},
            {
                "type": "button",
                "sub_type": "quick_reply",
                "index": "0",
                "parameters": [{"type": "payload", "payload": "button 0 clicked"}],
            },
        ],
    }
    wamid = send(template=template)[1]["messages"][0]["id"]
    status, answer = api("POST", CHAT, {"button": 0})
    heard(1)
    expected = sample_with(
        sample("notification_button_reply.json"),
        id=answer["id"],
        timestamp="1793523600",
        context={"from": "15550783881", "id": wamid},
    )
    assert (status, notifications) == (201, [expected])
    assert answer == expected["entry"][0]["changes"][0]["value"]["messages"][0]


def test_a_text_is_told_as_meta_tells_it(
    api: Api, send: Api, heard: Heard, notifications: list[Any], sample: Callable[[str], Any]
) -> None:
    send()
    answer = api("POST", CHAT, {"text": " STOP\r\n"})[1]
    heard(1)
    assert notifications == [
        sample_with(sample("notification_stop_reply.json"), id=answer["id"], timestamp="1793523600")
    ]


def test_without_a_payload_the_label_is_told(api: Api, send: Api, heard: Heard) -> None:
    send()
    api("POST", CHAT, {"button": 0})
    assert heard(1)[0]["value"]["messages"][0]["button"] == {"payload": "Pay now", "text": "Pay now"}


def test_a_user_id_is_told_as_such(api: Api, send: Api, heard: Heard, browse: Browse) -> None:
    send(to=None, recipient=BSUID)
    api("POST", f"/phone/{BSUID}", {"text": "Hello"})
    value = heard(1)[0]["value"]
    assert value["contacts"] == [{"profile": {"name": PROFILE_NAME}, "user_id": BSUID}]
    assert value["messages"][0]["from_user_id"] == BSUID
    assert "from" not in value["messages"][0]
    assert f'href="/phone/{BSUID}"' in browse("/phone/").text


def test_a_reply_goes_to_the_number_that_wrote_last(api: Api, message: Callable[..., Any], heard: Heard) -> None:
    for number in ("1", "2"):
        api("POST", f"/v25.0/{number}/messages", message(), Authorization="Bearer sandbox-token")
    api("POST", CHAT, {"text": "Hello"})
    assert heard(1)[0]["value"]["metadata"]["phone_number_id"] == "2"


def test_a_form_does_the_same_and_leads_back_to_the_chat(send: Api, browse: Browse, heard: Heard) -> None:
    first = send()[1]["messages"][0]["id"]
    send()
    for form in ({"text": "Guten Tag, äöü"}, {"button": "0", "wamid": first}):
        page = browse(CHAT, form)
        assert (page.status, page.headers["Location"]) == (303, CHAT)
    text, tap = [change["value"]["messages"][0] for change in heard(2)]
    assert text["text"] == {"body": "Guten Tag, äöü"}
    assert tap["context"]["id"] == first
    page = browse(CHAT)
    assert "Guten Tag, äöü" in page.text
    assert "(tapped)" in page.text


def test_a_reply_waits_for_the_webhook_and_shows_it(api: Api, send: Api, heard: Heard, until_shown: UntilShown) -> None:
    fault = api("POST", "/sandbox/faults", {"kind": "webhook_down", "seconds": 3600})[1]
    send()
    api("POST", CHAT, {"text": "STOP"})
    until_shown(CHAT, 'aria-label="sent, not taken by the webhook yet 09:00 UTC"')
    api("DELETE", f"/sandbox/faults/{fault['fault_id']}")
    heard(1)
    until_shown(CHAT, 'aria-label="sent, taken by the webhook 09:00 UTC"')
    until_shown("/phone/", 'aria-label="sent, taken by the webhook 09:00 UTC"')


def test_a_reply_that_is_not_taken_comes_again_as_it_was(
    api: Api,
    send: Api,
    heard: Heard,
    webhook_answers: deque[int],
    until_shown: UntilShown,
) -> None:
    webhook_answers.extend([500, 401])
    send()
    api("POST", CHAT, {"text": "STOP"})
    first, second, third = heard(3)
    assert first == second == third
    until_shown(CHAT, "sent, taken by the webhook")


# case: (what is posted, the status, what the sentence says)
REFUSED: dict[str, tuple[object, int, str]] = {
    "no JSON": (b"{", 400, "A reply is a JSON object"),
    "no object": (b"[1]", 400, "A reply is a JSON object"),
    "neither text nor button": ({"txt": "a"}, 400, "either text or button"),
    "both": ({"text": "a", "button": 0}, 400, "either text or button"),
    "an empty text": ({"text": " \n"}, 400, "at least one character"),
    "a text that is none": ({"text": ["a"]}, 400, "text must be a string"),
    "a text too long": ({"text": "a" * 4097}, 400, "at most 4096 characters"),
    "a button that is none": ({"button": "first"}, 400, "button must be a whole number"),
    "a button before the first": ({"button": -1}, 400, "button must be a whole number"),
    "true for a button": ({"button": True}, 400, "button must be a whole number"),
    "a button that is not there": ({"button": 7}, 409, "No message here has a button 7"),
    "another message": ({"button": 0, "wamid": "wamid.x"}, 404, "no such message in this chat"),
    "a wamid that is none": ({"button": 0, "wamid": ["a"]}, 404, "no such message in this chat"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_reply_that_cannot_be_is_explained(case: str, api: Api, send: Api, running: Running, browse: Browse) -> None:
    given, expected, sentence = REFUSED[case]
    send()
    status, body = api("POST", CHAT, given, **{"Content-Type": "application/json", "Accept": "application/json"})
    assert status == expected
    assert sentence in body["error"]
    assert not list(running.sandbox.journal.inbox.all())
    assert browse(CHAT).status == 200


def test_a_body_far_too_long_is_a_reply_too_long(runner: asyncio.Runner, running: Running, send: Api) -> None:
    send()

    async def post() -> Answer:
        body = io.BytesIO(b'{"text": "' + b"a" * 2**20 + b'"}')
        async with (
            aiohttp.ClientSession(headers={"Accept": "application/json"}) as session,
            session.post(running.url + CHAT, data=body) as answer,
        ):
            return answer.status, await answer.json()

    assert runner.run(post()) == (400, {"error": "A reply has at most 4096 characters."})


def test_a_text_as_long_as_whatsapp_allows_is_sent(api: Api, send: Api) -> None:
    send()
    assert api("POST", CHAT, {"text": "ä" * 4096})[0] == 201


def test_a_form_that_is_refused_keeps_what_was_typed(send: Api, browse: Browse) -> None:
    send()
    page = browse(CHAT, {"text": "a" * 4097})
    assert page.status == 400
    assert "A reply has at most 4096 characters." in page.text
    assert f"{'a' * 4097}</textarea>" in page.text


def test_only_a_quick_reply_is_told_to_the_business(api: Api, send: Api) -> None:
    texts = [{"type": "text", "text": "A-1017"}]
    components = [
        {"type": "body", "parameters": texts},
        {"type": "button", "sub_type": "url", "index": 1, "parameters": texts},
    ]
    send(template={"name": "parcel_on_its_way", "language": {"code": "en_US"}, "components": components})
    status, body = api("POST", CHAT, {"button": 1})
    assert (status, body["error"]) == (
        409,
        "Button 1 is a url button: only a tap on a quick reply is told to the business.",
    )


def test_a_phone_nobody_wrote_to_cannot_reply(api: Api, browse: Browse) -> None:
    sentence = "Nobody has written to this phone yet, so there is nobody to reply to."
    assert api("POST", "/phone/447700900123", {"text": "Hello"}) == (409, {"error": sentence})
    page = browse("/phone/447700900123", {"text": "Hello"})
    assert page.status == 409
    assert sentence in page.text


# case: (headers of the POST, whether it is taken)
ORIGINS: dict[str, tuple[dict[str, str], bool]] = {
    "no browser": ({}, True),
    "this page": ({"Sec-Fetch-Site": "same-origin", "Origin": "{url}"}, True),
    "this page, an older browser": ({"Origin": "{url}"}, True),
    "the address bar": ({"Sec-Fetch-Site": "none"}, True),
    "another site": ({"Sec-Fetch-Site": "cross-site"}, False),
    "another port of this machine": ({"Sec-Fetch-Site": "same-site"}, False),
    "another site, an older browser": ({"Origin": "https://example.com"}, False),
    "a page that hides where it is": ({"Origin": "null"}, False),
}


@pytest.mark.parametrize("case", ORIGINS)
def test_another_page_cannot_post(case: str, send: Api, running: Running, browse: Browse) -> None:
    headers, is_taken = ORIGINS[case]
    send()
    page = browse(CHAT, {"text": "STOP"}, **{name: value.format(url=running.url) for name, value in headers.items()})
    assert page.status == (303 if is_taken else 403)
    assert len(list(running.sandbox.journal.inbox.all())) == is_taken


def test_a_reply_by_curl_needs_no_header(api: Api, send: Api) -> None:
    send()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    status, body = api("POST", CHAT, json.dumps({"text": "STOP"}).encode(), **form)
    assert (status, body["text"]) == (201, {"body": "STOP"})

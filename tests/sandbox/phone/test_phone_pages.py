"""The phone page over the wire: the list, the chats, the ticks, and what no page may let through."""

import html
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from sandbox.phone.chats import SHOWN_CHATS, SHOWN_MESSAGES
from tests.sandbox.phone.looking import BSUID, CHAT, Clock, Page

Answer = tuple[int, Any]
Api = Callable[..., Answer]
Browse = Callable[..., Page]


def test_a_message_shows_up_in_the_list_and_in_its_chat(send: Api, browse: Browse) -> None:
    assert "No messages yet" in browse("/phone/").text
    assert "Nobody has written to this phone yet" in browse(CHAT).text
    send()
    listed, chat = browse("/phone/").text, browse(CHAT).text
    for page in (listed, chat):
        assert "+86 138 0013 8000" in page
        assert "Hi Ada, the T Shirt in your order is not paid yet." in page
        assert 'datetime="2026-11-01T09:00:00.000+00:00"' in page
    assert f'href="{CHAT}"' in listed
    assert "Pay now</button>" in chat


@pytest.mark.parametrize("who", ["447700900123", BSUID])
def test_the_example_of_an_empty_phone_can_be_sent_as_it_stands(who: str, api: Api, browse: Browse) -> None:
    example = html.unescape(browse(f"/phone/{who}").text.partition("<code>curl ")[2].partition("</code>")[0])
    url, _, rest = example.partition(" ")
    body = rest.partition("-d '")[2].removesuffix("'").encode()
    path = "/" + url.split("/", 3)[3]
    assert api("POST", path, body, Authorization="Bearer sandbox-token")[0] == 200
    assert "Hi Ada, the T Shirt" in browse(f"/phone/{who}").text


# the minutes that have gone by: what the ticks say
TICKS = {0: "accepted 09:00", 1: "sent 09:01", 2: "delivered 09:02", 3: "read 09:03", 600: "read 09:03"}


def test_the_ticks_move_as_time_goes_on(send: Api, browse: Browse, clock: Clock) -> None:
    send()
    start = clock.moment
    for minutes, label in TICKS.items():
        clock.moment = start + timedelta(minutes=minutes)
        for path in ("/phone/", CHAT):
            assert f'aria-label="{label} UTC"' in browse(path).text


def test_a_late_notification_does_not_hold_up_the_ticks(api: Api, send: Api, browse: Browse, clock: Clock) -> None:
    api("POST", "/sandbox/faults", {"kind": "late", "seconds": 3600})
    send()
    clock.move(minutes=3)
    assert 'aria-label="read 09:03 UTC"' in browse(CHAT).text


def test_a_failed_message_says_why_and_takes_no_tap(api: Api, send: Api, browse: Browse, clock: Clock) -> None:
    api("POST", "/sandbox/faults", {"kind": "fails", "code": 131026, "details": "The number is not on WhatsApp."})
    send()
    clock.move(minutes=1)
    page = browse(CHAT).text
    assert 'aria-label="failed 09:01 UTC"' in page
    assert "131026 Message undeliverable" in page
    assert "The number is not on WhatsApp." in page
    status, body = api("POST", CHAT, {"button": 0})
    assert (status, body) == (409, {"error": "The message never reached this phone: 131026 Message undeliverable."})


def test_a_silent_message_stays_accepted(api: Api, send: Api, browse: Browse, clock: Clock) -> None:
    api("POST", "/sandbox/faults", {"kind": "silent"})
    send()
    clock.move(days=1)
    assert 'aria-label="accepted 09:00 UTC"' in browse(CHAT).text


SCRIPT = "<script>alert(1)</script>"


def test_what_people_write_is_text_and_never_markup(api: Api, send: Api, browse: Browse) -> None:
    parameters = [{"type": "text", "text": f"*{SCRIPT}*"}, {"type": "text", "text": '"><img src=x>'}]
    template = {
        "name": "ordertimeoutnotification",
        "language": {"code": "en_US"},
        "components": [{"type": "body", "parameters": parameters}],
    }
    send(template=template)
    api("POST", CHAT, {"text": SCRIPT})
    for path in (CHAT, "/phone/", f"{CHAT}/messages", f"/phone/?q={SCRIPT}"):
        page = browse(path).text
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<strong>&lt;script&gt;" in browse(CHAT).text
    typed = browse(CHAT, {"text": SCRIPT * 200}).text
    assert f"{'&lt;script&gt;alert(1)&lt;/script&gt;' * 200}</textarea>" in typed


def test_half_a_surrogate_pair_does_not_break_a_page(api: Api, send: Api, browse: Browse) -> None:
    send()
    assert api("POST", CHAT, b'{"text": "a\\ud800b"}')[0] == 201
    assert "a?b" in browse(CHAT).text


@pytest.mark.parametrize("who", ["Ada", "123", "%3Cb%3E"])
def test_nobody_has_no_phone(who: str, api: Api, browse: Browse) -> None:
    for path in (f"/phone/{who}", f"/phone/{who}/messages"):
        page = browse(path)
        assert page.status == 404
        assert "neither a phone number" in page.text
    assert browse(f"/phone/{who}", {"text": "a"}).status == 404
    assert api("POST", f"/phone/{who}", {"text": "a"})[0] == 404


@pytest.mark.parametrize("path", ["/phone/", CHAT, f"{CHAT}/messages", "/phone/chats", "/phone/Ada", "/phone/a/b/c"])
def test_every_page_is_closed_to_other_origins(path: str, send: Api, browse: Browse) -> None:
    send()
    headers = browse(path).headers
    policy = headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} <= set(policy)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("name", "kind"), [("phone.css", "text/css"), ("phone.js", "/javascript"), ("icon.svg", "image/svg+xml")]
)
def test_style_script_and_icon_come_from_here(name: str, kind: str, browse: Browse) -> None:
    page = browse(f"/phone/static/{name}")
    assert page.status == 200
    assert kind in page.headers["Content-Type"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "http" not in page.text.replace("http://www.w3.org/2000/svg", "").replace("no https", "")


def test_a_page_names_nobody_in_its_title(send: Api, browse: Browse) -> None:
    send()
    assert "<title>Chat</title>" in browse(CHAT).text
    assert "<title>Phone</title>" in browse("/phone/").text


def test_a_fragment_is_sent_again_only_when_it_has_changed(send: Api, browse: Browse, clock: Clock) -> None:
    send()
    for path in (f"{CHAT}/messages", "/phone/chats"):
        tag = browse(path).headers["ETag"]
        assert browse(path, **{"If-None-Match": tag}).status == 304
    clock.move(minutes=1)
    page = browse(f"{CHAT}/messages", **{"If-None-Match": tag})
    assert page.status == 200
    assert "sent 09:01" in page.text


def test_the_list_is_newest_first_and_ends_somewhere(send: Api, browse: Browse, clock: Clock) -> None:
    for number in range(SHOWN_CHATS + 5):
        clock.move(seconds=1)
        send(to=f"+861380013{number:04}")
    page = browse("/phone/").text
    assert page.count('class="line"') == SHOWN_CHATS
    assert "The newest 100 of 105 chats" in page
    assert page.index("8613800130104") < page.index("8613800130103")
    assert "8613800130004" not in page


def test_a_reply_makes_its_chat_the_newest(api: Api, send: Api, browse: Browse, clock: Clock) -> None:
    for to in ("+8613800138000", "+447700900123"):
        clock.move(seconds=1)
        send(to=to)
    api("POST", CHAT, {"text": "two\nlines"})
    page = browse("/phone/").text
    assert page.index("+86 138") < page.index("+44 7700")
    assert "two lines" in page


def test_a_chat_shows_its_newest_messages_and_counts_the_others(send: Api, browse: Browse) -> None:
    for _ in range(SHOWN_MESSAGES + 2):
        send()
    page = browse(CHAT).text
    assert page.count("<article") == SHOWN_MESSAGES
    assert "2 older messages are not shown" in page


# what is sought: (status, what the page shows or where it leads)
SOUGHT = {
    "8613": (200, "+86 138 0013 8000"),
    "+86 138 0013 8000": (200, "+86 138 0013 8000"),
    "US.13": (200, BSUID),
    "us.13": (200, "No chat with"),
    "447700900123": (303, "/phone/447700900123"),
    "+44 7700 900123": (303, "/phone/447700900123"),
    "US.77": (303, "/phone/US.77"),
}


@pytest.mark.parametrize("sought", SOUGHT)
def test_a_chat_is_found_by_its_number_or_opened(sought: str, send: Api, browse: Browse) -> None:
    send()
    send(to=None, recipient=BSUID)
    status, expected = SOUGHT[sought]
    page = browse(f"/phone/?q={sought.replace('+', '%2B').replace(' ', '+')}")
    assert page.status == status
    assert expected in (page.headers["Location"] if status == 303 else page.text)


def test_nothing_found_says_what_to_do(send: Api, browse: Browse) -> None:
    send()
    page = browse("/phone/?q=77").text
    assert "No chat with “77”" in page
    assert "opens its chat" in page


def test_a_forgotten_journal_leaves_empty_phones(api: Api, send: Api, browse: Browse) -> None:
    send()
    api("POST", CHAT, {"text": "STOP"})
    api("DELETE", "/sandbox/accepted")
    assert "No messages yet" in browse("/phone/").text
    assert "Nobody has written to this phone yet" in browse(CHAT).text


def test_a_message_keeps_the_template_it_was_sent_with(api: Api, send: Api, browse: Browse) -> None:
    send()
    (template,) = [
        one
        for one in api("GET", "/sandbox/templates")[1]["data"]
        if (one["name"], one["language"]) == ("ordertimeoutnotification", "en_US")
    ]
    changed = {**template, "status": "PAUSED", "components": [{"type": "BODY", "text": "Something else"}]}
    assert api("POST", "/sandbox/templates", changed)[0] == 201
    assert "Hi Ada, the T Shirt in your order" in browse(CHAT).text


def test_the_list_has_its_address_with_a_slash(browse: Browse) -> None:
    page = browse("/phone")
    assert (page.status, page.headers["Location"]) == (301, "/phone/")

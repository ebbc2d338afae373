"""The phone page as a person has it before them: Chromium, a sandbox, a webhook."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from tests.browser.watching import ADA, Phone, Webhook

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

BLUE = "rgb(22, 118, 201)"
PAYLOAD = {
    "type": "button",
    "sub_type": "quick_reply",
    "index": "0",
    "parameters": [{"type": "payload", "payload": "button 0 clicked"}],
}
IMAGE = {"type": "header", "parameters": [{"type": "image", "image": {"link": "https://example.com/sale.jpg"}}]}


def test_the_ticks_turn_blue_while_one_looks(start: Callable[..., Phone], page: "Page") -> None:
    phone = start("--sent-after", "0.2", "--delivered-after", "2.2", "--read-after", "4.2")
    page.goto(phone.chat())
    page.get_by_text("Nobody has written to this phone yet").wait_for()
    phone.send("Ada", "T Shirt")
    page.get_by_text("Hi Ada, the T Shirt in your order is not paid yet.").wait_for()
    for status in ("sent", "delivered", "read"):
        page.locator(f".received .ticks.{status}").wait_for()
    ticks = page.locator(".received .ticks")
    assert (ticks.get_attribute("aria-label") or "").startswith("read ")
    assert ticks.evaluate("ticks => getComputedStyle(ticks).color") == BLUE
    assert page.get_by_text("Nobody has written").count() == 0


def test_a_tap_reaches_the_webhook_and_comes_back_as_a_bubble(phone: Phone, webhook: Webhook, page: "Page") -> None:
    wamid = phone.send("Ada", "T Shirt", more=[PAYLOAD])
    page.goto(phone.chat())
    page.get_by_role("button", name="Pay now").click()
    (told,) = webhook.messages(1)
    assert told["contacts"][0]["wa_id"] == ADA
    assert told["messages"][0]["button"] == {"payload": "button 0 clicked", "text": "Pay now"}
    assert told["messages"][0]["context"] == {"from": "15550783881", "id": wamid}
    reply = page.locator(".own", has_text="Pay now")
    reply.locator(".ticks.taken").wait_for()
    assert "Hi Ada" in reply.locator(".quoted").inner_text()
    assert _is_right_of_the_middle(page, ".own")
    page.get_by_role("button", name="Pay now (tapped)").wait_for()


def test_stop_is_typed_and_sent_with_enter(phone: Phone, webhook: Webhook, page: "Page") -> None:
    phone.send("Ada", "T Shirt")
    page.goto(phone.chat())
    page.get_by_label("Reply as this person").fill("STOP")
    page.keyboard.press("Enter")
    page.locator(".own", has_text="STOP").locator(".ticks.taken").wait_for()
    (told,) = webhook.messages(1)
    assert (told["messages"][0]["type"], told["messages"][0]["text"]) == ("text", {"body": "STOP"})
    assert page.get_by_label("Reply as this person").input_value() == ""
    assert page.url == phone.chat()


def test_a_refused_reply_says_why_and_keeps_what_was_typed(phone: Phone, page: "Page", webhook: Webhook) -> None:
    phone.send("Ada", "T Shirt")
    page.goto(phone.chat())
    reply = page.get_by_label("Reply as this person")
    reply.fill("   ")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("alert").get_by_text("at least one character").wait_for()
    assert reply.input_value() == "   "
    reply.fill("Hello")
    page.get_by_role("button", name="Send").click()
    assert webhook.messages(1)[0]["messages"][0]["text"] == {"body": "Hello"}
    page.get_by_role("alert").wait_for(state="hidden")


def test_news_leave_the_reader_where_they_are(phone: Phone, page: "Page") -> None:
    for number in range(12):
        phone.send("Ada", f"Shirt {number}")
    page.goto(phone.chat())
    assert page.get_by_text("Shirt 11").is_visible()
    reply = page.get_by_label("Reply as this person")
    reply.press_sequentially("Half a sen")
    page.locator(".scroll").evaluate("scroll => scroll.scrollTop -= 500")
    before = _top_of(page, "Shirt 5")
    phone.send("Ada", "Shirt 12")
    page.get_by_text("Shirt 12").wait_for(state="attached")
    assert abs(_top_of(page, "Shirt 5") - before) < 2
    reply.press_sequentially("tence")
    assert reply.input_value() == "Half a sentence"


def test_who_reads_the_newest_message_sees_the_next_one(phone: Phone, page: "Page") -> None:
    for number in range(12):
        phone.send("Ada", f"Shirt {number}")
    page.goto(phone.chat())
    phone.send("Ada", "Shirt 12")
    page.get_by_text("Shirt 12").wait_for()
    box = page.get_by_text("Shirt 12").bounding_box()
    assert box is not None
    assert 0 < box["y"] < 844


def test_the_list_leads_to_a_chat_by_keyboard_alone(phone: Phone, page: "Page", webhook: Webhook) -> None:
    phone.send("Ada", "20 %", template="season_sale", more=[IMAGE])
    page.goto(f"{phone.url}/phone/")
    page.get_by_label("Find a chat, or open a number").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url(phone.chat())
    for _ in range(4):  # back, the messages, the first button, the second
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert webhook.messages(1)[0]["messages"][0]["button"]["text"] == "Stop promotions"
    page.get_by_role("button", name="Stop promotions (tapped)").wait_for()
    assert page.evaluate("document.activeElement.textContent.trim()").startswith("Stop promotions")


def test_the_list_takes_over_what_is_new(phone: Phone, page: "Page") -> None:
    page.goto(f"{phone.url}/phone/")
    page.get_by_text("No messages yet").wait_for()
    for to in (ADA, "447700900123"):
        phone.send("Ada", "T Shirt", to=to)
    page.locator(".line", has_text="+44 7700 900123").locator(".ticks.read").wait_for()
    page.locator(".line", has_text="+86 138 0013 8000").locator(".ticks.read").wait_for()
    assert page.locator(".who").all_inner_texts() == ["+44 7700 900123", "+86 138 0013 8000"]
    page.get_by_label("Find a chat, or open a number").fill("8613")
    page.keyboard.press("Enter")
    page.wait_for_url("**/phone/?q=8613")
    assert page.locator(".who").all_inner_texts() == ["+86 138 0013 8000"]


def test_times_are_those_of_the_readers_zone(phone: Phone, visit: Callable[..., "Page"]) -> None:
    phone.send("Ada", "T Shirt")
    page = visit(timezone_id="Asia/Kathmandu")  # 5:45 ahead of UTC
    page.goto(phone.chat())
    time = page.locator(".moment time")
    at = datetime.fromisoformat(time.get_attribute("datetime") or "").astimezone(ZoneInfo("Asia/Kathmandu"))
    assert time.inner_text() == f"{at:%H:%M}"
    assert page.locator(".day:visible").inner_text() == "Today"


def test_it_is_dark_where_that_is_wanted(phone: Phone, visit: Callable[..., "Page"]) -> None:
    phone.send("Ada", "T Shirt")
    for scheme, is_dark in (("light", False), ("dark", True)):
        page = visit(color_scheme=scheme)
        page.goto(phone.chat())
        for selector in ("html", ".bar", ".received"):
            assert _is_dark(page, selector) is is_dark


@pytest.mark.parametrize("width", [320, 375, 1280])
def test_nothing_is_wider_than_the_screen(width: int, phone: Phone, visit: Callable[..., "Page"]) -> None:
    page = visit(viewport={"width": width, "height": 700})
    for path in ("/phone/", "/phone/447700900123"):
        page.goto(phone.url + path)
        assert not _overflows(page)
    phone.send("A" * 200, "20 %", template="season_sale", more=[IMAGE])
    for path in ("/phone/", f"/phone/{ADA}"):
        page.goto(phone.url + path)
        page.get_by_text("AAAA").wait_for()
        assert not _overflows(page)
    if width < 400:
        assert page.locator(".phone").evaluate("phone => phone.getBoundingClientRect().width") == width


def test_it_works_without_javascript(phone: Phone, webhook: Webhook, visit: Callable[..., "Page"]) -> None:
    page = visit(java_script_enabled=False)
    phone.send("Ada", "T Shirt", more=[PAYLOAD])
    page.goto(f"{phone.url}/phone/")
    page.get_by_role("link", name="+86 138 0013 8000").click()
    page.get_by_role("button", name="Pay now").click()
    page.locator(".own", has_text="Pay now").wait_for()
    page.get_by_label("Reply as this person").fill("STOP")
    page.get_by_role("button", name="Send").click()
    page.locator(".own", has_text="STOP").wait_for()
    assert [told["messages"][0]["type"] for told in webhook.messages(2)] == ["button", "text"]
    page.get_by_role("link", name="Reload").click()
    page.locator(".own", has_text="STOP").locator(".ticks.taken").wait_for()
    box = page.locator(".own", has_text="STOP").bounding_box()
    assert box is not None
    assert 0 < box["y"] < 844


def test_markup_in_a_message_is_text(phone: Phone, page: "Page") -> None:
    phone.send("<img src=x onerror=alert(1)>", "<b>T Shirt</b>")
    page.goto(phone.chat())
    page.get_by_text("Hi <img src=x onerror=alert(1)>, the <b>T Shirt</b> in your order").wait_for()
    assert page.locator(".text img, .text b").count() == 0


def test_a_failed_message_says_so_in_red(phone: Phone, page: "Page") -> None:
    phone.fault(kind="fails", code=131026)
    phone.send("Ada", "T Shirt")
    page.goto(phone.chat())
    page.locator(".received .ticks.failed").wait_for()
    page.get_by_text("131026 Message undeliverable").wait_for()
    assert page.get_by_role("button", name="Pay now").is_disabled()


def test_a_sandbox_that_is_gone_is_noticed(phone: Phone, page: "Page") -> None:
    phone.send("Ada", "T Shirt")
    page.goto(phone.chat())
    phone.stop()
    page.get_by_text("No answer, trying again").wait_for()
    page.get_by_label("Reply as this person").fill("STOP")
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("Not sent: the sandbox does not answer").wait_for()
    assert page.get_by_label("Reply as this person").input_value() == "STOP"


def _is_dark(page: "Page", selector: str) -> bool:
    colour: str = page.locator(selector).first.evaluate("one => getComputedStyle(one).backgroundColor")
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")) < 3 * 128


def _is_right_of_the_middle(page: "Page", selector: str) -> bool:
    box = page.locator(selector).bounding_box()
    return box is not None and box["x"] + box["width"] / 2 > 390 / 2


def _overflows(page: "Page") -> Any:
    return page.evaluate("document.scrollingElement.scrollWidth > innerWidth")


def _top_of(page: "Page", text: str) -> float:
    top: float = page.get_by_text(text).evaluate("one => one.getBoundingClientRect().top")
    return top

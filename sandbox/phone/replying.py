"""What a person does on their phone: a Draft to be sent, or a Refusal that says why not. Pure.

They type, or they tap a button: the one of `wamid`, or without it that of the newest message that has such a one.

    {"text": "STOP"}
    {"button": 0}
    {"button": 0, "wamid": "wamid.…"}

A form has the same fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.inbound import Draft, Tap
from sandbox.phone.chats import Chat, Received
from sandbox.phone.render import Button

LIMIT = 4096  # characters of a text, WhatsApp's limit
EXAMPLE = 'such as {"text": "STOP"} or {"button": 0}'


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing is sent: the HTTP status, and a sentence for the person."""

    status: int
    sentence: str


TOO_LONG = Refusal(400, f"A reply has at most {LIMIT} characters.")


def draft(chat: Chat, given: object) -> Draft | Refusal:
    """What the person sends. 400: it is no reply · 404: there is no such message · 409: there is nothing to reply to."""
    if not isinstance(given, dict):
        return Refusal(400, f"A reply is a JSON object, {EXAMPLE}.")
    if ("text" in given) == ("button" in given):
        return Refusal(400, f"A reply has either text or button, {EXAMPLE}.")
    if not chat.received:
        return Refusal(409, "Nobody has written to this phone yet, so there is nobody to reply to.")
    return _typed(chat, given["text"]) if "text" in given else _tapped(chat, given)


def _typed(chat: Chat, text: object) -> Draft | Refusal:
    if not isinstance(text, str):
        return Refusal(400, "text must be a string.")
    text = text.replace("\r\n", "\n").strip()
    if not text:
        return Refusal(400, "A reply needs at least one character.")
    if len(text) > LIMIT:
        return TOO_LONG
    return Draft(chat.who, chat.received[-1].phone_number_id, text)


def _tapped(chat: Chat, given: Mapping[str, object]) -> Draft | Refusal:
    index, wamid = _index(given["button"]), given.get("wamid")
    if index is None:
        return Refusal(400, "button must be a whole number: 0 for the first button.")
    received = [one for one in chat.received if wamid is None or wamid == one.wamid]
    if not received:
        return Refusal(404, "There is no such message in this chat; it may have been forgotten.")
    buttons = [(one, button) for one in received for button in one.bubble.buttons if button.index == index]
    replies = [(one, button) for one, button in buttons if button.kind == "QUICK_REPLY"]
    if not replies:
        return _no_such_button(index, [button for _, button in buttons])
    return _tap(chat, *replies[-1])


def _tap(chat: Chat, received: Received, button: Button) -> Draft | Refusal:
    if received.progress.failure is not None:
        return Refusal(409, f"The message never reached this phone: {received.progress.reason}.")
    return Draft(chat.who, received.phone_number_id, button.label, Tap(received.wamid, button.index, button.value))


def _no_such_button(index: int, others: list[Button]) -> Refusal:
    if others:
        kind = others[-1].kind.replace("_", " ").lower()
        return Refusal(409, f"Button {index} is a {kind} button: only a tap on a quick reply is told to the business.")
    return Refusal(409, f"No message here has a button {index}; the first one is 0.")


def _index(given: object) -> int | None:
    """A form sends it as text."""
    if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) < 3:
        return int(given)
    return given if isinstance(given, int) and not isinstance(given, bool) and given >= 0 else None

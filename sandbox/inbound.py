"""What a person sends to the business, and what Meta tells of it in a notification. Pure.

Source: Meta's webhook reference (`messages`), read in November 2026. A tap on a template's quick reply comes as type
`button` under the payload that was sent with the template, or else the button's label.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.cloud_api import DISPLAY_PHONE_NUMBER, WABA_ID

PROFILE_NAME = "Sandbox phone"


@dataclass(frozen=True, slots=True)
class Tap:
    """A tap on the quick-reply button `index` of the message `wamid`."""

    wamid: str
    index: int
    payload: str


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person is about to send: typed, or with `tap` the label of a button. `sender` is as `Message.to`."""

    sender: str
    phone_number_id: str
    text: str
    tap: Tap | None = None


@dataclass(frozen=True, slots=True)
class Inbound:
    """A draft that was sent to a number of the account `waba_id`, under the wamid that names it from now on."""

    draft: Draft
    wamid: str
    at: datetime
    waba_id: str = WABA_ID

    def contact(self) -> dict[str, Any]:
        """Who sent it, as it stands in `contacts`."""
        return {"profile": {"name": PROFILE_NAME}, **self._named("wa_id", "user_id")}

    def as_json(self) -> dict[str, Any]:
        """The item of `messages`."""
        facts = {
            **self._named("from", "from_user_id"),
            "id": self.wamid,
            "timestamp": str(int(self.at.timestamp())),
        }
        tap = self.draft.tap
        if tap is None:
            return {**facts, "type": "text", "text": {"body": self.draft.text}}
        button = {"payload": tap.payload, "text": self.draft.text}
        return {
            **facts,
            "type": "button",
            "button": button,
            "context": {"from": DISPLAY_PHONE_NUMBER, "id": tap.wamid},
        }

    def _named(self, by_number: str, by_user_id: str) -> dict[str, str]:
        """The sender under the one key or the other; the one that does not apply is left out, not empty."""
        sender = self.draft.sender
        return {by_number: sender[1:]} if sender.startswith("+") else {by_user_id: sender}

"""The vocabulary of what people tell us: that they want no messages, and what they answer. Imports nothing of the project."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Blocked(StrEnum):
    """What a suppression keeps from a person: marketing templates, or everything but authentication codes."""

    MARKETING = "marketing"
    ALL = "all"


class SuppressionSource(StrEnum):
    """Who told that a person wants no messages. What the person's own word made, the person's own word lifts."""

    STOP_REPLY = "stop_reply"
    USER_PREFERENCES = "user_preferences"
    ERROR_131050 = "error_131050"
    OPERATOR = "operator"
    IMPORT = "import"


@dataclass(frozen=True, slots=True)
class Suppression:
    """Somebody who must not get messages (G8). `to` is as in a Message; `since` is when the person or the operator said so."""

    to: str
    blocked: Blocked
    source: SuppressionSource
    since: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Inbound:
    """What a person wrote to a number of ours, or which button they tapped, at Meta's time.

    `sender` is E.164, or the user id of somebody whose number Meta does not tell. `kind` is Meta's (`text`, `button`, `image`
    …), `payload` what our template gave to the button. `answers` is the wamid of the message of ours that it answers.
    """

    wamid: str
    phone_number_id: str
    sender: str
    kind: str
    at: datetime
    user_id: str | None = None
    text: str | None = None
    payload: str | None = None
    answers: str | None = None

"""A message before it has a recipient: which template, in which language, with what content, how urgent, for how long.

Pinpoint's `Data` spells one out or names one of the settings' (`[messages.<name>]`); a Connect journey's action names one.
The types of the fields are the same in both places.
"""

import json
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from service.intake.personalise import Content
from service.message import Priority

TemplateName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=512,
        pattern=r"^[^\s\p{C}]*$",
        description="the template's name as WhatsApp Manager shows it, such as order_update",
    ),
]
Language = Annotated[
    str | None, Field(pattern=r"^(auto|[A-Za-z]{2,3}(_[A-Za-z0-9]{2,8}){0,3})$", description="en_US, or auto")
]
Seconds = Annotated[
    int | None, Field(gt=0, le=30 * 86400, description="seconds until the message is no longer worth sending")
]
Urgency = Annotated[Literal["high", "normal"] | None, Field(description="high or normal")]
MessageName = Annotated[
    str, Field(min_length=1, max_length=256, description="the name of a [messages.<name>] in the settings file")
]


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be sent, to be filled for each recipient. None is the settings' default."""

    template: str
    content: Content
    language: str | None = None
    priority: Priority | None = None
    time_to_live: timedelta | None = None

    def but(self, language: Language, urgency: Urgency, seconds: Seconds) -> "Draft":
        """The same with what is given here in place of its own."""
        return replace(
            self,
            language=language or self.language,
            priority=Priority[urgency.upper()] if urgency else self.priority,
            time_to_live=timedelta(seconds=seconds) if seconds else self.time_to_live,
        )


def table(*names: str) -> str:
    """The head of a table, as the settings file has to write it."""
    keys = (name if re.fullmatch("[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False) for name in names)
    return f"[{'.'.join(keys)}]"

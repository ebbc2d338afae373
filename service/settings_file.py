"""The tables of the settings file: more numbers, named messages, where a Connect profile's address is, who stops messages.

Others are ignored.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from service.intake.draft import Language, Seconds, TemplateName, Urgency, table
from service.intake.personalise import Content, InvalidParams
from service.intake.rules import ADDRESS_FIELDS
from service.message import Door
from service.people import Blocked
from service.whatsapp.inbound import START_WORDS, STOP_WORDS, folded


def _is_phone_number_id(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,64}", text):
        raise ValueError("give the id that WhatsApp Manager shows for the number, digits only")
    return text


PhoneNumberId = Annotated[str, AfterValidator(_is_phone_number_id)]


class NumberSettings(BaseModel):
    """One `[numbers.<phone_number_id>]` of the settings file.

    Numbers of the same `portfolio` share Meta's daily limit. `door` is the call for templates of unknown category, and with
    `marketing_messages` for marketing ones; `product_policy` and `message_activity_sharing` go along with those.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    secret_arn: str | None = None
    waba_id: str | None = None
    messages_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    applications: tuple[str, ...] = ()
    portfolio: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=512)] = "default"
    daily_recipient_limit: Annotated[int, Field(gt=0)] | None = None
    door: Door = Door.MESSAGES
    product_policy: Literal["CLOUD_API_FALLBACK", "STRICT"] | None = None
    message_activity_sharing: bool | None = None


def _content(params: object) -> Content:
    try:
        return Content(params)
    except InvalidParams as error:
        raise ValueError(f"at {error.path}: {error.detail}" if error.path else error.detail) from error
    except TypeError as error:
        raise ValueError("there is a date or a time in it; write it as a string") from error


class MessageSettings(BaseModel):
    """One `[messages.<name>]` of the settings file: what an event may name instead of spelling it out."""

    model_config = ConfigDict(frozen=True, extra="ignore", arbitrary_types_allowed=True)

    template: TemplateName
    language: Language = None
    params: Annotated[Content, BeforeValidator(_content)] = Content(None)
    priority: Urgency = None
    ttl_seconds: Seconds = None


class ConnectSettings(BaseModel):
    """The `[connect]` of the settings file: which fields of a profile may hold its address, in order of preference."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    address_fields: Annotated[
        tuple[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)], ...], Field(min_length=1)
    ] = ADDRESS_FIELDS


def _is_a_word(text: str) -> str:
    if not folded(text):
        raise ValueError("there is no letter and no digit in it")
    return text


ConsentWord = Annotated[str, StringConstraints(max_length=200), AfterValidator(_is_a_word)]


class ConsentSettings(BaseModel):
    """The `[consent]` of the settings file: which replies stop and start messages, and which messages a stop keeps away.

    Words that are given take the place of all that come along (`whatsapp/inbound.py`). `all` leaves authentication codes.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    stop_words: Annotated[tuple[ConsentWord, ...], Field(min_length=1)] = STOP_WORDS
    start_words: tuple[ConsentWord, ...] = START_WORDS
    stop_blocks: Blocked = Blocked.ALL

    @model_validator(mode="after")
    def _each_word_means_one_thing(self) -> "ConsentSettings":
        both = {folded(word) for word in self.stop_words} & {folded(word) for word in self.start_words}
        if both:
            raise ValueError(f"{', '.join(sorted(both))}: among stop_words and start_words; keep one")
        return self


TABLES: dict[str, type[BaseModel]] = {
    "numbers": NumberSettings,
    "messages": MessageSettings,
    "connect": ConnectSettings,
    "consent": ConsentSettings,
}
_ONE_EACH = {"numbers", "messages"}
"""What has a table per name: `[messages.<name>]`."""


def in_its_table(message: str, name: str, place: list[str]) -> str:
    """What is wrong at a place in the file, the table first, with what is wanted there."""
    depth = 1 if name in _ONE_EACH else 0
    within = place[depth:]
    field = TABLES[name].model_fields.get(within[0]) if within else None
    wanted = f" ({field.description})" if field and field.description else ""
    return ": ".join([table(name, *place[:depth]), *within, f"{message}{wanted}"])

"""The people whose phones these are: a number in E.164 with `+`, or a business-scoped user id, as in `Message.to`. Pure."""

import zlib
from functools import lru_cache

import phonenumbers

from sandbox.cloud_api import BSUID, PHONE_NUMBER, PUNCTUATION

HUES = 6  # .hue-0 … of the style sheet


def parse_who(given: str) -> str:
    """The person meant, "" when it is neither a number with its country code (`+` may be missing) nor a user id."""
    given = given.strip()
    if BSUID.fullmatch(given):
        return given
    number = "+" + given.translate(PUNCTUATION).removeprefix("+")
    return number if PHONE_NUMBER.fullmatch(number) else ""


def path_of(who: str) -> str:
    """The person in the address of their chat: digits, or the user id."""
    return who.removeprefix("+")


def hue_of(who: str) -> int:
    """The colour of the person's picture, always the same."""
    return zlib.crc32(who.encode()) % HUES


@lru_cache(maxsize=1000)
def as_read(who: str) -> str:
    """The person as people read it: +86 138 0013 8000."""
    try:
        number = phonenumbers.parse(who)
    except phonenumbers.NumberParseException:
        return who
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)

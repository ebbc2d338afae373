"""The address of a recipient: any usual way of writing a number → E.164 with `+`, or a business-scoped user id as it is."""

import re

import phonenumbers

from service.intake.personalise import as_text

_WRITTEN_NUMBER = re.compile(r"\+?[0-9][0-9 ()./-]*")
_USER_ID = re.compile(r"[A-Z]{2}\.(ENT\.)?[0-9A-Za-z]{1,128}")
"""Meta, business-scoped user ids, read 2026-02-18: a country code, for a parent id `ENT`, then up to 128 alphanumerics."""

HOW_TO_MEND = (
    "is no phone number that WhatsApp could know; write it in international form with the country code, "
    "such as +8613800138000, or give a business-scoped user id such as US.13491208655302741918"
)


def parse_address(written: object) -> str | None:
    """Return what the Cloud API takes as `to` or `recipient`, or None where `written` cannot be an address.

    A number may come with or without `+` (the walk-through's endpoints have none), but always with its country code. Only
    its possible length is judged: numbering plans change faster than any table, and Meta decides in the end.
    """
    text = as_text(written)
    if text is None:
        return None
    text = text.strip()
    if _USER_ID.fullmatch(text):
        return text
    if not _WRITTEN_NUMBER.fullmatch(text):
        return None
    try:
        number = phonenumbers.parse("+" + re.sub(r"[^0-9]", "", text))
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


_COUNTRIES = {
    str(code): regions[0] for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items() if len(regions) == 1
}
"""The country of each country code that only one has: its numbers need not be read again. No code begins another."""


def is_user_id(address: str) -> bool:
    """Whether a parsed address is a business-scoped user id, which goes to `recipient` instead of `to`."""
    return not address.startswith("+")


def country_of(address: str) -> str | None:
    """The country of a parsed address (ISO 3166, `CN`), as far as its number or user id tells."""
    if is_user_id(address):
        return address[:2]
    region = next((_COUNTRIES[code] for code in (address[1:2], address[1:3], address[1:4]) if code in _COUNTRIES), None)
    if region is None:
        region = phonenumbers.region_code_for_number(phonenumbers.parse(address))
    return region if region and len(region) == 2 and region.isalpha() else None


_BRAZIL = re.compile(r"\+55([1-9][1-9])(9?)([6-9][0-9]{7})")
_MEXICO = re.compile(r"\+52(1?)([2-9][0-9]{9})")
_ARGENTINA = re.compile(r"\+54(9?)([1-8][0-9]{9})")


def variants(address: str) -> tuple[str, ...]:
    """Every way in which WhatsApp may write the number of this person, the given one first.

    Meta answers with another `wa_id` than was dialled for mobile numbers of Brazil (a 9 after the area code), Mexico (a 1
    after the country code) and Argentina (a 9 there), which the countries added or dropped while accounts kept theirs.
    """
    other = None
    if match := _BRAZIL.fullmatch(address):
        other = f"+55{match[1]}{'' if match[2] else '9'}{match[3]}"
    elif match := _MEXICO.fullmatch(address):
        other = f"+52{'' if match[1] else '1'}{match[2]}"
    elif match := _ARGENTINA.fullmatch(address):
        other = f"+54{'' if match[1] else '9'}{match[2]}"
    return (address, other) if other else (address,)


def mask(address: str) -> str:
    """The address as it may be shown to anyone: `+8613800138000` → `+86••••••••000`."""
    if is_user_id(address):
        return f"{address[:3]}••••"
    return f"{address[:3]}{'•' * max(0, len(address) - 6)}{address[-3:]}"

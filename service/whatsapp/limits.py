"""What Meta says of a number: `GET /{phone_number_id}?fields=…` → NumberFacts, and the limits in it → Limits. Pure.

Meta's number node, throughput and messaging limits pages, read 2026-11: STANDARD is 80 messages a second, HIGH 1,000; the tiers
are different people in 24 hours, for the whole business portfolio.
"""

import json
import re
from dataclasses import dataclass

from service.message import NumberFacts
from service.whatsapp.answer import read_words

FIELDS = "throughput,whatsapp_business_manager_messaging_limit"
"""The limits."""
ALL_FIELDS = f"verified_name,display_phone_number,quality_rating,status,{FIELDS}"

PER_SECOND = {"STANDARD": 80.0, "HIGH": 1000.0}
_TIER = re.compile(r"TIER_([0-9]{1,6})(K?)")
UNLIMITED = "TIER_UNLIMITED"


@dataclass(frozen=True, slots=True)
class Limits:
    """Messages a second and different people a day, each None where Meta did not say; `unlimited`: any number of people."""

    per_second: float | None = None
    people_a_day: int | None = None
    unlimited: bool = False


def parse_number(body: bytes) -> NumberFacts | None:
    """Read what can be read, in lengths that can be kept; None where it is no answer at all. Never raises."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or "error" in document:
        return None
    throughput = document.get("throughput")
    return NumberFacts(
        verified_name=read_words(document.get("verified_name"), 100),
        display_phone_number=read_words(document.get("display_phone_number"), 40),
        quality=read_words(document.get("quality_rating"), 30),
        status=read_words(document.get("status"), 30),
        throughput=read_words(throughput.get("level"), 30) if isinstance(throughput, dict) else None,
        tier=read_words(document.get("whatsapp_business_manager_messaging_limit"), 40),
    )


def limits_of(facts: NumberFacts) -> Limits:
    """The limits that Meta's words name; a word that is not known says nothing."""
    match = _TIER.fullmatch(facts.tier or "")
    return Limits(
        per_second=PER_SECOND.get(facts.throughput or ""),
        people_a_day=int(match[1]) * (1000 if match[2] else 1) if match else None,
        unlimited=facts.tier == UNLIMITED,
    )


def parse_limits(body: bytes) -> Limits:
    """Read what can be read; never raises."""
    return limits_of(parse_number(body) or NumberFacts())

"""What Meta says of a number's limits: `GET /{phone_number_id}?fields=…` → Limits. Pure.

Meta, throughput and messaging limits pages, read 2026-11: STANDARD is 80 messages a second, HIGH 1,000; the tiers are different
people in 24 hours, for the whole business portfolio.
"""

import json
import re
from dataclasses import dataclass

FIELDS = "throughput,whatsapp_business_manager_messaging_limit"

_PER_SECOND = {"STANDARD": 80.0, "HIGH": 1000.0}
_TIER = re.compile(r"TIER_([0-9]{1,6})(K?)")
UNLIMITED = "TIER_UNLIMITED"


@dataclass(frozen=True, slots=True)
class Limits:
    """Messages a second and different people a day, each None where Meta did not say; `unlimited`: any number of people."""

    per_second: float | None = None
    people_a_day: int | None = None
    unlimited: bool = False


def parse_limits(body: bytes) -> Limits:
    """Read what can be read; never raises."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return Limits()
    if not isinstance(document, dict):
        return Limits()
    throughput = document.get("throughput")
    level = throughput.get("level") if isinstance(throughput, dict) else None
    tier = document.get("whatsapp_business_manager_messaging_limit")
    match = _TIER.fullmatch(tier) if isinstance(tier, str) else None
    return Limits(
        per_second=_PER_SECOND.get(level) if isinstance(level, str) else None,
        people_a_day=int(match[1]) * (1000 if match[2] else 1) if match else None,
        unlimited=tier == UNLIMITED,
    )

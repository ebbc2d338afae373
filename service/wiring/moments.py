"""The clock, ids: what no other module takes from the machine."""

import secrets as randomness
import time
from datetime import UTC, datetime


def now() -> datetime:
    """The wall clock, aware UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds that also pass while the machine is suspended, where the system can tell."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def new_id() -> str:
    """32 hex digits that sort by time (the layout of a UUIDv7): neighbours in time are neighbours in the index."""
    milliseconds = time.time_ns() // 1_000_000
    bits = (milliseconds << 80) | randomness.randbits(80)
    bits = bits & ~(0xF << 76) | (0x7 << 76)
    bits = bits & ~(0x3 << 62) | (0x2 << 62)
    return f"{bits:032x}"

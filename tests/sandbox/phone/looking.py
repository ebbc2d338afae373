"""What the phone's suite looks with: a page as it came, and a clock that stands still."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

ADA, BSUID = "8613800138000", "US.13491208655302741918"
CHAT = f"/phone/{ADA}"


@dataclass(frozen=True, slots=True)
class Page:
    """An answer to a browser."""

    status: int
    headers: Mapping[str, str]
    text: str


class Clock:
    """The sandbox's clock; it stands still until a test moves it."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def move(self, **span: float) -> None:
        self.moment += timedelta(**span)

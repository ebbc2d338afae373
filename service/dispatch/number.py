"""A phone number to send from, and what a dispatcher goes by."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.message import Door, Scope
from service.outbox.outbox import PauseKey, Portfolio
from service.secrets import Source
from service.whatsapp.payload import PLAIN, Marketing

TOKEN_RECHECK = timedelta(minutes=1)
DEFAULT_PER_SECOND = 80.0
"""Meta's limit for a number, as long as nobody says another (throughput page, read 2026-11)."""


@dataclass(frozen=True, slots=True)
class Number:
    """A phone number to send from.

    `per_second` is Meta's limit for it, None where Meta is asked; `share` the part of it that is used. `door` takes its
    marketing templates, and all others while nobody knows their category. `portfolio` is whose daily limit counts.
    """

    phone_number_id: str
    per_second: float | None
    credentials: Source
    share: float = 1.0
    waba_id: str | None = None
    portfolio: Portfolio | None = None
    door: Door = Door.MESSAGES
    marketing: Marketing = PLAIN

    @property
    def paced_at(self) -> float:
        """Messages a second, as far as the settings tell."""
        return (self.per_second or DEFAULT_PER_SECOND) * self.share

    @property
    def scopes(self) -> list[PauseKey]:
        """What its messages wait for as a whole, besides the number itself."""
        token = (Scope.TOKEN, self.credentials.name)
        return [token, (Scope.WABA, self.waba_id)] if self.waba_id else [token]


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` is aware UTC; `monotonic` counts seconds, frozen and suspended time included."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Policy:
    """How often a message is tried, how long Meta may take to tell what became of a request, how soon a token is looked at."""

    max_tries: int
    grace: timedelta
    token_recheck: timedelta = TOKEN_RECHECK

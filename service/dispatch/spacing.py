"""When the next message to one recipient may go (G6). Pure; times are seconds of one monotonic clock.

Meta lets a number send the same person one message in six seconds, and up to 45 at once, borrowed from the time to come
(platform overview, pair rate limit, December 2025). Each recipient has a debt that melts away by itself; whoever owes too
much is barred until enough of it has melted.
"""

from collections.abc import Iterable

EVERY_SECONDS = 6.0
BURST = 44
"""One less than Meta's: two requests may arrive closer together than they left."""
REMEMBERED_SECONDS = EVERY_SECONDS * (BURST + 1)
"""What was sent longer ago than this owes nothing by itself …"""
BUSY_SECONDS = 3600.0
"""… but whoever was kept busy ever since does; so far is looked back for them."""
LONGEST_SECONDS = 3600.0
CALM_SECONDS = 600.0
"""After so long without another refusal (131056) the waits begin at one second again."""


class Spacing:
    """The debts of one number's recipients, in memory; rebuilt from the recent attempts at a take-over."""

    def __init__(self) -> None:
        self._free_at: dict[str, float] = {}
        self._refused: dict[str, tuple[int, float]] = {}
        self._tight: set[str] = set()

    def wait(self, to: str, now: float) -> float:
        """Seconds until this recipient may get the next message; 0 for now."""
        debt = self._free_at.get(to, now) - now - EVERY_SECONDS * (BURST - 1)
        _, not_before = self._refused.get(to, (0, now))
        return max(0.0, debt, not_before - now)

    def take(self, to: str, at: float) -> None:
        """A message goes to them at this moment."""
        self._free_at[to] = max(self._free_at.get(to, at), at) + EVERY_SECONDS
        if self.wait(to, at) > 0:
            self._tight.add(to)

    def refused(self, to: str, now: float) -> float:
        """Meta says that it was too much (131056): the seconds to wait, 4 to the power of the refusals in a row before."""
        before, not_before = self._refused.get(to, (0, now))
        seconds = min(LONGEST_SECONDS, 4.0 ** min(before, 10))
        if now >= not_before:  # others that were under way get the same answer; it is one refusal
            self._refused[to] = (before + 1, now + seconds)
            self._tight.add(to)
        return self.wait(to, now)

    def accepted(self, to: str) -> None:
        """Meta took a message to them."""
        self._refused.pop(to, None)

    def barred(self, now: float) -> list[str]:
        """Who may get nothing just now."""
        self._tight = {to for to in self._tight if self.wait(to, now) > 0}
        return list(self._tight)

    def restore(self, sends: Iterable[tuple[str, float]]) -> None:
        """Begin anew with what an earlier holder of the number sent: recipients and moments, oldest first."""
        self._free_at.clear()
        self._tight.clear()
        for to, at in sends:
            self.take(to, at)

    def forget(self, now: float) -> None:
        """Drop what no longer matters."""
        self._free_at = {to: at for to, at in self._free_at.items() if at > now}
        self._refused = {to: (n, at) for to, (n, at) in self._refused.items() if at + CALM_SECONDS > now}

"""How dispatchers share the numbers out, so that none serves two more than another. Pure; times are seconds.

Each looks at the same table now and then and moves one number at a time: whoever serves the fewest takes a free one, whoever
serves the most gives one back while somebody serves two fewer. A number that stays free for PATIENCE_SECONDS is taken by
anyone: who serves the fewest may not have it in its settings.
"""

from collections.abc import Collection, Mapping, Sequence

PATIENCE_SECONDS = 3.0
CERTAIN_SECONDS = 5.0
"""So long somebody must have served two fewer before a number is given: who has died meanwhile is no longer counted then."""
KEPT_SECONDS = 300.0
"""A number that was given and that nobody took is not given again for this long."""


class Roster:
    """One dispatcher's view of who serves what."""

    def __init__(self, holder: str) -> None:
        self.holder = holder
        self.giving: str | None = None
        self._served_by: dict[str, int] = {}
        self._served: frozenset[str] = frozenset()
        self._free_since: dict[str, float] = {}
        self._given: dict[str, float] = {}
        self._kept_until: dict[str, float] = {}
        self._looked = False
        self._uneven_since: float | None = None

    def look(
        self,
        served_by: Mapping[str, int],
        served: Collection[str],
        numbers: Sequence[str],
        mine: Sequence[str],
        now: float,
    ) -> None:
        """Take in how things stand: how many numbers each live dispatcher serves, and which are served.

        `numbers` are those of our settings, `mine` those of them that we serve.
        """
        self._served_by = {**served_by, self.holder: len(mine)}
        self._served = frozenset(served)
        for number in self._served.difference(mine):
            self._given.pop(number, None)  # somebody took it
        if len(mine) <= min(self._served_by.values()):
            self._given.clear()  # whoever could have taken it has gone
        free = [number for number in numbers if number not in self._served]
        self._free_since = {number: self._free_since.get(number, now) for number in free}
        self._looked = True
        givable = [number for number in mine if self._kept_until.get(number, now) <= now]
        since = now if self._uneven_since is None else self._uneven_since
        self._uneven_since = since if self._has_too_many() else None
        certain = self._uneven_since is not None and now - since >= CERTAIN_SECONDS
        self.giving = max(givable) if givable and certain else None

    def may_take(self, number: str, now: float) -> bool:
        """Whether we try to get this number."""
        if not self._looked or number in self._served:
            return False
        fewest = self._served_by[self.holder] <= min(self._served_by.values())
        return fewest or now - self._free_since.get(number, now) >= PATIENCE_SECONDS

    def takes(self, number: str, now: float) -> None:
        """We try to get it; until the next look it counts as ours, so that we do not grasp for all that are free."""
        self._served_by[self.holder] += 1
        self._free_since.pop(number, None)
        if self._given.pop(number, float("-inf")) > now - KEPT_SECONDS:
            self._kept_until[number] = now + KEPT_SECONDS

    def gave(self, number: str, now: float) -> None:
        """It is nobody's; for a while others have the choice."""
        self.giving = None
        self._served_by[self.holder] -= 1
        self._given[number] = self._free_since[number] = now

    def _has_too_many(self) -> bool:
        """Whether somebody serves two fewer; of several with as many, one gives."""
        count, name = max((count, name) for name, count in self._served_by.items())
        return name == self.holder and count - min(self._served_by.values()) >= 2

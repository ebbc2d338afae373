"""What news makes of an attempt and of its message: worked out from what is known of both, with nothing read or written.

An attempt keeps the first moment of each status, and its message moves only along legal edges (G5).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from service.message import MOVES, Outcome, Status, StatusUpdate

LONGEST_WAIT = timedelta(hours=1)
"""A message that fails late again and again goes again at growing distance, up to this or to what its code asks for."""

MOMENTS = {
    Status.SENT: "sent_at",
    Status.DELIVERED: "delivered_at",
    Status.READ: "read_at",
    Status.FAILED: "failed_at",
}
"""Where an attempt keeps when it came to each status; in the order in which they come."""

_ORDER = {status: place for place, status in enumerate(MOMENTS)}


@dataclass(frozen=True, slots=True)
class News:
    """What is new about one attempt: one update per status, and whether it was known to have failed before."""

    updates: Sequence[StatusUpdate]
    has_failed: bool

    @property
    def failure_code(self) -> int | None:
        """Meta's, where it failed."""
        return next((one.code for one in self.updates if one.status is Status.FAILED), None)

    def due_again(self, tries: int, now: datetime) -> datetime | None:
        """When a message goes again that failed late: it has waited at Meta already, and waits longer each time."""
        waits = [one.retry_after for one in self.updates if one.retry_after is not None]
        if not waits:
            return None
        grown: timedelta = waits[0] * 4 ** max(0, min(tries, 10) - 1)
        return now + min(grown, max(waits[0], LONGEST_WAIT))

    def furthest(self, status: Status, *, may_retry: bool) -> Status:
        """How far it takes a message that stands at `status`; an illegal move is no move.

        A message whose newest attempt has failed waits for its next one, and does so still when a late `sent` comes.
        """
        for one in sorted(self.updates, key=lambda one: _ORDER[one.status]):
            if one.retry_after is not None and may_retry and Status.QUEUED in MOVES[status] | {status}:
                return Status.QUEUED
            if one.status is Status.SENT and self.has_failed:
                continue
            if one.status in MOVES[status]:
                status = one.status
        return status


def first_of_each(updates: Iterable[StatusUpdate]) -> list[StatusUpdate]:
    """Meta repeats itself, in one notification too: the first update of each status."""
    first: dict[Status, StatusUpdate] = {}
    for one in updates:
        first.setdefault(one.status, one)
    return list(first.values())


def attempt_facts(row: Row[Any], fresh: Sequence[StatusUpdate]) -> dict[str, Any]:
    """What the attempt's row says with the news in it; Meta evidently took the request."""
    moments = {name: getattr(row, name) for name in MOMENTS.values()}
    moments |= {MOMENTS[one.status]: one.at for one in fresh}
    failure = {name: getattr(row, name) for name in ("code", "title", "details")}
    for one in fresh:
        if one.status is Status.FAILED:
            failure = {"code": one.code, "title": one.title, "details": one.details}
    taken = row.outcome in {None, Outcome.UNANSWERED.value}
    return {
        "outcome": Outcome.ACCEPTED.value if taken else row.outcome,
        "wamid": row.wamid or fresh[0].wamid,
        **failure,
        **moments,
    }

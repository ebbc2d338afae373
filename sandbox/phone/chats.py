"""The journal as chats, at a moment. Pure.

`chat` hands on one person's messages, oldest first: what was sent to them and what they sent. `chats` hands on a line per
person, newest first. How far a message is follows from its own plan, so nothing needs to be written down as time goes on.
"""

import heapq
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from sandbox.errors import title_of
from sandbox.faults import Fails
from sandbox.inbound import Inbound
from sandbox.journal import Inbox, Journal, Kept
from sandbox.notifications import Delays, plan
from sandbox.phone.render import Bubble, render

SHOWN_MESSAGES = 100
SHOWN_CHATS = 100


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a message is, since when: accepted, sent, delivered, read, failed; waiting and taken for a person's own."""

    status: str
    at: datetime
    failure: Fails | None = None

    @property
    def reason(self) -> str:
        """Meta's code and title of a failure."""
        return f"{self.failure.code} {self.failure.title or title_of(self.failure.code)}" if self.failure else ""


@dataclass(frozen=True, slots=True)
class Received:
    """A message the business sent. `tapped` are the buttons the person has tapped."""

    wamid: str
    phone_number_id: str
    at: datetime
    bubble: Bubble
    progress: Progress
    tapped: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of the person; `quoted` is the one whose button they tapped, in a line."""

    wamid: str
    at: datetime
    text: str
    progress: Progress
    quoted: str = ""


Entry: TypeAlias = Received | Sent


@dataclass(frozen=True, slots=True)
class Chat:
    """One person's chat; `older` messages before `entries` are kept but not shown."""

    who: str
    entries: tuple[Entry, ...]
    older: int = 0

    @property
    def received(self) -> list[Received]:
        """What the business sent, oldest first."""
        return [entry for entry in self.entries if isinstance(entry, Received)]


@dataclass(frozen=True, slots=True)
class Line:
    """A chat in the list, by its newest message."""

    who: str
    at: datetime
    preview: str
    progress: Progress
    is_own: bool


def progress_of(kept: Kept, delays: Delays, now: datetime) -> Progress:
    """How far the message is on the phone. A late notification does not hold the message up."""
    accepted = kept.accepted
    progress = Progress("accepted", accepted.at)
    for delay, update in plan(accepted, delays, replace(kept.course, lateness=None)):
        at = accepted.at + timedelta(seconds=delay)
        if at <= now:
            progress = Progress(update.status, at, update.failure)
    return progress


def chat(who: str, journal: Journal, delays: Delays, now: datetime) -> Chat:
    """The newest messages of one person."""
    everything = sorted((one for one in _all(journal) if _who(one) == who), key=_moment)
    newest = everything[-SHOWN_MESSAGES:]
    inbound = [one for one in everything if isinstance(one, Inbound)]
    quotable = {one.accepted.wamid: one for one in everything if isinstance(one, Kept)}
    entries = (
        _received(one, inbound, delays, now) if isinstance(one, Kept) else _sent(one, quotable, journal.inbox)
        for one in newest
    )
    return Chat(who, tuple(entries), len(everything) - len(newest))


def chats(journal: Journal, delays: Delays, now: datetime, sought: str = "") -> tuple[list[Line], int]:
    """A line per person whose number or id contains what is sought, at most SHOWN_CHATS; and how many there are in all."""
    newest: dict[str, Kept | Inbound] = {}
    for one in _all(journal):
        who = _who(one)
        if sought in who and (who not in newest or _moment(newest[who]) <= _moment(one)):
            newest[who] = one
    shown = heapq.nlargest(SHOWN_CHATS, newest.values(), key=_moment)
    return [_line(one, journal.inbox, delays, now) for one in shown], len(newest)


def _received(kept: Kept, inbound: Iterable[Inbound], delays: Delays, now: datetime) -> Received:
    accepted = kept.accepted
    taps = (one.draft.tap for one in inbound)
    tapped = frozenset(tap.index for tap in taps if tap is not None and tap.wamid == accepted.wamid)
    progress = progress_of(kept, delays, now)
    return Received(accepted.wamid, accepted.phone_number_id, accepted.at, _bubble(kept), progress, tapped)


def _sent(inbound: Inbound, quotable: dict[str, Kept], inbox: Inbox) -> Sent:
    tap = inbound.draft.tap
    kept = quotable.get(tap.wamid) if tap else None
    quoted = _bubble(kept).preview if kept else ""
    return Sent(inbound.wamid, inbound.at, inbound.draft.text, _delivery(inbound, inbox), quoted)


def _line(one: Kept | Inbound, inbox: Inbox, delays: Delays, now: datetime) -> Line:
    if isinstance(one, Kept):
        return Line(_who(one), _moment(one), _bubble(one).preview, progress_of(one, delays, now), is_own=False)
    return Line(_who(one), _moment(one), " ".join(one.draft.text.split()), _delivery(one, inbox), is_own=True)


def _delivery(inbound: Inbound, inbox: Inbox) -> Progress:
    return Progress("taken" if inbox.is_taken(inbound) else "waiting", inbound.at)


def _bubble(kept: Kept) -> Bubble:
    """The body was read once before it was accepted: it is an object with a template in it."""
    template: dict[str, Any] = json.loads(kept.body)["template"]
    return render(kept.template, template.get("components"))


def _all(journal: Journal) -> Iterator[Kept | Inbound]:
    yield from journal.latest()
    yield from journal.inbox.all()


def _who(one: Kept | Inbound) -> str:
    return one.accepted.message.to if isinstance(one, Kept) else one.draft.sender


def _moment(one: Kept | Inbound) -> datetime:
    return one.accepted.at if isinstance(one, Kept) else one.at

"""The faults that tests and people switch on, and which of them meet a request. Pure.

An effect is what goes wrong; its aspect is the part of the exchange it touches:

    delay      Latency                                          before the request is looked at
    answer     Error, Raw, Drop, Hang, NoWamid, Held            what the caller gets to see
    outcome    Fails, Silent                                    which notifications follow
    lateness   Late                                             when they follow
    webhook    WebhookDown                                      all notifications, whatever the request

`select` takes the faults in the order in which they were added and hands on a `Course`: at most one effect of each
aspect. An earlier fault keeps later ones of its aspect from meeting (and counting) the request.
`fault_json.py` reads and writes them as JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeAlias


@dataclass(frozen=True, slots=True)
class Latency:
    """The request is looked at after so many seconds."""

    aspect: ClassVar = "delay"
    seconds: float


@dataclass(frozen=True, slots=True)
class Error:
    """One of Meta's errors. With `accepted`, Meta says so although it took the message."""

    aspect: ClassVar = "answer"
    code: int
    http_status: int | None = None
    details: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Raw:
    """Any answer at all, such as the HTML page of a proxy."""

    aspect: ClassVar = "answer"
    http_status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection is closed without an answer."""

    aspect: ClassVar = "answer"
    accepted: bool = True


@dataclass(frozen=True, slots=True)
class Hang:
    """No answer, and the connection stays open until the caller or the sandbox ends."""

    aspect: ClassVar = "answer"
    accepted: bool = True


@dataclass(frozen=True, slots=True)
class NoWamid:
    """A 200 that names no message."""

    aspect: ClassVar = "answer"
    accepted: ClassVar = True


@dataclass(frozen=True, slots=True)
class Held:
    """A 200 with message_status held_for_quality_assessment."""

    aspect: ClassVar = "answer"
    accepted: ClassVar = True


@dataclass(frozen=True, slots=True)
class Fails:
    """A `failed` notification in place of sent, delivered and read."""

    aspect: ClassVar = "outcome"
    code: int
    title: str = ""
    details: str = ""


@dataclass(frozen=True, slots=True)
class Silent:
    """No notifications."""

    aspect: ClassVar = "outcome"


@dataclass(frozen=True, slots=True)
class Late:
    """The notifications come so many seconds later than usual, with the moments of what they tell."""

    aspect: ClassVar = "lateness"
    seconds: float


@dataclass(frozen=True, slots=True)
class WebhookDown:
    """All notifications are held back for so many seconds from now, then delivered."""

    aspect: ClassVar = "webhook"
    seconds: float


Answer: TypeAlias = Error | Raw | Drop | Hang | NoWamid | Held
Outcome: TypeAlias = Fails | Silent
Effect: TypeAlias = Latency | Answer | Outcome | Late | WebhookDown


@dataclass(frozen=True, slots=True)
class Selection:
    """Which requests a fault meets; all conditions given must hold. Without any, every request."""

    next: int | None = None
    every: int = 1
    to: str | None = None
    phone_number_id: str | None = None

    def matches(self, phone_number_id: str, to: str | None) -> bool:
        """Whether the request is one it speaks about; counting comes after."""
        return self.to in {None, to} and self.phone_number_id in {None, phone_number_id}


@dataclass(frozen=True, slots=True)
class Fault:
    """An effect that is switched on. `seen` counts the requests that matched, `hits` those it was done to."""

    fault_id: str
    effect: Effect
    selection: Selection = Selection()
    seen: int = 0
    hits: int = 0

    def offered(self) -> "tuple[Fault, bool]":
        """The fault after one more matching request, and whether that is one to do it to."""
        seen = self.seen + 1
        is_hit = seen % self.selection.every == 0
        return replace(self, seen=seen, hits=self.hits + is_hit), is_hit

    @property
    def is_spent(self) -> bool:
        """Whether all of its `next` requests have come."""
        return self.selection.next is not None and self.hits >= self.selection.next


@dataclass(frozen=True, slots=True)
class Course:
    """What the faults make of one request."""

    delay: Latency | None = None
    answer: Answer | None = None
    outcome: Outcome | None = None
    lateness: Late | None = None

    @property
    def is_looked_at(self) -> bool:
        """Whether the request is judged at all; an answer made up by a fault may come instead."""
        return self.answer is None or self.answer.accepted


UNDISTURBED = Course()


def select(faults: tuple[Fault, ...], phone_number_id: str, to: str | None) -> tuple[tuple[Fault, ...], Course]:
    """The faults after this request, and what they make of it."""
    chosen: dict[str, Any] = {}
    counted = []
    for fault in faults:
        aspect = fault.effect.aspect
        if fault.is_spent or aspect in chosen or not fault.selection.matches(phone_number_id, to):
            counted.append(fault)
            continue
        offered, is_hit = fault.offered()
        if is_hit and aspect != "webhook":
            chosen[aspect] = fault.effect
        counted.append(offered)
    return tuple(counted), Course(**chosen)

"""What needs a person: facts in, one sentence each out, with where to go. Pure; the worst comes first."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.message import Pause, PauseReason, Scope
from service.outbox.overview import NumberState
from service.web.console.page import number, span

NEARLY = 0.9
"""From this part of a daily limit on, somebody should know."""
OLD = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Need:
    """One sentence and the button for it. `pause` is the pause to lift by that button, where it is one."""

    level: str
    text: str
    link: str = ""
    label: str = ""
    pause: Pause | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """All that is looked at. `usage`: (portfolio, limit, used). `unsendable`: templates that cannot be sent, by status."""

    now: datetime
    dispatchers: int
    numbers: Sequence[NumberState]
    pauses: Sequence[Pause]
    usage: Sequence[tuple[str, int, int]]
    unsendable: Mapping[str, int]
    refused_lately: int
    failed_lately: int
    accepted_lately: int


def needs(seen: Situation) -> list[Need]:
    """What somebody should look at; nothing where all is well."""
    return [*_sending(seen), *_pauses(seen), *_numbers(seen), *_doubts(seen), *_limits(seen), *_lately(seen)]


def _sending(seen: Situation) -> Iterator[Need]:
    waiting = sum(one.waiting for one in seen.numbers)
    if not seen.dispatchers:
        what = f"{some(waiting, 'message')} waiting, and nothing is sent" if waiting else "nothing would be sent"
        yield Need("bad", f"No dispatcher is running: {what}. Start one, or look why it stopped.", "doctor", "Doctor")
        return
    for one in seen.numbers:
        if one.waiting and not one.is_served:
            yield Need(
                "bad",
                f"Number {one.phone_number_id} is served by no dispatcher; waiting: {some(one.waiting, 'message')}.",
            )


def _pauses(seen: Situation) -> Iterator[Need]:
    """Those that somebody has to lift, or mend something for; what lifts itself by time is seen on its number's card."""
    for pause in seen.pauses:
        by_hand = pause.until is None
        if not by_hand and pause.reason is not PauseReason.SECRET and pause.scope is not Scope.WABA:
            continue
        what = {Scope.NUMBER: "Number", Scope.WABA: "Account", Scope.TOKEN: "Token"}.get(
            pause.scope, pause.scope.capitalize()
        )
        yield Need("warn", f"{what} {pause.key} is paused: {pause.detail.rstrip('.')}.", pause=pause)


def _numbers(seen: Situation) -> Iterator[Need]:
    for one in seen.numbers:
        if one.said is None:
            continue
        facts = one.said.facts
        if one.said.problem:
            yield Need(
                "warn",
                f"Meta could not be asked about number {one.phone_number_id}: {one.said.problem}",
                "doctor",
                "Doctor",
            )
        if (facts.quality or "").upper() == "RED":
            yield Need(
                "warn", f"Number {one.phone_number_id} has a low quality at Meta: people block or report its messages."
            )
        if facts.status and facts.status.upper() != "CONNECTED":
            yield Need("bad", f"Meta says that number {one.phone_number_id} is {facts.status}.", "doctor", "Doctor")


def _doubts(seen: Situation) -> Iterator[Need]:
    unanswered = sum(one.unanswered for one in seen.numbers)
    if unanswered:
        yield Need(
            "warn",
            f"{some(unanswered, 'message')} got no answer from Meta; somebody has to decide.",
            "unanswered",
            "Decide",
        )
    for status, count in sorted(seen.unsendable.items()):
        yield Need("warn", f"{some(count, 'template')} cannot be sent: Meta says {status}.", "templates", "Templates")


def _limits(seen: Situation) -> Iterator[Need]:
    for portfolio, limit, used in seen.usage:
        if used >= limit * NEARLY:
            text = f"Portfolio {portfolio} has written to {number(used)} of {number(limit)} people in 24 hours"
            yield Need("warn", f"{text}; campaigns wait for the rest, high priority keeps a reserve.")
    for one in seen.numbers:
        late = seen.now - one.oldest_due_at if one.oldest_due_at else timedelta()
        if late > OLD and one.is_served and not any(pause.key == one.phone_number_id for pause in seen.pauses):
            yield Need("warn", f"The oldest message of number {one.phone_number_id} is due since {span(late)}.")


def _lately(seen: Situation) -> Iterator[Need]:
    if seen.refused_lately:
        yield Need(
            "warn", f"Refused whole in the last 24 hours: {some(seen.refused_lately, 'event')}.", "refused", "Look"
        )
    if seen.failed_lately and seen.failed_lately >= 0.05 * max(1, seen.accepted_lately):
        text = f"{some(seen.failed_lately, 'message')} failed in the last 24 hours, of {number(seen.accepted_lately)} accepted."
        yield Need("warn", text, "campaigns", "Campaigns")


def some(count: int, what: str) -> str:
    """So many of something, in words."""
    return f"{number(count)} {what}{'' if count == 1 else 's'}"

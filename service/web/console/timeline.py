"""What became of one message, step by step: facts in, entries out. Pure.

event ─► accepted ─► each attempt, with what Meta told of it ─► the person's replies ─► how it stands

What Meta told stands with its attempt, whenever it came: in whole seconds, so that the order by time would be wrong.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from service.message import Pause, Status
from service.outbox.decisions import DECIDED
from service.outbox.report import Facts, MessageFacts
from service.outbox.unmatched import UNMATCHED_FOR
from service.web.console import words

_TOLD = (Status.SENT, Status.DELIVERED, Status.READ, Status.FAILED)
_OVER = (Status.EXPIRED, Status.SUPPRESSED, Status.CANCELLED)

FINAL = frozenset({Status.READ, Status.FAILED, *_OVER})
"""Nothing is expected any more: a page need not look again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One step: when, what in a few words, in a sentence more, and named facts of it."""

    at: datetime | None
    mark: str
    title: str
    text: str = ""
    facts: Sequence[tuple[str, str]] = ()


def timeline(facts: MessageFacts, event: Facts | None, pauses: Sequence[Pause], *, with_text: bool) -> list[Entry]:
    """The steps in their order. `with_text`: whether what the person wrote is shown."""
    message = facts.message
    accepted_at = event["added_at"] if event else message["created_at"]
    again_at = message["created_at"] if message["created_at"] != accepted_at else None
    entries = [*_arrival(event, accepted_at)]
    for attempt in facts.attempts:
        if again_at is not None and attempt["started_at"] >= again_at:
            entries.append(_again(again_at))
            again_at = None
        entries += _attempt(attempt, one_of_many=len(facts.attempts) > 1)
    if again_at is not None:
        entries.append(_again(again_at))
    entries += (_reply(reply.at, reply.kind, reply.text if with_text else None) for reply in facts.replies)
    return [*entries, *_standing(facts, pauses)]


def _arrival(event: Facts | None, accepted_at: datetime) -> Iterator[Entry]:
    if event:
        source, _, caller = event["source"].partition(":")
        name = words.SOURCES.get(source, source)
        yield Entry(event["received_at"], "off", "Event received", f"From {name}{f', {caller}' if caller else ''}.")
    yield Entry(
        accepted_at, "off", "Checked and accepted", "The address, the parameters and the person's wishes allow it."
    )


def _again(at: datetime) -> Entry:
    return Entry(at, "wait", "Queued again", "An operator had it sent again, with its tries and its time to live anew.")


def _attempt(attempt: Facts, *, one_of_many: bool) -> Iterator[Entry]:
    mark, said = words.OUTCOMES.get(attempt["outcome"] or "", ("wait", "the request is under way"))
    told_later = attempt["failed_at"] is not None
    named = [
        ("HTTP status", attempt["http_status"]),
        ("Code", None if told_later else attempt["code"]),
        ("Took", f"{attempt['duration_ms']:,} ms" if attempt["duration_ms"] is not None else None),
        ("Trace id", attempt["fbtrace_id"]),
        ("Call", words.DOORS.get(attempt["door"] or "", attempt["door"])),
    ]
    shown = [(name, str(value)) for name, value in named if value is not None]
    text = "" if told_later else _said(attempt)
    yield Entry(attempt["started_at"], mark, f"Attempt {attempt['attempt']}: {said}", text, shown)
    suffix = f" (attempt {attempt['attempt']})" if one_of_many else ""
    for status in _TOLD:
        at = attempt[f"{status}_at"]
        if at is None:
            continue
        failed = status is Status.FAILED
        code = [("Code", str(attempt["code"]))] if failed and attempt["code"] is not None else []
        title = f"Meta told: {words.STATUSES[status][0].lower()}{suffix}"
        yield Entry(at, words.MARKS[status], title, _said(attempt) if failed else "", code)


def _said(attempt: Facts) -> str:
    """Meta's title and details of a failure, or that an operator has decided."""
    parts = [str(part).strip().rstrip(".") for part in (attempt["title"], attempt["details"]) if part]
    if not parts:
        return ""
    return f"{'' if parts[0].startswith(DECIDED) else 'Meta says: '}{': '.join(parts)}."


def _reply(at: datetime, kind: str, text: str | None) -> Entry:
    return Entry(at, "good", f"The person answered ({kind})", f"“{text}”" if text else "")


def _standing(facts: MessageFacts, pauses: Sequence[Pause]) -> Iterator[Entry]:
    message = facts.message
    status = Status(message["status"])
    if status in _OVER:
        name, meaning = words.STATUSES[status]
        yield Entry(message["status_at"], words.MARKS[status], name, words.sentence(meaning))
    elif status is Status.UNANSWERED and facts.attempts:
        until = facts.attempts[-1]["started_at"] + UNMATCHED_FOR
        yield Entry(
            until, "doubt", "Not known yet", "Until then Meta may still tell by notification what became of it."
        )
    elif status is Status.QUEUED:
        yield from (_wait(pause) for pause in pauses)
        if not pauses:
            yield Entry(message["due_at"], "wait", "Due", "From then on it goes as soon as it is its turn.")


def _wait(pause: Pause) -> Entry:
    scope = words.SCOPES.get(pause.scope, pause.scope.value)
    text = f"{words.sentence(pause.detail)} {words.lifted_by(pause)}.".strip()
    return Entry(pause.since, "wait", f"Waits: {scope.lower()} {pause.key} is paused", text)

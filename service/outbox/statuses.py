"""What notifications tell, applied per attempt and only forwards (G5).

Duplicates change nothing, order does not matter, and a message shows its newest attempt: news of an older one is kept with
that attempt. What fits no attempt is kept for a while (`unmatched.py`) and applied when its attempt turns up.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.sql.dml import Update

from service.message import REACHED, Pause, Status, StatusUpdate, Template
from service.outbox import blocking, consent, outcomes, rows, tables, unmatched
from service.outbox.news import MOMENTS, News, attempt_facts, first_of_each
from service.outbox.queue import lock_messages

_OURS = re.compile(r"([0-9A-Za-z]{1,64})\.([0-9]{1,9})")

_messages = tables.messages
_attempts = tables.attempts

AttemptId = tuple[str, int]

_PERHAPS_TAKEN = {None, *(outcome.value for outcome in REACHED)}
"""The outcomes of attempts that Meta has, or may have, or that are under way."""


@dataclass(frozen=True, slots=True)
class _Before:
    """The messages that a batch may tell of, locked, by their ids; and all their attempts."""

    messages: Mapping[str, Row[Any]]
    attempts: Sequence[Row[Any]]


@dataclass(frozen=True, slots=True)
class LateFailure:
    """A failure that was not known before: its code, and what it may concern besides its message."""

    code: int | None
    phone_number_id: str
    template: Template
    country: str | None


@dataclass(slots=True)
class Applied:
    """What a batch came to: updates that told something new, that told nothing new, and that fit no attempt."""

    new: int = 0
    known: int = 0
    unmatched: int = 0
    failed: list[LateFailure] = field(default_factory=list)
    pauses: list[Pause] = field(default_factory=list)


def apply(connection: Connection, updates: Sequence[StatusUpdate], now: datetime, max_tries: int) -> Applied:
    """Apply a notification's updates; keep those that fit no attempt."""
    before = _look(connection, updates)
    by_attempt, homeless = _sort_out(before.attempts, updates)
    applied = Applied(unmatched=len(homeless))
    _apply_to(connection, before, by_attempt, now, max_tries, applied)
    if homeless:
        unmatched.keep(connection, homeless, now)
    return applied


def adopt(connection: Connection, wamids: Iterable[str], now: datetime, max_tries: int) -> None:
    """Apply what was kept for attempts whose wamid has just become known."""
    kept = unmatched.take(connection, set(wamids))
    if kept:
        apply(connection, kept, now, max_tries)


def forget_unmatched(connection: Connection, now: datetime, max_tries: int) -> None:
    """Drop what no attempt turned up for; apply what came in beside the answer, so that neither saw the other."""
    adopt(connection, unmatched.crossed(connection), now, max_tries)
    unmatched.forget(connection, now)


def _ours(news: StatusUpdate) -> AttemptId | None:
    match = _OURS.fullmatch(news.callback_data or "")
    return (match[1], int(match[2])) if match else None


def _look(connection: Connection, updates: Sequence[StatusUpdate]) -> _Before:
    """Lock and read what may be told of: by our own callback data, by Meta's message id where that is not ours."""
    names = [_ours(news) for news in updates]
    ids = {name[0] for name in names if name}
    wamids = {news.wamid for news, name in zip(updates, names, strict=True) if name is None}
    if wamids:
        ids.update(_OF_WAMIDS.execute(connection, wamids).scalars())
    if not ids:
        return _Before({}, ())
    messages = {row.message_id: row for row in lock_messages(connection, ids, *_LOOKED_AT)}
    return _Before(messages, _ATTEMPTS.execute(connection, messages).all() if messages else ())


_OF_WAMIDS = rows.Lookup(lambda among: select(_attempts.c.message_id).where(among(_attempts.c.wamid)))


def _sort_out(
    attempts: Sequence[Row[Any]], updates: Iterable[StatusUpdate]
) -> tuple[dict[AttemptId, list[StatusUpdate]], list[StatusUpdate]]:
    """Each attempt's updates, and those that fit none."""
    known = {(row.message_id, row.attempt) for row in attempts}
    by_wamid = {row.wamid: (row.message_id, row.attempt) for row in attempts}
    found: dict[AttemptId, list[StatusUpdate]] = defaultdict(list)
    homeless = []
    for news in updates:
        name = _ours(news)
        attempt_id = name if name in known else by_wamid.get(news.wamid)
        if attempt_id:
            found[attempt_id].append(news)
        else:
            homeless.append(news)
    return found, homeless


def _apply_to(
    connection: Connection,
    before: _Before,
    by_attempt: Mapping[AttemptId, Sequence[StatusUpdate]],
    now: datetime,
    max_tries: int,
    applied: Applied,
) -> None:
    changes = []
    news_of: dict[AttemptId, News] = {}
    perhaps_taken: dict[str, int] = {}
    for row in before.attempts:
        updates = by_attempt.get((row.message_id, row.attempt), ())
        if updates or row.outcome in _PERHAPS_TAKEN or any(getattr(row, name) for name in MOMENTS.values()):
            perhaps_taken[row.message_id] = max(row.attempt, perhaps_taken.get(row.message_id, 0))
        fresh = first_of_each(news for news in updates if getattr(row, MOMENTS[news.status]) is None)
        applied.new += len(fresh)
        applied.known += len(updates) - len(fresh)
        if fresh:
            facts = {f"new_{name}": fact for name, fact in attempt_facts(row, fresh).items()}
            changes.append({"of_message": row.message_id, "of_attempt": row.attempt} | facts)
            news_of[row.message_id, row.attempt] = News(fresh, has_failed=row.failed_at is not None)
    if changes:
        _CHANGE_ATTEMPT.execute(connection, changes)
        applied.failed += _move_messages(connection, before.messages, perhaps_taken, news_of, now, max_tries)
        refused = {of: one.at for (of, _), news in news_of.items() for one in news.updates if one.opted_out}
        consent.refused_marketing(connection, refused, now)


_ATTEMPT_FACTS = ("outcome", "wamid", "code", "title", "details", *MOMENTS.values())


def _change_attempt(given: rows.Given) -> Update:
    columns = _attempts.c
    of_it = columns.message_id == given("of_message"), columns.attempt == given("of_attempt")
    return update(_attempts).where(*of_it).values({name: given(f"new_{name}") for name in _ATTEMPT_FACTS})


_ATTEMPTS = rows.Lookup(
    lambda among: select(*(_attempts.c[name] for name in ("message_id", "attempt", *_ATTEMPT_FACTS))).where(
        among(_attempts.c.message_id)
    )
)

_CHANGE_ATTEMPT = rows.Change(
    _change_attempt,
    of_message=_attempts.c.message_id.type,
    of_attempt=_attempts.c.attempt.type,
    **{f"new_{name}": _attempts.c[name].type for name in _ATTEMPT_FACTS},
)


def _move_messages(
    connection: Connection,
    messages: Mapping[str, Row[Any]],
    perhaps_taken: Mapping[str, int],
    news_of: Mapping[AttemptId, News],
    now: datetime,
    max_tries: int,
) -> list[LateFailure]:
    """Move each message whose newest attempt has news; leaving `sending` before the answer came counts as a try.

    What Meta certainly did not take does not stand between a message and the attempt before it: else a message that is known to
    have arrived would go again, because a limit held up the attempt that somebody wished after it.

    Returned are the failures of all attempts, older ones too.
    """
    changes = []
    for row in messages.values():
        before = Status(row.status)
        has_ended = before in {Status.FAILED, Status.EXPIRED}
        attempt = row.attempts if has_ended else perhaps_taken.get(row.message_id, row.attempts)
        news = news_of.get((row.message_id, attempt))
        if news is None:
            continue
        tries = row.tries + (before is Status.SENDING)
        due_at = news.due_again(tries, now)
        again = due_at is not None and tries < max_tries and due_at < row.expires_at
        status = news.furthest(before, may_retry=again)
        if status is not before:
            due_at = due_at if status is Status.QUEUED else row.due_at
            code = news.failure_code if status is Status.FAILED else row.code
            facts = {"status": status.value, "status_at": now, "due_at": due_at, "tries": tries, "code": code}
            changes.append({"of_message": row.message_id} | {f"new_{name}": fact for name, fact in facts.items()})
    if changes:
        _CHANGE_MESSAGE.execute(connection, changes)
        queued = [one["of_message"] for one in changes if one["new_status"] == Status.QUEUED]
        if queued:
            blocking.withhold(connection, _messages.c.message_id.in_(queued), now)
        outcomes.keep(connection, [one["of_message"] for one in changes], now)
    return [
        _late_failure(messages[message_id], one)
        for (message_id, _), news in news_of.items()
        for one in news.updates
        if one.status is Status.FAILED
    ]


def _late_failure(row: Row[Any], news: StatusUpdate) -> LateFailure:
    template = Template(row.template_name, row.language)
    return LateFailure(news.code, row.phone_number_id, template, row.country)


_MESSAGE_FACTS = ("status", "status_at", "due_at", "tries", "code")


def _change_message(given: rows.Given) -> Update:
    of_it = _messages.c.message_id == given("of_message")
    return update(_messages).where(of_it).values({name: given(f"new_{name}") for name in _MESSAGE_FACTS})


_LOOKED_AT = [
    _messages.c[name]
    for name in (
        *("attempts", "status", "due_at", "expires_at", "tries", "code"),
        *("phone_number_id", "template_name", "language", "country"),
    )
]

_CHANGE_MESSAGE = rows.Change(
    _change_message,
    of_message=_messages.c.message_id.type,
    **{f"new_{name}": _messages.c[name].type for name in _MESSAGE_FACTS},
)

"""What notifications tell, applied per attempt and only forwards (G5).

Duplicates change nothing, order does not matter, and a message shows its newest attempt: news of an older one is kept with
that attempt. What fits no attempt is kept for a while and applied when its attempt turns up.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update
from sqlalchemy.sql.dml import Update

from service.message import MOVES, REACHED, Outcome, Pause, Status, StatusUpdate, Template
from service.outbox import blocking, consent, outcomes, rows, tables
from service.outbox.database import Insert
from service.outbox.queue import lock_messages

UNMATCHED_FOR = timedelta(days=7)
"""Meta repeats a notification for up to seven days; later than that nothing will turn up for it."""

LONGEST_WAIT = timedelta(hours=1)
"""A message that fails late again and again goes again at growing distance, up to this or to what its code asks for."""

_OURS = re.compile(r"([0-9A-Za-z]{1,64})\.([0-9]{1,9})")
_ORDER = {Status.SENT: 0, Status.DELIVERED: 1, Status.READ: 2, Status.FAILED: 3}
_MOMENT = {
    Status.SENT: "sent_at",
    Status.DELIVERED: "delivered_at",
    Status.READ: "read_at",
    Status.FAILED: "failed_at",
}

_messages = tables.messages
_attempts = tables.attempts
_unmatched = tables.unmatched_statuses

AttemptId = tuple[str, int]

_PERHAPS_TAKEN = {None, *(outcome.value for outcome in REACHED)}
"""The outcomes of attempts that Meta has, or may have, or that are under way."""


@dataclass(frozen=True, slots=True)
class _News:
    """What is new about one attempt: one update per status, and whether it was known to have failed before."""

    updates: Sequence[StatusUpdate]
    has_failed: bool


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
    by_attempt, homeless = _sort_out(connection, updates)
    applied = Applied(unmatched=len(homeless))
    _apply_to(connection, by_attempt, now, max_tries, applied)
    if homeless:
        _keep(connection, homeless, now)
    return applied


def adopt(connection: Connection, wamids: Iterable[str], now: datetime, max_tries: int) -> None:
    """Apply what was kept for attempts whose wamid has just become known."""
    wanted = set(wamids)
    kept = _KEPT.execute(connection, wanted).all() if wanted else []
    if not kept:
        return
    connection.execute(delete(_unmatched).where(_unmatched.c.id.in_([row.id for row in kept])))
    apply(connection, [_kept(row) for row in kept], now, max_tries)


_KEPT = rows.Lookup(lambda among: select(_unmatched).where(among(_unmatched.c.wamid)))


def _kept(row: Row[Any]) -> StatusUpdate:
    facts = row.code, row.title, row.details, _retry_after(row)
    return StatusUpdate(Status(row.status), row.at, row.wamid, None, *facts, opted_out=bool(row.opted_out))


def _retry_after(row: Row[Any]) -> timedelta | None:
    """What the version before this one kept says only that it may be tried again."""
    if row.retry_seconds is None:
        return timedelta(minutes=1) if row.retry else None
    return timedelta(seconds=row.retry_seconds)


def forget_unmatched(connection: Connection, now: datetime, max_tries: int) -> None:
    """Drop what no attempt turned up for; apply what came in beside the answer, so that neither saw the other."""
    crossed = connection.execute(select(_unmatched.c.wamid).join(_attempts, _attempts.c.wamid == _unmatched.c.wamid))
    adopt(connection, crossed.scalars(), now, max_tries)
    connection.execute(delete(_unmatched).where(_unmatched.c.expires_at <= now))


def _sort_out(
    connection: Connection, updates: Sequence[StatusUpdate]
) -> tuple[dict[AttemptId, list[StatusUpdate]], list[StatusUpdate]]:
    """Find each update's attempt: by our own callback data, else by Meta's message id."""
    named = {id(u): _OURS.fullmatch(u.callback_data) for u in updates if u.callback_data}
    ids = {match[1] for match in named.values() if match}
    ours = _OF_MESSAGES.execute(connection, ids).all() if ids else []
    known = {(row.message_id, row.attempt) for row in ours}
    found: dict[AttemptId, list[StatusUpdate]] = defaultdict(list)
    strangers = []
    for news in updates:
        match = named.get(id(news))
        attempt_id = (match[1], int(match[2])) if match else None
        if attempt_id in known:
            found[attempt_id].append(news)
        else:
            strangers.append(news)
    if not strangers:
        return found, []
    named_by_meta = _OF_WAMIDS.execute(connection, (news.wamid for news in strangers))
    by_wamid = {row.wamid: (row.message_id, row.attempt) for row in named_by_meta}
    for news in strangers:
        if news.wamid in by_wamid:
            found[by_wamid[news.wamid]].append(news)
    return found, [news for news in strangers if news.wamid not in by_wamid]


_NAMES = _attempts.c.message_id, _attempts.c.attempt, _attempts.c.wamid
_OF_MESSAGES = rows.Lookup(lambda among: select(*_NAMES).where(among(_attempts.c.message_id)))
_OF_WAMIDS = rows.Lookup(lambda among: select(*_NAMES).where(among(_attempts.c.wamid)))


def _apply_to(
    connection: Connection,
    by_attempt: Mapping[AttemptId, Sequence[StatusUpdate]],
    now: datetime,
    max_tries: int,
    applied: Applied,
) -> None:
    if not by_attempt:
        return
    ids = {message_id for message_id, _ in by_attempt}
    messages = {row.message_id: row for row in lock_messages(connection, ids, *_LOOKED_AT)}
    changes = []
    news_of: dict[AttemptId, _News] = {}
    perhaps_taken: dict[str, int] = {}
    for row in _BEFORE.execute(connection, ids):
        updates = by_attempt.get((row.message_id, row.attempt), ())
        if updates or row.outcome in _PERHAPS_TAKEN or any(getattr(row, name) for name in _MOMENT.values()):
            perhaps_taken[row.message_id] = max(row.attempt, perhaps_taken.get(row.message_id, 0))
        fresh = _first_of_each(news for news in updates if getattr(row, _MOMENT[news.status]) is None)
        applied.new += len(fresh)
        applied.known += len(updates) - len(fresh)
        if fresh:
            changes.append(_attempt_change(row, fresh))
            news_of[row.message_id, row.attempt] = _News(fresh, has_failed=row.failed_at is not None)
    if changes:
        _CHANGE_ATTEMPT.execute(connection, changes)
        applied.failed += _move_messages(connection, messages, perhaps_taken, news_of, now, max_tries)
        refused = {of: one.at for (of, _), news in news_of.items() for one in news.updates if one.opted_out}
        consent.refused_marketing(connection, refused, now)


_ATTEMPT_FACTS = ("outcome", "wamid", "code", "title", "details", *_MOMENT.values())


def _change_attempt(given: rows.Given) -> Update:
    columns = _attempts.c
    of_it = columns.message_id == given("of_message"), columns.attempt == given("of_attempt")
    return update(_attempts).where(*of_it).values({name: given(f"new_{name}") for name in _ATTEMPT_FACTS})


_BEFORE = rows.Lookup(
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


def _first_of_each(updates: Iterable[StatusUpdate]) -> list[StatusUpdate]:
    """Meta repeats itself, in one notification too: the first update of each status."""
    first: dict[Status, StatusUpdate] = {}
    for news in updates:
        first.setdefault(news.status, news)
    return list(first.values())


def _attempt_change(row: Row[Any], fresh: Sequence[StatusUpdate]) -> dict[str, Any]:
    """The attempt's row with the news in it: the first moment of each status stays, Meta evidently took the request."""
    moments = {name: getattr(row, name) for name in _MOMENT.values()}
    moments |= {_MOMENT[news.status]: news.at for news in fresh}
    failure = {name: getattr(row, name) for name in ("code", "title", "details")}
    for news in fresh:
        if news.status is Status.FAILED:
            failure = {"code": news.code, "title": news.title, "details": news.details}
    taken = row.outcome in {None, Outcome.UNANSWERED.value}
    facts = {
        "outcome": Outcome.ACCEPTED.value if taken else row.outcome,
        "wamid": row.wamid or fresh[0].wamid,
        **failure,
        **moments,
    }
    return {"of_message": row.message_id, "of_attempt": row.attempt} | {f"new_{k}": v for k, v in facts.items()}


def _move_messages(
    connection: Connection,
    messages: Mapping[str, Row[Any]],
    perhaps_taken: Mapping[str, int],
    news_of: Mapping[AttemptId, _News],
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
        due_at = _late_due_at(news, tries, now)
        again = due_at is not None and tries < max_tries and due_at < row.expires_at
        status = furthest(before, news, may_retry=again)
        if status is not before:
            due_at = due_at if status is Status.QUEUED else row.due_at
            code = _failure_code(news) if status is Status.FAILED else row.code
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


def _late_due_at(news: _News, tries: int, now: datetime) -> datetime | None:
    """When a message goes again that failed late: it has waited at Meta already, and waits longer each time."""
    waits = [one.retry_after for one in news.updates if one.retry_after is not None]
    if not waits:
        return None
    grown: timedelta = waits[0] * 4 ** max(0, min(tries, 10) - 1)
    return now + min(grown, max(waits[0], LONGEST_WAIT))


def _failure_code(news: _News) -> int | None:
    return next((one.code for one in news.updates if one.status is Status.FAILED), None)


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


def furthest(status: Status, news: _News, *, may_retry: bool) -> Status:
    """How far the news takes a message that stands at `status`; an illegal move is no move.

    A message whose newest attempt has failed waits for its next one, and does so still when a late `sent` comes.
    """
    for one in sorted(news.updates, key=lambda one: _ORDER[one.status]):
        if one.retry_after is not None and may_retry and Status.QUEUED in MOVES[status] | {status}:
            return Status.QUEUED
        if one.status is Status.SENT and news.has_failed:
            continue
        if one.status in MOVES[status]:
            status = one.status
    return status


def _keep(connection: Connection, updates: Sequence[StatusUpdate], now: datetime) -> None:
    kept = [
        {
            "callback_data": news.callback_data,
            "wamid": news.wamid,
            "status": news.status.value,
            "at": news.at,
            "code": news.code,
            "title": news.title,
            "details": news.details,
            "retry": int(news.retry_after is not None),
            "retry_seconds": None if news.retry_after is None else int(news.retry_after.total_seconds()),
            "opted_out": int(news.opted_out),
            "expires_at": now + UNMATCHED_FOR,
        }
        for news in sorted(updates, key=lambda news: (news.wamid, news.status))  # one order for all, as with any lock
    ]
    rows.insert(connection, _unmatched, kept, _unless_kept)


def _unless_kept(insertion: Insert) -> Any:
    return insertion.on_conflict_do_nothing()

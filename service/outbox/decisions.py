"""What an operator decides: to send again what did not go, and to settle what Meta has left open.

Selection ─► page of ids ─► each message judged: when it goes again, or why it does not ─┬─► queued again (`replay`)
                                                                                         └─► counted (`preview`)

A page at a time, in the order of the ids. Every write is fenced by the status and the attempt that were judged.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, null, or_, select, update

from service.message import Status
from service.outbox import tables
from service.outbox.queue import lock_messages

REPLAYED_AT_ONCE = 5_000
"""So many in one transaction, so that a replay of a large campaign keeps no other writer waiting for long."""

REPLAYABLE = (Status.FAILED, Status.EXPIRED, Status.UNANSWERED)

DECIDED = "Decided by an operator"
"""How the title of an attempt begins that a person has settled."""

_messages = tables.messages.c
_attempts = tables.attempts.c
_events = tables.events.c


@dataclass(frozen=True, slots=True)
class Selection:
    """The messages that an operator means: those that fit all of what is given. Raise ValueError where only statuses are.

    `template` is a name, in every language; `code` is the one of the newest attempt.
    """

    message_ids: Collection[str] = ()
    event_id: str | None = None
    campaign_id: str | None = None
    template: str | None = None
    phone_number_id: str | None = None
    code: int | None = None
    statuses: Collection[Status] = (Status.FAILED, Status.EXPIRED)

    def __post_init__(self) -> None:
        given = self.event_id, self.campaign_id, self.template, self.phone_number_id, self.code
        if not self.message_ids and all(one is None for one in given):
            raise ValueError("say which messages: by their ids, or by event, campaign, template, number or code")
        if not self.statuses or not set(self.statuses) <= set(REPLAYABLE):
            raise ValueError(
                f"only messages that are {_listed(REPLAYABLE)} can be sent again; name one or more of these"
            )


@dataclass(frozen=True, slots=True)
class Terms:
    """When what failed may go again: `now`, but so long after it as `not_before` says for its code, and with `never`'s not."""

    now: datetime
    not_before: Mapping[int, timedelta]
    never: Collection[int]


class LeftOut(StrEnum):
    """Why a message that was meant does not go again."""

    OPTED_OUT = "opted_out"
    DELIVERED = "delivered"
    TAKEN = "taken"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay came to, or would: how many go now, how many later, how many do not, and why."""

    now: int = 0
    later: int = 0
    left_out: Counter[LeftOut] = field(default_factory=Counter)

    @property
    def queued(self) -> int:
        """How many go again."""
        return self.now + self.later

    def __add__(self, other: "Replayed") -> "Replayed":
        return Replayed(self.now + other.now, self.later + other.later, self.left_out + other.left_out)


def preview(connection: Connection, selection: Selection, terms: Terms) -> Replayed:
    """Count what `replay` would do."""
    total = Replayed()
    ids = _page(connection, selection, "")
    while ids:
        total += _count(_judged(connection, ids, selection, terms).values(), terms)
        ids = _page(connection, selection, ids[-1])
    return total


def replay(connection: Connection, selection: Selection, terms: Terms, after: str) -> tuple[Replayed, str | None]:
    """Queue the next page of messages again. What it came to, and after which id to go on, None at the end.

    Each gets as many tries and as long a time to live as it had, from when it may go; `created_at` is that moment from then on.
    """
    ids = _page(connection, selection, after)
    lock_messages(connection, ids)
    judged = _judged(connection, ids, selection, terms)
    changes = [_queued_again(row, fate, terms.now) for row, fate in judged.items() if isinstance(fate, datetime)]
    if changes:
        connection.execute(_QUEUE_AGAIN, changes)
    return _count(judged.values(), terms), ids[-1] if ids else None


def _page(connection: Connection, selection: Selection, after: str) -> Sequence[str]:
    found = _look([_messages.message_id], and_(_messages.message_id > after, *_meant(selection)))
    return connection.execute(found.limit(REPLAYED_AT_ONCE)).scalars().all()


def _judged(
    connection: Connection, ids: Sequence[str], selection: Selection, terms: Terms
) -> dict[Row[Any], datetime | LeftOut]:
    """What still fits the selection, with the moment when it may go again, or why it may not."""
    rows = connection.execute(_look(_facts(), and_(_messages.message_id.in_(ids), *_meant(selection))))
    return {row: _judge(row, terms) for row in rows}


def _judge(row: Row[Any], terms: Terms) -> datetime | LeftOut:
    if row.delivered:
        return LeftOut.DELIVERED
    if row.taken:
        return LeftOut.TAKEN
    if row.code in terms.never:
        return LeftOut.OPTED_OUT
    wait = terms.not_before.get(row.code)
    return terms.now if wait is None else max(terms.now, row.status_at + wait)


def _count(fates: Iterable[datetime | LeftOut], terms: Terms) -> Replayed:
    known = list(fates)
    now = known.count(terms.now)
    left_out = Counter(fate for fate in known if isinstance(fate, LeftOut))
    return Replayed(now, len(known) - now - left_out.total(), left_out)


def _look(columns: Sequence[Any], which: ColumnElement[bool]) -> Select[Any]:
    """Messages with their newest attempt and their event, in the order of their ids."""
    newest = (_attempts.message_id == _messages.message_id) & (_attempts.attempt == _messages.attempts)
    return (
        select(*columns)
        .select_from(tables.messages)
        .outerjoin(tables.attempts, newest)
        .outerjoin(tables.events, _events.event_id == _messages.event_id)
        .where(which)
        .order_by(_messages.message_id)
    )


def _meant(selection: Selection) -> list[ColumnElement[bool]]:
    facts = {
        _messages.event_id: selection.event_id,
        _messages.campaign_id: selection.campaign_id,
        _messages.template_name: selection.template,
        _messages.phone_number_id: selection.phone_number_id,
        _attempts.code: selection.code,
    }
    conditions = [column == fact for column, fact in facts.items() if fact is not None]
    if selection.message_ids:
        conditions.append(_messages.message_id.in_(sorted(selection.message_ids)))
    return [_messages.status.in_(sorted(selection.statuses)), *conditions]


def _facts() -> list[Any]:
    """What a message is judged by. `taken`: Meta has an attempt of it, however old, and has not said that it failed."""
    any_attempt = tables.attempts.alias("any_attempt")
    at = any_attempt.c
    own = select(at.attempt).where(at.message_id == _messages.message_id)
    known = own.where(at.failed_at.is_(None), or_(at.wamid.is_not(None), at.sent_at.is_not(None)))
    arrived = own.where(or_(at.delivered_at.is_not(None), at.read_at.is_not(None)))
    moments = _messages.status_at, _messages.created_at, _messages.expires_at, _events.added_at, _events.received_at
    return [
        *(_messages.message_id, _messages.status, _messages.attempts, *moments, _attempts.code),
        *(arrived.exists().label("delivered"), known.exists().label("taken")),
    ]


def _time_to_live(row: Row[Any]) -> timedelta:
    """How long the message is worth sending: counted from its event's receipt, and once it was sent again from then."""
    replayed = row.received_at is None or row.created_at != row.added_at
    span: timedelta = row.expires_at - (row.created_at if replayed else row.received_at)
    return span


def _queued_again(row: Row[Any], due_at: datetime, now: datetime) -> dict[str, Any]:
    return {
        "of_message": row.message_id,
        "while_status": row.status,
        "while_attempts": row.attempts,
        "new_status_at": now,
        "new_due_at": due_at,
        "new_created_at": due_at,
        "new_expires_at": due_at + _time_to_live(row),
    }


_QUEUE_AGAIN = (
    update(tables.messages)
    .where(
        _messages.message_id == bindparam("of_message"),
        _messages.status == bindparam("while_status"),
        _messages.attempts == bindparam("while_attempts"),
    )
    .values({name: bindparam(f"new_{name}") for name in ("status_at", "due_at", "created_at", "expires_at")})
    .values(status=Status.QUEUED.value, tries=0, shelf=null())
)


class Decision(StrEnum):
    """How an operator settles one message."""

    SENT = "sent"
    FAILED = "failed"
    RESEND = "resend"


class Undecidable(Exception):
    """This cannot be decided of this message; the sentence says how it stands and what can be done."""


DECISIONS: Mapping[Status, Mapping[Decision, Status]] = {
    Status.UNANSWERED: {
        Decision.SENT: Status.SENT,
        Decision.FAILED: Status.FAILED,
        Decision.RESEND: Status.QUEUED,
    },
    Status.HELD: {Decision.SENT: Status.SENT, Decision.FAILED: Status.FAILED},
}
"""What can be decided in which status, and what becomes of the message. What is held, Meta may still release."""

_INSTEAD: Mapping[Status, str] = {
    Status.QUEUED: "it has yet to go; wait for its outcome",
    Status.SENDING: "it is under way; wait for its outcome",
    Status.ACCEPTED: "Meta has it; wait for Meta's notification",
    Status.SENT: "Meta has sent it; wait for Meta's notification",
    Status.DELIVERED: "it has arrived, and nothing is left to decide",
    Status.READ: "it has arrived, and nothing is left to decide",
    Status.FAILED: "its outcome is known; send it again with replay if it still matters",
    Status.EXPIRED: "it was given up in time; send it again with replay if it still matters",
    Status.HELD: "Meta has it and may still release it; wait for Meta's notification, or decide sent or failed",
    Status.SUPPRESSED: "the recipient wants no such messages, and nothing is left to decide",
    Status.CANCELLED: "it was called off, and nothing is left to decide",
}


def check(message_id: str, status: Status, decision: Decision) -> Status:
    """What a message of this status becomes by this decision. Raise Undecidable."""
    possible = DECISIONS.get(status, {})
    if decision not in possible:
        raise Undecidable(f"message {message_id} is {status}: {_INSTEAD[status]}")
    return possible[decision]


def decide(connection: Connection, message_id: str, decision: Decision, now: datetime) -> Status:
    """Settle one message that is unanswered or held; its new status. Raise Undecidable.

    Its newest attempt says that a person decided. Meta's later notifications still move the message forward.
    """
    lock_messages(connection, [message_id])
    row = connection.execute(_look(_facts(), _messages.message_id == message_id)).first()
    if row is None:
        raise Undecidable(f"no message {message_id}; ids are in the answer to its event")
    status = check(message_id, Status(row.status), decision)
    if decision is Decision.RESEND and (row.delivered or row.taken):
        raise Undecidable(
            f"message {message_id} is {row.status}: Meta has an earlier attempt of it; decide sent or failed"
        )
    values: dict[str, Any] = {"status": status.value, "status_at": now}
    if decision is Decision.RESEND:
        values |= {"due_at": now, "shelf": None}
        if row.expires_at <= now:
            values |= {"created_at": now, "expires_at": now + _time_to_live(row)}
    as_judged = _messages.status == row.status, _messages.attempts == row.attempts
    connection.execute(update(tables.messages).where(_messages.message_id == message_id, *as_judged).values(values))
    connection.execute(
        update(tables.attempts)
        .where(_attempts.message_id == message_id, _attempts.attempt == row.attempts)
        .values(title=f"{DECIDED}: {decision}", details=null())
    )
    return status


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}"

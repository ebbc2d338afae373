"""What outsiders are told: rows of `outcomes`, from the transaction in which it happened until it was published.

    keep, keep_reply ──► outcomes ──claim──► publish ──done──► gone
                            ▲                   │
                            └────── put_back ───┘ not before a moment

At least once: a crash between publish and done publishes again, under the same `outcome_id`. One outcome of a message is out at
a time, the earliest, so that what follows it cannot overtake it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import Connection, Engine, Row, and_, delete, func, insert, literal, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from service.message import Status
from service.outbox import rows, tables
from service.outbox.database import KEEPS_OUTCOMES, reading, transaction

CLAIMED_FOR = timedelta(seconds=60)
"""How long whoever claimed an outcome has to publish it before another may."""

STATUS, REPLY = "status", "reply"
"""The kinds: `subject` is a message's id, or the wamid of what a person wrote."""

NEWS = frozenset(
    {
        Status.DELIVERED,
        Status.READ,
        Status.FAILED,
        Status.EXPIRED,
        Status.SUPPRESSED,
        Status.CANCELLED,
        Status.UNANSWERED,
    }
)
"""The statuses that outsiders are told of: where a message has arrived, where it ends, and where a person has to decide."""

_HEAD = 2_000
"""How far from the oldest a claim looks for what may go: all of a subject's earlier outcomes are within it too."""

_outcomes = tables.outcomes.c
_messages = tables.messages.c
_attempts = tables.attempts.c
_inbound = tables.inbound_messages.c


@dataclass(frozen=True, slots=True)
class StatusOutcome:
    """A message that has come to something. `code` and `title` are Meta's, while it stands at `failed`."""

    outcome_id: int
    message_id: str
    event_id: str
    campaign_id: str | None
    recipient: str
    reference: str | None
    to: str
    phone_number_id: str
    template: str
    language: str
    status: str
    at: datetime
    code: int | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class ReplyOutcome:
    """What a person wrote or tapped. `message_id` and what follows it are of the message they answered, where that is known."""

    outcome_id: int
    wamid: str
    phone_number_id: str
    sender: str
    kind: str
    text: str | None
    payload: str | None
    at: datetime
    message_id: str | None = None
    event_id: str | None = None
    campaign_id: str | None = None
    recipient: str | None = None
    reference: str | None = None


Outcome: TypeAlias = StatusOutcome | ReplyOutcome


def keep(connection: Connection, message_ids: Collection[str], now: datetime) -> None:
    """Keep for publishing what these messages came to at `now`: those that moved then, to a status of NEWS.

    Called where messages have moved, in the same transaction, with the `status_at` that the move wrote; what is kept already is
    not kept again. Does nothing where outcomes are not published: nobody would take the rows away.
    """
    if not message_ids or not _is_on(connection):
        return
    kept = (
        select(_outcomes.id)
        .where(
            _outcomes.subject == _messages.message_id,
            _outcomes.status == _messages.status,
            _outcomes.at == _messages.status_at,
        )
        .exists()
    )
    moved = (
        select(literal(STATUS), _messages.message_id, _messages.status, _messages.status_at)
        .where(
            rows.among(connection, _messages.message_id, message_ids),
            _messages.status.in_(sorted(NEWS)),
            _messages.status_at == now,
            ~kept,
        )
        .order_by(_messages.message_id)
    )
    connection.execute(insert(tables.outcomes).from_select(["kind", "subject", "status", "at"], moved))


def keep_reply(connection: Connection, wamid: str, at: datetime) -> None:
    """Keep for publishing what a person wrote at `at`, in the transaction that puts it into `inbound_messages`."""
    if _is_on(connection):
        connection.execute(insert(tables.outcomes).values(kind=REPLY, subject=wamid, at=at))


def _is_on(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get(KEEPS_OUTCOMES))


def count_waiting(connection: Connection) -> int:
    """How many outcomes were not published yet."""
    return connection.execute(select(func.count()).select_from(tables.outcomes)).scalar_one()


class Outcomes:
    """What is still to be published. Any call may raise StoreUnavailable."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def claim(self, limit: int, now: datetime) -> list[Outcome]:
        """The oldest outcomes that nobody has claimed, at most `limit`, for CLAIMED_FOR; of each subject only the first."""
        with reading(self._engine) as connection:  # so that an empty table costs no writer his turn
            if connection.execute(select(_outcomes.id).where(_free(now)).limit(1)).first() is None:
                return []
        with transaction(self._engine) as connection:
            claimed = _claim(connection, limit, now)
            told: list[Outcome] = [*_statuses(connection, claimed), *_replies(connection, claimed)]
            found = {outcome.outcome_id: outcome for outcome in told}
            orphans = [row.id for row in claimed if row.id not in found]
            _delete(connection, orphans)  # their messages are gone: nothing can be told of them
            return [found[name] for name in sorted(found)]

    def done(self, ids: Collection[int]) -> None:
        """Forget what was published."""
        with transaction(self._engine) as connection:
            _delete(connection, ids)

    def put_back(self, ids: Collection[int], until: datetime) -> None:
        """Give back what could not be published; nobody claims it before `until`."""
        with transaction(self._engine) as connection:
            connection.execute(update(tables.outcomes).where(_outcomes.id.in_(sorted(ids))).values(claimed_until=until))


def _free(now: datetime) -> ColumnElement[bool]:
    return or_(_outcomes.claimed_until.is_(None), _outcomes.claimed_until <= now)


def _claim(connection: Connection, limit: int, now: datetime) -> Sequence[Row[Any]]:
    head = select(_outcomes.id, _outcomes.subject).order_by(_outcomes.id).limit(_HEAD).subquery("head")
    firsts = select(func.min(head.c.id)).group_by(head.c.subject)
    wanted = (
        select(_outcomes.id)
        .where(_outcomes.id.in_(firsts), _free(now))
        .order_by(_outcomes.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("wanted")
    )
    return connection.execute(
        update(tables.outcomes)
        .where(_outcomes.id.in_(select(wanted.c.id)), _free(now))
        .values(claimed_until=now + CLAIMED_FOR)
        .returning(_outcomes.id, _outcomes.kind, _outcomes.subject)
    ).all()


def _delete(connection: Connection, ids: Collection[int]) -> None:
    if ids:
        connection.execute(delete(tables.outcomes).where(_outcomes.id.in_(sorted(ids))))


def _ids(found: Iterable[Row[Any]], kind: str) -> list[int]:
    return sorted(row.id for row in found if row.kind == kind)


def _statuses(connection: Connection, found: Sequence[Row[Any]]) -> list[StatusOutcome]:
    """A code only while the message stands where the outcome says: a later attempt's code is not this failure's."""
    ids = _ids(found, STATUS)
    if not ids:
        return []
    failed = and_(
        _attempts.message_id == _messages.message_id,
        _attempts.attempt == _messages.attempts,
        _outcomes.status == Status.FAILED.value,
        _messages.status == _outcomes.status,
        _messages.status_at == _outcomes.at,
    )
    query = (
        select(
            *(_outcomes.id, _messages.message_id, _messages.event_id, _messages.campaign_id, _messages.recipient),
            *(_messages.reference, _messages.to, _messages.phone_number_id, _messages.template_name),
            *(_messages.language, _outcomes.status, _outcomes.at, _attempts.code, _attempts.title),
        )
        .select_from(tables.outcomes)
        .join(tables.messages, _messages.message_id == _outcomes.subject)
        .outerjoin(tables.attempts, failed)
        .where(_outcomes.id.in_(ids))
    )
    return [StatusOutcome(*facts) for facts in map(tuple, connection.execute(query))]


def _replies(connection: Connection, found: Sequence[Row[Any]]) -> list[ReplyOutcome]:
    ids = _ids(found, REPLY)
    if not ids:
        return []
    query = (
        select(
            *(_outcomes.id, _inbound.wamid, _inbound.phone_number_id, _inbound.sender, _inbound.kind),
            *(_inbound.text, _inbound.payload, _outcomes.at, _inbound.message_id, _messages.event_id),
            *(_messages.campaign_id, _messages.recipient, _messages.reference),
        )
        .select_from(tables.outcomes)
        .join(tables.inbound_messages, _inbound.wamid == _outcomes.subject)
        .outerjoin(tables.messages, _messages.message_id == _inbound.message_id)
        .where(_outcomes.id.in_(ids))
    )
    return [ReplyOutcome(*facts) for facts in map(tuple, connection.execute(query))]

"""What must not be sent is not sent (G8): what a suppression keeps from its person, asked wherever a message moves.

    accept ── a message to a suppressed person becomes a rejection (`reject`)
    claim ─── gives nothing out that is blocked (`blocks`), whatever happened in between
    settle ── what would wait for its next attempt becomes `suppressed` instead (`withhold`)
    sweep ─── finds what was accepted or queued again in between, and makes it `suppressed`

Who is suppressed, and who said so, is written in `consent.py`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Boolean, Connection, Subquery, func, null, or_, select, type_coerce, update
from sqlalchemy.sql.elements import ColumnElement

from service.message import Category, Message, Priority, Rejection, Status
from service.outbox import outcomes, rows, tables
from service.outbox.leases import Lease, stands
from service.people import Blocked, Suppression, SuppressionSource

LATELY = timedelta(minutes=10)
"""The sweep looks for people who were suppressed since then. No acceptance that began before takes so long to commit."""

LOOKED_AT = 2_000
"""So many of the front of each queue are looked at in a sweep. What is blocked comes to stand there: no claim takes it."""

ASKED_AT_ONCE = 5_000
"""So many addresses in one statement; SQLite takes 32,766 parameters."""

_messages = tables.messages.c
_said = tables.suppressions.c
_QUEUED = type_coerce(tables.STILL_WAITS, Boolean())

_WHO = {
    SuppressionSource.STOP_REPLY: ("the person answered with a stop word", "the person answers with a start word, or "),
    SuppressionSource.USER_PREFERENCES: (
        "the person stopped marketing messages in WhatsApp",
        "the person resumes them there, or ",
    ),
    SuppressionSource.ERROR_131050: (
        "Meta said that the person stopped marketing messages",
        "the person resumes them in WhatsApp, or ",
    ),
    SuppressionSource.OPERATOR: ("an operator suppressed the person", ""),
    SuppressionSource.IMPORT: ("the person is on an imported list", "the person answers with a start word, or "),
}
"""Who said so, and who besides an operator can lift it."""

_WHAT = {
    Blocked.ALL: "nothing but authentication codes goes there",
    Blocked.MARKETING: "no marketing goes there, nor a template of a category that is not known",
}


def stops(blocked: Blocked, category: Category | None) -> bool:
    """Whether a message of this category is kept from the person; an unknown category may be marketing."""
    if blocked is Blocked.ALL:
        return category is not Category.AUTHENTICATION
    return category not in {Category.AUTHENTICATION, Category.UTILITY}


def blocks(message: Any = _messages) -> ColumnElement[bool]:
    """`stops` as a condition of a row of `messages`, or of one with the same columns.

    OFFSET 0 keeps PostgreSQL from joining the tables: asked row by row, it leaves a claim's index and order alone.
    """
    category = func.coalesce(message.category, "")
    not_a_code = category != Category.AUTHENTICATION.value
    kept = or_(
        (_said.blocked == Blocked.ALL.value) & not_a_code,
        (_said.blocked == Blocked.MARKETING.value) & not_a_code & (category != Category.UTILITY.value),
    )
    return select(_said.to).where(_said.to == message.to, kept).offset(0).exists()


def reject(connection: Connection, results: Sequence[Message | Rejection]) -> list[Message | Rejection]:
    """The same results, with a rejection in the place of each message that its recipient must not get."""
    people = {item.to for item in results if isinstance(item, Message)}
    found = _suppressions(connection, sorted(people))
    if not found:
        return list(results)
    return [_rejection(item, found.get(item.to, ())) if isinstance(item, Message) else item for item in results]


def _suppressions(connection: Connection, people: Sequence[str]) -> dict[str, list[Suppression]]:
    """What stands for these people: what blocks most first, then what is hardest to lift."""
    found: dict[str, list[Suppression]] = {}
    for start in range(0, len(people), ASKED_AT_ONCE):
        some = people[start : start + ASKED_AT_ONCE]
        for row in _STANDING.execute(connection, some):
            one = Suppression(row.to, Blocked(row.blocked), SuppressionSource(row.source), row.since)
            found.setdefault(row.to, []).append(one)
    for theirs in found.values():
        theirs.sort(key=lambda one: (one.blocked, one.source is not SuppressionSource.OPERATOR, one.since))
    return found


_STANDING = rows.Lookup(
    lambda among: select(_said.to, _said.blocked, _said.source, _said.since).where(
        among(_said.to), or_(*(_said.blocked == blocked.value for blocked in Blocked))
    )
)


def _rejection(message: Message, standing: Collection[Suppression]) -> Message | Rejection:
    one = next((one for one in standing if stops(one.blocked, message.category)), None)
    if one is None:
        return message
    who, lifted_by = _WHO[one.source]
    detail = (
        f"{who} ({one.since:%Y-%m-%dT%H:%M:%SZ}): {_WHAT[one.blocked]}, until {lifted_by}an operator lifts it with "
        "DELETE /v1/suppressions or whatsapp-channel suppressions remove"
    )
    return Rejection(message.recipient, "suppressed", message.path, detail)


def withhold(connection: Connection, which: ColumnElement[bool], now: datetime) -> int:
    """Make `suppressed` what is queued, blocked and meant by `which`. How many.

    What another transaction holds just now is passed over, so that this waits for nobody: no claim takes it, and a sweep
    finds it.
    """
    return _suppress(connection, which & blocks(), _QUEUED, now)


def sweep(connection: Connection, lease: Lease, now: datetime) -> int:
    """Make `suppressed` what was accepted, or queued again, beside the word that blocks it. How many.

    Looked at are those who were suppressed lately, and the front of the number's queue.
    """
    guarded = _QUEUED & stands(connection, lease)
    lately = _messages.to.in_(select(_said.to).where(_said.added_at > now - LATELY))
    mine = _messages.phone_number_id.concat("") == lease.phone_number_id  # no index of the number's whole queue
    found = _suppress(connection, lately & mine & blocks(), guarded, now)
    for priority in Priority:
        front = _front(lease.phone_number_id, priority, now)
        blocked = connection.execute(select(front.c.message_id).where(blocks(front.c))).scalars().all()
        if (
            blocked
        ):  # asked apart: as part of the update, a planner that takes the queue for short reads the front per row
            found += _suppress(connection, _messages.message_id.in_(blocked) & blocks(), guarded, now)
    return found


def _front(phone_number_id: str, priority: Priority, now: datetime) -> Subquery:
    """Who is next, in the order in which a claim looks at them."""
    return (
        select(_messages.message_id, _messages.to, _messages.category)
        .where(
            _messages.phone_number_id == phone_number_id,
            tables.READY,
            _messages.priority == int(priority),
            _messages.due_at <= now,
        )
        .order_by(_messages.due_at, _messages.message_id)
        .limit(LOOKED_AT)
        .subquery("front")
    )


def _suppress(connection: Connection, which: ColumnElement[bool], still: ColumnElement[bool], now: datetime) -> int:
    locked = select(_messages.message_id).where(which, still).with_for_update(of=tables.messages, skip_locked=True)
    statement = (
        update(tables.messages)
        .where(_messages.message_id.in_(select(locked.cte("some").c.message_id)), still)
        .values(status=Status.SUPPRESSED.value, status_at=now, shelf=null())
        .returning(_messages.message_id)
    )
    suppressed = connection.execute(statement).scalars().all()  # SQLite counts no rows for what begins with WITH
    outcomes.keep(connection, suppressed, now)
    return len(suppressed)

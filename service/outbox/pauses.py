"""What waits until something is mended: rows that any dispatcher obeys (G7, G8).

A pause of a number, of its account or of its token stops all of the number's claims. One of a template, a campaign or a country
is asked for each candidate of a claim; and what waits for it is put on a shelf, out of the queue's index, so that a claim need
not walk past it. The shelf is only a matter of speed: what is obeyed is the pause.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, false, literal, null, or_, select, tuple_, update
from sqlalchemy.sql.elements import ColumnElement

from service.message import Pause, PauseReason, Scope
from service.outbox import tables
from service.outbox.database import upsert
from service.outbox.leases import Lease, stands

SHELVED_AT_ONCE = 5_000
"""So many in one transaction, so that pausing a large campaign keeps no other writer waiting for long."""

PauseKey = tuple[Scope, str]
Moment = datetime | ColumnElement[datetime]

_pauses = tables.pauses.c
_messages = tables.messages.c
_OF_MESSAGES = (Scope.TEMPLATE, Scope.CAMPAIGN, Scope.COUNTRY)
"""The scopes that stop some of a number's messages; the others stop the number."""


def pause(connection: Connection, wanted: Pause) -> None:
    """Make what the pause names wait.

    A newer one replaces an older one; but only an operator's replaces an operator's, and a wait that ends sooner none that ends
    later.
    """
    facts = {
        "reason": wanted.reason.value,
        "detail": wanted.detail,
        "token_fingerprint": wanted.token_fingerprint,
        "since": wanted.since,
        "until": wanted.until,
    }
    stronger = _pauses.reason == PauseReason.OPERATOR.value
    if wanted.until is not None:
        stronger |= _pauses.until.is_not(None) & (_pauses.until > wanted.until)
    statement = upsert(connection, tables.pauses).values(scope=wanted.scope.value, key=wanted.key, **facts)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[_pauses.scope, _pauses.key],
            set_=facts,
            where=None if wanted.reason is PauseReason.OPERATOR else ~(stronger & _standing(wanted.since)),
        )
    )


def resume(connection: Connection, keys: Sequence[PauseKey], *, even_an_operators: bool) -> int:
    """Lift the pauses of these keys. How many there were."""
    whose = literal(True) if even_an_operators else _pauses.reason != PauseReason.OPERATOR.value
    return connection.execute(delete(tables.pauses).where(_named(keys), whose)).rowcount


def notified(connection: Connection, keys: Collection[PauseKey], before: datetime) -> list[PauseKey]:
    """Those of these keys whose pause a notification of Meta's made before a moment; few stand, however many the keys."""
    made = (_pauses.reason == PauseReason.NOTIFIED.value) & (_pauses.since < before)
    found = connection.execute(select(_pauses.scope, _pauses.key).where(made))
    return [key for row in found if (key := (Scope(row.scope), row.key)) in keys]


def find(connection: Connection, keys: Sequence[PauseKey], now: datetime) -> list[Pause]:
    """The pauses that stand for any of these keys, the earliest first."""
    rows = connection.execute(select(tables.pauses).where(_named(keys), _standing(now)).order_by(_pauses.since))
    return [_read(row) for row in rows]


def standing(connection: Connection, now: datetime) -> list[Pause]:
    """All that stand, the earliest first."""
    rows = connection.execute(select(tables.pauses).where(_standing(now)).order_by(_pauses.since, _pauses.key))
    return [_read(row) for row in rows]


def stopped(keys: Sequence[PauseKey], now: Moment) -> ColumnElement[bool]:
    """The condition that a pause stands for one of these keys, as part of another statement."""
    return select(_pauses.key).where(_named(keys), _standing(now)).exists()


def waits(waba_id: str | None, now: Moment) -> ColumnElement[bool]:
    """The condition that a row of `messages` waits for its template, its campaign or its country."""
    matches = or_(*((_pauses.scope == scope.value) & _pauses.key.in_(_names(scope, waba_id)) for scope in _OF_MESSAGES))
    return select(_pauses.key).where(matches, _standing(now)).exists()


def shelve(connection: Connection, lease: Lease, waba_id: str | None, now: datetime, *, put_aside: bool = True) -> int:
    """Put back into the queue what no longer waits for a pause, and, with `put_aside`, what waits for one on its shelf.

    At most SHELVED_AT_ONCE of a kind; how many moved, so that the caller may ask again.
    """
    names = {f"{one.scope.value}:{one.key}": one for one in standing(connection, now) if _concerns(one, waba_id)}
    mine = _messages.phone_number_id == lease.phone_number_id
    moved = _move(connection, lease, None, mine & tables.SHELVED & _messages.shelf.not_in(list(names)))
    for name, one in names.items() if put_aside else ():
        fits = or_(*(own == one.key for own in _names(one.scope, waba_id)))
        moved += _move(connection, lease, name, mine & tables.READY & fits)
    return moved


def _concerns(one: Pause, waba_id: str | None) -> bool:
    """Whether the pause is of some messages, and not of another account's."""
    if one.scope not in _OF_MESSAGES:
        return False
    return one.scope is Scope.CAMPAIGN or "@" not in one.key or one.key.rpartition("@")[2] == waba_id


def _move(connection: Connection, lease: Lease, shelf: str | None, which: ColumnElement[bool]) -> int:
    fitting = select(_messages.message_id).where(which).limit(SHELVED_AT_ONCE).with_for_update(skip_locked=True)
    some = connection.execute(fitting).scalars().all()
    if not some:
        return 0
    statement = (
        update(tables.messages)
        .where(_messages.message_id.in_(some), tables.STILL_WAITS, stands(connection, lease))
        .values(shelf=shelf if shelf is not None else null())
    )
    return connection.execute(statement).rowcount


def _names(scope: Scope, waba_id: str | None) -> list[ColumnElement[Any]]:
    """What a message is called in this scope: for every account, and for its number's own."""
    if scope is Scope.CAMPAIGN:
        return [_messages.campaign_id]
    template = _messages.template_name + "/" + _messages.language
    name: ColumnElement[Any] = template if scope is Scope.TEMPLATE else _messages.country
    return [name] if waba_id is None else [name, name + f"@{waba_id}"]


def _named(keys: Sequence[PauseKey]) -> ColumnElement[bool]:
    if not keys:
        return false()
    return tuple_(_pauses.scope, _pauses.key).in_([(scope.value, key) for scope, key in keys])


def _standing(now: Moment) -> ColumnElement[bool]:
    return or_(_pauses.until.is_(None), _pauses.until > now)


def _read(row: Row[Any]) -> Pause:
    reason = PauseReason(row.reason)
    return Pause(Scope(row.scope), row.key, reason, row.detail, row.since, row.until, row.token_fingerprint)

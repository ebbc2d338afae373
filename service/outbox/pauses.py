"""What waits until something is mended: rows that any dispatcher obeys (G7)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, or_, select
from sqlalchemy.sql.elements import ColumnElement

from service.outbox import tables
from service.outbox.database import upsert

NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Pause:
    """Why the messages of a phone number wait.

    `until` lifts it by time. `token_fingerprint` names the token that was refused: it lifts as soon as there is another.
    """

    phone_number_id: str
    reason: str
    detail: str
    since: datetime
    until: datetime | None = None
    token_fingerprint: str | None = None


def pause(connection: Connection, wanted: Pause) -> None:
    """Make a number wait; a pause that stands already is replaced by the newer reason."""
    facts = {
        "reason": wanted.reason,
        "detail": wanted.detail,
        "token_fingerprint": wanted.token_fingerprint,
        "since": wanted.since,
        "until": wanted.until,
    }
    table = tables.pauses
    statement = upsert(connection, table).values(scope=NUMBER, key=wanted.phone_number_id, **facts)
    connection.execute(statement.on_conflict_do_update(index_elements=[table.c.scope, table.c.key], set_=facts))


def resume(connection: Connection, phone_number_id: str) -> bool:
    """Lift the pause of a number; False where there was none."""
    table = tables.pauses
    gone = connection.execute(delete(table).where(table.c.scope == NUMBER, table.c.key == phone_number_id))
    return gone.rowcount == 1


def find(connection: Connection, phone_number_id: str, now: datetime) -> Pause | None:
    """The pause that a number is under now."""
    table = tables.pauses
    row = connection.execute(select(table).where(_standing(phone_number_id, now))).first()
    if row is None:
        return None
    return Pause(row.key, row.reason, row.detail, row.since, row.until, row.token_fingerprint)


def paused(phone_number_id: str, now: datetime) -> ColumnElement[bool]:
    """The condition that a number is under a pause, as part of another statement."""
    return select(tables.pauses.c.key).where(_standing(phone_number_id, now)).exists()


def _standing(phone_number_id: str, now: datetime) -> ColumnElement[bool]:
    table = tables.pauses
    return (
        (table.c.scope == NUMBER) & (table.c.key == phone_number_id) & or_(table.c.until.is_(None), table.c.until > now)
    )

"""Meta's word on each phone number, as the dispatcher that serves it was told last, for people to see."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from service.message import NumberFacts
from service.outbox import tables
from service.outbox.database import upsert

_columns = tables.numbers.c


@dataclass(frozen=True, slots=True)
class KnownNumber:
    """What Meta told last, and when. `problem` says why it told nothing when it was asked again, None where it did.

    A number of which Meta has never told anything has no facts; `asked_at` is then since when.
    """

    phone_number_id: str
    facts: NumberFacts
    asked_at: datetime
    problem: str | None = None


def keep(connection: Connection, phone_number_id: str, facts: NumberFacts, now: datetime) -> None:
    """Keep what Meta tells, in place of all that it told before."""
    values = {**asdict(facts), "asked_at": now, "problem": None}
    statement = upsert(connection, tables.numbers).values(phone_number_id=phone_number_id, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=[_columns.phone_number_id], set_=values))


def keep_problem(connection: Connection, phone_number_id: str, problem: str, now: datetime) -> None:
    """Keep why Meta told nothing; what it told before stays, with its time."""
    statement = upsert(connection, tables.numbers)
    statement = statement.values(phone_number_id=phone_number_id, asked_at=now, problem=problem)
    connection.execute(
        statement.on_conflict_do_update(index_elements=[_columns.phone_number_id], set_={"problem": problem})
    )


def known(connection: Connection) -> dict[str, KnownNumber]:
    """Every number that Meta was ever asked about, by its id."""
    names = NumberFacts.__dataclass_fields__
    rows = connection.execute(select(tables.numbers).order_by(_columns.phone_number_id)).mappings()
    return {
        row["phone_number_id"]: KnownNumber(
            row["phone_number_id"], NumberFacts(**{name: row[name] for name in names}), row["asked_at"], row["problem"]
        )
        for row in rows
    }

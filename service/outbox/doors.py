"""Which of a number's two calls Meta wants for a template, where it has told us that the other one was wrong."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from service.message import Door, Template
from service.outbox import tables
from service.outbox.database import upsert

REMEMBERED = timedelta(days=7)
"""A template's category may change, an account may be let in: then the number's own door is tried again."""


def learn(connection: Connection, phone_number_id: str, template: Template, door: Door, now: datetime) -> None:
    """Keep it."""
    table = tables.doors
    facts = {"door": door.value, "learned_at": now}
    statement = upsert(connection, table).values(
        phone_number_id=phone_number_id, template_name=template.name, language=template.language, **facts
    )
    connection.execute(statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=facts))


def learned(
    connection: Connection, phone_number_id: str, now: datetime
) -> dict[tuple[str, str], tuple[Door, datetime]]:
    """What was learned lately and when, by template name and language."""
    columns = tables.doors.c
    rows = connection.execute(
        select(columns.template_name, columns.language, columns.door, columns.learned_at).where(
            columns.phone_number_id == phone_number_id, columns.learned_at > now - REMEMBERED
        )
    )
    return {(row.template_name, row.language): (Door(row.door), row.learned_at) for row in rows}

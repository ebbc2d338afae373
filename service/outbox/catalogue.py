"""The templates of each account as Meta listed them last, and when they are to be listed anew.

The dispatcher writes them, whoever checks a message reads them: while Meta is down, what was known goes on being checked.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Row, delete, insert, null, or_, select, update

from service.outbox import tables
from service.outbox.database import reading, transaction, upsert

Listing = Mapping[str, Any]
"""One template as Meta lists it: name, language, status, category, components and more."""

_catalogues = tables.catalogues.c
_templates = tables.templates.c


@dataclass(frozen=True, slots=True)
class Standing:
    """When an account's templates were read last, since when they are wanted anew, and why the last try failed, if it did."""

    waba_id: str
    read_at: datetime | None = None
    wanted_at: datetime | None = None
    problem: str | None = None

    def is_due(self, now: datetime, every: timedelta) -> bool:
        """Whether it is time to read them."""
        if self.read_at is None or now - self.read_at >= every:
            return True
        return self.wanted_at is not None and self.wanted_at >= self.read_at


class Catalogues:
    """Of every account; any call may raise StoreUnavailable."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def replace(self, waba_id: str, listings: Sequence[Listing], asked_at: datetime) -> None:
        """Keep what Meta lists, in place of what it listed before. `asked_at`: when it was asked.

        Meta's news that came while it was being read is wanted still.
        """
        rows = {(one["name"], one["language"]): one for one in listings}
        with transaction(self._engine) as connection:
            connection.execute(delete(tables.templates).where(_templates.waba_id == waba_id))
            if rows:
                values = [
                    {"waba_id": waba_id, "name": name, "language": language, "listing": json.dumps(one)}
                    for (name, language), one in rows.items()
                ]
                connection.execute(insert(tables.templates), values)
            facts = {"read_at": asked_at, "problem": None}
            statement = upsert(connection, tables.catalogues).values(waba_id=waba_id, **facts)
            connection.execute(statement.on_conflict_do_update(index_elements=[_catalogues.waba_id], set_=facts))
            answered = (_catalogues.waba_id == waba_id) & (_catalogues.wanted_at < asked_at)
            connection.execute(update(tables.catalogues).where(answered).values(wanted_at=null()))

    def failed(self, waba_id: str, problem: str) -> None:
        """Keep why Meta's list could not be read; what is known of the templates stays."""
        with transaction(self._engine) as connection:
            statement = upsert(connection, tables.catalogues).values(waba_id=waba_id, problem=problem)
            facts = {"problem": problem}
            connection.execute(statement.on_conflict_do_update(index_elements=[_catalogues.waba_id], set_=facts))

    def want(self, waba_ids: Collection[str], now: datetime) -> None:
        """Meta says that something changed: have the templates of these accounts read anew."""
        with transaction(self._engine) as connection:
            for waba_id in sorted(waba_ids):
                statement = upsert(connection, tables.catalogues).values(waba_id=waba_id, wanted_at=now)
                newer = or_(_catalogues.wanted_at.is_(None), _catalogues.wanted_at < now)
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=[_catalogues.waba_id], set_={"wanted_at": now}, where=newer
                    )
                )

    def standings(self, waba_ids: Collection[str]) -> dict[str, Standing]:
        """How it stands with each of these accounts; one that nobody has tried to read is left out."""
        query = select(tables.catalogues).where(_catalogues.waba_id.in_(sorted(waba_ids)))
        with reading(self._engine) as connection:
            return {row.waba_id: _standing(row) for row in connection.execute(query)}

    def listings(self, waba_id: str) -> list[Listing]:
        """The account's templates, by name and language."""
        query = select(_templates.listing).where(_templates.waba_id == waba_id)
        with reading(self._engine) as connection:
            found = connection.execute(query.order_by(_templates.name, _templates.language)).scalars()
            return [json.loads(listing) for listing in found]


def _standing(row: Row[Any]) -> Standing:
    return Standing(row.waba_id, row.read_at, row.wanted_at, row.problem)

"""What people and keys did that somebody may ask about one day: unmaskings, replays, pauses, suppressions, sign-ins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Engine, select

from service.message import printable
from service.outbox import tables
from service.outbox.database import reading, transaction

Via = Literal["console", "api", "command"]

_LONGEST_WHO = 128
"""An API key's name may be longer than anybody would read."""

_audit = tables.audit.c
_DEED = (_audit.at, _audit.who, _audit.via, _audit.action, _audit.subject, _audit.detail)


@dataclass(frozen=True, slots=True)
class Deed:
    """Who did what, and to what. `who` is a person of the console, a key's name or the user of a command.

    `action` is a verb, such as `pause`, of 40 characters at most. `subject` and `detail` hold no phone
    number whole: whoever writes one masks it.
    """

    at: datetime
    who: str
    via: Via
    action: str
    subject: str
    detail: str = ""


class Audit:
    """The list of deeds. It only grows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, deed: Deed) -> None:
        """Write it down. Raise StoreUnavailable: then the deed had better not be done."""
        facts = {
            "at": deed.at,
            "who": printable(deed.who)[:_LONGEST_WHO],
            "via": deed.via,
            "action": deed.action,
            "subject": printable(deed.subject),
            "detail": printable(deed.detail),
        }
        with transaction(self._engine) as connection:
            connection.execute(tables.audit.insert().values(**facts))

    def page(self, limit: int, before_id: int | None = None) -> Sequence[tuple[int, Deed]]:
        """The newest, with their ids; `before_id` is the last id of the page before."""
        statement = select(_audit.id, *_DEED).order_by(_audit.id.desc()).limit(limit)
        if before_id is not None:
            statement = statement.where(_audit.id < before_id)
        with reading(self._engine) as connection:
            return [(row.id, Deed(*row[1:])) for row in connection.execute(statement)]

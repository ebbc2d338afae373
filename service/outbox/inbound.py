"""What people wrote to our numbers, kept once each, and what it says about getting messages (G8).

A reply and the suppression that it causes are in one transaction: when Meta is answered, both are on disk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, select

from service.outbox import consent, outcomes, tables
from service.outbox.consent import Wish
from service.outbox.database import reading, transaction, upsert
from service.people import Inbound

_columns = tables.inbound_messages.c


@dataclass(frozen=True, slots=True)
class Taken:
    """What a notification came to: replies that are new, and queued messages that became `suppressed`."""

    new: int = 0
    withheld: int = 0


class Inbox:
    """What people wrote. Each call may raise StoreUnavailable: nothing was stored then, and it may be made again."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def take(
        self, replies: Sequence[Inbound], wishes: Mapping[str, Wish], preferences: Sequence[Wish], now: datetime
    ) -> Taken:
        """Keep the replies that are new, and do what they and the preferences ask for.

        `wishes` are in replies, by wamid: the wish of a reply that is known already was done, and is not done again.
        """
        with transaction(self._engine) as connection:
            new = _keep(connection, replies, now)
            heeded = [wish for wamid, wish in wishes.items() if wamid in new]
            return Taken(len(new), consent.heed(connection, [*heeded, *preferences], now))

    def of_message(self, message_id: str) -> list[Inbound]:
        """What was answered to a message, the oldest first."""
        with reading(self._engine) as connection:
            return of_message(connection, message_id)


def of_message(connection: Connection, message_id: str) -> list[Inbound]:
    """What was answered to a message, the oldest first. `answers` is not told."""
    found = select(tables.inbound_messages).where(_columns.message_id == message_id)
    return [
        Inbound(row.wamid, row.phone_number_id, row.sender, row.kind, row.at, row.user_id, row.text, row.payload)
        for row in connection.execute(found.order_by(_columns.at, _columns.wamid))
    ]


def _keep(connection: Connection, replies: Sequence[Inbound], now: datetime) -> set[str]:
    """The wamids of those that were not known. In one order for all, as with any lock."""
    if not replies:
        return set()
    by_wamid = {reply.wamid: reply for reply in reversed(replies)}
    answered = _answered(connection, {reply.answers for reply in replies if reply.answers})
    rows = [_row(reply, answered, now) for _, reply in sorted(by_wamid.items())]
    statement = upsert(connection, tables.inbound_messages).on_conflict_do_nothing().returning(_columns.wamid)
    new = set(connection.execute(statement, rows).scalars())
    for wamid, reply in sorted(by_wamid.items()):
        if wamid in new:
            outcomes.keep_reply(connection, wamid, reply.at)
    return new


def _answered(connection: Connection, wamids: set[str]) -> dict[str, str]:
    """Our messages that Meta calls so."""
    if not wamids:
        return {}
    attempts = tables.attempts.c
    found = connection.execute(select(attempts.wamid, attempts.message_id).where(attempts.wamid.in_(sorted(wamids))))
    return {row.wamid: row.message_id for row in found}


def _row(reply: Inbound, answered: Mapping[str, str], now: datetime) -> dict[str, Any]:
    return {
        "wamid": reply.wamid,
        "phone_number_id": reply.phone_number_id,
        "sender": reply.sender,
        "user_id": reply.user_id,
        "kind": reply.kind,
        "text": reply.text,
        "payload": reply.payload,
        "at": reply.at,
        "received_at": now,
        "message_id": answered.get(reply.answers) if reply.answers else None,
    }

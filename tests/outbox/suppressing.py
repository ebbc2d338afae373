"""People who want no messages, for the outbox's suite: who says so, what stands, and what the sweep finds."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import insert

from service.message import Category, Message
from service.outbox import accept, blocking, tables
from service.outbox.consent import Consent, Wanted, Wish
from service.outbox.database import transaction
from service.outbox.inbound import Inbox
from service.people import Blocked, Suppression, SuppressionSource
from tests.outbox.making import NOW, Desk, event

TO = "+8613800000001"
STOP, PREFERENCE = SuppressionSource.STOP_REPLY, SuppressionSource.USER_PREFERENCES
OPERATOR, IMPORT, REFUSED = SuppressionSource.OPERATOR, SuppressionSource.IMPORT, SuppressionSource.ERROR_131050
CATEGORIES: tuple[Category | None, ...] = (*Category, None)


def suppression(
    to: str = TO, blocked: Blocked = Blocked.ALL, source: SuppressionSource = OPERATOR, **more: object
) -> Suppression:
    return replace(Suppression(to, blocked, source, NOW), **more)  # type: ignore[arg-type]


def consent(desk: Desk) -> Consent:
    return Consent(desk.store.engine)


def suppress(desk: Desk, *suppressions: Suppression, now: datetime = NOW) -> int:
    return consent(desk).suppress(suppressions or [suppression()], now)


def say(desk: Desk, *wishes: Wish, now: datetime = NOW) -> int:
    return Inbox(desk.store.engine).take([], {}, wishes, now).withheld


def stop(at: datetime = NOW, blocked: Blocked = Blocked.ALL, to: str = TO) -> Wish:
    return Wish((to,), STOP, blocked, at)


def start(at: datetime = NOW, to: str = TO) -> Wish:
    return Wish((to,), STOP, None, at)


def standing(desk: Desk) -> list[tuple[str, str]]:
    """What is blocked, and who said so."""
    found, _ = consent(desk).search(Wanted(), 1000)
    return sorted((one.blocked.value, one.source.value) for one in found)


def sweep(desk: Desk, now: datetime = NOW) -> int:
    with transaction(desk.store.engine) as connection:
        return blocking.sweep(connection, desk.lease, now)


def unchecked(desk: Desk, *messages: Message) -> None:
    """Messages that are accepted beside the suppression: their rows are there, whoever is suppressed."""
    rows = [accept._message_row(event(one).event, one, NOW) for one in messages]
    with desk.store.engine.begin() as connection:
        connection.execute(insert(tables.messages), rows)

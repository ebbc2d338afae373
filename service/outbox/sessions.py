"""Who is signed in to the console, and how often somebody could not sign in under a name.

Only hashes come in here: of what the browser shows, of the entry in the settings, of the name that was typed.
"""

from datetime import datetime, timedelta

from sqlalchemy import Column, ColumnElement, Connection, Engine, Table, and_, case, delete, or_, select

from service.outbox import tables
from service.outbox.database import reading, transaction, upsert

FREE_FAILURES = 3
"""So many in a row cost nothing; after the next ones one waits for 2, 4, 8 … seconds."""
LONGEST_WAIT = timedelta(seconds=60)
FORGOTTEN = timedelta(hours=1)
"""How long after the last failure a name starts afresh."""
SWEPT_AT_ONCE = 100
"""So many that are over are removed whenever one is added: what nobody ends does not pile up."""

_MOST = 9
"""From so many failures on the wait is the longest."""

_sessions = tables.sessions.c
_failures = tables.sign_in_failures.c


class Sessions:
    """The sessions of the console and the failures to get one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def start(self, token_sha256: str, name: str, entry_sha256: str, now: datetime, lifetime: timedelta) -> None:
        """Somebody signed in, for so long. `entry_sha256` is of what the settings say of them."""
        facts = {"name": name, "entry_sha256": entry_sha256, "started_at": now, "expires_at": now + lifetime}
        with transaction(self._engine) as connection:
            connection.execute(tables.sessions.insert().values(token_sha256=token_sha256, **facts))
            _sweep(connection, tables.sessions, _sessions.token_sha256, _sessions.expires_at <= now)

    def find(self, token_sha256: str, now: datetime) -> tuple[str, str] | None:
        """The name and the hash of the entry with which a session was started that still lasts."""
        wanted = select(_sessions.name, _sessions.entry_sha256).where(
            _sessions.token_sha256 == token_sha256, _sessions.expires_at > now
        )
        with reading(self._engine) as connection:
            row = connection.execute(wanted).first()
        return (row.name, row.entry_sha256) if row else None

    def end(self, token_sha256: str) -> None:
        """Sign out; what is over already stays so."""
        with transaction(self._engine) as connection:
            connection.execute(delete(tables.sessions).where(_sessions.token_sha256 == token_sha256))

    def end_all_of(self, name: str) -> int:
        """Sign somebody out everywhere. How many sessions there were."""
        with transaction(self._engine) as connection:
            return connection.execute(delete(tables.sessions).where(_sessions.name == name)).rowcount

    def attempt(self, name_sha256: str, now: datetime) -> timedelta:
        """Ask to try a password. Zero: it may be tried, and counts as wrong unless `succeeded` follows.

        Otherwise so much time must pass first; who asks too early waits no longer for it. One statement asks and counts:
        of many who guess at once no more get through than if they came one after the other.
        """
        with transaction(self._engine) as connection:
            statement = upsert(connection, tables.sign_in_failures).values(
                name_sha256=name_sha256, failures=1, last_at=now
            )
            counted = statement.on_conflict_do_update(
                index_elements=[_failures.name_sha256],
                set_={"failures": case((_is_forgotten(now), 1), else_=_failures.failures + 1), "last_at": now},
                where=_may_try(now),
            ).returning(_failures.failures)
            if connection.execute(counted).first() is None:
                return _left(connection, name_sha256, now)
            _sweep(connection, tables.sign_in_failures, _failures.name_sha256, _is_forgotten(now))
        return timedelta()

    def succeeded(self, name_sha256: str) -> None:
        """The password was right: the name starts afresh."""
        with transaction(self._engine) as connection:
            connection.execute(delete(tables.sign_in_failures).where(_failures.name_sha256 == name_sha256))


def wait_after(failures: int) -> timedelta:
    """How long after the last of so many failures nobody may try again."""
    if failures <= FREE_FAILURES:
        return timedelta()
    return min(timedelta(seconds=2 ** min(failures - FREE_FAILURES, _MOST)), LONGEST_WAIT)


def _may_try(now: datetime) -> ColumnElement[bool]:
    waited = (
        and_(_failures.failures == so_many, _failures.last_at <= now - wait_after(so_many))
        for so_many in range(FREE_FAILURES + 1, _MOST)
    )
    return or_(_failures.failures <= FREE_FAILURES, _failures.last_at <= now - LONGEST_WAIT, *waited)


def _left(connection: Connection, name_sha256: str, now: datetime) -> timedelta:
    """What is left of the wait: more than nothing, whatever happened meanwhile."""
    row = connection.execute(
        select(_failures.failures, _failures.last_at).where(_failures.name_sha256 == name_sha256)
    ).first()
    left = row.last_at + wait_after(row.failures) - now if row else timedelta()
    return max(left, timedelta(seconds=1))


def _is_forgotten(now: datetime) -> ColumnElement[bool]:
    return _failures.last_at <= now - FORGOTTEN


def _sweep(connection: Connection, table: Table, key: Column[str], is_over: ColumnElement[bool]) -> None:
    """Remove some of what is over, except what somebody else is at."""
    some = select(key).where(is_over).limit(SWEPT_AT_ONCE).with_for_update(skip_locked=True)
    connection.execute(delete(table).where(key.in_(connection.execute(some).scalars().all())))

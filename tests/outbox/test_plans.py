"""What is done every few milliseconds or seconds costs the same however many finished messages there are.

Asserted on the database's own plan, not on time: every statement is explained with its own parameters.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, case, event, insert, text, update

from service.message import Outcome, Scope, Settlement, Status
from service.outbox import blocking, tables
from service.outbox.consent import Consent
from service.outbox.database import transaction
from service.people import Blocked, Suppression, SuppressionSource
from tests.outbox.making import GRACE, NOW, NUMBER, PORTFOLIO, Desk, accepted, later, message, news, pause_of

FINISHED = 10_000


@pytest.fixture
def full(desk: Desk) -> Desk:
    """A store with many finished messages, one every ten seconds, and a few that wait or are in doubt.

    A campaign, a template and a country are paused, and the daily limit is used up. Half as many people want no messages.
    """
    desk.add(*(message(n) for n in range(FINISHED)))
    status = case(
        (tables.messages.c.message_id.endswith("000"), Status.QUEUED.value),
        (tables.messages.c.message_id.endswith("001"), Status.UNANSWERED.value),
        else_=Status.READ.value,
    )
    facts = {"attempt": 1, "phone_number_id": NUMBER, "outcome": "accepted"}
    attempts = [{"message_id": f"m{n:05}", "started_at": later(seconds=-10 * n), **facts} for n in range(FINISHED)]
    with desk.store.engine.begin() as connection:
        connection.execute(update(tables.messages).values(status=status, status_at=later(hours=-1), attempts=1))
        connection.execute(insert(tables.attempts), attempts)
    suppress(desk, FINISHED // 2)
    desk.allow(100)
    desk.pause(*(pause_of(scope, "x") for scope in (Scope.CAMPAIGN, Scope.TEMPLATE, Scope.COUNTRY)))
    analyse(desk)
    desk.take_over()  # the lease has lasted nearly as long as it can
    return desk


def suppress(desk: Desk, people: int) -> None:
    """Others than those whose messages wait; a hundred of them lately."""
    facts = {"blocked": "all", "source": "import", "since": NOW}
    moments = [NOW if n % (people // 100) == 0 else later(days=-9) for n in range(people)]
    rows = [{"to": f"+49{n:010}", "added_at": at, **facts} for n, at in enumerate(moments)]
    with desk.store.engine.begin() as connection:
        connection.execute(insert(tables.suppressions), rows)


def analyse(desk: Desk) -> None:
    """As PostgreSQL does by itself from time to time; its indexes also lose what has left them."""
    statement = "ANALYZE" if desk.store.engine.dialect.name == "sqlite" else "VACUUM ANALYZE"
    with desk.store.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text(statement))


@contextmanager
def explained(engine: Engine) -> Iterator[list[str]]:
    """The plans of all statements about messages and people that run meanwhile."""
    plans: list[str] = []
    explain = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "

    def look(_connection: Any, cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if ("messages" in statement or "recipients" in statement) and not many:
            cursor.execute(explain + statement, parameters)
            plans.append("\n".join(str(row[-1]) for row in cursor.fetchall()))

    event.listen(engine, "before_cursor_execute", look)
    yield plans
    event.remove(engine, "before_cursor_execute", look)


def sweep(desk: Desk) -> int:
    with transaction(desk.store.engine) as connection:
        return blocking.sweep(connection, desk.lease, NOW)


def suppress_one(desk: Desk) -> int:
    one = Suppression("+4915100000000", Blocked.ALL, SuppressionSource.OPERATOR, NOW)
    return Consent(desk.store.engine).suppress([one], NOW)


WORK: dict[str, tuple[str, Callable[[Desk], object]]] = {
    "claim": ("ix_messages_ready", lambda desk: desk.claim(limit=5)),
    "claim with reserved places": ("ix_messages_ready", lambda desk: desk.claim(limit=5, reserved=1)),
    "claim under a daily limit": ("ix_messages_ready", lambda desk: desk.claim(limit=5, portfolio=PORTFOLIO)),
    "claim where recipients are barred": ("ix_messages_ready", lambda desk: desk.claim(limit=5, barred=["+491"])),
    "take off the daily limit": ("ix_daily_recipients_message_id", lambda desk: desk.settle(not_sent("m00007"))),
    "recent sends": ("ix_attempts_number", lambda desk: desk.store.outbox.recent_sends(NUMBER, later(seconds=-90))),
    "shelve": ("ix_messages_shelved", lambda desk: desk.shelve("W1")),
    "expire": ("ix_messages_expiry", lambda desk: desk.store.outbox.expire(desk.lease, NOW)),
    "sweep": ("ix_messages_", sweep),
    "suppress": ("ix_messages_", suppress_one),
    "rescue": ("ix_messages_doubt", lambda desk: desk.store.outbox.rescue(desk.lease, NOW)),
    "judge": ("ix_messages_doubt", lambda desk: desk.judge(NOW, GRACE)),
    "look": ("ix_messages_ready", lambda desk: desk.store.outbox.look(desk.lease.holder, NOW)),
    "queues": ("ix_messages_", lambda desk: desk.store.report.queues()),
}


def not_sent(name: str) -> Settlement:
    return Settlement(name, 1, Outcome.NOT_SENT, Status.QUEUED)


def test_recurring_work_reads_its_partial_index_and_never_a_whole_table(full: Desk) -> None:
    for name, (index, work) in WORK.items():
        with explained(full.store.engine) as plans:
            work(full)
        assert any(index in plan for plan in plans), (name, plans)
        for line in "\n".join(plans).splitlines():
            for table in ("messages", "attempts", "daily_recipients"):
                assert f"Seq Scan on {table}" not in line, (name, plans)
                assert f"SCAN {table}" not in line or "USING INDEX ix_messages_" in line, (name, plans)


@contextmanager
def reading(engine: Engine) -> Iterator[list[int]]:
    """How much each transaction reads meanwhile: rows and index entries in PostgreSQL, steps of its machine in SQLite."""
    read: list[int] = []

    def step() -> int:
        read[-1] += 1
        return 0

    def begin(connection: Connection) -> None:
        read.append(0 if engine.dialect.name == "sqlite" else -_read_so_far(connection))
        if engine.dialect.name == "sqlite":
            _driver(connection).set_progress_handler(step, 1)

    def commit(connection: Connection) -> None:
        if engine.dialect.name == "sqlite":
            _driver(connection).set_progress_handler(None, 1)
        else:
            read[-1] += _read_so_far(connection)

    with _at_each_transaction(engine, begin, commit):
        yield read


@contextmanager
def _at_each_transaction(
    engine: Engine, begin: Callable[[Connection], None], commit: Callable[[Connection], None]
) -> Iterator[None]:
    event.listen(engine, "begin", begin)
    event.listen(engine, "commit", commit)
    yield
    event.remove(engine, "begin", begin)
    event.remove(engine, "commit", commit)


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _read_so_far(connection: Connection) -> int:
    """PostgreSQL counts by connection, and adds up what it has not yet written to its statistics."""
    of = "SELECT oid FROM pg_class WHERE relname = 'messages' OR relname ~ '^(ix_)?messages_'"
    return int(
        connection.exec_driver_sql(
            f"SELECT sum(pg_stat_get_xact_tuples_returned(oid)) FROM ({of}) AS named"
        ).scalar_one()
    )


def test_a_take_over_reads_what_those_who_were_busy_got_and_not_all_that_the_number_has_sent(full: Desk) -> None:
    send_again(full, people=40)
    with reading(full.store.engine) as read:
        for busy_since in (later(hours=-1), later(days=-2)):
            assert len(full.store.outbox.recent_sends(NUMBER, later(minutes=-10), busy_since)) == 80
    assert read[1] < 1.2 * read[0], "27 times as many sends"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_any_number_of_people_may_have_been_busy_at_a_take_over(full: Desk) -> None:
    more = 33_000  # SQLite takes 32,766 parameters, PostgreSQL 65,535
    full.add(*(message(FINISHED + n) for n in range(more)))
    for attempt in (1, 2):
        send_again(full, FINISHED, more, attempt)
    assert len(full.store.outbox.recent_sends(NUMBER, later(seconds=-6), later(hours=-1))) == 2 * more


def send_again(desk: Desk, first: int = 0, people: int = 40, attempt: int = 2) -> None:
    """One more attempt for each of so many people, five seconds ago."""
    facts = {"attempt": attempt, "phone_number_id": NUMBER, "outcome": "accepted", "started_at": later(seconds=-5)}
    attempts = [{"message_id": f"m{n:05}", **facts} for n in range(first, first + people)]
    with desk.store.engine.begin() as connection:
        connection.execute(insert(tables.attempts), attempts)


def claims(desk: Desk) -> list[int]:
    """How much two claims read, without reserved places and with some."""
    analyse(desk)
    with reading(desk.store.engine) as read:
        assert [len(desk.claim(50)), len(desk.claim(50, reserved=5))] == [50, 50]
    return read


def test_a_claim_beside_a_campaign_on_its_shelf_reads_no_more_than_without_the_campaign(full: Desk) -> None:
    full.add(*(message(n) for n in range(20_000, 20_300)))
    alone = claims(full)
    earlier = [message(n, campaign_id="summer", due_at=later(seconds=-1)) for n in range(30_000, 35_000)]
    full.add(*earlier)
    full.pause(pause_of(Scope.CAMPAIGN, "summer"))
    before = claims(full)
    assert full.shelve() == len(earlier)
    beside = claims(full)
    assert all(many > 5 * few for many, few in zip(before, alone, strict=True))
    assert all(few <= 1.1 * alike for few, alike in zip(beside, alone, strict=True))


def test_a_table_without_statistics_is_read_as_sparingly(desk: Desk) -> None:
    """As of a new database: PostgreSQL then takes an index for short, and must not read it whole for each message."""
    of_one, total = 1_000, 4_000
    desk.add(*(message(n) for n in range(total)))
    desk.take_over()
    with reading(desk.store.engine) as read:
        assert len(desk.claim(50)) == 50
        assert desk.store.outbox.expire(desk.lease, later(days=2)) == total - 50
    assert read[0] < of_one * 50
    assert max(read) < of_one * total


def lengthen(desk: Desk, first: int, last: int) -> None:
    for start in range(first, last, 2_000):
        desk.add(*(message(n) for n in range(start, min(start + 2_000, last))))


def test_a_settlement_reads_no_more_beside_a_long_queue(desk: Desk) -> None:
    """Without statistics, too: PostgreSQL then takes the index of all that waits for the shortest way to a few."""
    desk.take_over()
    costs = []
    for first, last in ((0, 300), (300, 20_000)):
        lengthen(desk, first, last)
        claimed = desk.claim(50)
        with reading(desk.store.engine) as read:
            desk.settle(*(accepted(one) for one in claimed))
        costs += read
    assert costs[1] < 1.5 * costs[0]


@pytest.mark.parametrize("reserved", [0, 2])
def test_a_claim_reads_no_more_of_a_long_queue(desk: Desk, reserved: int) -> None:
    """It takes them in the order of an index; a queue of 100,000 that is sorted anew costs half a second."""
    desk.take_over()
    costs = []
    for first, last in ((0, 300), (300, 20_000)):
        lengthen(desk, first, last)
        with reading(desk.store.engine) as read:
            assert len(desk.claim(5, reserved=reserved)) == 5
        costs += read
    assert costs[1] < 1.5 * costs[0]


def test_the_look_reads_a_few_rows_of_each_number_however_long_the_queue(desk: Desk) -> None:
    desk.take_over()
    for number in range(20):
        desk.beside(f"{number:015}")
    lengthen(desk, 0, 20_000)
    with reading(desk.store.engine) as read:
        assert desk.store.outbox.look(desk.lease.holder, NOW).due == {NUMBER}
        assert desk.store.outbox.look("beside", NOW).due == set()
    assert max(read) < 4_000, "rows in PostgreSQL, steps in SQLite"


def test_what_meta_tells_of_a_message_is_written_to_no_index(desk: Desk) -> None:
    """PostgreSQL writes it beside the row where no index names a value that changes; each other index costs a page more."""
    if desk.store.engine.dialect.name == "sqlite":
        pytest.skip("SQLite writes a row where it stands")
    desk.add(*(message(n) for n in range(20)))
    claimed = desk.claim(20)
    desk.settle(*(accepted(one) for one in claimed))
    with hot_updates(desk.store.engine) as beside:
        for status in (Status.SENT, Status.DELIVERED, Status.READ):
            desk.tell(*(news(one, status) for one in claimed))
    assert sum(beside) == 3 * 20
    assert desk.status() == "read"


@contextmanager
def hot_updates(engine: Engine) -> Iterator[list[int]]:
    """How many messages each transaction changes meanwhile without an index being written."""
    beside: list[int] = []

    def so_far(connection: Connection) -> int:
        of = "SELECT oid FROM pg_class WHERE relname = 'messages'"
        return int(connection.exec_driver_sql(f"SELECT pg_stat_get_xact_tuples_hot_updated(({of}))").scalar_one())

    def begin(connection: Connection) -> None:
        beside.append(-so_far(connection))

    def commit(connection: Connection) -> None:
        beside[-1] += so_far(connection)

    with _at_each_transaction(engine, begin, commit):
        yield beside

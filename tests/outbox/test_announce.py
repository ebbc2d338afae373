"""What the dispatchers are told of new work: whose it is and how urgent, and where that cannot be said, everybody's."""

import json
from collections.abc import Iterator
from logging import LogRecord
from logging.handlers import QueueHandler
from queue import SimpleQueue

import psycopg
import pytest
from sqlalchemy import Engine, make_url

from service.message import Message, Priority, Rejection
from service.outbox import announce
from service.outbox.announce import ALL, CHANNEL, EVERYBODY, LONGEST, Announcer, Work, read, work_of, write
from service.outbox.database import open_engine
from tests.outbox.making import NUMBER, message, rejection
from tests.running import until

OTHER = "222222222222222"
HIGH, NORMAL = Priority.HIGH, Priority.NORMAL


def test_work_is_the_most_urgent_of_each_number() -> None:
    results: list[Message | Rejection] = [
        message(1),
        rejection(2),
        message(3, priority=HIGH),
        message(4),
        message(5, phone_number_id=OTHER),
    ]
    assert work_of(results) == {NUMBER: HIGH, OTHER: NORMAL}
    assert work_of([rejection(1)]) == {}


@pytest.mark.parametrize(
    "work", [EVERYBODY, {NUMBER: NORMAL}, {NUMBER: HIGH, OTHER: NORMAL}, {ALL: HIGH, "é'\"": HIGH}]
)
def test_what_is_written_is_read_again(work: Work) -> None:
    assert read(write(work)) == work


def test_what_would_be_too_long_concerns_everybody_and_stays_urgent() -> None:
    many = {f"{number:015}": NORMAL for number in range(1000)}
    assert read(write(many)) == EVERYBODY
    assert read(write(many | {NUMBER: HIGH})) == {ALL: HIGH}
    longest = {f"{number:016}": NORMAL for number in range(380)}
    assert LONGEST - 25 < len(write(longest)) <= LONGEST
    assert read(write(longest)) == longest


@pytest.mark.parametrize(
    "words", ["", "{}", "[]", "7", "null", "{", '{"1": 9}', '{"1": "high"}', '{"1": null}', '["1"]']
)
def test_what_cannot_be_read_concerns_everybody(words: str) -> None:
    assert read(words) == EVERYBODY


@pytest.fixture
def engine(shared: str) -> Iterator[Engine]:
    """Connections that an announcer has given back when the test is over."""
    engine = open_engine(shared)
    yield engine
    until(lambda: engine.pool.checkedout() == 0, "the announcer to give its connection back")  # type: ignore[attr-defined]
    engine.dispose()


def heard(url: str, announcer: Announcer, enough: set[str], *calls: Work) -> list[Work]:
    """What a listener hears, until that names all of `enough`."""
    conninfo = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    told: list[Work] = []
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(f"LISTEN {CHANNEL}")
        for work in calls:
            announcer(work)
        for announcement in connection.notifies(timeout=20):
            told.append(json.loads(announcement.payload))
            if {number for work in told for number in work} >= enough:
                break
    return told


def test_what_comes_while_one_announcement_is_under_way_goes_into_the_next(shared: str, engine: Engine) -> None:
    numbers = [f"{number:03}" for number in range(300)]
    told = heard(shared, Announcer(engine), {*numbers, "last"}, *({one: NORMAL} for one in numbers), {"last": HIGH})
    assert len(told) < len(numbers), "and not one for each"
    assert {one: work[one] for work in told for one in work} == {**dict.fromkeys(numbers, NORMAL), "last": HIGH}


def test_while_nothing_can_be_announced_what_is_to_be_waits(shared: str, engine: Engine) -> None:
    gone = open_engine("postgresql://nobody:secret@localhost:1/none")
    announcer = Announcer(gone)
    logged: SimpleQueue[LogRecord] = SimpleQueue()
    handler = QueueHandler(logged)
    announce.log.addHandler(handler)
    announcer({NUMBER: NORMAL})
    said = logged.get(timeout=20).getMessage()
    announce.log.removeHandler(handler)
    assert said.startswith("work.not_announced")
    assert "secret" not in said
    announcer._engine = engine
    assert heard(shared, announcer, {OTHER}, {OTHER: HIGH})[-1][OTHER] == HIGH
    gone.dispose()

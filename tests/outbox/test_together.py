"""What comes at the same moment goes into one transaction, and each gets what it would have got alone (G1, G2, G3)."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest

from service.outbox import accept, tables
from service.outbox.accept import Receipt, ReceiptConflict
from service.outbox.database import StoreUnavailable, transaction
from service.outbox.together import GATHER_SECONDS, Together
from tests.outbox.making import NOW, Desk, event, later, message, rejection

Writing = Together[str, str]


class Stopped(BaseException):
    """As a thread is ended."""


class Disk:
    """Keeps what is written. The first write waits until it is let go, so that others come meanwhile."""

    def __init__(
        self,
        at_most: int = 100,
        fit: Callable[[str, str], bool] = lambda _first, _other: True,
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        self.writes: list[list[str]] = []
        self._begun, self._go = threading.Event(), threading.Event()
        self.writing: Writing = Together(self._write, len, at_most, fit, gather_seconds)
        self._threads = ThreadPoolExecutor(16)

    def _write(self, items: Sequence[str]) -> list[str]:
        self.writes.append(list(items))
        if len(self.writes) == 1:
            self._begun.set()
            assert self._go.wait(10)
        for item in items:
            if item == "stopped":
                raise Stopped
            if item == "down":
                raise StoreUnavailable("no answer")
            if item.startswith("bad"):
                raise ValueError(item)
        return [f"kept {item}" for item in items]

    def write(self, first: str, *others: str) -> list[Future[str]]:
        """`first`, and the others while it is being written."""
        with self._threads:
            futures = [self._threads.submit(self.writing.write, first)]
            assert self._begun.wait(10)
            for number, other in enumerate(others, 1):
                futures.append(self._threads.submit(self.writing.write, other))
                while len(self.writing) < number:
                    threading.Event().wait(0.001)
            self._go.set()
        return futures


def test_who_comes_during_a_write_is_written_with_the_others_who_did() -> None:
    disk = Disk()
    futures = disk.write("a", "b", "c", "d")
    assert disk.writes == [["a"], ["b", "c", "d"]]
    assert [future.result() for future in futures] == ["kept a", "kept b", "kept c", "kept d"]


def test_no_more_go_together_than_fit() -> None:
    disk = Disk(at_most=5)
    disk.write("a", "bbb", "cc", "dddddddd", "e")
    assert disk.writes == [["a"], ["bbb", "cc"], ["dddddddd"], ["e"]]


def test_the_next_to_write_waits_for_as_many_as_were_here_at_the_last_commit() -> None:
    disk = Disk(gather_seconds=60)
    with ThreadPoolExecutor(1) as beside:
        writing = beside.submit(disk.write, "a", "b", "c")
        while disk.writing.crowd < 3:
            threading.Event().wait(0.001)
        assert disk.writing.write("d") == "kept d"
        assert [future.result() for future in writing.result()] == ["kept a", "kept b", "kept c"]
    assert disk.writes == [["a"], ["b", "c", "d"]]


def test_what_does_not_fit_the_first_goes_after_it() -> None:
    disk = Disk(fit=lambda first, other: first[0] == other[0])
    disk.write("a", "b", "b2", "c", "b3")
    assert disk.writes == [["a"], ["b", "b2"], ["c"], ["b3"]]


def test_who_is_alone_waits_for_nobody() -> None:
    writing: Writing = Together(lambda items: items, len, at_most=100, gather_seconds=60)
    with ThreadPoolExecutor(1) as threads:
        assert [threads.submit(writing.write, item).result(10) for item in "abc"] == ["a", "b", "c"]


def test_what_cannot_be_written_spoils_nothing_else() -> None:
    disk = Disk()
    _, b, bad, c = disk.write("a", "b", "bad", "c")
    assert disk.writes == [["a"], ["b", "bad", "c"], ["b"], ["bad"], ["c"]]
    assert (b.result(), c.result()) == ("kept b", "kept c")
    with pytest.raises(ValueError, match="bad"):
        bad.result()


def test_when_the_store_is_down_everybody_is_told_and_nobody_tries_for_the_others() -> None:
    disk = Disk()
    futures = disk.write("a", "b", "down", "c")
    assert disk.writes == [["a"], ["b", "down", "c"]]
    for future in futures[1:]:
        with pytest.raises(StoreUnavailable):
            future.result()
    assert disk.writing.write("later") == "kept later"


def test_who_has_been_written_for_does_not_wait_for_what_is_written_next() -> None:
    begun, go = [threading.Event() for _ in range(3)], [threading.Event() for _ in range(3)]

    def write_all(items: Sequence[int]) -> Sequence[int]:
        begun[items[0]].set()
        assert go[items[0]].wait(10)
        return items

    writing = Together(write_all, lambda _: 1, at_most=1)
    with ThreadPoolExecutor(3) as threads:
        futures = [threads.submit(writing.write, 0)]
        assert begun[0].wait(10)
        for n in (1, 2):
            futures.append(threads.submit(writing.write, n))
            while len(writing) < n:
                threading.Event().wait(0.001)
        go[0].set()
        go[1].set()
        assert begun[2].wait(10)
        assert (futures[0].result(10), futures[1].result(10), futures[2].done()) == (0, 1, False)
        go[2].set()
    assert futures[2].result() == 2


def test_when_a_writer_is_stopped_the_others_are_told_and_the_next_one_writes() -> None:
    disk = Disk(at_most=10)
    _, stopped, c, long = disk.write("a", "stopped", "c", "long enough")
    with pytest.raises(Stopped):
        stopped.result()
    with pytest.raises(StoreUnavailable):
        c.result()
    assert long.result() == "kept long enough"


def test_events_of_one_transaction_are_answered_one_by_one(desk: Desk) -> None:
    first = event(message(1), rejection(2), message(3), n=1)
    with_a_duplicate = event(replace(message(1), message_id="other"), message(4), n=2)
    of_rejections = event(rejection(5), n=3)
    again = event(
        message(1, message_id="again"), rejection(2), message(3, message_id="and again"), n=1, event_id="again"
    )
    another_body = event(message(6), n=3, event_id="another", body_sha256="another")
    without_receipt = event(message(7), n=4, receipt_id=None)
    given = [first, with_a_duplicate, of_rejections, again, another_body, without_receipt]
    with transaction(desk.store.engine) as connection:
        answers = accept.add(connection, [(one, later(seconds=n)) for n, one in enumerate(given)])

    receipts = [answer for answer in answers if isinstance(answer, Receipt)]
    assert isinstance(answers[4], ReceiptConflict)
    assert [receipt.queued for receipt in receipts] == [2, 1, 0, 0, 1]
    assert [receipt.replayed for receipt in receipts] == [False, False, False, True, False]
    assert receipts[3].answer == receipts[0].answer
    assert '"duplicates":1' in receipts[1].answer
    assert '"message_id":"m00001"' in receipts[1].answer, "it is the first one's"
    assert (desk.count(tables.events), desk.count(tables.messages), desk.count(tables.rejections)) == (4, 4, 2)
    assert {desk.status(f"m{n:05}") for n in (1, 3, 4, 7)} == {"queued"}


def test_each_event_keeps_the_moment_of_its_own_adding_and_window(desk: Desk) -> None:
    short, long = event(message(1), n=1, keys_expire_at=later(minutes=1)), event(message(2), n=2)
    with transaction(desk.store.engine) as connection:
        accept.add(connection, [(short, NOW), (long, later(seconds=3))])
        kept = connection.execute(tables.messages.select().order_by(tables.messages.c.message_id)).all()
        keys = connection.execute(tables.keys.select().order_by(tables.keys.c.key)).all()
    assert [row.created_at for row in kept] == [NOW, later(seconds=3)]
    assert [row.expires_at for row in keys] == [later(minutes=1), later(minutes=15)]


def test_an_event_that_was_parked_goes_by_the_moment_of_its_own_receipt(desk: Desk) -> None:
    """The key that it finds had expired when the others of this moment came, but not when it was received."""
    desk.add(message(1), keys_expire_at=later(minutes=15))
    now = later(minutes=20)
    parked = event(message(1, message_id="parked"), n=2, received_at=later(minutes=10))
    fresh = event(message(1, message_id="fresh"), n=3, received_at=now)
    held, free = (desk.store.outbox.add(one, now) for one in (parked, fresh))
    assert ('"duplicates":1' in held.answer, '"accepted":1' in free.answer) == (True, True)
    assert desk.count(tables.messages) == 2


def test_an_event_that_was_parked_does_not_go_with_what_comes_at_the_same_moment(desk: Desk) -> None:
    """They would share one moment of receipt, and the fresh one would find a key that has expired to be held."""
    desk.add(message(1), keys_expire_at=later(minutes=15))
    outbox, now = desk.store.outbox, later(minutes=20)
    parked = event(message(1, message_id="parked"), n=2, received_at=later(minutes=10))
    fresh = event(message(1, message_id="fresh"), n=3, received_at=now)
    deadline = time.monotonic() + 10
    with ThreadPoolExecutor(2) as threads:
        outbox._adding._is_writing = True  # whoever comes waits, and goes with the others who wait
        held, free = [threads.submit(outbox.add, one, now) for one in (parked, fresh)]
        while len(outbox._adding) + held.done() < 2 and time.monotonic() < deadline:
            threading.Event().wait(0.001)
        outbox._adding._pass_on()
        assert '"duplicates":1' in held.result().answer
        assert '"accepted":1' in free.result().answer

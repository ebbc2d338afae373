"""Group commit: what several threads want written at the same moment goes into one transaction.

A transaction costs a write to disk and a few round trips, whether it holds one event or ten. Whoever comes while another writes
waits, and is written for with all the others who wait. Where several were here at the last commit, the next to write gives as
many a moment to come; who is alone waits for nobody. A call returns after the commit of what it brought, as if it had written
alone, and not later: the next write is the affair of who comes next.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from service.outbox.database import StoreUnavailable

GATHER_SECONDS = 0.002
"""How long the next to write waits for as many as were here at the last commit: less than a write takes."""

T = TypeVar("T")
R = TypeVar("R")


class _Place(Generic[T, R]):
    """One call in the queue: what it brought, and what came of it. It is `called` when that is known, or to write itself."""

    def __init__(self, item: T) -> None:
        self.item = item
        self.results: list[R] = []
        self.error: Exception | None = None
        self.called = threading.Event()

    @property
    def is_done(self) -> bool:
        return bool(self.results) or self.error is not None


class Together(Generic[T, R]):
    """Writes what comes with `write_all`, which gives a result for each item, in one transaction.

    `size` measures an item; of several no more than `at_most` go together, and those that `fit` the first of them.
    `gather_seconds` is how long others have to come.
    """

    def __init__(
        self,
        write_all: Callable[[Sequence[T]], Sequence[R]],
        size: Callable[[T], int],
        at_most: int,
        fit: Callable[[T, T], bool] = lambda _first, _other: True,
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        self._write_all = write_all
        self._size = size
        self._at_most = at_most
        self._fit = fit
        self._gather_seconds = gather_seconds
        self._lock = threading.Lock()
        self._is_writing = False
        self.crowd = 1
        """How many were here at the last commit."""
        self._are_here = threading.Event()
        self._queue: deque[_Place[T, R]] = deque()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._queue)

    def write(self, item: T) -> R:
        """Have it written; its result, or what its writing raised."""
        place: _Place[T, R] = _Place(item)
        with self._lock:
            self._queue.append(place)
            if len(self._queue) >= self.crowd:
                self._are_here.set()
            is_first, self._is_writing = not self._is_writing, True
        if not is_first:
            place.called.wait()
        if not place.is_done:
            self._write_next()
        if place.error is not None:
            raise place.error
        return place.results[0]

    def _write_next(self) -> None:
        """Write for the first who wait, tell them, and let the next of the queue write."""
        self._are_here.wait(self._gather_seconds)
        places = self._next()
        try:
            self._write(places)
        finally:
            self._expect(len(places))
            for place in places:
                if not place.is_done:  # this thread is being ended
                    place.error = StoreUnavailable("whoever wrote it was stopped")
                place.called.set()
            self._pass_on()

    def _expect(self, written: int) -> None:
        """As many as are here now may be here again in a moment."""
        with self._lock:
            self.crowd = written + len(self._queue)
            self._are_here.clear()

    def _pass_on(self) -> None:
        with self._lock:
            self._is_writing = bool(self._queue)
            if self._queue:
                self._queue[0].called.set()

    def _next(self) -> list[_Place[T, R]]:
        """The first who wait; only who writes takes any away."""
        places = [self._queue.popleft()]
        first = places[0].item
        size = self._size(first)
        while self._queue:
            item = self._queue[0].item
            size += self._size(item)
            if size > self._at_most or not self._fit(first, item):
                break
            places.append(self._queue.popleft())
        return places

    def _write(self, places: Sequence[_Place[T, R]]) -> None:
        """All at once; where one of several cannot be written, each alone, so that it spoils no other (G2)."""
        try:
            results = self._write_all([place.item for place in places])
        except Exception as error:  # noqa: BLE001 - it is raised where the item came from
            if len(places) > 1 and not isinstance(error, StoreUnavailable):
                for place in places:
                    self._write([place])
                return
            for place in places:
                place.error = error
            return
        for place, result in zip(places, results, strict=True):
            place.results.append(result)

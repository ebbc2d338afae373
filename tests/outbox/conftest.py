"""What the outbox's suite shares: a desk on an empty database of each kind."""

from collections.abc import Iterator

import pytest

from service.outbox.database import open_engine
from service.outbox.outbox import Outbox
from service.outbox.report import Report
from tests.conftest import MAX_TRIES, Store
from tests.outbox.making import NUMBER, Desk
from tests.outbox.recounting import check_counts


@pytest.fixture
def desk(store: Store) -> Iterator[Desk]:
    """An empty outbox and a lease on its number. Whatever a test does with it, its counts are true in the end."""
    lease = store.outbox.acquire_lease(NUMBER, "the first")
    assert lease is not None
    yield Desk(store, lease)
    check_counts(store.engine)


@pytest.fixture
def publishing(database_url: str) -> Iterator[Desk]:
    """The same, where outcomes are published."""
    engine = open_engine(database_url, keeps_outcomes=True)
    outbox = Outbox(engine, max_tries=MAX_TRIES)
    lease = outbox.acquire_lease(NUMBER, "the first")
    assert lease is not None
    yield Desk(Store(database_url, engine, outbox, Report(engine)), lease)
    engine.dispose()

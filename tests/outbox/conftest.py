"""What the outbox's suite shares: a desk on an empty database of each kind."""

import pytest

from tests.conftest import Store
from tests.outbox.making import NUMBER, Desk


@pytest.fixture
def desk(store: Store) -> Desk:
    """An empty outbox and a lease on its number."""
    lease = store.outbox.acquire_lease(NUMBER, "the first")
    assert lease is not None
    return Desk(store, lease)

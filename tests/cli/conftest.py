"""What the suite of the commands shares: an operator on an empty database of each kind."""

import pytest

from tests.cli.operating import Console
from tests.conftest import Store


@pytest.fixture
def console(store: Store) -> Console:
    return Console(store)

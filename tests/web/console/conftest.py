"""What the console's suite shares: the whole app over both databases, and who visits it."""

import pytest

from tests.conftest import Store
from tests.web.console.visiting import BORISS, House, Visitor


@pytest.fixture
def house(store: Store) -> House:
    """The whole app over an empty database of each kind."""
    return House(store)


@pytest.fixture
def anna(house: House) -> Visitor:
    """Somebody who may operate."""
    return house.visitor()


@pytest.fixture
def boris(house: House) -> Visitor:
    """Somebody who may only look."""
    return house.visitor("boris", BORISS)

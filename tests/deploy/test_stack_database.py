"""DATABASE_URL of the tasks is `postgresql://` alone; libpq reads the rest from PG… variables. Tried on a real PostgreSQL."""

import asyncio
import os
from urllib.parse import parse_qs, urlsplit

import pytest
from psycopg.pq import Conninfo

from service import wiring
from service.config import Settings
from tests.deploy.stack import variables

HERE = {"PGUSER": "postgres", "PGDATABASE": "postgres", "PGPASSWORD": "s3cret"}
"""This server's. It asks for no password, and takes no TLS from a socket of this machine."""


@pytest.fixture
def settings(postgres: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """As a task has them, with this machine's server for RDS's."""
    given = {name: str(value) for name, value in variables("WebTask").items() if name.startswith("PG")}
    (host,) = parse_qs(urlsplit(postgres).query)["host"]
    for name, value in (given | HERE | {"PGHOST": host, "PGPORT": "5432"}).items():
        monkeypatch.setenv(name, value)
    return Settings.from_environment({"DATABASE_URL": variables("WebTask")["DATABASE_URL"]})


def test_the_store_connects_with_libpqs_variables(settings: Settings) -> None:
    engine = wiring.open_store(settings).engine
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT current_user, current_database()").one()
    engine.dispose()
    assert tuple(found) == (HERE["PGUSER"], HERE["PGDATABASE"])


def test_password_and_tls_are_among_what_libpq_takes_from_there(settings: Settings) -> None:
    assert settings.database_url == "postgresql://"
    taken = {option.keyword.decode(): option.val.decode() for option in Conninfo.get_defaults() if option.val}
    assert (taken["password"], taken["sslmode"]) == (HERE["PGPASSWORD"], "require")
    assert taken["host"] == os.environ["PGHOST"]


def test_the_dispatchers_own_connection_finds_the_database_too(settings: Settings) -> None:
    async def listen_until_connected() -> None:
        connected = asyncio.Event()
        listening = asyncio.create_task(wiring.build_wakeup(settings)(lambda _work: connected.set()))
        await asyncio.wait_for(connected.wait(), 10)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

    asyncio.run(listen_until_connected())

"""The schema's history (Alembic). `whatsapp-channel migrate` applies what is missing."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from service.outbox.database import reading, transaction
from service.outbox.silence import however_long

_TURN_SECONDS = 600.0
"""Whoever migrates at the same moment has the time it needs."""


def migrate(engine: Engine) -> None:
    """Bring the database to the newest schema, in one transaction; does nothing where it is there already."""
    config = _config()
    with transaction(engine, _TURN_SECONDS) as connection:
        if connection.dialect.name == "postgresql":  # containers that start together take turns
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('whatsapp-channel migrate'))"))
        config.attributes["connection"] = connection
        with however_long(connection):
            command.upgrade(config, "head")


def pending(engine: Engine) -> list[str]:
    """The migrations that the database still lacks, oldest first."""
    scripts = ScriptDirectory.from_config(_config())
    with reading(engine) as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    missing = list(scripts.iterate_revisions("head", current or "base"))
    return [script.revision for script in reversed(missing)]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config

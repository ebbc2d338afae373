"""Settings in, the open database out."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine

from service.config import ConfigError, Settings
from service.outbox.announce import Announcer, Work
from service.outbox.audit import Audit
from service.outbox.catalogue import Catalogues
from service.outbox.consent import Consent
from service.outbox.database import open_engine
from service.outbox.inbound import Inbox
from service.outbox.outbox import Outbox
from service.outbox.report import Report
from service.outbox.search import Search


@dataclass(frozen=True, slots=True)
class Store:
    """The database, for writing and for reading."""

    engine: Engine
    outbox: Outbox
    report: Report
    search: Search
    consent: Consent
    inbox: Inbox
    catalogues: Catalogues
    audit: Audit


def open_store(settings: Settings, *, announce: bool = True) -> Store:
    """Open the database; raise ConfigError for one of another kind. Nothing is connected yet."""
    try:
        engine = open_engine(settings.database_url, keeps_outcomes=settings.event_bus is not None)
    except ValueError as error:
        raise ConfigError([f"DATABASE_URL: {error}"]) from error
    announcer: Callable[[Work], None] = lambda _work: None  # noqa: E731 - a default, not a function of its own
    if announce and engine.dialect.name == "postgresql":
        announcer = Announcer(engine)
    outbox = Outbox(engine, max_tries=settings.max_attempts, announce=announcer)
    reads = Report(engine), Search(engine)
    return Store(engine, outbox, *reads, Consent(engine), Inbox(engine), Catalogues(engine), Audit(engine))

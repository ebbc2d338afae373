"""Settings in, the web app out."""

from collections.abc import Sequence

from flask import Flask
from prometheus_client import REGISTRY, CollectorRegistry, multiprocess

from service.config import ConfigError, Settings, environment
from service.metrics import StoreCollector
from service.outbox.report import Report
from service.secrets import Source
from service.web import Parts, create_app
from service.web.auth import ApiKeys, BadKeys, Signatures
from service.web.events import Intake
from service.web.known_templates import KnownTemplates
from service.web.messages import Direct
from service.web.operate import Operating
from service.web.reports import Reports
from service.web.suppressions import Suppressing
from service.web.webhooks import Notifications
from service.whatsapp.inbound import Words
from service.wiring.cloudwatch import tell_what_is_counted
from service.wiring.console import build_console
from service.wiring.credentials import accounts, keys, sources, wabas
from service.wiring.intake import rules
from service.wiring.moments import monotonic, new_id, now
from service.wiring.store import Store, open_store


def build_web_app(settings: Settings, registry: CollectorRegistry | None = None, store: Store | None = None) -> Flask:
    """The Flask app; raise ConfigError where keys cannot be used, SecretProblem where they cannot be read just now.

    A store that is given remains the caller's to close. One opened here lasts as long as the process.
    """
    store = store or open_store(settings)
    try:
        signatures = Signatures(keys(settings, settings.signing_keys), monotonic)
        api_keys = ApiKeys(keys(settings, settings.api_keys), monotonic)
    except BadKeys as error:
        raise ConfigError([str(error)]) from error
    distinct = list(dict.fromkeys(sources(settings).values()))
    templates = known_templates(settings, store)
    understood = rules(settings, templates)
    told = reports(settings, store)
    return create_app(
        Parts(
            intake=Intake(store.outbox, understood, signatures, now, new_id),
            direct=Direct(store.outbox, understood, now, new_id, templates.render),
            notifications=_notifications(settings, store, distinct),
            suppressing=Suppressing(store.consent, store.audit, now),
            reports=told,
            console=build_console(settings, store, told, templates.render),
            operating=Operating(store.outbox, store.report, store.audit, now),
            api_keys=api_keys,
            registry=registry or _all_workers(store.report),
        )
    )


def _notifications(settings: Settings, store: Store, app_secrets: Sequence[Source]) -> Notifications:
    """What takes Meta's notifications, with the words by which people stop and start messages."""
    consent = settings.consent
    words = Words(consent.stop_words, consent.start_words)
    return Notifications(
        store.outbox,
        store.inbox,
        store.catalogues,
        app_secrets,
        now,
        accounts(settings),
        words=words,
        stop_blocks=consent.stop_blocks,
    )


def _all_workers(report: Report) -> CollectorRegistry:
    """What all gunicorn workers have counted, with the queue's gauges; one process counts for itself."""
    if "PROMETHEUS_MULTIPROC_DIR" not in environment():
        registry = REGISTRY
    else:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(StoreCollector(report, now))
    return registry


def web_app() -> Flask:
    """What gunicorn loads in each worker."""
    settings = Settings.from_environment(environment())
    app = build_web_app(settings)
    tell_what_is_counted(settings)
    return app


def reports(settings: Settings, store: Store) -> Reports:
    """What tells what became of a message, and what it waits for."""
    return Reports(store.report, store.search, now, accounts(settings))


def known_templates(settings: Settings, store: Store) -> KnownTemplates:
    """The templates of the numbers' accounts, as far as they were read."""
    return KnownTemplates(store.catalogues, wabas(settings), monotonic)

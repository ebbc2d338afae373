"""Takes events and notifications in, and reports what became of each recipient. Never calls Meta."""

from dataclasses import dataclass

from flask import Flask
from prometheus_client import CollectorRegistry

from service.web import (
    console,
    docs,
    events,
    health,
    messages,
    operate,
    problems,
    reports,
    search,
    suppressions,
    webhooks,
)
from service.web.auth import ApiKeys
from service.web.console.given import Console
from service.web.events import Intake
from service.web.messages import Direct
from service.web.operate import Operating
from service.web.reports import Reports
from service.web.suppressions import Suppressing
from service.web.webhooks import Notifications

MAX_BODY_BYTES = 6 * 1024 * 1024
"""Lambda's own limit for an event; Meta's notifications have 3 MB at most."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the app is made of; without a console where nobody looks."""

    intake: Intake
    direct: Direct
    notifications: Notifications
    reports: Reports
    operating: Operating
    suppressing: Suppressing
    api_keys: ApiKeys
    registry: CollectorRegistry
    console: Console | None = None


def create_app(parts: Parts) -> Flask:
    """The WSGI application."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's default provider has it
    app.url_map.converters["path"] = reports.Anything
    problems.register(app)
    app.register_blueprint(events.blueprint(parts.intake))
    app.register_blueprint(messages.blueprint(parts.direct, parts.api_keys))
    app.register_blueprint(webhooks.blueprint(parts.notifications))
    app.register_blueprint(reports.blueprint(parts.reports, parts.api_keys))
    app.register_blueprint(search.blueprint(parts.reports, parts.api_keys))
    app.register_blueprint(operate.blueprint(parts.operating, parts.api_keys))
    app.register_blueprint(suppressions.blueprint(parts.suppressing, parts.api_keys))
    app.register_blueprint(health.blueprint(parts.intake.outbox, parts.registry, parts.intake.now))
    app.register_blueprint(docs.blueprint())
    if parts.console:
        app.register_blueprint(console.blueprint(parts.console))
    return app

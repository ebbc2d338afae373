"""The console: pages for the people in CONSOLE_USERS, who see what became of each recipient and act on it.

people · cookie · sessions · sign_in · oidc   who somebody is
given          what the pages are given
page           how a page is made; words, chart: what it says and draws (pure)
overview       each number, the last 24 hours, what needs a person (needs, pure)
campaigns      the list, a campaign, a direct call
actions        pause, resume, send again, cancel, decide, export
messages       the list and the search; message: one of them (timeline, pure)
known_templates   the templates, and how each is sent (example, pure)
suppressed     who must not get messages
troubles       refused events, what is unanswered, doctor
deeds          the audit

Server-rendered, and whole without JavaScript. Phone numbers are masked, and travel in bodies, never in an address.
"""

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from service.outbox.database import StoreUnavailable
from service.web.console import (
    actions,
    campaigns,
    deeds,
    known_templates,
    message,
    messages,
    overview,
    suppressed,
    troubles,
)
from service.web.console.given import Console
from service.web.console.page import dress
from service.web.console.sessions import refused
from service.web.console.sign_in import add_sign_in

PAGES = (
    ("overview", "Overview"),
    ("campaigns", "Campaigns"),
    ("messages", "Messages"),
    ("templates", "Templates"),
    ("suppressions", "Suppressions"),
    ("refused", "Refused events"),
    ("unanswered", "Unanswered"),
    ("doctor", "Doctor"),
    ("audit", "Audit"),
)
"""The pages that every other one leads to, in their order."""

_PARTS = (overview, campaigns, actions, messages, message, known_templates, suppressed, troubles, deeds)


def blueprint(console: Console) -> Blueprint:
    """The routes below `/console`."""
    routes = Blueprint("console", __name__, url_prefix="/console", static_folder="static", static_url_path="/static")
    dress(routes)
    add_sign_in(routes, console.guard)
    for part in _PARTS:
        part.add(routes, console)

    @routes.context_processor
    def _known() -> dict[str, object]:
        signed_in = request.endpoint not in {"console.sign_in", "console.sign_in_now", "console.static"}
        person = console.guard.person() if signed_in else None
        return {"person": person, "csrf_field": console.guard.csrf_field, "pages": PAGES}

    @routes.errorhandler(RequestEntityTooLarge)
    def _too_large(_error: RequestEntityTooLarge) -> Response:
        return refused(413, "Too large", "A list may have 6 MB at most; import it in parts.")

    @routes.errorhandler(StoreUnavailable)
    def _store_is_down(_error: StoreUnavailable) -> Response:
        return refused(503, "The database does not answer", "Nothing is lost. Try again in a moment.")

    return routes

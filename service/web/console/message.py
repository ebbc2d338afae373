"""`/console/messages/<id>`: one message, step by step, as the person sees it, why it failed and what to do.

The number is masked; an operator may have it shown, which is written down first. It is in no address: what concerns the person
is asked for by the message's id.
"""

import json

from flask import Blueprint, Response, redirect, url_for
from flask.typing import ResponseReturnValue

from service.intake.address import mask
from service.message import Status, Template
from service.outbox.decisions import DECISIONS
from service.outbox.report import MessageFacts
from service.web.console.given import Console
from service.web.console.page import show
from service.web.console.sessions import refused
from service.web.console.suppressed import lift, standing, suppress
from service.web.console.timeline import FINAL, timeline
from service.web.report_forms import message_report
from service.web.reports import is_id
from service.whatsapp.errors import NEVER
from service.whatsapp.templates import Rendered

_REPLAYABLE = {Status.FAILED, Status.EXPIRED}


def add(routes: Blueprint, console: Console) -> None:
    """The routes of this file."""
    _add_page(routes, console)
    _add_consent(routes, console)


def _add_page(routes: Blueprint, console: Console) -> None:
    @routes.get("/messages/<message_id>")
    @console.guard.signed_in()
    def message(message_id: str) -> Response:
        facts = _find(console, message_id)
        return _page(console, facts) if facts else _unknown()

    @routes.get("/messages/<message_id>/number")
    @console.guard.signed_in()
    def masked_again(message_id: str) -> ResponseReturnValue:
        """Loading the page with the number anew shows it masked."""
        return redirect(url_for("console.message", message_id=message_id), 303)

    @routes.post("/messages/<message_id>/number")
    @console.guard.signed_in("operate")
    def unmasked(message_id: str) -> Response:
        facts = _find(console, message_id)
        if facts is None:
            return _unknown()
        console.note("unmask", f"message {message_id}", mask(facts.message["to"]))
        return _page(console, facts, whole=True)


def _add_consent(routes: Blueprint, console: Console) -> None:
    @routes.post("/messages/<message_id>/suppress")
    @console.guard.signed_in("operate")
    def suppress_recipient(message_id: str) -> ResponseReturnValue:
        facts = _find(console, message_id)
        if facts is None:
            return _unknown()
        return suppress(console, facts.message["to"], f"message {message_id}")

    @routes.post("/messages/<message_id>/lift")
    @console.guard.signed_in("operate")
    def lift_recipient(message_id: str) -> ResponseReturnValue:
        facts = _find(console, message_id)
        if facts is None:
            return _unknown()
        return lift(console, facts.message["to"], f"message {message_id}")


def _find(console: Console, message_id: str) -> MessageFacts | None:
    return console.report.message(message_id) if is_id(message_id) else None


def _unknown() -> Response:
    return refused(404, "No such message", "No message has this id. Search for it by its recipient or its number.")


def _page(console: Console, facts: MessageFacts, *, whole: bool = False) -> Response:
    person = console.guard.person()
    may_act = person is not None and person.may("operate")
    pauses = console.reports.waits_for(facts)
    told = message_report(facts, pauses)
    status, to = Status(told["status"]), facts.message["to"]
    event = console.report.event(told["event_id"])
    rendered = _rendered(console, facts)
    return show(
        "message.html",
        parts=("message_state",),
        told=told,
        message=facts.message,
        entries=timeline(facts, event.event if event else None, pauses, with_text=may_act),
        is_final=status in FINAL,
        can_go_again=status in _REPLAYABLE and (told["failure"] or {}).get("code") not in NEVER,
        decisions=[decision.value for decision in DECISIONS.get(status, ())],
        rendered=rendered,
        components=None if rendered else _indented(facts.message["components"]),
        suppressions=standing(console, to),
        number=to if whole else None,
    )


def _rendered(console: Console, facts: MessageFacts) -> Rendered | None:
    message = facts.message
    template = Template(message["template_name"], message["language"], message["components"])
    return console.render(message["phone_number_id"], template)


def _indented(components: str) -> str:
    """The components as a person can read them."""
    try:
        return json.dumps(json.loads(components), ensure_ascii=False, indent=2) if components else ""
    except ValueError:
        return components

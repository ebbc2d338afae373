"""What an operator does by a button: pause and resume, send again, cancel. Each is written down before it is done.

What concerns many messages is asked twice: the first POST shows how many they are, the second, with `confirm`, does it.
"""

from urllib.parse import urlsplit

from flask import Blueprint, Response, redirect, request
from flask.typing import ResponseReturnValue

from service.message import Pause, PauseReason, Scope, Status, printable
from service.outbox.cancel import cancellable
from service.outbox.decisions import Decision, Undecidable, UnknownMessage
from service.outbox.replay import replayable
from service.outbox.search import Filter
from service.web.console.given import Console
from service.web.console.page import show
from service.web.console.sessions import refused
from service.web.console.sign_in import place
from service.web.reports import is_id
from service.web.search import csv_of
from service.whatsapp.errors import NEVER, NOT_BEFORE

FIELDS = ("campaign_id", "event_id", "status", "code", "message_id", "template")
"""The fields of a form, or of a query, that say which messages are meant. None of them is a phone number."""
_LONGEST_KEY = 600
_LONGEST_REASON = 300
_LARGEST_CODE = 2**31


class Unclear(Exception):
    """The form does not say what is meant, in words for whoever sent it."""


def add(routes: Blueprint, console: Console) -> None:
    """The routes of this file."""
    routes.register_error_handler(Unclear, lambda error: refused(400, "Nothing was done", str(error)))
    _add_pauses(routes, console)
    _add_replay(routes, console)
    _add_cancel(routes, console)
    _add_decide(routes, console)
    _add_export(routes, console)


def _add_pauses(routes: Blueprint, console: Console) -> None:
    @routes.post("/pause")
    @console.guard.signed_in("operate")
    def pause() -> ResponseReturnValue:
        scope, key = _pause_key()
        reason = printable(request.form.get("reason", ""))[:_LONGEST_REASON].strip() or "paused in the console"
        console.note("pause", f"{scope} {key}", reason)
        console.outbox.pause(Pause(scope, key, PauseReason.OPERATOR, reason, since=console.now()))
        return back("paused", console.report.waiting_for(scope, key))

    @routes.post("/resume")
    @console.guard.signed_in("operate")
    def resume() -> ResponseReturnValue:
        scope, key = _pause_key()
        console.note("resume", f"{scope} {key}")
        console.outbox.resume([(scope, key)], even_an_operators=True)
        return back("resumed")


def _add_replay(routes: Blueprint, console: Console) -> None:
    @routes.post("/messages/replay")
    @console.guard.signed_in("operate")
    def replay() -> ResponseReturnValue:
        wanted, now = meant(), console.now()
        try:
            replayable(wanted)
        except ValueError as error:
            raise Unclear(str(error)) from error
        if not request.form.get("confirm"):
            would = console.outbox.preview_replay(wanted, now, NOT_BEFORE, NEVER)
            return show("confirm.html", action="replay", would=would, fields=given(), back=where())
        console.note("replay", in_words(), "")
        did = console.outbox.replay(wanted, now, NOT_BEFORE, NEVER)
        return back("replayed", did.queued, did.left_out.total())


def _add_cancel(routes: Blueprint, console: Console) -> None:
    @routes.post("/messages/cancel")
    @console.guard.signed_in("operate")
    def cancel() -> ResponseReturnValue:
        wanted = meant()
        try:
            cancellable(wanted)
        except ValueError as error:
            raise Unclear(str(error)) from error
        if not request.form.get("confirm"):
            count = console.outbox.preview_cancel(wanted)
            return show("confirm.html", action="cancel", count=count, fields=given(), back=where())
        console.note("cancel", in_words(), "")
        return back("cancelled", console.outbox.cancel(wanted, console.now()))


def _add_decide(routes: Blueprint, console: Console) -> None:
    @routes.post("/messages/<message_id>/decide")
    @console.guard.signed_in("operate")
    def decide(message_id: str) -> ResponseReturnValue:
        try:
            decision = Decision(request.form.get("decision", ""))
        except ValueError as error:
            raise Unclear("Choose what became of the message.") from error
        if not is_id(message_id):
            return refused(404, "No such message", "No message has this id.")
        console.note("decide", f"message {message_id}", decision.value)
        try:
            console.outbox.decide(message_id, decision, console.now())
        except UnknownMessage:
            return refused(404, "No such message", "No message has this id.")
        except Undecidable as error:
            return refused(409, "Nothing to decide", f"{error}.")
        return back("decided")


def _add_export(routes: Blueprint, console: Console) -> None:
    @routes.get("/messages/export.csv")
    @console.guard.signed_in()
    def export() -> Response:
        wanted = meant()
        if not wanted.is_narrow:
            raise Unclear("Say which messages: by campaign, event or template.")
        return csv_of(console.reports, wanted, unmasked=False)


def meant() -> Filter:
    """The messages that the form or the query means; raise Unclear."""
    fields = given()
    try:
        status = Status(fields["status"]) if "status" in fields else None
        code = int(fields["code"]) if "code" in fields else None
    except ValueError as error:
        raise Unclear("There is no such status or code.") from error
    if code is not None and not 0 <= code < _LARGEST_CODE:
        raise Unclear("There is no such code.")
    return Filter(
        message_ids=[fields["message_id"]] if "message_id" in fields else (),
        statuses=[status] if status else (),
        event_id=fields.get("event_id"),
        campaign_id=fields.get("campaign_id"),
        template=fields.get("template"),
        code=code,
    )


def given() -> dict[str, str]:
    """The fields that were given, by name."""
    return {name: value for name in FIELDS if (value := request.values.get(name, "").strip())}


def in_words() -> str:
    """What the form means, for the audit."""
    return ", ".join(f"{name} {value}" for name, value in given().items())


def where() -> str:
    """The page that the button stood on: its own word for it, or the browser's; a page of the console in any case."""
    wanted = request.form.get("back")
    if wanted is None and request.referrer:
        came = urlsplit(request.referrer)
        wanted = f"{came.path}?{came.query}".rstrip("?") if came.netloc == request.host else None
    return place(wanted)


def back(done: str, n: int = 0, m: int = 0) -> ResponseReturnValue:
    """To the page that the button stood on, which says what was done."""
    path, _, query = where().partition("?")
    kept = [one for one in query.split("&") if one and one.partition("=")[0] not in {"done", "n", "m"}]
    return redirect(f"{path}?{'&'.join([*kept, f'done={done}', f'n={n}', f'm={m}'])}", 303)


def _pause_key() -> tuple[Scope, str]:
    try:
        scope = Scope(request.form.get("scope", ""))
    except ValueError as error:
        raise Unclear("There is nothing of this kind to pause.") from error
    key = printable(request.form.get("key", ""))
    if scope in {Scope.MESSAGE, Scope.RECIPIENT} or not 0 < len(key) <= _LONGEST_KEY:
        raise Unclear("Say what is meant: a number, an account, a token, a template, a campaign or a country.")
    return scope, key

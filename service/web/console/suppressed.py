"""`/console/suppressions`: who must not get messages; look, add, lift, import a list.

A number that is looked for, added or lifted comes in the body of a POST. The list shows numbers masked, so to lift one it is
written whole, or lifted from the page of a message to that person.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from service.intake.address import HOW_TO_MEND, mask, parse_address
from service.message import printable
from service.outbox.consent import Place, Wanted
from service.people import Blocked, Suppression, SuppressionSource
from service.web.console.actions import Unclear, back
from service.web.console.given import Console
from service.web.console.page import show
from service.web.console.words import sentence
from service.web.suppression_list import LONGEST_REASON, BadList, read_list

PAGE = 50
SHOWN = 200
"""So many bad lines of a list are told."""

_EVERY_ROW = len(Blocked) * len(SuppressionSource)
"""So many suppressions one person can have."""


def add(routes: Blueprint, console: Console) -> None:
    """The routes of this file."""
    _add_list(routes, console)
    _add_changes(routes, console)
    _add_import(routes, console)


def _add_list(routes: Blueprint, console: Console) -> None:
    @routes.get("/suppressions")
    @console.guard.signed_in()
    def suppressions() -> Response:
        fields: dict[str, Any] = {name: value for name in ("category", "source") if (value := request.args.get(name))}
        wanted = _wanted(fields)
        rows, more = console.consent.search(wanted, PAGE, _place())
        following = url_for("console.suppressions", **fields, at=more[0].isoformat(), skip=more[1]) if more else None
        return show("suppressions.html", rows=rows, fields=fields, following=following, found=False)

    @routes.post("/suppressions")
    @console.guard.signed_in()
    def find_suppression() -> Response:
        to = _address()
        return show("suppressions.html", rows=standing(console, to), fields={}, following=None, found=True)


def _add_changes(routes: Blueprint, console: Console) -> None:
    @routes.post("/suppressions/add")
    @console.guard.signed_in("operate")
    def add_suppression() -> ResponseReturnValue:
        return suppress(console, _address())

    @routes.post("/suppressions/lift")
    @console.guard.signed_in("operate")
    def lift_suppression() -> ResponseReturnValue:
        return lift(console, _address())


def _add_import(routes: Blueprint, console: Console) -> None:
    @routes.get("/suppressions/import")
    @console.guard.signed_in()
    def list_anew() -> ResponseReturnValue:
        return redirect(url_for("console.suppressions"), 303)

    @routes.post("/suppressions/import")
    @console.guard.signed_in("operate")
    def import_list() -> ResponseReturnValue:
        """Suppress everybody on a list; what cannot be used of it is shown line by line."""
        given, now = request.files.get("list"), console.now()
        body = given.read() if given else b""
        if not body:
            raise Unclear("Choose a file: CSV in UTF-8, its first line to,category,reason,since.")
        try:
            read = read_list(body, now)
        except BadList as error:
            raise Unclear(sentence(str(error))) from error
        taken, rejected = len(read.suppressions), read.rejected
        console.note("import", "suppressions", f"{taken} people, {len(rejected)} bad lines")
        withheld = console.consent.suppress(read.suppressions, now)
        if not rejected:
            return back("imported", taken, 0)
        return show("imported.html", taken=taken, rejected=rejected[:SHOWN], bad=len(rejected), withheld=withheld)


def suppress(console: Console, to: str, because_of: str = "") -> ResponseReturnValue:
    """Suppress a person as the form says; `because_of` is where their number was found."""
    try:
        blocked = Blocked(request.form.get("category") or Blocked.ALL)
    except ValueError as error:
        raise Unclear("Say what to keep from the person: everything, or marketing.") from error
    reason, now = _reason(), console.now()
    console.note("suppress", mask(to), _in_words(blocked.value, because_of, reason))
    one = Suppression(to, blocked, SuppressionSource.OPERATOR, now, reason)
    return back("suppressed", console.consent.suppress([one], now))


def lift(console: Console, to: str, because_of: str = "") -> ResponseReturnValue:
    """Lift what stands for a person; `because_of` is where their number was found."""
    reason = _reason()
    console.note("lift", mask(to), _in_words(because_of, reason))
    return back("lifted", console.consent.lift(to, console.now()))


def standing(console: Console, to: str) -> Sequence[Suppression]:
    """What stands for a person, whoever said it."""
    return console.consent.search(Wanted(to), _EVERY_ROW)[0]


def _reason() -> str:
    reason = printable(request.form.get("reason", "")).strip()[:LONGEST_REASON]
    if not reason:
        raise Unclear("Say why, for whoever asks about it one day.")
    return reason


def _address() -> str:
    """The number of the form; it is not repeated where it is none."""
    to = parse_address(request.form.get("to", ""))
    if to is None:
        raise Unclear(f"What was given {HOW_TO_MEND}.")
    return to


def _in_words(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _wanted(fields: dict[str, str]) -> Wanted:
    try:
        return Wanted(
            blocked=Blocked(fields["category"]) if "category" in fields else None,
            source=SuppressionSource(fields["source"]) if "source" in fields else None,
        )
    except ValueError as error:
        raise Unclear("There is no such kind of suppression.") from error


def _place() -> Place | None:
    """Where the page begins, as its link says; the first page where that cannot be read."""
    skip = request.args.get("skip", "")
    try:
        at = datetime.fromisoformat(request.args.get("at", ""))
    except ValueError:
        return None
    is_whole = skip.isascii() and skip.isdigit() and len(skip) < 10
    return (at, int(skip)) if at.tzinfo is not None and is_whole else None

"""`/console/refused`, `/console/unanswered`, `/console/doctor`: what went wrong, what nobody knows, and what examines it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from service.doctor.finding import Level
from service.message import Status
from service.outbox.decisions import DECISIONS
from service.outbox.overview import RefusedRow
from service.web.console.given import Console
from service.web.console.page import show
from service.web.console.sessions import refused as no_page
from service.web.reports import is_id

PAGE = 25
DOUBTS_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """What the caller of a refused event was told."""

    title: str
    detail: str
    faults: Sequence[Mapping[str, Any]]


def add(routes: Blueprint, console: Console) -> None:
    """The routes of this file."""
    _add_refused(routes, console)
    _add_doubts(routes, console)
    _add_doctor(routes, console)


def _add_refused(routes: Blueprint, console: Console) -> None:
    report = console.report

    @routes.get("/refused")
    @console.guard.signed_in()
    def refused() -> Response:
        after = request.args.get("after", "")
        found = report.refused(PAGE + 1, after if is_id(after) else None)
        shown = found[:PAGE]
        following = url_for("console.refused", after=shown[-1].event_id) if len(found) > PAGE else None
        return show("refused_events.html", rows=[(row, problem_of(row.answer)) for row in shown], following=following)

    @routes.get("/refused/<event_id>")
    @console.guard.signed_in()
    def refused_event(event_id: str) -> Response:
        row = _find(console, event_id)
        return _page(row) if row else _unknown()

    @routes.get("/refused/<event_id>/body")
    @console.guard.signed_in()
    def body_hidden_again(event_id: str) -> ResponseReturnValue:
        return redirect(url_for("console.refused_event", event_id=event_id), 303)

    @routes.post("/refused/<event_id>/body")
    @console.guard.signed_in("operate")
    def refused_body(event_id: str) -> Response:
        """The body may hold people's numbers: that it was looked at is written down first."""
        row = _find(console, event_id)
        if row is None:
            return _unknown()
        console.note("look at body", f"event {event_id}")
        return _page(row, with_body=True)


def _add_doubts(routes: Blueprint, console: Console) -> None:
    @routes.get("/unanswered")
    @console.guard.signed_in()
    def unanswered() -> Response:
        return show(
            "unanswered.html",
            parts=("unanswered_rows",),
            rows=console.report.unanswered(DOUBTS_SHOWN),
            most=DOUBTS_SHOWN,
            decisions=[decision.value for decision in DECISIONS[Status.UNANSWERED]],
            now=console.now(),
        )


def _add_doctor(routes: Blueprint, console: Console) -> None:
    @routes.get("/doctor")
    @console.guard.signed_in()
    def doctor() -> Response:
        return show("doctor.html", levels=None)

    @routes.post("/doctor")
    @console.guard.signed_in()
    def examine() -> Response:
        """Asks Meta, and takes seconds; changes nothing."""
        found = console.examine()
        by_level = [(level, [one.text for one in found if one.level is level]) for level in Level]
        return show("doctor.html", levels=[(level, texts) for level, texts in by_level if texts])


def problem_of(answer: str) -> Problem:
    """A problem's JSON in words; whatever is stored, something is shown."""
    try:
        document = json.loads(answer)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return Problem("Refused", answer, [])
    faults = document.get("errors")
    return Problem(
        str(document.get("title", "Refused")),
        str(document.get("detail", "")),
        [fault for fault in faults if isinstance(fault, dict)] if isinstance(faults, list) else [],
    )


def _find(console: Console, event_id: str) -> RefusedRow | None:
    return console.report.refused_event(event_id) if is_id(event_id) else None


def _unknown() -> Response:
    return no_page(404, "No such event", "No refused event has this id; it may be older than the time of keeping.")


def _page(row: RefusedRow, *, with_body: bool = False) -> Response:
    return show("refused_event.html", row=row, problem=problem_of(row.answer), body=row.body if with_body else None)

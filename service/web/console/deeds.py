"""`/console/audit`: who did what, and when; the newest first."""

from flask import Blueprint, Response, request, url_for

from service.web.console.given import Console
from service.web.console.page import show

PAGE = 50


def add(routes: Blueprint, console: Console) -> None:
    """The routes of this file."""

    @routes.get("/audit")
    @console.guard.signed_in()
    def audit() -> Response:
        rows = console.audit.page(PAGE + 1, _before())
        shown = rows[:PAGE]
        following = url_for("console.audit", before=shown[-1][0]) if len(rows) > PAGE else None
        return show("audit.html", rows=[deed for _, deed in shown], following=following)


def _before() -> int | None:
    """The id that the page goes on below, as its link says."""
    given = request.args.get("before", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 16 else None

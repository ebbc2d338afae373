"""How a page is made: its template, or just one part of it for a page that looks again by itself; how values are shown.

`?part=<name>` answers that part alone, with an ETag: nothing new costs next to nothing (304). Times are shown in UTC, and in
the reader's own zone where the browser runs our script.
"""

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta

from flask import Blueprint, Response, make_response, render_template, request
from markupsafe import Markup

from service.intake.address import mask
from service.web.console import words

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def show(template: str, parts: Collection[str] = (), **facts: object) -> Response:
    """The page `console/<template>`, or the one of its `parts` that the browser asks for (`console/parts/<part>`)."""
    part = request.args.get("part")
    if part is None or part not in parts:
        done = words.done(*(request.args.get(name, "0") for name in ("done", "n", "m")))
        return make_response(render_template(f"console/{template}", done=done, **facts))
    html = render_template(f"console/parts/{part}.html", **facts)
    response = make_response(html)
    response.set_etag(hashlib.sha256(html.encode()).hexdigest()[:32])
    response.make_conditional(request)
    return response


def dress(routes: Blueprint) -> None:
    """Teach the templates of a blueprint how values are shown, and give every page its headers."""

    @routes.record_once
    def _teach(state: object) -> None:
        app = state.app  # type: ignore[attr-defined]  # Flask's BlueprintSetupState
        app.jinja_env.filters.update(moment=moment, number=number, span=span, percent=percent, masked=mask)
        app.jinja_env.globals.update(words=words)

    @routes.after_request
    def _headers(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response


def moment(at: datetime | None) -> Markup | str:
    """A moment that a browser can read, too."""
    if at is None:
        return "–"
    shown = f"{at:%d %b %Y, %H:%M} UTC"
    return Markup('<time datetime="{}" data-local>{}</time>').format(at.isoformat(timespec="seconds"), shown)


def number(value: float | None) -> str:
    """With thousands apart; a fraction where it is small."""
    if value is None:
        return "–"
    return f"{value:,.1f}" if value != int(value) and abs(value) < 100 else f"{value:,.0f}"


def span(time: timedelta | None) -> str:
    """A time in its two largest units."""
    if time is None:
        return "–"
    seconds = max(0, int(time.total_seconds()))
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            smaller = {"d": (3_600, "h"), "h": (60, "min"), "min": (1, "s")}[name]
            rest = seconds % size // smaller[0]
            return f"{seconds // size} {name}" + (f" {rest} {smaller[1]}" if rest else "")
    return f"{seconds} s"


def percent(part: float, whole: float) -> str:
    """A part of a whole; "–" of nothing. What is not quite all is never shown as 100 %, nor a little as 0 %."""
    if not whole:
        return "–"
    share = part / whole * 100
    if 0 < share < 0.1:
        return "<0.1 %"
    return f"{min(share, 99.9) if part < whole else share:.1f} %".replace(".0 %", " %")

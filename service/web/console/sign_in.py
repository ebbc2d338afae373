"""Signing in with a password, and out.

Every failure has the same sentence, and takes as long, whoever is listed. After some in a row one waits, longer each time. What
was typed is in no log line: it may be a password.
"""

import logging
import math
import re
from datetime import timedelta

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service import metrics
from service.web.console import cookie
from service.web.console.sessions import Guard, refused

_PLACE = re.compile(r"/console/[A-Za-z0-9._~!$&'()*+,;=:@%?/-]*")
"""What `next` may be: a path of the console with its query, in the characters that an address is written in."""

_WRONG = "That name and password do not fit."

log = logging.getLogger(__name__)


def add_sign_in(routes: Blueprint, guard: Guard) -> None:
    """Put the guard before every page of `routes`, and add `.sign_in`, `.sign_in_now` and `.sign_out`."""
    routes.before_request(guard.check_call)
    routes.after_request(guard.finish)

    @routes.get("/sign-in")
    def sign_in() -> ResponseReturnValue:
        to = request.args.get("next")
        return (
            _in_the_clear() or _unhelpful(guard) or (redirect(place(to), 303) if guard.person() else _page(guard, to))
        )

    @routes.post("/sign-in")
    def sign_in_now() -> ResponseReturnValue:
        return _in_the_clear() or _from_elsewhere() or _unhelpful(guard) or _sign_in(guard)

    @routes.post("/sign-out")
    def sign_out() -> ResponseReturnValue:
        return _sign_out(guard)


def place(wanted: str | None) -> str:
    """Where to go after signing in: a page of the console, whatever a link says."""
    return wanted if wanted and _PLACE.fullmatch(wanted) else "/console/"


def _sign_in(guard: Guard) -> Response:
    to = request.form.get("next")
    person = guard.try_password(request.form.get("name", "").strip(), request.form.get("password", ""))
    if isinstance(person, timedelta):
        return _slowed(guard, to, person)
    if person is None:
        log.warning("console.refused reason=password")
        metrics.UNVERIFIED.labels("console").inc()
        return _page(guard, to, _WRONG, 401)
    answer = make_response(redirect(place(to), 303))
    guard.start(person, answer)
    log.info("console.signed_in by=%s", person.name)
    return answer


def _sign_out(guard: Guard) -> Response:
    person = guard.person()
    if person and person.is_oidc:
        sentence = "Who signed you in may still know you: sign out there too, or close the browser."
        answer = refused(200, "Signed out of the console", sentence)
    else:
        answer = make_response(redirect(url_for(".sign_in"), 303))
    guard.end(answer)
    return answer


def _page(guard: Guard, to: str | None, problem: str | None = None, status: int = 200) -> Response:
    page = render_template("console/sign_in.html", next=place(to), problem=problem, nobody=guard.people.is_empty())
    answer = make_response(page, status)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _slowed(guard: Guard, to: str | None, wait: timedelta) -> Response:
    seconds = math.ceil(wait.total_seconds())
    log.warning("console.refused reason=slowed seconds=%s", seconds)
    metrics.UNVERIFIED.labels("console").inc()
    span = f"{seconds} seconds" if seconds > 1 else "a second"
    answer = _page(guard, to, f"Too many attempts. Try again in {span}.", 429)
    answer.headers["Retry-After"] = str(seconds)
    return answer


def _in_the_clear() -> Response | None:
    """Nobody's password crosses a network in the clear."""
    if cookie.is_private():
        return None
    log.warning("console.refused reason=plain_http")
    return refused(
        403, "Not over plain http", "Open the console over https, or on its own machine as http://localhost."
    )


def _unhelpful(guard: Guard) -> Response | None:
    """A password is of no use to whom the load balancer answers for."""
    refusal = guard.refusal()
    return refused(403, "Not signed in", refusal) if refusal else None


def _from_elsewhere() -> Response | None:
    """Another site's form could sign somebody in as somebody else, and they would not know.

    Browsers say `Sec-Fetch-Site` where the way is safe, older ones only `Origin`; one of them must be there.
    """
    site = request.headers.get("Sec-Fetch-Site")
    ours = f"{'https' if cookie.is_https() else 'http'}://{request.host}"
    if site == "same-origin" or (site is None and request.headers.get("Origin") == ours):
        return None
    log.warning("console.refused reason=cross_site")
    return refused(403, "Not signed in", "The form came from another site. Open the sign-in page here and try again.")

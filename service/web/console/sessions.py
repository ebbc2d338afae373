"""Who is asking: a person with a session of their own, or one whom the load balancer vouches for.

cookie            a random token, new at each sign-in; the store has its SHA-256 only
CSRF token        HMAC of that token, in a field of every form: whoever cannot read our pages cannot post to us
x-amzn-oidc-data  where a load balancer is configured, it says on each request who somebody is, and the cookie does not
"""

import hashlib
import hmac
import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import ParamSpec
from urllib.parse import quote

from flask import Response, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from service import metrics
from service.outbox.sessions import Sessions
from service.web.console import cookie, oidc
from service.web.console.people import People, Person, Role

_SAFE = {"GET", "HEAD", "OPTIONS"}
_QUEUE_SECONDS = 1.0
"""How long one waits for the password check, which is done one at a time: it takes a core and memory from the messages."""

P = ParamSpec("P")

log = logging.getLogger(__name__)


class Guard:
    """Lets people in, and knows during a request who they are. Works within a request only."""

    def __init__(
        self,
        people: People,
        sessions: Sessions,
        now: Callable[[], datetime],
        new_token: Callable[[], str],
        oidc: oidc.Balancer | None = None,
    ) -> None:
        """`new_token` gives 256 random bits as text that a cookie can hold."""
        self.people = people
        self._sessions = sessions
        self._now = now
        self._new_token = new_token
        self._oidc = oidc
        self._checking = threading.Lock()

    def person(self) -> Person | None:
        """Who asks; looked up once in a request. Raise StoreUnavailable."""
        if "console_person" not in g:
            g.console_person = self._find()
        person: Person | None = g.console_person
        return person

    def signed_in(
        self, role: Role = "look"
    ) -> Callable[[Callable[P, ResponseReturnValue]], Callable[P, ResponseReturnValue]]:
        """Let only people with this role see the view; others sign in first, or get a page that says why not."""

        def decorate(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
            @wraps(view)
            def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
                person = self.person()
                if person is None:
                    return self._sent_away()
                if not person.may(role):
                    log.warning("console.refused reason=role by=%s", person.name)
                    return refused(403, "Not allowed", f"This needs the role {role}; yours is {person.role}.")
                return view(*args, **kwargs)

            return guarded

        return decorate

    def csrf_field(self) -> Markup:
        """The field that every form posts along."""
        token = cookie.read() or g.get("console_new_token")
        if not token:  # somebody who comes through the load balancer has no session here
            token = g.console_new_token = self._new_token()
        return Markup('<input type="hidden" name="csrf" value="{}">').format(_csrf(token))

    def check_call(self) -> ResponseReturnValue | None:
        """Before every request: nothing is posted but by somebody signed in, from a page of ours."""
        if request.method in _SAFE or request.endpoint == f"{request.blueprint}.sign_in_now":
            return None  # signing in has a check of its own
        person = self.person()
        if person is None:
            return self._sent_away()
        token = cookie.read()
        given = request.form.get("csrf", "").encode("utf-8", "replace")
        if token and hmac.compare_digest(_csrf(token).encode(), given):
            return None
        log.warning("console.refused reason=csrf by=%s", person.name)
        metrics.UNVERIFIED.labels("console").inc()
        return refused(
            403, "Nothing was done", "This form is of another session. Go back, load its page anew, try again."
        )

    def finish(self, response: Response) -> Response:
        """After every request: what one person sees stays in no cache, but for what their browser asks about by its ETag."""
        if "console_person" in g:
            kept = "private, no-cache" if response.get_etag()[0] else "no-store"
            response.headers.setdefault("Cache-Control", kept)
        if token := g.get("console_new_token"):
            cookie.give(response, token)
        return response

    def try_password(self, name: str, password: str) -> Person | timedelta | None:
        """Who has it; None: nobody. A time: it was not looked at, and will not be before that has passed."""
        if not self._checking.acquire(timeout=_QUEUE_SECONDS):
            return timedelta(seconds=_QUEUE_SECONDS)
        try:
            name_sha256 = _sha256(name.lower())
            wait = self._sessions.attempt(name_sha256, self._now())
            if wait:
                return wait
            person = self.people.check(name, password)
            if person:
                self._sessions.succeeded(name_sha256)
            return person
        finally:
            self._checking.release()

    def start(self, person: Person, response: Response) -> None:
        """A session of a new token; one that the browser had before is over."""
        self._end_session()
        token = self._new_token()
        self._sessions.start(_sha256(token), person.name, person.entry_sha256, self._now(), cookie.LIFETIME)
        cookie.give(response, token)

    def end(self, response: Response) -> None:
        """Sign out, at the load balancer too."""
        self._end_session()
        cookie.take_away(response, *(name for name in request.cookies if name.startswith(oidc.COOKIES)))

    def _end_session(self) -> None:
        if token := cookie.read():
            self._sessions.end(_sha256(token))

    def _find(self) -> Person | None:
        if not cookie.is_private():
            return None
        if self._oidc and oidc.HEADER in request.headers:
            return self._vouched_for(self._oidc)
        token = cookie.read()
        session = self._sessions.find(_sha256(token), self._now()) if token else None
        return self.people.find(*session) if session else None

    def _vouched_for(self, balancer: oidc.Balancer) -> Person | None:
        try:
            name = balancer.name(request.headers[oidc.HEADER])
        except oidc.Refused as reason:
            log.warning("console.refused reason=oidc detail=%s", reason)
            metrics.UNVERIFIED.labels("console").inc()
            g.console_refusal = f"The load balancer's word for you cannot be used: {reason}."
            return None
        person = self.people.find(name)
        if person and person.is_oidc:
            return person
        log.warning("console.refused reason=not_listed")
        g.console_refusal = f"You are {name}, and CONSOLE_USERS has neither {name}:look:oidc nor {name}:operate:oidc."
        return None

    def refusal(self) -> str | None:
        """Why what the load balancer says does not count; signing in with a password would not help then."""
        self.person()
        sentence: str | None = g.get("console_refusal")
        return sentence

    def _sent_away(self) -> ResponseReturnValue:
        if refusal := self.refusal():
            return refused(403, "Not signed in", refusal)
        if request.method not in _SAFE:
            return redirect(url_for(".sign_in"), 303)
        query = request.query_string.decode("ascii", "replace")
        return redirect(url_for(".sign_in", next=f"{quote(request.path)}?{query}".rstrip("?")), 302)


def refused(status: int, title: str, sentence: str) -> Response:
    """A page that says why there is none."""
    return make_response(render_template("console/refused.html", title=title, sentence=sentence), status)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _csrf(token: str) -> str:
    return hmac.digest(token.encode("utf-8", "replace"), b"csrf", "sha256").hex()

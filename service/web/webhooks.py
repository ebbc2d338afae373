"""`/webhooks/whatsapp`: Meta's notifications.

GET   Meta asks whether this is the right place: the challenge back for the right verify token, else 403
POST  200 follows the commit of every status in it; anything else makes Meta send the same again, for up to seven days
      401 not signed with the app's secret · 400 no JSON, though signed · 503 the store is down
"""

import hmac
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flask import Blueprint, Response, request

from service import metrics
from service.message import Pause
from service.outbox.outbox import Applied, LateFailure, Outbox
from service.secrets import Credentials, SecretProblem, Source
from service.web.contract import Challenge, Problem
from service.web.openapi import SPEC, WEBHOOKS, Answers
from service.web.problems import problem, unauthorised
from service.whatsapp.errors import verdict_on
from service.whatsapp.pausing import Account, Place, lifted_by, pause_for, pause_for_template
from service.whatsapp.webhook import Notification, is_genuine, parse_notification

REREAD_AFTER = timedelta(minutes=1)
"""How often a signature that does not fit makes us read the secrets again: the app's secret may have been rotated."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Notifications:
    """What the handlers are given."""

    outbox: Outbox
    sources: Sequence[Source]
    now: Callable[[], datetime]
    accounts: Mapping[str, Account] = field(default_factory=dict)
    """What the settings say of each phone number."""

    def take(self, notification: Notification) -> Applied:
        """Apply the statuses; pause what a failure or a template's new status calls for, and lift what it lifts."""
        now = self.now()
        waba_ids = {account.waba_id for account in self.accounts.values()}
        for update in notification.templates:
            if lifted := lifted_by(update):
                self.outbox.resume(lifted)
            elif pause := pause_for_template(update, waba_ids, now):
                self.outbox.pause(pause)
                _tell(pause)
        if not notification.statuses:
            return Applied()
        applied = self.outbox.apply_statuses(notification.statuses, now, self._pause_for)
        for pause in applied.pauses:
            _tell(pause)
        return applied

    def _pause_for(self, failure: LateFailure, now: datetime) -> Pause | None:
        number = failure.phone_number_id
        place = Place(number, failure.template, self.accounts.get(number, Account()), failure.country)
        return pause_for(verdict_on(failure.code), failure.code, place, now)


def _tell(pause: Pause) -> None:
    log.error("paused scope=%s key=%s reason=%s detail=%s", pause.scope, pause.key, pause.reason, pause.detail)
    metrics.PAUSED.labels(pause.scope.value, pause.reason.value).inc()


def blueprint(notifications: Notifications) -> Blueprint:
    """The routes of this file."""
    routes = Blueprint("webhooks", __name__)
    secrets = _AppSecrets(notifications)

    @routes.get("/webhooks/whatsapp")
    @SPEC.validate(
        query=Challenge,
        resp=Answers(HTTP_200=None, HTTP_403=Problem),
        tags=[WEBHOOKS],
        skip_validation=True,
        operation_id="verify_webhook",
    )
    def subscribe() -> Response:
        """Answer Meta's challenge.

        200 with `hub.challenge` where `hub.verify_token` is ours.
        """
        fits = secrets.verify(request.args.get("hub.verify_token", ""))
        if request.args.get("hub.mode") != "subscribe" or not fits:
            metrics.UNVERIFIED.labels("subscription").inc()
            return problem(403, "Verify token does not fit", "Set the same WEBHOOK_VERIFY_TOKEN here and at Meta.")
        return Response(request.args.get("hub.challenge", ""), content_type="text/plain; charset=utf-8")

    @routes.post("/webhooks/whatsapp")
    @SPEC.validate(
        resp=Answers(HTTP_200=None, HTTP_400=Problem, HTTP_401=None, HTTP_413=Problem, HTTP_503=Problem),
        security={"meta_signature": []},
        tags=[WEBHOOKS],
        skip_validation=True,
        operation_id="notify",
    )
    def notify() -> Response:
        """Take a notification from Meta.

        200 follows the commit of every status in it. Anything else makes Meta send the same again, for up to seven days.
        """
        body = request.get_data(cache=False)
        if not secrets.signed(body, request.headers.get("X-Hub-Signature-256")):
            metrics.UNVERIFIED.labels("notification").inc()
            return unauthorised()
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            return problem(400, "Not JSON", "The notification is signed, but its body is not JSON.")
        notification = parse_notification(document)
        applied = notifications.take(notification)
        for kind, count in (
            ("new", applied.new),
            ("known", applied.known),
            ("unmatched", applied.unmatched),
            ("ignored", notification.ignored),
            ("unreadable", notification.unreadable),
        ):
            metrics.STATUSES.labels(kind).inc(count)
        for failure in applied.failed:
            metrics.LATE_FAILURES.labels(failure.code or 0).inc()
        return Response(status=200)

    return routes


class _AppSecrets:
    """The app secrets of all numbers; any of them may have signed."""

    def __init__(self, notifications: Notifications) -> None:
        self._sources = notifications.sources
        self._now = notifications.now
        self._reread_at = notifications.now()

    def read(self) -> list[Credentials]:
        """Each number's credentials; a secret that cannot be read is logged and left out."""
        found = []
        for source in self._sources:
            try:
                found.append(source.get())
            except SecretProblem as trouble:
                log.error("secret.unreadable reason=%s", trouble)
        return found

    def verify(self, token: str) -> bool:
        """Whether this is the verify token of one of the numbers."""
        given = token.encode("utf-8", "replace")
        known = [credentials.verify_token for credentials in self.read() if credentials.verify_token]
        return any(hmac.compare_digest(one.encode(), given) for one in known)

    def signed(self, body: bytes, signature: str | None) -> bool:
        """Whether one of the apps signed this; looks at the secrets once more before it says no."""
        if not signature:
            return False
        if is_genuine(body, signature, _secrets_of(self.read())):
            return True
        if self._now() < self._reread_at:
            return False
        self._reread_at = self._now() + REREAD_AFTER
        fresh = []
        for source in self._sources:
            try:
                fresh.append(source.refresh(source.cached))
            except SecretProblem as trouble:
                log.error("secret.unreadable reason=%s", trouble)
        return is_genuine(body, signature, _secrets_of(fresh))


def _secrets_of(credentials: Sequence[Credentials]) -> list[str]:
    return [secret for one in credentials for secret in one.app_secrets]

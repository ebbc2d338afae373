"""`/webhooks/whatsapp`: Meta's notifications.

GET   Meta asks whether this is the right place: the challenge back for the right verify token, else 403
POST  200 follows the commit of everything in it; anything else makes Meta send the same again, for up to seven days
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
from service.intake.address import variants
from service.message import Pause, StatusUpdate
from service.outbox.catalogue import Catalogues
from service.outbox.consent import Wish
from service.outbox.inbound import Inbox
from service.outbox.outbox import LateFailure, Outbox
from service.outbox.together import Together
from service.people import Blocked, Inbound, SuppressionSource
from service.secrets import Credentials, SecretProblem, Source
from service.web.contract import Challenge, MetaNotification, Problem
from service.web.openapi import SPEC, WEBHOOKS, Answers
from service.web.problems import problem, unauthorised
from service.whatsapp.errors import verdict_on
from service.whatsapp.inbound import Preference, Word, Words
from service.whatsapp.pausing import Account, Place, lifted_by, pause_for, pause_for_template
from service.whatsapp.webhook import Notification, is_genuine, parse_notification

REREAD_AFTER = timedelta(minutes=1)
"""How often a signature that does not fit makes us read the secrets again: the app's secret may have been rotated."""

PATIENCE_SECONDS = 1.0
"""How long a notification waits for a secret that another one is reading: all threads would wait, and take no event."""

STATUSES_AT_ONCE = 1_000
"""Notifications that come at the same moment go into one transaction up to so many statuses."""

log = logging.getLogger(__name__)


@dataclass
class Notifications:
    """What the handlers are given.

    `accounts` is what the settings say of each phone number, `words` are the replies that stop and start messages, and
    `stop_blocks` is what a stop keeps away.
    """

    outbox: Outbox
    inbox: Inbox
    catalogues: Catalogues
    sources: Sequence[Source]
    now: Callable[[], datetime]
    accounts: Mapping[str, Account] = field(default_factory=dict)
    words: Words = field(default_factory=Words)
    stop_blocks: Blocked = Blocked.ALL

    def __post_init__(self) -> None:
        self._applying: Together[Sequence[StatusUpdate], None] = Together(self._apply_all, len, STATUSES_AT_ONCE)

    def take(self, notification: Notification) -> None:
        """Do what it tells, and count it: each kind of news in a transaction of its own, who wants no messages first."""
        now = self.now()
        self._hear(notification, now)
        self._heed_templates(notification, now)
        self._apply(notification)
        metrics.STATUSES.labels("ignored").inc(notification.ignored)
        metrics.STATUSES.labels("unreadable").inc(notification.unreadable)

    def _hear(self, notification: Notification, now: datetime) -> None:
        """Keep what people wrote, and suppress or release those who ask for it."""
        if not notification.inbound and not notification.preferences:
            return
        wishes = {reply.wamid: wish for reply in notification.inbound if (wish := self._wish(reply))}
        preferences = [_preferred(one) for one in notification.preferences]
        taken = self.inbox.take(notification.inbound, wishes, preferences, now)
        metrics.STATUSES.labels("inbound").inc(len(notification.inbound))
        metrics.STATUSES.labels("preference").inc(len(preferences))
        for wish in (*wishes.values(), *preferences):
            metrics.WISHES.labels(wish.source.value, "stop" if wish.blocked else "start").inc()
        if taken.withheld:
            log.info("messages.suppressed count=%d", taken.withheld)

    def _wish(self, reply: Inbound) -> Wish | None:
        """What a reply asks for, for every way in which its sender may be written to."""
        word = self.words.said(reply)
        if word is None:
            return None
        addresses = dict.fromkeys([*variants(reply.sender), *([reply.user_id] if reply.user_id else [])])
        blocked = self.stop_blocks if word is Word.STOP else None
        return Wish(tuple(addresses), SuppressionSource.STOP_REPLY, blocked, reply.at, reply.answers)

    def _heed_templates(self, notification: Notification, now: datetime) -> None:
        """Pause what a template's new status calls for, lift what it lifts, and have the account's templates read anew."""
        waba_ids = {account.waba_id for account in self.accounts.values()}
        for update in notification.templates:
            if lifted := lifted_by(update):
                self.outbox.resume(lifted)
            elif pause := pause_for_template(update, waba_ids, now):
                self.outbox.pause(pause)
                metrics.count_pause(pause, log)
        ours = {waba_id for waba_id in waba_ids if waba_id} & notification.changed_accounts
        if ours:
            self.catalogues.want(ours, now)

    def _apply(self, notification: Notification) -> None:
        """Apply the statuses, together with what comes in other notifications at this moment."""
        if notification.statuses:
            self._applying.write(notification.statuses)

    def _apply_all(self, batches: Sequence[Sequence[StatusUpdate]]) -> list[None]:
        """Apply statuses, and pause what a failure calls for."""
        updates = [update for batch in batches for update in batch]
        applied = self.outbox.apply_statuses(updates, self.now(), self._pause_for)
        for pause in applied.pauses:
            metrics.count_pause(pause, log)
        for kind, count in (("new", applied.new), ("known", applied.known), ("unmatched", applied.unmatched)):
            metrics.STATUSES.labels(kind).inc(count)
        for failure in applied.failed:
            metrics.LATE_FAILURES.labels(failure.code or 0).inc()
        return [None for _ in batches]

    def _pause_for(self, failure: LateFailure, now: datetime) -> Pause | None:
        number = failure.phone_number_id
        place = Place(number, failure.template, self.accounts.get(number, Account()), failure.country)
        return pause_for(verdict_on(failure.code), failure.code, place, now)


def _preferred(preference: Preference) -> Wish:
    addresses = dict.fromkeys(variant for address in preference.addresses for variant in variants(address))
    blocked = Blocked.MARKETING if preference.stop else None
    return Wish(tuple(addresses), SuppressionSource.USER_PREFERENCES, blocked, preference.at)


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
        json=MetaNotification,
        resp=Answers(HTTP_200=None, HTTP_400=Problem, HTTP_401=None, HTTP_413=Problem, HTTP_503=Problem),
        security={"meta_signature": []},
        tags=[WEBHOOKS],
        skip_validation=True,
        operation_id="notify",
    )
    def notify() -> Response:
        """Take a notification from Meta.

        200 follows the commit of everything in it. Anything else makes Meta send the same again, for up to seven days.
        """
        body = request.get_data(cache=False)
        if not secrets.signed(body, request.headers.get("X-Hub-Signature-256")):
            metrics.UNVERIFIED.labels("notification").inc()
            return unauthorised()
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            return problem(400, "Not JSON", "The notification is signed, but its body is not JSON.")
        notifications.take(parse_notification(document))
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
                found.append(source.get(PATIENCE_SECONDS))
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
                fresh.append(source.refresh(source.cached, PATIENCE_SECONDS))
            except SecretProblem as trouble:
                log.error("secret.unreadable reason=%s", trouble)
        return is_genuine(body, signature, _secrets_of(fresh))


def _secrets_of(credentials: Sequence[Credentials]) -> list[str]:
    return [secret for one in credentials for secret in one.app_secrets]

"""What concerns more than one message → the Pause that keeps the others back. Pure.

A refusal, when it is answered or notified later; and Meta's news of a template's status.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.message import Pause, PauseReason, Scope, Template
from service.whatsapp.errors import Verdict
from service.whatsapp.webhook import TemplateUpdate

_PAUSING = {"PAUSED", "DISABLED", "REJECTED", "ARCHIVED", "DELETED", "PENDING_DELETION"}
_LIFTING = {"APPROVED", "REINSTATED", "UNARCHIVED"}
_LONGEST_PAUSE = timedelta(hours=6)
"""Of a template, by Meta (template pausing page, read 2026-11): three hours, then six, then it is disabled."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a phone number belongs to: its WhatsApp Business account, and the name of the secret with its token."""

    waba_id: str | None = None
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message was going: what its refusal may concern besides itself, and what it may wait for."""

    phone_number_id: str
    template: Template
    account: Account = Account()
    country: str | None = None
    campaign_id: str | None = None

    def key(self, scope: Scope) -> tuple[Scope, str] | None:
        """What a refusal of this scope pauses here; an account or a token that is not known is its number."""
        match scope:
            case Scope.WABA if self.account.waba_id:
                return scope, self.account.waba_id
            case Scope.TOKEN if self.account.secret:
                return scope, self.account.secret
            case Scope.NUMBER | Scope.WABA | Scope.TOKEN:
                return Scope.NUMBER, self.phone_number_id
            case Scope.TEMPLATE:
                return template_keys(self.template, self.account.waba_id)[-1]
            case Scope.COUNTRY if self.country:
                return _keys(scope, self.country, self.account.waba_id)[-1]
        return None

    def keys(self) -> list[tuple[Scope, str]]:
        """All that a message here may wait for, what holds for every account before what holds for its own."""
        waba_id = self.account.waba_id
        whole = {
            Scope.NUMBER: self.phone_number_id,
            Scope.WABA: waba_id,
            Scope.TOKEN: self.account.secret,
            Scope.CAMPAIGN: self.campaign_id,
        }
        country = _keys(Scope.COUNTRY, self.country, waba_id) if self.country else []
        return (
            [(scope, name) for scope, name in whole.items() if name] + template_keys(self.template, waba_id) + country
        )


def template_keys(template: Template, waba_id: str | None) -> list[tuple[Scope, str]]:
    """What a pause of the template is called: for every account, and for its own where that is known."""
    return _keys(Scope.TEMPLATE, f"{template.name}/{template.language}", waba_id)


def _keys(scope: Scope, name: str, waba_id: str | None) -> list[tuple[Scope, str]]:
    return [(scope, name), *([(scope, f"{name}@{waba_id}")] if waba_id else [])]


def pause_for(
    verdict: Verdict, code: int | None, place: Place, now: datetime, wait: timedelta | None = None
) -> Pause | None:
    """The pause that a refusal calls for. `wait` is Meta's own word on how long, which counts before the table's."""
    key = place.key(verdict.scope) if verdict.pauses else None
    if key is None:
        return None
    wait = wait or verdict.wait
    named = f"HTTP {verdict.http_status}" if code is None else f"code {code}"
    detail = f"{verdict.title} ({named}). {verdict.next_step}"
    return Pause(*key, PauseReason.REFUSED, detail, since=now, until=now + wait if wait else None)


def pause_for_template(update: TemplateUpdate, waba_ids: Collection[str | None], now: datetime) -> Pause | None:
    """The pause that a template's new status calls for, where one of our numbers' accounts has it.

    A number of unknown account (None among `waba_ids`) heeds every account's templates.
    """
    if update.event not in _PAUSING or (update.waba_id not in waba_ids and None not in waba_ids):
        return None
    account = None if None in waba_ids else update.waba_id
    why = f" ({update.reason})" if update.reason else ""
    detail = f"Meta says the template is {update.event.lower()}{why}. It goes on when Meta approves it again."
    until = now + _LONGEST_PAUSE if update.event == "PAUSED" else None
    key = template_keys(Template(update.name, update.language), account)[-1]
    return Pause(*key, PauseReason.NOTIFIED, detail, since=now, until=until)


def lifted_by(update: TemplateUpdate) -> list[tuple[Scope, str]]:
    """The pauses that a template's new status lifts."""
    if update.event not in _LIFTING:
        return []
    return template_keys(Template(update.name, update.language), update.waba_id)


def lifted_by_listings(listings: Iterable[Mapping[str, object]], waba_id: str) -> list[tuple[Scope, str]]:
    """The pauses of templates that Meta lists as approved: its notifications come in any order, and may be lost."""
    approved = (one for one in listings if str(one.get("status")).upper() == "APPROVED")
    return [key for one in approved for key in template_keys(Template(str(one["name"]), str(one["language"])), waba_id)]

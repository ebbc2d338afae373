"""What concerns more than one message → the Pause that keeps the others back. Pure.

A refusal, when it is answered or notified later; and Meta's news of a template's status.
"""

from collections.abc import Collection
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
            case Scope.TEMPLATE | Scope.COUNTRY:
                return next(reversed([key for key in self.keys() if key[0] is scope]), None)
        return None

    def keys(self) -> list[tuple[Scope, str]]:
        """All that a message here may wait for, what holds for every account before what holds for its own."""
        template, waba_id = f"{self.template.name}/{self.template.language}", self.account.waba_id
        names: dict[Scope, list[str | None]] = {
            Scope.NUMBER: [self.phone_number_id],
            Scope.WABA: [waba_id],
            Scope.TOKEN: [self.account.secret],
            Scope.CAMPAIGN: [self.campaign_id],
            Scope.TEMPLATE: [template, f"{template}@{waba_id}" if waba_id else None],
            Scope.COUNTRY: [self.country, f"{self.country}@{waba_id}" if waba_id and self.country else None],
        }
        return [(scope, name) for scope, listed in names.items() for name in listed if name]


def pause_for(
    verdict: Verdict, code: int | None, place: Place, now: datetime, wait: timedelta | None = None
) -> Pause | None:
    """The pause that a refusal calls for. `wait` is Meta's own word on how long, which counts before the table's."""
    key = place.key(verdict.scope) if verdict.pauses else None
    if key is None:
        return None
    wait = wait or verdict.wait
    detail = f"{verdict.title} (code {code}). {verdict.next_step}"
    return Pause(*key, PauseReason.REFUSED, detail, since=now, until=now + wait if wait else None)


def pause_for_template(update: TemplateUpdate, waba_ids: Collection[str | None], now: datetime) -> Pause | None:
    """The pause that a template's new status calls for, where one of our numbers' accounts has it.

    A number of unknown account (None among `waba_ids`) heeds every account's templates.
    """
    if update.event not in _PAUSING or (update.waba_id not in waba_ids and None not in waba_ids):
        return None
    account = f"@{update.waba_id}" if update.waba_id and None not in waba_ids else ""
    why = f" ({update.reason})" if update.reason else ""
    detail = f"Meta says the template is {update.event.lower()}{why}. It goes on when Meta approves it again."
    until = now + _LONGEST_PAUSE if update.event == "PAUSED" else None
    key = f"{update.name}/{update.language}{account}"
    return Pause(Scope.TEMPLATE, key, PauseReason.NOTIFIED, detail, since=now, until=until)


def lifted_by(update: TemplateUpdate) -> list[tuple[Scope, str]]:
    """The pauses that a template's new status lifts."""
    if update.event not in _LIFTING:
        return []
    name = f"{update.name}/{update.language}"
    return [(Scope.TEMPLATE, name), *([(Scope.TEMPLATE, f"{name}@{update.waba_id}")] if update.waba_id else [])]

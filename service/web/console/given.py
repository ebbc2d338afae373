"""What the console's pages are given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import abort

from service.doctor.finding import Finding
from service.message import Scope
from service.outbox.audit import Audit, Deed
from service.outbox.catalogue import Catalogues
from service.outbox.consent import Consent
from service.outbox.numbers import KnownNumber
from service.outbox.outbox import Outbox
from service.outbox.pauses import PauseKey
from service.outbox.report import Report
from service.outbox.search import Search
from service.web.console.sessions import Guard
from service.web.messages import Render
from service.web.reports import Reports
from service.whatsapp.limits import PER_SECOND
from service.whatsapp.pausing import Account


@dataclass(frozen=True, slots=True)
class NumberSetup:
    """What the settings say of a number: messages a second, None where Meta says it, and the part of that which is used."""

    per_second: float | None
    share: float
    portfolio: str
    account: Account


@dataclass(frozen=True, slots=True)
class Console:
    """All of it. `examine` runs doctor's checks and takes seconds; `wabas` are the accounts whose templates are known."""

    guard: Guard
    reports: Reports
    outbox: Outbox
    consent: Consent
    catalogues: Catalogues
    render: Render
    audit: Audit
    examine: Callable[[], Sequence[Finding]]
    numbers: Mapping[str, NumberSetup]
    wabas: Sequence[str]
    now: Callable[[], datetime]

    @property
    def report(self) -> Report:
        """Every read for people."""
        return self.reports.report

    @property
    def search(self) -> Search:
        """Messages by what they have in common."""
        return self.reports.search

    def pace(self, phone_number_id: str | None, said: KnownNumber | None = None) -> float | None:
        """Messages a second that a number is paced at while Meta has nothing against it; None for one that is not ours."""
        setup = self.numbers.get(phone_number_id or "")
        if setup is None:
            return None
        throughput = (said.facts.throughput if said else None) or ""
        return (setup.per_second or PER_SECOND.get(throughput.upper()) or PER_SECOND["STANDARD"]) * setup.share

    def keys_of(self, phone_number_id: str) -> list[PauseKey]:
        """The pauses that stop a whole number: its own, its account's, its token's."""
        setup = self.numbers.get(phone_number_id)
        account = setup.account if setup else Account()
        keys = [(Scope.NUMBER, phone_number_id), (Scope.WABA, account.waba_id), (Scope.TOKEN, account.secret)]
        return [(scope, key) for scope, key in keys if key]

    def note(self, action: str, subject: str, detail: str = "") -> None:
        """Write down that whoever is signed in does this; raise StoreUnavailable, and then it had better not be done."""
        person = self.guard.person()
        if person is None:
            abort(403)
        self.audit.record(Deed(self.now(), person.name, "console", action, subject, detail))

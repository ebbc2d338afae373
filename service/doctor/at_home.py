"""What `doctor` finds without asking anybody outside: settings, credentials, keys, the database, its clock and templates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from service.config import Settings
from service.doctor.finding import Finding, Findings, Level, fine, note, problem, warning
from service.outbox.catalogue import Catalogues, Listing, Standing
from service.outbox.database import StoreUnavailable
from service.outbox.outbox import Outbox
from service.outbox.report import Report
from service.secrets import KeyEntries, SecretProblem, Source, UnusableKeys

STALE_AFTER = timedelta(hours=1)
CLOCKS_APART = timedelta(seconds=60)
NAMED_AT_MOST = 10

MANY_OUTCOMES = 1_000

_IN_THE_SECRET: Mapping[str, Callable[[Settings], object]] = {
    "FB_APP_TOKEN": lambda settings: settings.app_token,
    "FB_APP_SECRET": lambda settings: settings.app_secret,
    "WEBHOOK_VERIFY_TOKEN": lambda settings: settings.verify_token,
}
_UNSENDABLE: Mapping[str, str] = {
    "PAUSED": "Meta paused them for their quality: improve them, or wait until Meta lifts it",
    "DISABLED": "Meta disabled them for good: make others",
    "REJECTED": "read Meta's reason in WhatsApp Manager, mend them and submit them again",
}
_SENDABLE = {"APPROVED"}


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """Keys that callers show: what makes of them what is used, and what to say where there are none."""

    entries: KeyEntries
    parse: Callable[[KeyEntries], object]
    if_none: Finding


@dataclass(frozen=True, slots=True)
class Database:
    """The store to look at. `pending` names the migrations that it lacks, `clock` what time it is there."""

    outbox: Outbox
    report: Report
    catalogues: Catalogues
    pending: Callable[[], Sequence[str]]
    clock: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Home:
    """What is looked at, as the service itself makes it of the settings.

    `sources` have read nothing yet: what they hold afterwards is what could be read. `accounts` are those of the numbers that
    name one.
    """

    settings: Settings
    sources: Mapping[str, Source]
    keys: Sequence[KeyCheck]
    database: Database
    accounts: Mapping[str, str]
    default_phone_number_id: str | None
    now: Callable[[], datetime]


def home_findings(home: Home) -> Findings:
    """What this machine, its secrets and its database can tell; they are summed up where none of it is a problem."""
    found = [*_settings(home), *_credentials(home.sources), *_all_keys(home.keys), *_store(home)]
    if not any(one.level is Level.PROBLEM for one in found):
        yield fine(
            f"{len(home.settings.numbers)} phone number(s), their secrets, the keys and the database are in order"
        )
    yield from found
    yield _message_note(home.settings)


def _settings(home: Home) -> Findings:
    settings, sources = home.settings, home.sources
    if not settings.numbers:
        yield problem(
            "FB_BUSINESS_PHONE_ID: no phone number is set up; set its id, or list numbers in CHANNEL_SETTINGS"
        )
    if sources and all(source.name != "environment" for source in sources.values()):
        for name, value in _IN_THE_SECRET.items():
            if value(settings):
                yield warning(f"{name} is set, but the secret of every number wins and it is not used; remove it")
    if settings.event_bus_pii and not settings.event_bus:
        yield warning("EVENT_BUS_PII is set, but no EVENT_BUS, so nothing is published; set the bus or remove it")
    if settings.messages and settings.numbers and home.default_phone_number_id is None:
        yield warning("no number is the default, so Connect's events are rejected: set FB_BUSINESS_PHONE_ID")


def _credentials(sources: Mapping[str, Source]) -> Findings:
    first: dict[str, str] = {}
    for phone_number_id, source in sources.items():
        first.setdefault(source.name, phone_number_id)
    for phone_number_id in first.values():
        yield from _credentials_of(phone_number_id, sources[phone_number_id])


def _credentials_of(phone_number_id: str, source: Source) -> Findings:
    try:
        credentials = source.get()
    except SecretProblem as reason:
        yield problem(f"number {phone_number_id}: {reason}")
        return
    if not credentials.app_secrets:
        yield problem(f"number {phone_number_id}: no FB_APP_SECRET; Meta's notifications are refused until it is set")
    if not credentials.verify_token:
        yield problem(f"number {phone_number_id}: no WEBHOOK_VERIFY_TOKEN; Meta cannot subscribe the webhook")


def _all_keys(checks: Sequence[KeyCheck]) -> Findings:
    for check in checks:
        yield from _keys(check.entries, check.parse, check.if_none)


def _keys(entries: KeyEntries, parse: Callable[[KeyEntries], object], if_none: Finding) -> Findings:
    try:
        listed = entries.read()
        parse(replace(entries, read=lambda: listed))
    except (UnusableKeys, SecretProblem) as reason:
        kept = "; a service that runs goes on with the keys it has" if entries.secret else ""
        yield problem(f"{reason}{kept}")
        return
    if not listed:
        yield if_none


def _store(home: Home) -> Findings:
    database = home.database
    try:
        missing = database.pending()
        if missing:
            yield problem(f"the database lacks {len(missing)} migration(s); run: whatsapp-channel migrate")
            return
        database.outbox.prove_writable(home.now())
        yield from clock_findings(database.clock(), home.now())
        yield from _catalogues(home)
        yield from _outcomes(home.settings, database.report.outcomes_waiting())
    except StoreUnavailable as error:
        yield problem(f"DATABASE_URL: the database cannot be used ({error}); check that it runs and may be written")


def clock_findings(theirs: datetime, ours: datetime) -> Findings:
    """How the database's clock stands to ours: what a campaign's times mean depends on who looked at a clock."""
    apart = ours - theirs
    if abs(apart) >= CLOCKS_APART:
        where = "ahead of" if apart > timedelta(0) else "behind"
        seconds = abs(apart).total_seconds()
        yield warning(f"this machine's clock is {seconds:.0f} s {where} the database's; have both set by NTP")


def _outcomes(settings: Settings, waiting: int) -> Findings:
    if waiting and not settings.event_bus:
        yield warning(f"{waiting} outcome(s) wait to be published, but EVENT_BUS is not set; set it again")
    elif waiting >= MANY_OUTCOMES:
        yield warning(
            f"{waiting} outcome(s) wait to be published on {settings.event_bus}; "
            "look for outcomes.not_published in the dispatchers' log"
        )


def _catalogues(home: Home) -> Findings:
    accounts, catalogues = home.accounts, home.database.catalogues
    unchecked = [number for number in home.settings.numbers if number not in accounts]
    if unchecked:
        yield note(
            f"templates of number {', '.join(unchecked)} are not checked before they are sent; Meta judges them: "
            "set WHATSAPP_BUSINESS_ACCOUNT_ID, or waba_id in CHANNEL_SETTINGS"
        )
    standings = catalogues.standings(set(accounts.values()))
    for waba_id in dict.fromkeys(accounts.values()):
        yield from catalogue_findings(standings.get(waba_id, Standing(waba_id)), home.now())
        yield from template_findings(waba_id, catalogues.listings(waba_id))


def catalogue_findings(standing: Standing, now: datetime) -> Findings:
    """Whether an account's templates are known, and how old that is."""
    whose = f"the templates of account {standing.waba_id}"
    if standing.problem:
        since = f"since {standing.read_at:%Y-%m-%dT%H:%M:%SZ}" if standing.read_at else "and were never"
        yield warning(f"{whose} could not be read {since}: {standing.problem}")
    elif standing.read_at is None:
        yield warning(f"{whose} were not read yet, so none is checked; a dispatcher reads them: is one running?")
    elif now - standing.read_at > STALE_AFTER:
        hours = (now - standing.read_at) / timedelta(hours=1)
        yield warning(
            f"{whose} were read {hours:.1f} h ago; a dispatcher reads them every ten minutes: is one running?"
        )


def template_findings(waba_id: str, listings: Sequence[Listing]) -> Findings:
    """The templates that cannot be sent, by status."""
    by_status: dict[str, list[str]] = {}
    for one in listings:
        by_status.setdefault(str(one.get("status")).upper(), []).append(f"{one['name']}/{one['language']}")
    for status, next_step in _UNSENDABLE.items():
        names = by_status.get(status, [])
        if names:
            more = f" and {len(names) - NAMED_AT_MOST} more" if len(names) > NAMED_AT_MOST else ""
            named = f"{', '.join(names[:NAMED_AT_MOST])}{more}"
            yield warning(f"{len(names)} template(s) of account {waba_id} are {status}: {named}; {next_step}")
    if by_status and not by_status.keys() & _SENDABLE:
        yield warning(f"account {waba_id} has no approved template, so nothing can be sent; submit one to Meta")


def _message_note(settings: Settings) -> Finding:
    if not settings.messages:
        return note("no named messages; a Connect journey's action needs one: [messages.<name>] in CHANNEL_SETTINGS")
    return note(f"{len(settings.messages)} named message(s): {', '.join(settings.messages)}")

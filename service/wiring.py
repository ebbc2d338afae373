"""The only place that constructs: settings in, a web app or a dispatcher out. The clock, ids and randomness come from here."""

import os
import secrets as randomness
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random

from flask import Flask
from prometheus_client import REGISTRY, CollectorRegistry, multiprocess
from pydantic import SecretStr
from sqlalchemy import Engine, make_url

from service.config import ConfigError, Settings, environment
from service.dispatch import wakeup
from service.dispatch.catalogue import CatalogueKeeper
from service.dispatch.dispatcher import Dispatcher, Wakeup
from service.dispatch.lane import Lane
from service.dispatch.number import Clock, Number, Policy
from service.dispatch.publish import Bus, Publisher
from service.dispatch.tenure import Tenure
from service.intake.draft import Draft
from service.intake.rules import Catalogue, Rules, Unknown
from service.message import Settlement
from service.metrics import StoreCollector
from service.outbox.announce import Announcer
from service.outbox.catalogue import Catalogues
from service.outbox.consent import Consent
from service.outbox.database import open_engine
from service.outbox.inbound import Inbox
from service.outbox.outbox import Outbox, Portfolio
from service.outbox.outcomes import Outcomes
from service.outbox.report import Report
from service.outbox.search import Search
from service.secrets import Credentials, KeyEntries, SecretProblem, SecretsManager, Source, credentials_of
from service.settings_file import NumberSettings
from service.web import Parts, create_app
from service.web.auth import ApiKeys, BadKeys, Signatures
from service.web.events import Intake
from service.web.known_templates import KnownTemplates
from service.web.messages import Direct
from service.web.operate import Operating
from service.web.reports import Reports
from service.web.suppressions import Suppressing
from service.web.webhooks import Notifications
from service.whatsapp.catalogue import TemplatesApi
from service.whatsapp.client import Client
from service.whatsapp.inbound import Words
from service.whatsapp.pausing import Account
from service.whatsapp.payload import Marketing


def now() -> datetime:
    """The wall clock, aware UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds that also pass while the machine is suspended, where the system can tell."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def new_id() -> str:
    """32 hex digits that sort by time (the layout of a UUIDv7): neighbours in time are neighbours in the index."""
    milliseconds = time.time_ns() // 1_000_000
    bits = (milliseconds << 80) | randomness.randbits(80)
    bits = bits & ~(0xF << 76) | (0x7 << 76)
    bits = bits & ~(0x3 << 62) | (0x2 << 62)
    return f"{bits:032x}"


@dataclass(frozen=True, slots=True)
class Store:
    """The database, for writing and for reading."""

    engine: Engine
    outbox: Outbox
    report: Report
    search: Search
    consent: Consent
    inbox: Inbox
    catalogues: Catalogues


def open_store(settings: Settings, *, announce: bool = True) -> Store:
    """Open the database; raise ConfigError for one of another kind. Nothing is connected yet."""
    try:
        engine = open_engine(settings.database_url, keeps_outcomes=settings.event_bus is not None)
    except ValueError as error:
        raise ConfigError([f"DATABASE_URL: {error}"]) from error
    announcer: Callable[[], None] = lambda: None  # noqa: E731 - a default, not a function of its own
    if announce and engine.dialect.name == "postgresql":
        announcer = Announcer(engine)
    outbox = Outbox(engine, max_tries=settings.max_attempts, announce=announcer)
    return Store(engine, outbox, Report(engine), Search(engine), Consent(engine), Inbox(engine), Catalogues(engine))


def sources(settings: Settings) -> dict[str, Source]:
    """Where each number's credentials come from: its own secret, the common one, or the environment."""
    manager = SecretsManager(settings.aws_region, settings.aws_endpoint_url)
    shared: dict[str, Source] = {}
    found = {}
    for phone_number_id, number in settings.numbers.items():
        arn = number.secret_arn or settings.secret_arn
        name = arn or "environment"
        if name not in shared:
            read = partial(manager.credentials, arn) if arn else partial(_from_environment, settings)
            shared[name] = Source(read, monotonic, name)
        found[phone_number_id] = shared[name]
    return found


def accounts(settings: Settings) -> dict[str, Account]:
    """What each number belongs to."""
    found = sources(settings)
    return {name: Account(number.waba_id, found[name].name) for name, number in settings.numbers.items()}


def reports(settings: Settings, store: Store) -> Reports:
    """What tells what became of a message, and what it waits for."""
    return Reports(store.report, store.search, now, accounts(settings))


def _from_environment(settings: Settings) -> Credentials:
    """As the secret's JSON would say it."""
    if settings.app_token is None:
        raise SecretProblem("no token: set FB_SECRET_ARN to the secret's ARN, or FB_APP_TOKEN on a laptop")
    document: dict[str, object] = {"FB_APP_TOKEN": settings.app_token.get_secret_value()}
    if app_secrets := _listed(settings.app_secret):
        document["FB_APP_SECRET"] = app_secrets
    if settings.verify_token:
        document["WEBHOOK_VERIFY_TOKEN"] = settings.verify_token.get_secret_value()
    return credentials_of(document, "the environment")


def _listed(value: SecretStr | None) -> list[str]:
    return [part.strip() for part in value.get_secret_value().split(",") if part.strip()] if value else []


def keys(settings: Settings, value: SecretStr | None) -> KeyEntries:
    """Keys as given, or as they stand in the secret whose ARN is given."""
    listed = _listed(value)
    if len(listed) != 1 or not listed[0].startswith("arn:"):
        return KeyEntries(lambda: listed)
    (arn,) = listed
    manager = SecretsManager(settings.aws_region, settings.aws_endpoint_url)
    return KeyEntries(lambda: _listed(SecretStr(manager.text(arn))), arn)


def key_entries(settings: Settings, value: SecretStr | None) -> Sequence[str]:
    """The keys as they stand now; raise SecretProblem."""
    return keys(settings, value).read()


def wabas(settings: Settings) -> dict[str, str]:
    """Each number's account, of those that name one."""
    return {name: number.waba_id for name, number in settings.numbers.items() if number.waba_id}


def known_templates(settings: Settings, store: Store) -> KnownTemplates:
    """The templates of the numbers' accounts, as far as they were read."""
    return KnownTemplates(store.catalogues, wabas(settings), monotonic)


def rules(settings: Settings, catalogue: Catalogue | None = None) -> Rules:
    """What intake needs to know of the settings, and of templates; without `catalogue` nothing is checked."""
    return Rules(
        phone_number_ids=frozenset(settings.numbers),
        default_phone_number_id=settings.phone_number_id or _only(settings.numbers),
        applications={app: number for number, of in settings.numbers.items() for app in of.applications},
        default_language=settings.default_language,
        time_to_live=timedelta(seconds=settings.ttl_seconds),
        duplicate_window=timedelta(seconds=settings.duplicate_window_seconds),
        key_lifetime=timedelta(days=settings.retention_days),
        messages={
            name: Draft(of.template, of.params).but(of.language, of.priority, of.ttl_seconds)
            for name, of in settings.messages.items()
        },
        address_fields=settings.connect.address_fields,
        catalogue=catalogue or Unknown(),
    )


def _only(numbers: Mapping[str, NumberSettings]) -> str | None:
    """The number that serves everything where there is just one."""
    return next(iter(numbers)) if len(numbers) == 1 else None


def build_web_app(settings: Settings, registry: CollectorRegistry | None = None, store: Store | None = None) -> Flask:
    """The Flask app; raise ConfigError where keys cannot be used.

    A store that is given remains the caller's to close. One opened here lasts as long as the process.
    """
    store = store or open_store(settings)
    try:
        signatures = Signatures(keys(settings, settings.signing_keys), monotonic)
        api_keys = ApiKeys(keys(settings, settings.api_keys), monotonic)
    except (BadKeys, SecretProblem) as error:
        raise ConfigError([str(error)]) from error
    distinct = list(dict.fromkeys(sources(settings).values()))
    templates = known_templates(settings, store)
    understood = rules(settings, templates)
    return create_app(
        Parts(
            intake=Intake(store.outbox, understood, signatures, now, new_id),
            direct=Direct(store.outbox, understood, now, new_id, templates.render),
            notifications=_notifications(settings, store, distinct),
            suppressing=Suppressing(store.consent, now),
            reports=reports(settings, store),
            operating=Operating(store.outbox, store.report, now),
            api_keys=api_keys,
            registry=registry or _all_workers(store.report),
        )
    )


def _notifications(settings: Settings, store: Store, app_secrets: Sequence[Source]) -> Notifications:
    """What takes Meta's notifications, with the words by which people stop and start messages."""
    consent = settings.consent
    words = Words(consent.stop_words, consent.start_words)
    return Notifications(
        store.outbox,
        store.inbox,
        store.catalogues,
        app_secrets,
        now,
        accounts(settings),
        words=words,
        stop_blocks=consent.stop_blocks,
    )


def _all_workers(report: Report) -> CollectorRegistry:
    """What all gunicorn workers have counted, with the queue's gauges; one process counts for itself."""
    if "PROMETHEUS_MULTIPROC_DIR" not in environment():
        registry = REGISTRY
    else:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(StoreCollector(report, now))
    return registry


def web_app() -> Flask:
    """What gunicorn loads in each worker."""
    return build_web_app(Settings.from_environment(environment()))


def build_dispatcher(settings: Settings, clock: Clock | None = None) -> Dispatcher:
    """A dispatcher for all numbers of the settings."""
    clock = clock or Clock(now, monotonic)
    store = open_store(settings, announce=False)
    outbox = store.outbox
    client = Client(settings.api_url, settings.api_version)
    policy = Policy(
        max_tries=settings.max_attempts,
        grace=timedelta(seconds=settings.unanswered_grace_seconds),
    )
    holder = f"{socket.gethostname()[:24]}-{os.getpid()}-{randomness.token_hex(4)}"

    def make_lane(number: Number, settle: Callable[[Settlement], None]) -> Lane:
        return Lane(
            number,
            outbox=outbox,
            client=client,
            tenure=Tenure(outbox, number.phone_number_id, holder, clock.monotonic),
            settle=settle,
            clock=clock,
            policy=policy,
            rng=Random(),  # noqa: S311 - jitter, not a secret
        )

    return Dispatcher(
        _numbers(settings),
        holder=holder,
        outbox=outbox,
        client=client,
        clock=clock,
        make_lane=make_lane,
        beside=[
            *(keeper.run for keeper in catalogue_keepers(settings, store, clock)),
            *(publisher.run for publisher in publishers(settings, store, clock)),
        ],
    )


def publishers(settings: Settings, store: Store, clock: Clock) -> list[Publisher]:
    """What tells the event bus, where there is one."""
    if not settings.event_bus:
        return []
    bus = Bus(settings.event_bus, settings.aws_region, settings.aws_endpoint_url)
    return [
        Publisher(
            Outcomes(store.engine),
            bus,
            now=clock.now,
            rng=Random(),  # noqa: S311 - jitter, not a secret
            with_personal_data=settings.event_bus_pii,
        )
    ]


def catalogue_keepers(settings: Settings, store: Store, clock: Clock) -> list[CatalogueKeeper]:
    """One for each account, with the first of its numbers."""
    first: dict[str, str] = {}
    for phone_number_id, waba_id in wabas(settings).items():
        first.setdefault(waba_id, phone_number_id)
    found, api = sources(settings), TemplatesApi(settings.api_url, settings.api_version)
    return [
        CatalogueKeeper(waba_id, number, found[number], store=store.catalogues, api=api, now=clock.now)
        for waba_id, number in first.items()
    ]


def _numbers(settings: Settings) -> Sequence[Number]:
    found, shared = sources(settings), _portfolios(settings)
    return [
        Number(
            phone_number_id,
            number.messages_per_second or settings.messages_per_second,
            found[phone_number_id],
            share=settings.rate_share,
            waba_id=number.waba_id,
            portfolio=shared[number.portfolio],
            door=number.door,
            marketing=Marketing(number.product_policy, number.message_activity_sharing),
        )
        for phone_number_id, number in settings.numbers.items()
    ]


def _portfolios(settings: Settings) -> dict[str, Portfolio]:
    """Whose numbers share a daily limit; the lowest that the settings give it."""
    found = {}
    for name in {number.portfolio for number in settings.numbers.values()}:
        members = {key: number for key, number in settings.numbers.items() if number.portfolio == name}
        limits = [number.daily_recipient_limit or settings.daily_recipient_limit for number in members.values()]
        found[name] = Portfolio(name, tuple(members), min((limit for limit in limits if limit), default=None))
    return found


def build_wakeup(settings: Settings) -> Wakeup:
    """How a dispatcher on this database learns of new work."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        return partial(wakeup.watch_sqlite, str(url.database))
    return partial(wakeup.listen_postgres, url.set(drivername="postgresql").render_as_string(hide_password=False))

"""Settings in, what examines them out."""

import secrets as randomness
from collections.abc import Callable
from functools import partial

from service.config import Settings
from service.doctor.at_home import Database, Home, KeyCheck
from service.doctor.examine import Webhook, examine
from service.doctor.finding import Finding, note, problem
from service.outbox import migrations
from service.outbox.clock import read_clock
from service.web.auth import ApiKeys, Signatures
from service.web.console.people import People
from service.whatsapp.account import AccountApi
from service.wiring.credentials import keys, sources, wabas
from service.wiring.intake import rules
from service.wiring.moments import now
from service.wiring.store import Store

_NO_SIGNING_KEYS = problem("SIGNING_KEYS: none; every event is refused until the shim and the service share one")
_NO_API_KEYS = problem("API_KEYS: none; nobody can read reports; make one with: whatsapp-channel keys new NAME")
_NO_CONSOLE_USERS = note(
    "CONSOLE_USERS: none; nobody can sign in to /console; make one with: whatsapp-channel users new NAME"
)


def examiner(
    settings: Settings, store: Store, *, offline: bool = False, webhook_url: str | None = None
) -> Callable[[], list[Finding]]:
    """What finds out what is missing or wrong, the worst first; each call reads the secrets anew and takes seconds.

    `offline` leaves out what asks Meta. The webhook is asked only where its URL is given; ConfigError where that is none.
    """
    meta = None if offline else AccountApi(settings.api_url, settings.api_version)

    def look() -> list[Finding]:
        webhook = Webhook(webhook_url, randomness.token_hex(8)) if webhook_url else None
        return examine(_home(settings, store), meta, webhook)

    return look


def _home(settings: Settings, store: Store) -> Home:
    return Home(
        settings,
        sources=sources(settings),
        keys=[
            KeyCheck(keys(settings, settings.signing_keys), Signatures, _NO_SIGNING_KEYS),
            KeyCheck(keys(settings, settings.api_keys), ApiKeys, _NO_API_KEYS),
            KeyCheck(keys(settings, settings.console_users), People, _NO_CONSOLE_USERS),
        ],
        database=Database(
            store.outbox,
            store.report,
            store.catalogues,
            pending=partial(migrations.pending, store.engine),
            clock=partial(read_clock, store.engine),
        ),
        accounts=wabas(settings),
        default_phone_number_id=rules(settings).default_phone_number_id,
        now=now,
    )

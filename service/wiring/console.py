"""Settings in, what the console is made of out."""

import secrets as randomness

from service.config import ConfigError, Settings
from service.outbox.sessions import Sessions
from service.web.auth import BadKeys
from service.web.console.given import Console, NumberSetup
from service.web.console.oidc import Balancer, PublicKeys, keys_address
from service.web.console.people import People
from service.web.console.sessions import Guard
from service.web.messages import Render
from service.web.reports import Reports
from service.wiring.credentials import accounts, keys, wabas
from service.wiring.doctor import examiner
from service.wiring.moments import monotonic, now
from service.wiring.store import Store

TOKEN_BYTES = 32


def build_console(settings: Settings, store: Store, reports: Reports, render: Render) -> Console:
    """The console over this store; raise ConfigError where CONSOLE_USERS cannot be used, SecretProblem where not read."""
    try:
        people = People(keys(settings, settings.console_users), monotonic)
    except BadKeys as error:
        raise ConfigError([str(error)]) from error
    return Console(
        guard=Guard(
            people, Sessions(store.engine), now, lambda: randomness.token_urlsafe(TOKEN_BYTES), _balancer(settings)
        ),
        reports=reports,
        outbox=store.outbox,
        consent=store.consent,
        catalogues=store.catalogues,
        render=render,
        audit=store.audit,
        examine=examiner(settings, store),
        numbers=_numbers(settings),
        wabas=list(dict.fromkeys(wabas(settings).values())),
        now=now,
    )


def _numbers(settings: Settings) -> dict[str, NumberSetup]:
    belongs = accounts(settings)
    return {
        name: NumberSetup(
            number.messages_per_second or settings.messages_per_second,
            settings.rate_share,
            number.portfolio,
            belongs[name],
        )
        for name, number in settings.numbers.items()
    }


def _balancer(settings: Settings) -> Balancer | None:
    """Who else may sign people in, where the settings name one."""
    arn = settings.console_alb_arn
    return Balancer(arn, now, PublicKeys(keys_address(arn))) if arn else None

"""Settings in, a dispatcher out."""

import os
import secrets as randomness
import socket
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from random import Random

from sqlalchemy import make_url

from service.config import Settings
from service.dispatch import wakeup
from service.dispatch.catalogue import CatalogueKeeper
from service.dispatch.dispatcher import Dispatcher, Wakeup
from service.dispatch.eraser import Eraser
from service.dispatch.lane import Lane
from service.dispatch.number import Clock, Number, Policy
from service.dispatch.publish import Bus, Publisher
from service.dispatch.tenure import Tenure
from service.message import Settlement
from service.outbox.outbox import Portfolio
from service.outbox.outcomes import Outcomes
from service.outbox.retention import Retention
from service.whatsapp.catalogue import TemplatesApi
from service.whatsapp.client import Client
from service.whatsapp.payload import Marketing
from service.wiring.credentials import sources, wabas
from service.wiring.moments import monotonic, now
from service.wiring.store import Store, open_store


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
            Eraser(Retention(store.engine, timedelta(days=settings.retention_days)), now=clock.now).run,
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
        CatalogueKeeper(
            waba_id,
            number,
            found[number],
            store=store.catalogues,
            api=api,
            lift=store.outbox.lift_notified,
            now=clock.now,
        )
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

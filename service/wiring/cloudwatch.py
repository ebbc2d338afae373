"""Settings in, what writes metrics for CloudWatch out."""

import atexit
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from prometheus_client import REGISTRY

from service.cloudwatch.teller import Read, Teller
from service.config import Settings
from service.metrics import StoreCollector
from service.wiring.moments import now
from service.wiring.store import open_store

EVERY = timedelta(minutes=1)
"""CloudWatch's own grain, and that of its alarms."""


def tell_what_is_counted(settings: Settings) -> None:
    """Write what this process counts until it ends by itself; for a gunicorn worker, after its last request.

    With several workers REGISTRY's own metrics hold what this one has counted, so the sum over them counts everything once.
    """
    if settings.cloudwatch_namespace is None:
        return
    teller = _teller(settings.cloudwatch_namespace)
    teller.start()
    atexit.register(teller.stop)


@contextmanager
def telling(settings: Settings) -> Iterator[None]:
    """While in context write what this process counts and what the store holds; at its end once more what was counted."""
    if settings.cloudwatch_namespace is None:
        yield
        return
    store = open_store(settings, announce=False)  # connections of its own: those of the lanes are for sending
    teller = _teller(settings.cloudwatch_namespace, [StoreCollector(store.report, now).collect])
    teller.start()
    try:
        yield
    finally:
        teller.stop()


def _teller(namespace: str, measured: Sequence[Read] = ()) -> Teller:
    return Teller(REGISTRY.collect, measured, write=_write, now=now, namespace=namespace, every=EVERY)


def _write(line: str) -> None:
    """Whole: several processes write to the same pipe."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()

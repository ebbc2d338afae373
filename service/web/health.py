"""What machines ask.

`/healthz` the process answers · `/readyz` the store can be written, nothing else: a bad token must not stop accepting ·
`/metrics` Prometheus, over all workers.
"""

from collections.abc import Callable
from datetime import datetime

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from service.outbox.outbox import Outbox


def blueprint(outbox: Outbox, registry: CollectorRegistry, now: Callable[[], datetime]) -> Blueprint:
    """The routes of this file."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def healthz() -> Response:
        return Response("ok\n", content_type="text/plain")

    @routes.get("/readyz")
    def readyz() -> Response:
        outbox.prove_writable(now())
        return Response("ready\n", content_type="text/plain")

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return routes

"""How gunicorn runs the web service; its own configuration file. `whatsapp-channel web` names it."""

import shutil
from typing import Any

from prometheus_client import multiprocess

from service.config import Settings, environment
from service.logs import set_up_logging

_settings = Settings.from_environment(environment())

workers = _settings.web_workers
worker_class = "service.cli.web_worker.Worker"
threads = 8
graceful_timeout = 25
"""Within the 30 s that ECS gives a task to stop."""
keepalive = 75
"""Longer than an ALB's idle time-out (60 s), so that the ALB, not we, closes a quiet connection."""
control_socket_disable = True


def post_fork(_server: Any, _worker: Any) -> None:
    """Each worker logs in the house's form."""
    set_up_logging(_settings.log_level)


def child_exit(_server: Any, worker: Any) -> None:
    """A worker that has ended no longer counts in gauges."""
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(_server: Any) -> None:
    """The workers' counts end with the service; Prometheus sees its counters start again."""
    shutil.rmtree(environment()["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)

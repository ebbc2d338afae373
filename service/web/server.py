"""How gunicorn runs the web service; its own configuration file. `whatsapp-channel web` names it."""

import gc
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

COLLECT_EACH = 10_000
"""So many objects more than were freed since Python last looked for cycles; by itself it looks after 700."""


def post_fork(_server: Any, _worker: Any) -> None:
    """Each worker logs in the house's form."""
    set_up_logging(_settings.log_level)


def post_worker_init(_worker: Any) -> None:
    """What is loaded stays, and is not looked through again: that held all threads up for a tenth of a second each time."""
    gc.freeze()
    gc.set_threshold(COLLECT_EACH, 10, 10)


def child_exit(_server: Any, worker: Any) -> None:
    """A worker that has ended no longer counts in gauges."""
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(_server: Any) -> None:
    """The workers' counts end with the service; Prometheus sees its counters start again."""
    shutil.rmtree(environment()["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)

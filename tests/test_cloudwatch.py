"""What the real processes tell CloudWatch: a dispatcher and two gunicorn workers, their stdout read as CloudWatch reads it."""

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from service.cloudwatch.lines import COUNTED, TABLE
from tests.conftest import SAMPLES
from tests.embedded_metrics import Point, read_all
from tests.running import NUMBER, System, free_port, running

Totals = dict[tuple[str, str], float]
"""Values by name and by a dimension's value, "" over all."""


@pytest.fixture
def system(database_url: str, tmp_path: Path) -> Iterator[System]:
    with running(database_url, tmp_path, CLOUDWATCH_NAMESPACE="Test/Channel") as system:
        system.start_sandbox()
        yield system


class Process:
    """`whatsapp-channel <command>`, its stdout and stderr apart, as a pipe to a log driver keeps them."""

    def __init__(self, command: str, system: System, folder: Path, **settings: str) -> None:
        self._out, self._log = folder / f"{command}.out", folder / f"{command}.err"
        environment = {**os.environ, **system.settings, **settings}
        with self._out.open("wb") as out, self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "service", command], env=environment, stdout=out, stderr=log
            )

    def stop(self) -> list[Point]:
        """SIGTERM; what it wrote until then. Its log goes to stderr, and stdout holds nothing but metrics."""
        self._process.terminate()
        assert self._process.wait(40) == 0, self._log.read_text()[-3000:]
        assert "INFO" in self._log.read_text()
        return read_all(self._out.read_text().splitlines())

    @property
    def written(self) -> str:
        return self._out.read_text()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def processes(system: System, tmp_path: Path) -> Iterator[tuple[Process, Process, str]]:
    """web, dispatcher, and where the dispatcher tells Prometheus."""
    port = free_port()
    web = Process("web", system, tmp_path, WEB_WORKERS="2")
    dispatcher = Process("dispatcher", system, tmp_path, DISPATCHER_PORT=str(port))
    own = f"http://127.0.0.1:{port}"
    try:
        system.until(lambda: answers(f"{system.url}/readyz") and answers(f"{own}/healthz"), "both to be ready")
        yield web, dispatcher, f"{own}/metrics"
    finally:
        web.kill()
        dispatcher.kill()


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code == 200
    except requests.RequestException:
        return False


def of_prometheus(url: str) -> Totals:
    """Its counters, summed as the table says."""
    totals: Totals = defaultdict(float)
    for line in requests.get(url, timeout=5).text.splitlines():
        found = re.fullmatch(r"(\w+?)(?:\{(.*)\})? (\S+)", line)
        if not found or found[1] not in TABLE or not found[1].endswith(COUNTED):
            continue
        labels = dict(re.findall(r'(\w+)="([^"]*)"', found[2] or ""))
        for by in TABLE[found[1]].by:
            totals[found[1], labels[by] if by else ""] += float(found[3])
    return {key: value for key, value in totals.items() if value}


def of_cloudwatch(points: list[Point]) -> Totals:
    """Its counters, summed over all lines, as the statistic Sum does."""
    totals: Totals = defaultdict(float)
    for point in points:
        if point.name.endswith(COUNTED):
            totals[point.name, point.dimensions[0][1] if point.dimensions else ""] += point.value
    return {key: value for key, value in totals.items() if value}


def test_cloudwatch_is_told_what_prometheus_is_told(system: System, processes: tuple[Process, Process, str]) -> None:
    sample = json.loads((SAMPLES / "pinpoint_campaign_article.json").read_text())
    web, dispatcher, own_metrics = processes
    system.fault(kind="error", code=131026, next=3)
    system.post_campaign(sample, range(4), size=10)
    requests.post(f"{system.url}/v1/events/pinpoint", data=b"{}", timeout=5)  # not signed
    system.until_counts({"read": 37, "failed": 3})
    wanted_of_web, wanted_of_dispatcher = of_prometheus(f"{system.url}/metrics"), of_prometheus(own_metrics)
    points_of_web, points_of_dispatcher = web.stop(), dispatcher.stop()

    assert of_cloudwatch(points_of_web) == pytest.approx(wanted_of_web)
    assert of_cloudwatch(points_of_dispatcher) == pytest.approx(wanted_of_dispatcher)
    assert wanted_of_web["channel_recipients_total", "accepted"] == 40
    assert wanted_of_web["channel_unverified_calls_total", "event"] == 1
    assert wanted_of_dispatcher["channel_attempts_total", ""] == 40
    rates = {point.value for point in points_of_dispatcher if point.name == "channel_rate_per_second"}
    assert rates == {72}
    paused = [point.value for point in points_of_dispatcher if point.name == "channel_paused"]
    assert paused == [0] * 4, "over all, and the three scopes that an alarm looks at"
    assert not {point.name for point in points_of_web} & {"channel_paused", "channel_messages_waiting"}

    for point in points_of_web + points_of_dispatcher:
        assert (point.namespace, point.name in TABLE, point.unit) == ("Test/Channel", True, TABLE[point.name].unit)
    written = web.written + dispatcher.written
    assert NUMBER in written
    for private in ("86139", "sandbox-token", "sandbox-app-secret", "Tuohumai", "whsec_", "wck_"):
        assert private not in written


def test_without_a_namespace_nothing_is_written_to_stdout(system: System, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}/healthz"
    dispatcher = Process("dispatcher", system, tmp_path, DISPATCHER_PORT=str(port), CLOUDWATCH_NAMESPACE="")
    system.until(lambda: answers(url), "the dispatcher to be alive")
    assert dispatcher.stop() == []

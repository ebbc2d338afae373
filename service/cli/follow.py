"""Hands sample events to the shim and shows, live, what becomes of each recipient.

event file ──► Lambda host (or the shim as a process) ──► its answer: one Row per recipient
                                                              │ looked up in the report until its outcome is in
                                                              ▼
                                              live table and progress bar, then the whole table once
"""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from service.cli.processes import Processes
from service.config import ConfigError
from service.message import Status
from service.outbox.report import Report
from service.web.reports import message_report

LOOK_EVERY = 0.15  # seconds
PATIENCE = 60.0  # seconds without any change until the rest is left to the reader
INVOKE_SECONDS = 30.0

FINAL = {Status.READ, Status.FAILED, Status.EXPIRED, Status.SUPPRESSED, Status.CANCELLED}
LOOKS = {
    "rejected": Text("rejected", "red"),
    "failed": Text("failed", "red"),
    "read": Text("✓✓ read", "bright_blue"),
    "delivered": Text("✓✓ delivered"),
    "sent": Text("✓ sent"),
}


@dataclass(slots=True)
class Row:
    """One recipient: where it stands, and in words how that came about."""

    recipient: str
    message_id: str | None
    status: str
    to: str = ""
    told: str = ""

    @property
    def is_final(self) -> bool:
        """Whether nothing more is to come."""
        return self.message_id is None or self.status in FINAL


@dataclass(frozen=True, slots=True)
class Campaign:
    """Events and the shim that takes them; without the URL of a Lambda host the shim runs as a process, once per event."""

    events: Sequence[Path]
    lambda_host: str | None
    environment: Mapping[str, str] = field(repr=False)

    def check(self) -> None:
        """Raise ConfigError for an event that is no JSON object; what else is wrong with it, the service will say."""
        for event in self.events:
            try:
                document = json.loads(event.read_bytes())
            except (ValueError, RecursionError) as error:
                raise ConfigError([f"{event} is no JSON: {error}"]) from error
            if not isinstance(document, dict):
                raise ConfigError([f"{event} is no event: give a JSON object"])

    def hand_over(self, event: Path) -> list[Row]:
        """Invoke the shim with one event; raise ConfigError where it does not take it."""
        answer = self._through_host(event) if self.lambda_host else self._as_process(event)
        if "Items" in answer:
            return [_row(item["Id"], item["ResultData"]) for item in answer["Items"]["CustomerProfiles"]]
        return [_row(recipient, of["EventAttributes"]) for recipient, of in answer.items()]

    def _through_host(self, event: Path) -> dict[str, Any]:
        url = f"{self.lambda_host}/2015-03-31/functions/lambda_shim/invocations"
        answer = requests.post(url, data=event.read_bytes(), timeout=INVOKE_SECONDS)
        rows: dict[str, Any] = answer.json()
        if answer.status_code != 200 or "X-Amz-Function-Error" in answer.headers:
            raise ConfigError([f"{event}: {rows.get('errorMessage') or rows}"])
        return rows

    def _as_process(self, event: Path) -> dict[str, Any]:
        command = [sys.executable, "-m", "sandbox.lambda_host.once", str(event)]
        shim = subprocess.run(command, env=dict(self.environment), capture_output=True, text=True, check=False)  # noqa: S603
        if shim.returncode != 0:
            raise ConfigError([f"{event}: {shim.stderr.strip().splitlines()[-1]}"])
        rows: dict[str, Any] = json.loads(shim.stdout)
        return rows


def show(campaign: Campaign, report: Report, processes: Processes, console: Console) -> list[Row]:
    """Hand every event over, show the outcomes as they come in, then all of them; every row as it stood at the end."""
    rows: list[Row] = []
    for event in campaign.events:
        handed = campaign.hand_over(event)
        console.print(f"{event.name} through the shim: {_counted(handed)}")
        rows += handed
    for row in rows:
        if row.status == "accepted":  # by the service; a message's own `accepted` is Meta's
            row.status = Status.QUEUED
    view = _View(rows, report, console)
    with Live(view, console=console, refresh_per_second=10, transient=True):
        processes.wait(view.look, LOOK_EVERY)
    if processes.stopping:
        console.print(f"Stopped before every outcome was in: {_counted(rows)}")
        return rows
    console.print(_table(rows))
    console.print(f"[bold]{len(rows)} recipient{'s' if len(rows) != 1 else ''}:[/] {_counted(rows)}")
    return rows


def _row(recipient: str, facts: Mapping[str, str]) -> Row:
    """A recipient as the shim's answer has it; a duplicate is followed like the message it repeats."""
    status, message_id = facts["whatsapp_status"], facts.get("whatsapp_message_id")
    return Row(recipient, message_id, status, told=facts.get("whatsapp_reason", ""))


def _look(row: Row, report: Report) -> bool:
    """Bring a row up to date; whether anything changed."""
    facts = report.message(row.message_id or "")
    if facts is None:
        return False
    now = message_report(facts)
    before, row.status, row.to = row.status, now["status"], now["to"]
    failure = now["failure"]
    row.told = f"{failure['title']}: {failure['next_step']}" if failure else _journey(now["attempts"])
    return before != row.status


def _journey(attempts: Sequence[Mapping[str, Any]]) -> str:
    steps = [status["status"] for attempt in attempts for status in attempt["statuses"]]
    tries = f", {len(attempts)} tries" if len(attempts) > 1 else ""
    return f"{' → '.join(['accepted', *steps])}{tries}" if attempts else ""


def _counted(rows: Sequence[Row]) -> str:
    return ", ".join(f"{count} {status}" for status, count in Counter(row.status for row in rows).items())


class _View:
    """What the terminal shows while outcomes come in: as many rows as it has room for, unfinished ones first."""

    def __init__(self, rows: Sequence[Row], report: Report, console: Console) -> None:
        self._rows = rows
        self._report = report
        self._console = console
        self._changed_at = time.monotonic()
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        self._progress = Progress(*columns, console=console)
        self._task = self._progress.add_task("Outcomes", total=len(rows))

    def look(self) -> bool:
        """Bring every row up to date; whether all outcomes are in, or nothing has changed for PATIENCE seconds."""
        waiting = [row for row in self._rows if not row.is_final]
        changed = [row for row in waiting if _look(row, self._report)]
        if changed:
            self._changed_at = time.monotonic()
        self._progress.update(self._task, completed=sum(row.is_final for row in self._rows))
        return all(row.is_final for row in waiting) or time.monotonic() - self._changed_at > PATIENCE

    def __rich__(self) -> Group:
        room = max(3, self._console.height - 6)
        first = sorted(self._rows, key=lambda row: row.is_final)[:room]
        left = len(self._rows) - len(first)
        more = Text(f"… and {left} more" if left else "", "dim")
        return Group(_table(first, one_line=True), more, Text(_counted(self._rows)), self._progress)


def _table(rows: Sequence[Row], *, one_line: bool = False) -> Table:
    """`one_line` cuts what does not fit: a live table must know its height."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("recipient", "to", "status", "what became of it"):
        table.add_column(
            name, no_wrap=one_line or name != "what became of it", overflow="ellipsis" if one_line else "fold"
        )
    for row in rows:
        table.add_row(row.recipient, row.to, LOOKS.get(row.status, Text(row.status)), row.told)
    return table

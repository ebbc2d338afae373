"""`status`: the whole channel in a terminal, as the console's overview has it; with `--watch`, until Ctrl-C."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import click
from rich.console import Console as Terminal
from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from service import wiring
from service.config import Settings, environment
from service.outbox.database import StoreUnavailable
from service.outbox.overview import CampaignRow
from service.web.console.campaigns import Progress, progress
from service.web.console.chart import Chart
from service.web.console.given import Console
from service.web.console.needs import Need
from service.web.console.overview import facts
from service.web.console.page import number, percent, span

CAMPAIGNS_LOOKED_AT = 25
_LEVELS = {"bad": "[red]✗[/]", "warn": "[yellow]![/]"}
_BAR = 24


@click.command()
@click.option("--watch", is_flag=True, help="Look again until Ctrl-C.")
@click.option(
    "--every", default=2.0, show_default=True, type=click.FloatRange(0.2, 3600), help="Seconds between looks."
)
def status(watch: bool, every: float) -> None:
    """Show the whole channel: its numbers, what needs a person, the campaigns that run, the last 24 hours.

    The same as the console's overview. Reads only.

    \b
    whatsapp-channel status
    whatsapp-channel status --watch
    """
    settings = Settings.from_environment(environment())
    store = wiring.open_store(settings, announce=False)
    try:
        templates = wiring.known_templates(settings, store)
        console = wiring.build_console(settings, store, wiring.reports(settings, store), templates.render)
        look = partial(_look, console)
        terminal = Terminal()
        if watch:
            _watch(terminal, look, every)
        else:
            terminal.print(look())
    finally:
        store.engine.dispose()


def _look(console: Console) -> RenderableType:
    return Group(*_shown(console))


def _watch(terminal: Terminal, look: Callable[[], RenderableType], every: float) -> None:
    """Until Ctrl-C: in place on a terminal, one below the other elsewhere."""
    with contextlib.suppress(KeyboardInterrupt):
        if not terminal.is_terminal:
            while True:
                terminal.print(look())
                time.sleep(every)
        with Live(look(), console=terminal, auto_refresh=False, screen=True) as live:
            while True:
                time.sleep(every)
                live.update(_fresh(look, live.renderable), refresh=True)


def _fresh(look: Callable[[], RenderableType], before: RenderableType) -> RenderableType:
    """While the database is away, what was seen last stays, and it says so."""
    try:
        return look()
    except StoreUnavailable:
        stale = Text("The database does not answer; these numbers are not new any more.", style="yellow")
        seen = before.renderables[0] if isinstance(before, Group) and len(before.renderables) == 2 else before
        return Group(seen, stale)


def _shown(console: Console) -> Iterator[RenderableType]:
    seen = facts(console)
    now = console.now()
    yield Text(f"WhatsApp channel, {now:%Y-%m-%d %H:%M:%S} UTC", style="bold")
    yield from _needs(seen["needs"], seen["dispatchers"])  # type: ignore[arg-type]  # a page's facts are of any type
    yield _numbers(seen["numbers"], seen["usage"])  # type: ignore[arg-type]
    running = [
        (row, how)
        for row in console.report.campaigns(CAMPAIGNS_LOOKED_AT)
        if (how := progress(console, row, console.report.numbers())).left
    ]
    yield _campaigns(running)
    yield _day(seen["chart"])  # type: ignore[arg-type]


def _needs(needs: Sequence[Need], dispatchers: int) -> Iterator[RenderableType]:
    if not needs:
        yield Text(f"✓ nothing needs a person; dispatchers running: {dispatchers}", style="green")
    for need in needs:
        yield Text.from_markup(f"{_LEVELS[need.level]} {escape(need.text)}")


def _numbers(cards: Sequence[Mapping[str, Any]], usage: Mapping[str, tuple[int, int]]) -> Table:
    table = Table(
        "number", "", "rate now", "", "waiting", "oldest due", "unanswered", "quality", "people today", box=None
    )
    for card in cards:
        state, limit = card["state"], card["limit"]
        said = state.said.facts if state.said else None
        people = usage.get(card["portfolio"] or "")
        table.add_row(
            escape(state.phone_number_id),
            _standing(card),
            f"{number(state.sent_per_second)} of {number(limit)}/s",
            ProgressBar(total=limit or 1, completed=min(state.sent_per_second, limit or 1), width=_BAR),
            number(state.waiting) + (f" ({span(card['left'])})" if card["left"] else ""),
            span(card["waits_since"]),
            number(state.unanswered),
            escape((said.quality if said else None) or "–"),
            f"{number(people[1])} of {number(people[0])}" if people else "–",
        )
    return table


def _standing(card: Mapping[str, Any]) -> str:
    state = card["state"]
    if card["pauses"]:
        return "[yellow]paused[/]"
    if not state.is_served:
        return "[red]not served[/]" if state.waiting else "not served"
    return "[green]sending[/]" if state.sent_per_second else "idle"


def _campaigns(running: Sequence[tuple[CampaignRow, Progress]]) -> RenderableType:
    if not running:
        return Text("no campaign is running", style="dim")
    table = Table("campaign", "", "gone", "delivered", "read", "failed", "left", box=None)
    for row, how in running:
        tally = row.tally
        table.add_row(
            escape(row.campaign_id),
            ProgressBar(total=how.total, completed=how.gone, width=_BAR),
            f"{number(how.gone)} of {number(how.total)} ({percent(how.gone, how.total)})",
            number(sum(tally.statuses[name] for name in ("delivered", "read"))),
            number(tally.statuses["read"]),
            number(tally.statuses["failed"]),
            span(how.time),
        )
    return table


def _day(chart: Chart) -> Text:
    totals = ", ".join(f"{number(line.total)} {line.name}" for line in chart.lines)
    return Text(f"in 24 hours: {totals}")

"""`/console/`: each phone number just now, the last 24 hours, and what needs a person."""

from collections import Counter
from datetime import datetime, timedelta

from flask import Blueprint, Response

from service.outbox.overview import NumberState
from service.web.console.chart import chart
from service.web.console.given import Console
from service.web.console.needs import Situation, needs
from service.web.console.page import show

DAY = timedelta(hours=24)
_REFUSED_COUNTED = 100
_UNSENDABLE = ("PAUSED", "DISABLED", "REJECTED")


def add(routes: Blueprint, console: Console) -> None:
    """The routes of this file."""

    @routes.get("/")
    @console.guard.signed_in()
    def overview() -> Response:
        return show("overview.html", parts=("needs", "numbers", "day"), **facts(console))


def facts(console: Console) -> dict[str, object]:
    """What the page shows; the command `status` shows the same."""
    now, report = console.now(), console.report
    states = report.number_states(console.numbers, now)
    pauses = report.pauses(now)
    usage = {portfolio: (limit, used) for portfolio, limit, used in report.daily_usage()}
    drawn = chart(report.quarters(now - DAY), now - DAY, now)
    totals = {line.name: line.total for line in drawn.lines}
    situation = Situation(
        now,
        dispatchers=report.live_dispatchers(),
        numbers=states,
        pauses=pauses,
        usage=[(name, *of) for name, of in usage.items()],
        unsendable=_unsendable(console),
        refused_lately=sum(one.received_at >= now - DAY for one in report.refused(_REFUSED_COUNTED)),
        failed_lately=totals["failed"],
        accepted_lately=totals["accepted"],
    )
    return {
        "now": now,
        "needs": needs(situation),
        "dispatchers": situation.dispatchers,
        "numbers": [_card(console, one, now) for one in states],
        "pauses": pauses,
        "usage": usage,
        "chart": drawn,
    }


def _card(console: Console, state: NumberState, now: datetime) -> dict[str, object]:
    """One number with its limit, what it waits for, and how much of its portfolio's day is used."""
    setup = console.numbers.get(state.phone_number_id)
    limit = state.rate or console.pace(state.phone_number_id, state.said)
    keys = console.keys_of(state.phone_number_id)
    return {
        "state": state,
        "limit": limit,
        "portfolio": setup.portfolio if setup else None,
        "waits_since": now - state.oldest_due_at if state.oldest_due_at and state.oldest_due_at < now else None,
        "pauses": console.report.pauses(now, keys) if keys else [],
        "left": timedelta(seconds=state.waiting / limit) if limit and state.waiting else None,
    }


def _unsendable(console: Console) -> Counter[str]:
    statuses = Counter(
        str(listing.get("status")).upper() for waba in console.wabas for listing in console.catalogues.listings(waba)
    )
    return Counter({status: statuses[status] for status in _UNSENDABLE if statuses[status]})

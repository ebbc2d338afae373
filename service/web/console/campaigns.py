"""`/console/campaigns`: one row per campaign, journey or direct call, and a page each.

A page has the funnel, the course, and why people got nothing: group by group, with what can be done for just that group.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode

from flask import Blueprint, Response, request, url_for

from service.message import Scope, Status
from service.outbox.numbers import KnownNumber
from service.outbox.overview import CampaignRow, Place
from service.outbox.tally import Tally
from service.web.console import words
from service.web.console.chart import QUARTER, chart
from service.web.console.given import Console
from service.web.console.page import show
from service.web.console.sessions import refused
from service.web.report_forms import OUR_WORDS, event_report
from service.web.reports import is_id
from service.whatsapp.errors import NEVER, verdict_on
from service.whatsapp.templates import Rendered, parse_definition, render

PAGE = 25
REJECTIONS_SHOWN = 100
STEPS = (("Accepted", None), ("Sent", Status.SENT), ("Delivered", Status.DELIVERED), ("Read", Status.READ))
LONGEST_CHART = timedelta(days=7)
_AGAIN = {Status.EXPIRED, Status.UNANSWERED}
"""What can be sent again besides failures: as `replay` has it."""


@dataclass(frozen=True, slots=True)
class Group:
    """Why so many people got nothing. `fields` are the filter that means just them; empty for those who were never accepted."""

    title: str
    count: int
    explanation: str
    next_step: str
    mark: str
    code: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    can_go_again: bool = False
    rejected_as: str = ""

    @property
    def query(self) -> str:
        """The filter as a query."""
        return urlencode(self.fields)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the sending is: `left` messages of `total` have yet to go, which takes about `time` at the number's pace."""

    total: int
    left: int
    time: timedelta | None

    @property
    def gone(self) -> int:
        """How many need not go any more."""
        return self.total - self.left


def add(routes: Blueprint, console: Console) -> None:
    """The routes of this file."""
    _add_lists(routes, console)
    _add_pages(routes, console)


def _add_lists(routes: Blueprint, console: Console) -> None:
    report = console.report

    @routes.get("/campaigns")
    @console.guard.signed_in()
    def campaigns() -> Response:
        rows, said = report.campaigns(PAGE + 1, _place()), report.numbers()
        shown = rows[:PAGE]
        last = shown[-1] if len(rows) > PAGE else None
        following = url_for("console.campaigns", at=last.first_at.isoformat(), id=last.campaign_id) if last else None
        paused = {pause.key for pause in report.pauses(console.now()) if pause.scope is Scope.CAMPAIGN}
        return show(
            "campaigns.html",
            parts=("campaign_rows",),
            rows=[(row, progress(console, row, said)) for row in shown],
            paused=paused,
            following=following,
        )

    @routes.get("/batches")
    @console.guard.signed_in()
    def batches() -> Response:
        after = request.args.get("after")
        rows = report.batches(PAGE + 1, after if after and is_id(after) else None)
        shown = rows[:PAGE]
        following = url_for("console.batches", after=shown[-1].event_id) if len(rows) > PAGE else None
        return show("batches.html", parts=("batch_rows",), rows=shown, following=following)

    @routes.get("/campaigns/rejections")
    @console.guard.signed_in()
    def rejections() -> Response:
        campaign_id, code = request.args.get("campaign_id", ""), request.args.get("code", "")
        rows = report.rejections(campaign_id, code, REJECTIONS_SHOWN)
        return show("rejections.html", campaign_id=campaign_id, code=code, rows=rows, most=REJECTIONS_SHOWN)


def _add_pages(routes: Blueprint, console: Console) -> None:
    report = console.report

    @routes.get("/campaign/<path:campaign_id>", merge_slashes=False)
    @console.guard.signed_in()
    def campaign(campaign_id: str) -> Response:
        row = report.campaign(campaign_id)
        if row is None:
            return refused(404, "No such campaign", "No event names this campaign or journey.")
        now = console.now()
        end = min(now, row.last_at + QUARTER)
        begin = max(row.first_at - QUARTER, end - LONGEST_CHART)  # the quarter before: a line begins at nothing
        return show(
            "campaign.html",
            parts=("campaign_state",),
            row=row,
            now=now,
            steps=steps(row.tally),
            progress=progress(console, row, report.numbers()),
            groups=list(groups(row.tally, {"campaign_id": row.campaign_id})),
            pause=console.reports.pause_of_campaign(row.campaign_id),
            chart=chart(report.quarters(begin, row.campaign_id), begin, end),
            rendered=_template(console, row),
        )

    @routes.get("/batches/<event_id>")
    @console.guard.signed_in()
    def batch(event_id: str) -> Response:
        facts = report.event(event_id) if is_id(event_id) else None
        if facts is None:
            return refused(404, "No such event", "No event has this id; ids are in the answer to the event.")
        told = event_report(facts)
        tally = Tally(recipients=told["recipients"])
        for status, count in facts.counts.items():
            tally.add("", status, "", count)
        tally.failures.clear()
        tally.failures.update({"" if code is None else str(code): count for code, count in facts.failures.items()})
        for rejection in facts.rejections:
            tally.add("", "rejected", rejection["code"], 1)
        return show(
            "batch.html",
            parts=("batch_state",),
            event=facts.event,
            rejections=facts.rejections,
            tally=tally,
            steps=steps(tally),
            groups=list(groups(tally, {"event_id": event_id})),
        )


def steps(tally: Tally) -> list[tuple[str, int]]:
    """The funnel: each step with how many came as far."""
    return [
        ("Recipients", tally.recipients),
        *((name, tally.messages if status is None else tally.reached(status)) for name, status in STEPS),
    ]


def progress(console: Console, row: CampaignRow, said: Mapping[str, KnownNumber]) -> Progress:
    """How far its sending is. The pace is shared with whatever else its number sends."""
    left = row.tally.statuses[Status.QUEUED] + row.tally.statuses[Status.SENDING]
    pace = console.pace(row.phone_number_id, said.get(row.phone_number_id or ""))
    return Progress(row.tally.messages, left, timedelta(seconds=left / pace) if pace and left else None)


def groups(tally: Tally, fields: dict[str, str]) -> Iterator[Group]:
    """Why people got nothing, the largest group first; `fields` is the filter that means the campaign or the event."""
    found = [*_failed(tally, fields), *_stopped(tally, fields), *_rejected(tally)]
    yield from sorted(found, key=lambda group: -group.count)


def _failed(tally: Tally, fields: dict[str, str]) -> Iterator[Group]:
    for code, count in tally.failures.items():
        if count <= 0:
            continue
        verdict = verdict_on(int(code) if code else None)
        own = {**fields, "status": Status.FAILED.value, **({"code": code} if code else {})}
        can_go_again = not code or int(code) not in NEVER
        yield Group(
            verdict.title, count, verdict.explanation, verdict.next_step, "bad", code, own, can_go_again=can_go_again
        )


def _stopped(tally: Tally, fields: dict[str, str]) -> Iterator[Group]:
    for status, (title, explanation, next_step) in OUR_WORDS.items():
        count = tally.statuses[status]
        if count > 0:
            own = {**fields, "status": str(status)}
            mark = words.MARKS[status]
            yield Group(title, count, explanation, next_step, mark, "", own, can_go_again=status in _AGAIN)


def _rejected(tally: Tally) -> Iterator[Group]:
    for code, count in tally.rejections.items():
        explanation, next_step = words.REJECTIONS.get(code, ("It was not accepted.", "Look at the details."))
        yield Group("Rejected", count, explanation, next_step, "bad", code, rejected_as=code)


def _template(console: Console, row: CampaignRow) -> Rendered | None:
    """What its people see, with the placeholders as they are; None where the template is not known."""
    setup = console.numbers.get(row.phone_number_id or "")
    waba_id = setup.account.waba_id if setup else None
    listings: Sequence[object] = console.catalogues.listings(waba_id) if waba_id else []
    for listing in listings:
        definition = parse_definition(listing)
        if definition and (definition.name, definition.language) == (row.template, row.language):
            return render(definition, "")
    return None


def _place() -> Place | None:
    """Where the page begins, as its link says; the first page where that cannot be read."""
    try:
        at = datetime.fromisoformat(request.args.get("at", ""))
    except ValueError:
        return None
    return (at, request.args.get("id", "")) if at.tzinfo is not None else None

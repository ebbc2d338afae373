"""`campaign`: how far the messages of a campaign or a journey got, what failed and why, what still waits."""

from collections.abc import Iterator, Mapping
from typing import Any

import click

from service import wiring
from service.cli.decide import opened
from service.cli.pause import resume_command
from service.config import ConfigError
from service.message import Scope, Status
from service.web.report_forms import campaign_report

_FUNNEL = (Status.ACCEPTED, Status.SENT, Status.DELIVERED, Status.READ)
"""Who has come to one of these has come to all before it."""
_KEPT_BACK = {Status.HELD: Status.ACCEPTED}
"""What Meta took and has not sent yet counts as accepted."""

_WAITING = {
    Status.QUEUED: "wait for their turn, a limit or a pause",
    Status.SENDING: "are under way",
    Status.HELD: "accepted, and kept back by Meta for a quality check",
    Status.UNANSWERED: "got no answer: whatsapp-channel unanswered",
}
_ENDED = {
    Status.EXPIRED: "waited longer than they were worth sending",
    Status.SUPPRESSED: "were not sent, since the recipient wants none",
    Status.CANCELLED: "were called off by an operator",
}


@click.command()
@click.argument("campaign_id")
def campaign(campaign_id: str) -> None:
    """Show how far the messages of a campaign or a journey got, why others failed and what to do, and what still waits.

    \b
    whatsapp-channel campaign 13978104ce5d6017c72552257a5cafe0
    """
    with opened() as (settings, store):
        facts = store.search.campaign(campaign_id)
        if facts is None:
            raise ConfigError(
                [f"no event names the campaign {campaign_id}; its messages may have none: look at the event"]
            )
        paused = wiring.reports(settings, store).pause_of_campaign(facts.campaign_id)
    for line in _funnel(campaign_report(facts, paused)):
        click.echo(line)


def _funnel(report: Mapping[str, Any]) -> Iterator[str]:
    counts: Mapping[str, int] = report["counts"]
    yield f"campaign {report['campaign_id']}"
    yield f"{report['events']} event(s), received {report['received_at']} to {report['last_received_at']}"
    yield f"{report['recipients']:>9} recipients"
    for status, reached in _reached(counts).items():
        yield f"{reached:>9} {status}"
    yield from _not_messages(counts, report["recipients"])
    for status, why in (_WAITING | _ENDED).items():
        if counts.get(status):
            yield f"{counts[status]:>9} {status}: {why}"
    if counts.get(Status.FAILED):
        yield f"{counts[Status.FAILED]:>9} failed"
    for failure in report["failures"]:
        code = "no code" if failure["code"] is None else f"code {failure['code']}"
        yield f"{failure['count']:>11} {code}: {failure['explanation']}"
        yield f"{'':>11} What to do: {failure['next_step']}"
    if paused := report["paused"]:
        detail = f": {paused['detail']}" if paused["detail"] else ""
        yield f"paused since {paused['since']}{detail}"
        yield f"to lift it: {resume_command(Scope.CAMPAIGN, report['campaign_id'])}"


def _reached(counts: Mapping[str, int]) -> dict[str, int]:
    """How many came to each stage of the funnel, or further."""
    stages = {status: counts.get(status, 0) for status in _FUNNEL}
    for status, stage in _KEPT_BACK.items():
        stages[stage] += counts.get(status, 0)
    return {status.value: sum(stages[later] for later in _FUNNEL[n:]) for n, status in enumerate(_FUNNEL)}


def _not_messages(counts: Mapping[str, int], recipients: int) -> Iterator[str]:
    """Recipients who got no message of their own; their events say who and why."""
    if rejected := counts.get("rejected"):
        yield f"{rejected:>9} rejected: the reports of the events say why"
    if (duplicates := recipients - sum(counts.values())) > 0:
        yield f"{duplicates:>9} duplicates: came again, and were sent once"

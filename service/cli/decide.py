"""What an operator decides of messages: `unanswered`, `decide`, `replay`.

Each change is shown first and asked for; `--yes` answers in advance.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import click

from service import wiring
from service.config import ConfigError, Settings, environment
from service.intake.address import mask
from service.message import Scope, Status
from service.outbox import decisions
from service.outbox.decisions import Decision, LeftOut, Replayed, Selection, Undecidable
from service.outbox.report import Unanswered
from service.web.reports import message_report
from service.whatsapp.errors import CODES
from service.whatsapp.send_error import OptedOut, Refused

NOT_BEFORE = {
    code: verdict.wait
    for code, verdict in CODES.items()
    if issubclass(verdict.kind, Refused) and verdict.scope is Scope.RECIPIENT and verdict.wait
}
NEVER = {code for code, verdict in CODES.items() if issubclass(verdict.kind, OptedOut)}
"""What the table of codes says of sending again: how long after the failure at the soonest, and which codes forbid it."""

_TWICE = "Meta may have it already: the person may get the message twice."
_WHY_LEFT_OUT = {
    LeftOut.OPTED_OUT: "the recipient stopped such messages",
    LeftOut.DELIVERED: "an attempt has arrived",
    LeftOut.TAKEN: "Meta has an attempt and has not said that it failed",
}

_CODE = click.IntRange(0, 99_999_999)
yes_option = click.option("--yes", is_flag=True, help="Do it without asking.")


@contextmanager
def opened() -> Iterator[tuple[Settings, wiring.Store]]:
    """The settings and the store. Nobody is told of new work: a dispatcher looks twice a second by itself."""
    settings = Settings.from_environment(environment())
    store = wiring.open_store(settings, announce=False)
    try:
        yield settings, store
    finally:
        store.engine.dispose()


def agree(question: str, *, yes: bool) -> None:
    """Return where the operator says yes; raise ConfigError where not, UsageError where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask at; look at what is shown and add --yes")
    if not click.confirm(question):
        raise ConfigError(["nothing was changed"])


@click.command()
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="How many at most.")
def unanswered(limit: int) -> None:
    """List the messages whose request got no answer, the oldest first: whether their people have them is not known.

    \b
    whatsapp-channel unanswered --limit 10
    """
    with opened() as (_, store):
        found = store.report.unanswered(limit)
        now = wiring.now()
    for one in found:
        click.echo(_doubt(one, now))
    if not found:
        click.echo("no message is unanswered")
        return
    if len(found) == limit:
        click.echo("there may be more: raise --limit")
    click.echo(
        "What to do: wait, since Meta may still tell by notification until the moment that is named; or ask the person, then\n"
        "  whatsapp-channel decide MESSAGE_ID sent|failed|resend\n"
        "or send many again, at the risk that people get them twice:\n"
        "  whatsapp-channel replay --campaign ID --status unanswered"
    )


def _doubt(one: Unanswered, now: datetime) -> str:
    told = f"Meta may tell until {at(one.told_until)}" if one.told_until > now else "Meta tells no more"
    what = f"{one.template}/{one.language} to {mask(one.to)} from {one.phone_number_id}"
    return f"{one.message_id}  {what}, {_age(now - one.since)} old, {told}"


@click.command()
@click.argument("message_id")
@click.argument("decision", type=click.Choice([decision.value for decision in Decision]))
@yes_option
def decide(message_id: str, decision: str, yes: bool) -> None:
    """Settle a message that is unanswered, as sent or failed, or send it again; one that is held, as sent or failed.

    Meta's later notifications still count.

    \b
    whatsapp-channel decide 0192e4a87c3b7d1e9f00a1b2c3d4e5f6 resend
    """
    with opened() as (_, store):
        facts = store.report.message(message_id)
        if facts is None:
            raise ConfigError([f"no message {message_id}; ids are in the answer to its event"])
        try:
            decisions.check(message_id, Status(facts.message["status"]), Decision(decision))
            shown = message_report(facts)
            click.echo(f"{message_id}  {shown['status']} since {shown['status_at']}, campaign {shown['campaign_id']}")
            click.echo(f"to {shown['to']}, template {shown['template']['name']} {shown['template']['language']}")
            if decision == Decision.RESEND:
                click.echo(f"warning: {_TWICE}", err=True)
            agree(f"Decide {decision}?", yes=yes)
            status = store.outbox.decide(message_id, Decision(decision), wiring.now())
        except Undecidable as error:
            raise ConfigError([str(error)]) from error
    click.echo(f"{message_id} is {status} now")


@click.command()
@click.argument("message_ids", metavar="[MESSAGE_ID]...", nargs=-1)
@click.option("--event", "event_id", metavar="ID", help="Those of this event.")
@click.option("--campaign", "campaign_id", metavar="ID", help="Those of this campaign or journey.")
@click.option("--template", metavar="NAME", help="Those of this template, in every language.")
@click.option("--number", "phone_number_id", metavar="ID", help="Those of this phone number.")
@click.option("--code", type=_CODE, metavar="CODE", help="Those whose newest attempt has this code of Meta's.")
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([status.value for status in decisions.REPLAYABLE]),
    default=(Status.FAILED.value, Status.EXPIRED.value),
    show_default=True,
    help="Those that stand so; may be given several times.",
)
@yes_option
def replay(
    message_ids: tuple[str, ...],
    event_id: str | None,
    campaign_id: str | None,
    template: str | None,
    phone_number_id: str | None,
    code: int | None,
    statuses: tuple[str, ...],
    yes: bool,
) -> None:
    """Send again what failed or expired, and what was never answered where --status says so: what fits all that is given.

    Each gets its tries and its time to live anew. Where Meta asks for a wait after a code, it goes after that. What has
    arrived, what Meta still has and what the recipient stopped is left out.

    \b
    whatsapp-channel replay --campaign 41e3f2 --code 131026
    whatsapp-channel replay --event 0192e4a87c3b7d1e9f00a1b2c3d4e5f6 --status unanswered
    """
    wanted = [Status(one) for one in statuses]
    try:
        selection = Selection(message_ids, event_id, campaign_id, template, phone_number_id, code, wanted)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with opened() as (_, store):
        expected = store.outbox.preview_replay(selection, wiring.now(), NOT_BEFORE, NEVER)
        _preview(expected, message_ids, " or ".join(statuses))
        if not expected.queued:
            return
        if Status.UNANSWERED in wanted:
            click.echo(f"warning: what is unanswered, {_TWICE}", err=True)
        agree(f"Send {expected.queued} message(s) again?", yes=yes)
        _show(store.outbox.replay(selection, wiring.now(), NOT_BEFORE, NEVER), "queued")


def _preview(expected: Replayed, message_ids: tuple[str, ...], statuses: str) -> None:
    """Show what would go and what would not; raise ConfigError where nothing fits."""
    fitting = expected.queued + expected.left_out.total()
    if not fitting:
        raise ConfigError([f"no message that is {statuses} fits; check the ids and --status"])
    _show(expected, "will go again")
    unfit = len(set(message_ids)) - fitting
    if unfit > 0:
        click.echo(f"{unfit} of the ids left out: unknown, not {statuses}, or not what else is given")


def _show(counts: Replayed, what: str) -> None:
    later = f", {counts.later} of them later, after the wait that their code asks for" if counts.later else ""
    click.echo(f"{counts.queued} message(s) {what}{later}")
    for reason, number in sorted(counts.left_out.items()):
        click.echo(f"{number} left out: {_WHY_LEFT_OUT[reason]}")


def at(moment: datetime) -> str:
    """A moment as it is shown: UTC, to the second."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _age(span: timedelta) -> str:
    """The two largest units, such as `2 h 5 min`."""
    seconds = max(0, int(span.total_seconds()))
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds % 60} s"

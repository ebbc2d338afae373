"""What an operator decides of messages: `unanswered`, `decide`, `replay`, `cancel`.

Each change is shown first and asked for; `--yes` answers in advance.
"""

import getpass
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import click

from service import wiring
from service.config import ConfigError, Settings, environment
from service.intake.address import HOW_TO_MEND, mask, parse_address
from service.message import Status
from service.outbox import decisions
from service.outbox.audit import Deed
from service.outbox.cancel import cancellable
from service.outbox.decisions import Decision, Undecidable
from service.outbox.replay import REPLAYABLE, LeftOut, Replayed, replayable
from service.outbox.report import Unanswered
from service.outbox.search import Filter
from service.web.filters import in_words
from service.web.reports import message_report
from service.whatsapp.errors import NEVER, NOT_BEFORE

_TWICE = "Meta may have it already: the person may get the message twice."
_WHY_LEFT_OUT = {
    LeftOut.OPTED_OUT: "the recipient stopped such messages",
    LeftOut.DELIVERED: "an attempt has arrived",
    LeftOut.TAKEN: "Meta has an attempt and has not said that it failed",
}

_CODE = click.IntRange(0, 99_999_999)
_Command = Callable[..., None]
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


def note(store: wiring.Store, action: str, subject: str, detail: str = "") -> None:
    """Write down that this machine's user does this, before it is done."""
    store.audit.record(Deed(wiring.now(), _user(), "command", action, subject, detail))


def _user() -> str:
    """The user's name; in a container the user may have none."""
    try:
        return getpass.getuser()
    except (KeyError, ImportError, OSError):
        return f"uid {os.getuid()}"


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
            note(store, "decide", f"message {message_id}", decision)
            status = store.outbox.decide(message_id, Decision(decision), wiring.now())
        except Undecidable as error:
            raise ConfigError([str(error)]) from error
    click.echo(f"{message_id} is {status} now")


def _address(_context: click.Context, _option: click.Parameter, written: str | None) -> str | None:
    """The address as it is stored; it is not repeated where it is none."""
    address = parse_address(written)
    if written is not None and address is None:
        raise click.BadParameter(f"this {HOW_TO_MEND}")
    return address


def _meant(command: _Command) -> _Command:
    """The ids and options that say which messages are meant: arguments by the names of a Filter's fields."""
    for option in reversed(
        (
            click.argument("message_ids", metavar="[MESSAGE_ID]...", nargs=-1),
            click.option("--event", "event_id", metavar="ID", help="Those of this event."),
            click.option("--campaign", "campaign_id", metavar="ID", help="Those of this campaign or journey."),
            click.option("--template", metavar="NAME", help="Those of this template, in every language."),
            click.option("--number", "phone_number_id", metavar="ID", help="Those of this phone number."),
            click.option("--to", metavar="ADDRESS", callback=_address, help="Those to this phone number or user id."),
            click.option("--reference", metavar="TEXT", help="Those with this reference of the caller's."),
            click.option(
                "--code", type=_CODE, metavar="CODE", help="Those whose newest attempt has this code of Meta's."
            ),
        )
    ):
        command = option(command)
    return command


def _filter(statuses: Collection[str], facts: Mapping[str, Any], rule: Callable[[Filter], Filter]) -> Filter:
    """What the options mean, for an action with this rule; raise UsageError."""
    try:
        return rule(Filter(statuses=[Status(one) for one in statuses], **facts))
    except ValueError as error:
        raise click.UsageError(str(error)) from error


@click.command()
@_meant
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([status.value for status in REPLAYABLE]),
    default=(Status.FAILED.value, Status.EXPIRED.value),
    show_default=True,
    help="Those that stand so; may be given several times.",
)
@yes_option
def replay(statuses: tuple[str, ...], yes: bool, **facts: Any) -> None:
    """Send again what failed or expired, and what was never answered where --status says so: what fits all that is given.

    Each gets its tries and its time to live anew. Where Meta asks for a wait after a code, it goes after that. What has
    arrived, what Meta still has and what the recipient stopped is left out.

    \b
    whatsapp-channel replay --campaign 41e3f2 --code 131026
    whatsapp-channel replay --event 0192e4a87c3b7d1e9f00a1b2c3d4e5f6 --status unanswered
    """
    wanted = _filter(statuses, facts, replayable)
    with opened() as (_, store):
        expected = store.outbox.preview_replay(wanted, wiring.now(), NOT_BEFORE, NEVER)
        _preview(expected, facts["message_ids"], " or ".join(statuses))
        if not expected.queued:
            return
        if Status.UNANSWERED in wanted.statuses:
            click.echo(f"warning: what is unanswered, {_TWICE}", err=True)
        agree(f"Send {expected.queued} message(s) again?", yes=yes)
        note(store, "replay", in_words(wanted))
        _show(store.outbox.replay(wanted, wiring.now(), NOT_BEFORE, NEVER), "queued")


@click.command()
@_meant
@yes_option
def cancel(yes: bool, **facts: Any) -> None:
    """Call off what is queued, also what waits for a pause: what fits all that is given.

    A cancelled message never goes. What is being sent just now still goes; where that fails for the moment it is queued
    again, and can be called off then. To stop a campaign for a while, pause it.

    \b
    whatsapp-channel cancel --campaign 41e3f2
    whatsapp-channel cancel --reference order-17 --yes
    """
    wanted = _filter((), facts, cancellable)
    with opened() as (_, store):
        expected = store.outbox.preview_cancel(wanted)
        if not expected:
            raise ConfigError(["no message that is queued fits; check the ids"])
        click.echo(f"{expected} queued message(s) will never go; what is being sent just now still goes")
        _tell_unfit(facts["message_ids"], expected, "queued")
        agree(f"Cancel {expected} message(s)?", yes=yes)
        note(store, "cancel", in_words(wanted))
        click.echo(f"{store.outbox.cancel(wanted, wiring.now())} message(s) cancelled")


def _preview(expected: Replayed, message_ids: tuple[str, ...], statuses: str) -> None:
    """Show what would go and what would not; raise ConfigError where nothing fits."""
    fitting = expected.queued + expected.left_out.total()
    if not fitting:
        raise ConfigError([f"no message that is {statuses} fits; check the ids and --status"])
    _show(expected, "will go again")
    _tell_unfit(message_ids, fitting, statuses)


def _tell_unfit(message_ids: tuple[str, ...], fitting: int, statuses: str) -> None:
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

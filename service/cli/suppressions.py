"""Who must not get messages: `suppressions list`, `add`, `remove`, `import`.

Written to the store directly. Numbers are shown masked.
"""

import sys
from pathlib import Path

import click

from service import wiring
from service.cli.decide import agree, at, note, opened, yes_option
from service.config import ConfigError
from service.intake.address import HOW_TO_MEND, mask, parse_address
from service.outbox.consent import Wanted
from service.people import Blocked, Suppression, SuppressionSource
from service.web.suppression_list import LONGEST_REASON, BadList, read_list

_SHOWN = 20
_KINDS = click.Choice([blocked.value for blocked in Blocked])


def _address(written: str) -> str:
    address = parse_address(written)
    if address is None:
        raise click.BadParameter(f"this {HOW_TO_MEND}")
    return address


_to = click.argument("to", type=_address)


@click.group()
def suppressions() -> None:
    """Who must not get messages: list them, add one, lift what stands for one, import a list.

    \b
    whatsapp-channel suppressions list --source stop_reply
    whatsapp-channel suppressions add +8613800138000 --category marketing --reason "asked by phone"
    whatsapp-channel suppressions remove +8613800138000
    whatsapp-channel suppressions import opted-out.csv
    """


@suppressions.command("list")
@click.option("--to", type=_address, metavar="NUMBER", help="Those of this person.")
@click.option("--category", type=_KINDS, help="Those that keep this away.")
@click.option("--source", type=click.Choice([source.value for source in SuppressionSource]), help="Those said so.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000), help="How many at most.")
def listing(to: str | None, category: str | None, source: str | None, limit: int) -> None:
    """List who must not get messages, the newest first: what is kept from them, who said so, and since when.

    \b
    whatsapp-channel suppressions list --source stop_reply --limit 20
    """
    wanted = Wanted(to, Blocked(category) if category else None, SuppressionSource(source) if source else None)
    with opened() as (_, store):
        found, more = store.consent.search(wanted, limit)
    for one in found:
        click.echo(_line(one))
    if not found:
        click.echo("nobody is suppressed" if wanted == Wanted() else "nobody is suppressed so")
    if more:
        click.echo("there are more: raise --limit")


@suppressions.command()
@_to
@click.option("--category", type=_KINDS, default=Blocked.ALL.value, show_default=True, help="What is kept away.")
@click.option("--reason", default="", help="Why; shown with it.")
def add(to: str, category: str, reason: str) -> None:
    """Suppress a person. `marketing` keeps marketing away, `all` everything but authentication codes.

    What is queued for the person becomes suppressed. TO is the number with its country code, or a business-scoped user id.

    \b
    whatsapp-channel suppressions add +8613800138000 --category marketing
    """
    now = wiring.now()
    one = Suppression(to, Blocked(category), SuppressionSource.OPERATOR, now, reason[:LONGEST_REASON] or None)
    with opened() as (_, store):
        note(store, "suppress", mask(to), ", ".join(part for part in (category, reason[:LONGEST_REASON]) if part))
        withheld = store.consent.suppress([one], now)
    click.echo(f"{mask(to)} is suppressed; {withheld} queued message(s) will not go")


@suppressions.command()
@_to
@click.option("--category", type=_KINDS, help="Only what keeps this away.")
@yes_option
def remove(to: str, category: str | None, yes: bool) -> None:
    """Lift what stands for a person, whoever said it. What was suppressed stays so; only new messages go.

    \b
    whatsapp-channel suppressions remove +8613800138000
    """
    blocked = Blocked(category) if category else None
    with opened() as (_, store):
        consent = store.consent
        found, _more = consent.search(Wanted(to, blocked), len(Blocked) * len(SuppressionSource))
        if not found:
            raise ConfigError([f"{mask(to)} is not suppressed{' so' if blocked else ''}"])
        for one in found:
            click.echo(_line(one))
        if any(one.source is not SuppressionSource.OPERATOR for one in found):
            click.echo("warning: not every one of these is an operator's; does the person agree?", err=True)
        agree(f"Lift what stands for {mask(to)}?", yes=yes)
        note(store, "lift", mask(to), category or "")
        lifted = consent.lift(to, wiring.now(), blocked)
    click.echo(f"{lifted} lifted")


@suppressions.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_list(file: Path) -> None:
    """Suppress everybody on a list: CSV in UTF-8, its first line to,category,reason,since, of which only to is needed.

    A line that cannot be used is told and left out; then the exit code is 1.

    \b
    whatsapp-channel suppressions import opted-out.csv
    """
    now = wiring.now()
    try:
        read = read_list(file.read_bytes(), now)
    except BadList as error:
        raise ConfigError([f"{file}: {error}"]) from error
    with opened() as (_, store):
        note(store, "import", "suppressions", f"{len(read.suppressions)} people, {len(read.rejected)} bad lines")
        withheld = store.consent.suppress(read.suppressions, now)
    click.echo(f"{len(read.suppressions)} line(s) taken; {withheld} queued message(s) will not go")
    for one in read.rejected[:_SHOWN]:
        click.echo(f"line {one.line}: {one.detail}", err=True)
    if len(read.rejected) > _SHOWN:
        click.echo(f"and {len(read.rejected) - _SHOWN} more", err=True)
    if read.rejected:
        sys.exit(1)


def _line(one: Suppression) -> str:
    reason = f": {one.reason}" if one.reason else ""
    return f"{mask(one.to)}  {one.blocked}  since {at(one.since)}  ({one.source}{reason})"

"""The account's templates as the service knows them: `templates list`, `show`, `check`.

The dispatcher reads them from Meta; these commands read the store.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from service import wiring
from service.cli.decide import at, opened
from service.config import ConfigError, Settings
from service.intake import connect, direct, pinpoint
from service.message import Event, Fault, Message, ParsedEvent, Refusal, Rejection
from service.whatsapp.templates import Rendered, parse_definition, render

_NO_ACCOUNT = (
    "no account is set up, so templates are not checked: set WHATSAPP_BUSINESS_ACCOUNT_ID, "
    "or waba_id of each number in CHANNEL_SETTINGS"
)
_NEVER_READ = "was never read; is the dispatcher running? doctor says what keeps it"


@click.group()
def templates() -> None:
    """Look at the account's templates, and check what is to be sent against them."""


@templates.command(name="list")
@click.option("--status", help="Only those of this status, such as PAUSED.")
def list_(status: str | None) -> None:
    """List the templates, their languages, status and category.

    \b
    whatsapp-channel templates list --status PAUSED
    """
    with opened() as (settings, store):
        wabas = sorted(set(wiring.wabas(settings).values()))
        if not wabas:
            raise ConfigError([_NO_ACCOUNT])
        standings = store.catalogues.standings(wabas)
        shown = list(_listings(settings, store))
    for waba_id in wabas:
        standing = standings.get(waba_id)
        read_at = standing.read_at if standing else None
        click.echo(f"account {waba_id} " + (f"read at {at(read_at)}" if read_at else _NEVER_READ))
        if standing and standing.problem:
            click.echo(f"  the last try failed: {standing.problem}")
        for account, listing in shown:
            if account == waba_id and status in {None, str(listing.get("status"))}:
                click.echo(f"  {_line(listing)}")


def _listings(settings: Settings, store: wiring.Store) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each template with its account."""
    for waba_id in sorted(set(wiring.wabas(settings).values())):
        yield from ((waba_id, listing) for listing in store.catalogues.listings(waba_id))


@templates.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(file: Path) -> None:
    """Check an event or the body of a POST /v1/messages as the service would, without storing or sending anything.

    Exit 1 where a recipient would be rejected. What only the store knows, duplicates and suppressions, is not looked at.

    \b
    whatsapp-channel templates check event.json
    """
    with opened() as (settings, store):
        if not wiring.wabas(settings):
            click.echo(f"note: {_NO_ACCOUNT}")
        parsed = _parse(file, settings, store, wiring.now())
    if isinstance(parsed, Refusal):
        raise ConfigError([_sentence(fault) for fault in parsed.faults])
    rejected = [one for one in parsed.results if isinstance(one, Rejection)]
    for message, count in _different(parsed.results):
        click.echo(f"fits: {message.template.name} {message.template.language}, {count} recipient(s)")
    for one in rejected:
        click.echo(f"{one.recipient}: {one.code} at {one.path}: {one.detail}")
    click.echo(f"{len(parsed.results) - len(rejected)} would be accepted, {len(rejected)} rejected")
    sys.exit(1 if rejected else 0)


def _parse(file: Path, settings: Settings, store: wiring.Store, now: datetime) -> ParsedEvent | Refusal:
    """Read the file as the service would read the body that it holds."""
    try:
        document = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ConfigError([f"{file} is not JSON: {error}"]) from error
    event = Event("", "check", now, now)
    rules = wiring.rules(settings, wiring.known_templates(settings, store))
    keys = document.keys() if isinstance(document, dict) else set()
    if "messages" in keys:
        return direct.parse_messages(document, event, rules, wiring.new_id, direct.Caller("check"))
    if keys & {"InvocationMetadata", "Items"}:
        return connect.parse_event(document, event, rules, wiring.new_id)
    return pinpoint.parse_event(document, event, rules, wiring.new_id)


def _different(results: Sequence[Message | Rejection]) -> Iterator[tuple[Message, int]]:
    """The first message of each template and language, and how many there are of it."""
    by_template: dict[tuple[str, str], list[Message]] = {}
    for one in results:
        if isinstance(one, Message):
            by_template.setdefault((one.template.name, one.template.language), []).append(one)
    yield from ((messages[0], len(messages)) for messages in by_template.values())


def _sentence(fault: Fault) -> str:
    return f"{fault.path or 'body'}: {fault.detail}"


@templates.command()
@click.argument("name")
def show(name: str) -> None:
    """Show a template in each of its languages: what the person will see, with the placeholders as they are.

    \b
    whatsapp-channel templates show ordertimeoutnotification
    """
    with opened() as (settings, store):
        found = [one for _, one in _listings(settings, store) if one["name"] == name]
    if not found:
        raise ConfigError([f"no template {name}; see: whatsapp-channel templates list"])
    for listing in found:
        click.echo(_line(listing))
        definition = parse_definition(listing)
        if definition is not None:
            click.echo("\n".join(f"    {line}" for line in _bubble(render(definition, ""))))
        if listing.get("rejected_reason") not in {None, "NONE"}:
            click.echo(f"    rejected: {listing['rejected_reason']}")


def _bubble(rendered: Rendered) -> Iterator[str]:
    """A message as lines of text."""
    for part in (rendered.header, rendered.body, rendered.footer):
        if part:
            yield from part.splitlines()
    yield from (f"[ {button} ]" for button in rendered.buttons)


def _line(listing: Mapping[str, Any]) -> str:
    score = listing.get("quality_score")
    quality = score.get("score") if isinstance(score, dict) else None
    facts = [listing.get("status"), listing.get("category"), f"quality {quality}" if quality else None]
    return f"{listing['name']}  {listing['language']}  {'  '.join(str(fact) for fact in facts if fact)}"

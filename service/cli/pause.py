"""What an operator lets wait, and lets go on: `pause`, `resume`, `pauses`."""

import re
import shlex
from datetime import timedelta

import click

from service import wiring
from service.cli.decide import agree, at, note, opened, yes_option
from service.config import ConfigError, Settings
from service.message import Pause, PauseReason, Scope

_PAUSABLE = ("token", "waba", "number", "template", "campaign", "country")
_FORMS = {
    Scope.TEMPLATE: (r"[^/@\s]+/\w+(@[0-9]+)?", "name/language, such as order_update/en_US"),
    Scope.COUNTRY: (r"[A-Z]{2}(@[0-9]+)?", "two capital letters, such as DE"),
    Scope.NUMBER: (r"[0-9]+", "the id that WhatsApp Manager shows for the number, digits only"),
}
_LONGEST_KEY = 600
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}

_scope = click.argument("scope", type=click.Choice(_PAUSABLE))
_key = click.argument("key")


def _span(written: str) -> timedelta:
    match = re.fullmatch(r"([1-9][0-9]{0,4})([mhd])", written)
    if not match:
        raise click.BadParameter("write a number with m, h or d, such as 30m, 2h or 7d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


@click.command()
@_scope
@_key
@click.option("--reason", default="", help="Why; shown with the pause.")
@click.option("--for", "span", type=_span, metavar="SPAN", help="Ends by itself after so long, such as 30m, 2h or 7d.")
@yes_option
def pause(scope: str, key: str, reason: str, span: timedelta | None, yes: bool) -> None:
    """Let every message wait that belongs to KEY. What is queued stays queued; no answer of Meta's lifts the pause.

    KEY is the id of a number, an account (waba) or a campaign, a template's name/language, a country such as DE, or for a
    token the ARN of its secret (environment for a token that is set there). A template or a country with @ and an
    account's id behind it waits for that account only.

    \b
    whatsapp-channel pause template order_update/en_US --reason "wrong price" --for 2h
    whatsapp-channel pause number 106540352242922
    """
    now = wiring.now()
    until = now + span if span else None
    wanted = Pause(Scope(scope), key, PauseReason.OPERATOR, reason, since=now, until=until)
    _check_key(wanted.scope, key)
    with opened() as (settings, store):
        numbers = _numbers_of(settings, wanted.scope, key)
        if numbers is not None and not numbers & settings.numbers.keys():
            click.echo(f"warning: no number of the settings belongs to {scope} {key}; check it", err=True)
        waiting = store.report.waiting_for(wanted.scope, key, numbers)
        click.echo(f"{waiting} queued message(s) will wait {_ends(wanted)}; what is being sent just now still goes")
        agree(f"Pause {scope} {key}?", yes=yes)
        note(store, "pause", f"{wanted.scope} {key}", reason)
        store.outbox.pause(wanted)
    click.echo(f"paused; to lift it: {resume_command(wanted.scope, key)}")


@click.command()
@_scope
@_key
@yes_option
def resume(scope: str, key: str, yes: bool) -> None:
    """Lift a pause, whoever made it. `whatsapp-channel pauses` lists those that stand.

    \b
    whatsapp-channel resume template order_update/en_US
    """
    with opened() as (settings, store):
        standing = store.report.pauses(wiring.now())
        found = next((one for one in standing if (one.scope, one.key) == (scope, key)), None)
        if found is None:
            first, *others = ["these pauses stand:", *map(_line, standing)] if standing else ["nothing is paused"]
            raise ConfigError([f"{scope} {key} is not paused; {first}", *others])
        waiting = store.report.waiting_for(found.scope, key, _numbers_of(settings, found.scope, key))
        click.echo(_line(found))
        click.echo(f"{waiting} queued message(s) go on{', unless another pause holds them' if standing[1:] else ''}")
        agree(f"Resume {scope} {key}?", yes=yes)
        note(store, "resume", f"{found.scope} {key}")
        store.outbox.resume([(found.scope, key)], even_an_operators=True)
    click.echo("resumed")


@click.command()
def pauses() -> None:
    """List what is paused: since when, what lifts it, who paused it and why.

    \b
    whatsapp-channel pauses
    """
    with opened() as (_, store):
        standing = store.report.pauses(wiring.now())
    for one in standing:
        click.echo(_line(one))
    if not standing:
        click.echo("nothing is paused")


def resume_command(scope: Scope, key: str) -> str:
    """What lifts such a pause, as it is typed."""
    return f"whatsapp-channel resume {scope} {shlex.quote(key)}"


def _check_key(scope: Scope, key: str) -> None:
    pattern, form = _FORMS.get(scope, (r".+", "its id"))
    if not re.fullmatch(pattern, key) or len(key) > _LONGEST_KEY:
        raise click.BadParameter(f"{key!r} is no {scope}; write {form}", param_hint="KEY")


def _numbers_of(settings: Settings, scope: Scope, key: str) -> set[str] | None:
    """The numbers whose messages such a pause may hold, None for all."""
    account = key if scope is Scope.WABA else key.partition("@")[2]
    match scope:
        case Scope.NUMBER:
            return {key}
        case Scope.TOKEN:
            return {number for number, source in wiring.sources(settings).items() if source.name == key}
        case Scope.WABA | Scope.TEMPLATE | Scope.COUNTRY if account:
            return {number for number, of in settings.numbers.items() if of.waba_id == account}
    return None


def _line(one: Pause) -> str:
    detail = f": {one.detail}" if one.detail else ""
    return f"{one.scope:<9}{one.key}  since {at(one.since)}, {_ends(one)}  ({one.reason}{detail})"


def _ends(one: Pause) -> str:
    """What lifts a pause."""
    ends = [f"until {at(one.until)}"] if one.until else []
    if one.token_fingerprint:
        ends.append("until the secret holds another token")
    if one.scope is Scope.TEMPLATE and one.reason is not PauseReason.OPERATOR:
        ends.append("until Meta approves it again")
    return " or ".join([*ends, "until an operator resumes it"])

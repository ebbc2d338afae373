"""Where to look and what to try next, once everything is up."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from service.cli.follow import Row


@dataclass(frozen=True, slots=True)
class Places:
    """The addresses of the pieces; None for a piece that does not run."""

    service: str
    dispatcher: str
    sandbox: str | None
    lambda_host: str | None


def signpost(
    places: Places, rows: Sequence[Row], keys: Path | None, log: Path | None, console: Console, password: str | None
) -> None:
    """Print it.

    `keys` is the file with the keys of this run, `password` the one for its console; None where the user has set them.
    `log` likewise.
    """
    console.print("\n[bold]Where to look[/]")
    for name, there in _looks(places, log, password):
        console.print(f"  {name:<9} {there}", soft_wrap=True, highlight=False)
    console.print("\n[bold]What to try next[/], in another terminal")
    for why, command in _tries(places, rows, keys):
        console.print(f"  [dim]# {why}[/]")
        console.print(f"  {command}", soft_wrap=True, highlight=False)
    console.print("\nUp. Ctrl-C stops everything.")


def _looks(places: Places, log: Path | None, password: str | None) -> Iterator[tuple[str, str]]:
    how = f"  sign in as operator, password {password}" if password else "  for the people in CONSOLE_USERS"
    yield "console", f"{places.service}/console/{how}"
    if places.sandbox:
        yield "phone", f"{places.sandbox}/phone/  the recipients' chats; reply there"
    yield "API page", f"{places.service}/docs"
    yield "metrics", f"{places.service}/metrics and {places.dispatcher}/metrics"
    if log:
        yield "log", str(log)


def _tries(places: Places, rows: Sequence[Row], keys: Path | None) -> Iterator[tuple[str, str]]:
    if keys:
        yield "the keys of this run", f". {keys}; . .venv/bin/activate"
    message_id = next((row.message_id for row in rows if row.message_id), None)
    if message_id:
        address = f"{places.service}/v1/messages/{message_id}"
        yield "what became of one message", f'curl -sS --fail-with-body -H "Authorization: Bearer $API_KEY" {address}'
    if keys and places.sandbox:
        template = "--template ordertimeoutnotification --param Ada --param Mug"
        yield "a message of your own", f"whatsapp-channel send --to +8613800138003 {template} --follow"
    if places.sandbox:
        fault = '{"kind": "error", "code": 131026, "next": 1}'
        yield "the next message fails", f"curl -s {places.sandbox}/sandbox/faults -d '{fault}'"
    if places.lambda_host:
        dummies = "AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x AWS_DEFAULT_REGION=us-east-1"
        invoke = f"aws lambda invoke --endpoint-url {places.lambda_host} --function-name lambda_shim"
        event = "--payload fileb://tests/samples/pinpoint_journey.json var/out.json"
        yield "another event, as Pinpoint would hand it over", f"{dummies} {invoke} {event}"

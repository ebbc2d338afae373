"""The commands that ask or tell something: `event`, `message`, `keys`."""

import json
import secrets
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import requests
from standardwebhooks import Webhook

from service import wiring
from service.config import ConfigError, Settings, environment
from service.intake import connect, pinpoint
from service.web.auth import SCOPES, ApiKeys, BadKeys, api_key_entry, fixed
from service.web.reports import message_report

_TIMEOUT = (2, 30)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--url", help="The service; default http://127.0.0.1:PORT.")
def event(file: Path, url: str | None) -> None:
    """Hand a Pinpoint or a Connect event to the service, signed as the shim would, and show each recipient's outcome.

    An event with InvocationMetadata or Items is of a Connect journey's custom action; any other counts as Pinpoint's.

    \b
    SIGNING_KEYS=whsec_… whatsapp-channel event event.json
    """
    settings = Settings.from_environment(environment())
    keys = wiring.key_entries(settings, settings.signing_keys)
    if not keys:
        raise ConfigError(["SIGNING_KEYS: set the key that the service verifies events with"])
    body = file.read_bytes()
    receipt_id = f"evt_{int(wiring.now().timestamp() * 1000)}_{uuid.uuid4().hex}"
    moment = datetime.now(UTC)
    try:
        signature = Webhook(keys[0]).sign(receipt_id, moment, body.decode())
    except UnicodeDecodeError as error:
        raise ConfigError([f"{file} is not UTF-8 text"]) from error
    headers = {
        "Content-Type": "application/json",
        "webhook-id": receipt_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": signature,
    }
    address = f"{url or f'http://127.0.0.1:{settings.port}'}/v1/events/{_source(body)}"
    try:
        answer = requests.post(address, data=body, headers=headers, timeout=_TIMEOUT)
    except requests.RequestException as error:
        raise ConfigError([f"{address} does not answer ({type(error).__name__}); is the service running?"]) from error
    if answer.status_code != 202:
        raise ConfigError([_refusal(answer)])
    receipt = answer.json()
    for result in receipt["results"]:
        told = result.get("message_id") or f"{result['code']}: {result['detail']}"
        click.echo(f"{result['recipient']:<24} {result['status']:<10} {told}")
    click.echo(
        f"event {receipt['event_id']}: {receipt['accepted']} accepted, {receipt['duplicates']} duplicates, "
        f"{receipt['rejected']} rejected"
    )


def _source(body: bytes) -> str:
    """Whose event it is; what is no event at all is for the service to refuse."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return pinpoint.SOURCE
    is_connects = isinstance(document, dict) and not document.keys().isdisjoint({"InvocationMetadata", "Items"})
    return connect.SOURCE if is_connects else pinpoint.SOURCE


def _refusal(answer: requests.Response) -> str:
    if answer.status_code == 401:
        return "the service refused the signature (401); SIGNING_KEYS here and there must share a key"
    try:
        problem = answer.json()
        return f"the service answered {answer.status_code}: {problem['title']}: {problem['detail']}"
    except (ValueError, KeyError):
        return f"the service answered {answer.status_code}"


@click.command()
@click.argument("message_id")
def message(message_id: str) -> None:
    """Show what became of one message: each attempt, each status, why it failed and what to do."""
    settings = Settings.from_environment(environment())
    reports = wiring.reports(settings, wiring.open_store(settings))
    facts = reports.report.message(message_id)
    if facts is None:
        raise ConfigError([f"no message {message_id}; ids are in the answer to its event"])
    for line in _timeline(message_report(facts, reports.waits_for(facts))):
        click.echo(line)


def _timeline(report: dict[str, Any]) -> Iterator[str]:
    template = report["template"]
    yield f"{report['message_id']}  {report['status']} since {report['status_at']}"
    yield f"to {report['to']} ({report['recipient']}), template {template['name']} {template['language']}"
    yield f"from {report['phone_number_id']}, event {report['event_id']}, campaign {report['campaign_id']}"
    for attempt in report["attempts"]:
        code = f" code {attempt['code']}" if attempt["code"] is not None else ""
        yield f"  attempt {attempt['attempt']} {attempt['started_at']} {attempt['outcome'] or 'under way'}{code}"
        for status in attempt["statuses"]:
            yield f"    {status['status']:<10} {status['at']}"
    for pause in report["waits_for"]:
        until = f"until {pause['until']}" if pause["until"] else "until it is lifted"
        yield f"waits {until}, {pause['scope']} {pause['key']} is paused: {pause['detail']}"
    failure = report["failure"]
    if failure:
        yield f"{failure['title']}: {failure['explanation']}"
        if failure["details"]:
            yield f"Meta says: {failure['details']}"
        yield f"What to do: {failure['next_step']}"


@click.group()
def keys() -> None:
    """Make API keys."""


@keys.command("new")
@click.argument("name")
@click.option(
    "--scopes", default="send+read", show_default=True, help=f"Joined by + or commas, of {', '.join(SCOPES)}."
)
def new_key(name: str, scopes: str) -> None:
    """Make an API key for the caller NAME.

    The key is for the caller and is shown this once; the entry, which holds only its hash, is added to API_KEYS. Where that
    is a secret's ARN, services take it over within a minute. To rotate a key, make a second one of the same name.

    \b
    whatsapp-channel keys new billing --scopes send+read
    """
    key = f"wck_{secrets.token_urlsafe(32)}"
    entry = api_key_entry(name, "+".join(part.strip() for part in scopes.replace("+", ",").split(",")), key)
    try:
        ApiKeys(fixed(entry))
    except BadKeys as error:
        raise ConfigError([str(error)]) from error
    click.echo(f"for the caller, shown only now: {key}")
    click.echo(f"add to API_KEYS:                {entry}")

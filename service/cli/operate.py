"""The commands that ask or tell something: `event`, `message`, `doctor`, `keys`."""

import json
import secrets
import sys
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
from service.outbox import migrations
from service.outbox.database import StoreUnavailable
from service.secrets import Credentials, SecretProblem, Source
from service.web.auth import SCOPES, ApiKeys, BadKeys, Signatures, api_key_entry
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
@click.option("--scopes", default="send,read", show_default=True, help=f"Comma-separated, of {', '.join(SCOPES)}.")
def new_key(name: str, scopes: str) -> None:
    """Make an API key for the caller NAME.

    \b
    whatsapp-channel keys new billing --scopes send,read
    """
    key = f"wck_{secrets.token_urlsafe(32)}"
    entry = api_key_entry(name, "+".join(part.strip() for part in scopes.split(",")), key)
    try:
        ApiKeys([entry])
    except BadKeys as error:
        raise ConfigError([str(error)]) from error
    click.echo(f"for the caller, shown only now: {key}")
    click.echo(f"add to API_KEYS:                {entry}")


@click.command()
def doctor() -> None:
    """Say what is missing or wrong in the settings, and how to mend it. Exit 0 where nothing is."""
    settings = Settings.from_environment(environment())
    problems = [*_numbers(settings), *_credentials(settings), *_keys(settings), *_store(settings)]
    for problem in problems:
        click.echo(f"✗ {problem}")
    if not problems:
        click.echo(f"✓ {len(settings.numbers)} phone number(s), their secrets, the keys and the database are in order")
    click.echo(_template_note(settings))
    click.echo(_message_note(settings))
    sys.exit(1 if problems else 0)


def _numbers(settings: Settings) -> Iterator[str]:
    if not settings.numbers:
        yield "FB_BUSINESS_PHONE_ID: no phone number is set up; set its id, or list numbers in CHANNEL_SETTINGS"
    if settings.app_token and settings.secret_arn:
        yield "FB_APP_TOKEN is set beside FB_SECRET_ARN and is not used; remove it"


def _credentials(settings: Settings) -> Iterator[str]:
    seen: dict[int, Credentials | None] = {}
    for phone_number_id, source in wiring.sources(settings).items():
        if id(source) in seen:
            continue
        seen[id(source)] = None
        yield from _credentials_of(phone_number_id, source)


def _credentials_of(phone_number_id: str, source: Source) -> Iterator[str]:
    try:
        credentials = source.get()
    except SecretProblem as problem:
        yield f"number {phone_number_id}: {problem}"
        return
    if not credentials.app_secrets:
        yield f"number {phone_number_id}: no FB_APP_SECRET; Meta's notifications are refused until it is set"
    if not credentials.verify_token:
        yield f"number {phone_number_id}: no WEBHOOK_VERIFY_TOKEN; Meta cannot subscribe the webhook"


def _keys(settings: Settings) -> Iterator[str]:
    try:
        signing = wiring.key_entries(settings, settings.signing_keys)
        api = wiring.key_entries(settings, settings.api_keys)
        Signatures(signing)
        ApiKeys(api)
    except (BadKeys, SecretProblem) as problem:
        yield str(problem)
        return
    if not signing:
        yield "SIGNING_KEYS: none; every event is refused until the shim and the service share one"
    if not api:
        yield "API_KEYS: none; nobody can read reports; make one with: whatsapp-channel keys new NAME"


def _store(settings: Settings) -> Iterator[str]:
    store = wiring.open_store(settings)
    try:
        missing = migrations.pending(store.engine)
        if not missing:
            store.outbox.prove_writable(wiring.now())
    except StoreUnavailable as error:
        yield f"DATABASE_URL: the database cannot be used ({error})"
        return
    if missing:
        yield f"the database lacks {len(missing)} migration(s); run: whatsapp-channel migrate"


def _template_note(settings: Settings) -> str:
    named = [number.waba_id for number in settings.numbers.values() if number.waba_id]
    accounts = f" (WHATSAPP_BUSINESS_ACCOUNT_ID {json.dumps(named)} is kept for that)" if named else ""
    return f"note: templates are not checked before they are sent; Meta judges them{accounts}"


def _message_note(settings: Settings) -> str:
    if not settings.messages:
        return "note: no named messages; a Connect journey's action needs one: [messages.<name>] in CHANNEL_SETTINGS"
    rejected = ""
    if settings.numbers and wiring.rules(settings).default_phone_number_id is None:
        rejected = "; no number is the default, so Connect's events are rejected: set FB_BUSINESS_PHONE_ID"
    return f"note: {len(settings.messages)} named message(s): {', '.join(settings.messages)}{rejected}"

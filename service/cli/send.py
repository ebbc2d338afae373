"""The command `send`: one message through `POST /v1/messages` of a running service."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import click
import requests

from service.cli.follow import FINAL, PATIENCE
from service.config import ConfigError, Settings, environment
from service.message import Status

_TIMEOUT = (2, 30)
_LOOK_EVERY = 0.5  # seconds
_UNDONE = {Status.FAILED, Status.EXPIRED, Status.SUPPRESSED, Status.CANCELLED}


def _pairs(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE, as often as it is given."""
    if bad := [pair for pair in given if not pair.partition("=")[0] or "=" not in pair]:
        raise click.BadParameter(f"write NAME=VALUE, not {bad[0]!r}")
    return dict(pair.split("=", 1) for pair in given)


@click.command()
@click.option("--to", required=True, help="The number in international form, or a business-scoped user id.")
@click.option("--template", metavar="NAME", help="The template, as WhatsApp Manager names it.")
@click.option("--message", metavar="NAME", help="A [messages.<name>] of the settings file, in place of a template.")
@click.option("--language", help="Such as en_US; `auto` is the --locale where the template has it.")
@click.option("--locale", help="The person's, such as de_DE.")
@click.option("--param", "params", multiple=True, metavar="VALUE", help="A body parameter; once for each, in order.")
@click.option("--named", multiple=True, callback=_pairs, metavar="NAME=VALUE", help="A body parameter with a name.")
@click.option("--value", "values", multiple=True, callback=_pairs, metavar="NAME=VALUE", help="Fills {{NAME}}.")
@click.option("--priority", type=click.Choice(["high", "normal"]))
@click.option("--ttl", type=int, metavar="SECONDS", help="How long it is worth sending.")
@click.option("--at", metavar="MOMENT", help="Not before, such as 2026-12-01T09:00:00Z.")
@click.option("--reference", help="Your own name for it, kept with the message.")
@click.option("--number", metavar="ID", help="The phone_number_id that it goes out from.")
@click.option("--idempotency-key", metavar="KEY", help="The same key and options send once; default: a new one.")
@click.option("--dry-run", is_flag=True, help="Check it and show what Meta would be sent; send nothing.")
@click.option("--follow", is_flag=True, help="Show each status until it is read or over (scope read).")
@click.option("--url", help="The service; default http://127.0.0.1:PORT.")
def send(url: str | None, dry_run: bool, follow: bool, idempotency_key: str | None, **options: Any) -> None:
    """Send one message through the running service, with the API key in API_KEY (scope send).

    \b
    export API_KEY=wck_…
    whatsapp-channel send --to +8613800138000 --template ordertimeoutnotification --param Tuohumai --param "T Shirt"
    whatsapp-channel send --to +8613800138000 --message unpaid-order --value firstName=Ada --follow
    """
    if follow and dry_run:
        raise click.UsageError("--dry-run sends nothing that --follow could show; give one of them")
    item = _item(options)
    settings = Settings.from_environment(environment())
    service = _Service(url or f"http://127.0.0.1:{settings.port}", _api_key())
    if dry_run:
        _show_rehearsal(service.post(item, idempotency_key or uuid.uuid4().hex, dry_run=True)["results"][0])
        return
    receipt = service.post(item, idempotency_key or uuid.uuid4().hex)
    result = _unless_rejected(receipt["results"][0])
    click.echo(f"{result['status']} {result['message_id']}, event {receipt['event_id']}")
    if follow:
        _follow(service, result["message_id"])


def _item(options: Mapping[str, Any]) -> dict[str, Any]:
    """The message as the service takes it."""
    if (options["template"] is None) == (options["message"] is None):
        raise click.UsageError("give one of --template and --message")
    params = list(options["params"]) or options["named"]
    if options["params"] and options["named"]:
        raise click.UsageError("a template has --param or --named, not both")
    if options["message"] is not None and params:
        raise click.UsageError("a named message has params of its own; fill their placeholders with --value")
    item = {
        "to": options["to"],
        "message": options["message"],
        "locale": options["locale"],
        "values": options["values"] or None,
        "priority": options["priority"],
        "ttl_seconds": options["ttl"],
        "send_at": options["at"],
        "reference": options["reference"],
        "phone_number_id": options["number"],
    }
    if options["template"] is None:
        item["language"] = options["language"]
    else:
        item["template"] = {"name": options["template"], "language": options["language"], "params": params or None}
    return {name: value for name, value in item.items() if value is not None}


def _api_key() -> str:
    key = environment().get("API_KEY", "").strip()
    if not key:
        raise ConfigError(["API_KEY: set the key to call with; make one with: whatsapp-channel keys new NAME"])
    if not key.isascii() or not key.isprintable():
        raise ConfigError(["API_KEY: a key has letters, digits, - and _ only"])
    return key


class _Service:
    """The running service, as its callers see it. Raises ConfigError with a sentence."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._key = key

    def post(self, item: dict[str, Any], idempotency_key: str, *, dry_run: bool = False) -> Any:
        """The answer to a call with this one message."""
        headers = {"Idempotency-Key": idempotency_key.encode("utf-8", "replace")}
        query = {"dry_run": "true"} if dry_run else {}
        again = "" if dry_run else f"; add --idempotency-key {idempotency_key} to try again, and it goes once"
        return self._call(
            "POST", "/v1/messages", "results", again, json={"messages": [item]}, headers=headers, params=query
        )

    def message(self, message_id: str) -> Any:
        """What became of a message."""
        again = f"; look again with: whatsapp-channel message {message_id}"
        return self._call("GET", f"/v1/messages/{message_id}", "status", again)

    def _call(self, method: str, path: str, wanted: str, again: str, **how: Any) -> Any:
        """The answer, which has the field `wanted`; `again` is what to do where none came."""
        try:
            answer = requests.request(method, self._url + path, auth=self._signed, timeout=_TIMEOUT, **how)
        except requests.RequestException as error:
            trouble = f"{self._url} does not answer ({type(error).__name__}); is the service running?{again}"
            raise ConfigError([trouble]) from error
        if answer.status_code not in {200, 202}:
            raise ConfigError([_refusal(answer)])
        try:
            document = answer.json()
            document[wanted]
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError([f"{self._url} answers, but not as this service does; check --url"]) from error
        return document

    def _signed(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        """As `auth`, so that no .netrc takes the header's place."""
        prepared.headers["Authorization"] = f"Bearer {self._key}"
        return prepared


def _refusal(answer: requests.Response) -> str:
    if answer.status_code == 401:
        return "the service refused the key (401); API_KEY here must be one that API_KEYS there holds"
    try:
        problem = answer.json()
        return f"the service answered {answer.status_code}: {problem['title']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"the service answered {answer.status_code}"


def _unless_rejected(result: dict[str, Any]) -> dict[str, Any]:
    if result["status"] == "rejected":
        raise ConfigError([f"rejected, {result['code']} at {result['path']}: {result['detail']}"])
    return result


def _show_rehearsal(result: dict[str, Any]) -> None:
    request, rendered = _unless_rejected(result)["request"], result["rendered"]
    click.echo(f"would be sent: {json.dumps(request, ensure_ascii=False)}")
    for line in _lines(rendered) if rendered else ():
        click.echo(f"  {line}")


def _lines(rendered: Mapping[str, Any]) -> Iterator[str]:
    """What the person would see, line by line."""
    for part in ("header", "body", "footer"):
        yield from (rendered[part] or "").splitlines()
    yield from (f"[{button}]" for button in rendered["buttons"])


def _follow(service: _Service, message_id: str, patience: float = PATIENCE) -> None:
    """Show each status until nothing more is to come, or nothing has changed for so many seconds."""
    seen, changed_at = "", time.monotonic()
    while seen not in FINAL:
        report = service.message(message_id)
        if report["status"] != seen:
            seen, changed_at = report["status"], time.monotonic()
            click.echo(f"{report['status_at']} {seen}")
        elif time.monotonic() - changed_at > patience:
            click.echo(f"still {seen}; later: whatsapp-channel message {message_id}")
            return
        else:
            time.sleep(_LOOK_EVERY)
    if seen in _UNDONE:
        failure = report["failure"]
        raise ConfigError([f"{failure['title']}: {failure['next_step']}" if failure else f"it is {seen}"])

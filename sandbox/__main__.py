"""`python -m sandbox`: a WhatsApp Cloud API on localhost, until Ctrl-C or SIGTERM."""

import asyncio
import errno
import random
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from sandbox.app import serve
from sandbox.fault_json import KINDS
from sandbox.notifications import Delays
from sandbox.state import Settings

DEFAULT = Settings()
SECONDS = click.FloatRange(min=0)
FILE = click.Path(dir_okay=False, path_type=Path)
READABLE = click.Path(exists=True, dir_okay=False, path_type=Path)

EXAMPLE = f"""
\b
Example, with a message sent by hand:
  python -m sandbox --journal accepted.ndjson &
  curl http://127.0.0.1:8090/v25.0/106540352242922/messages \\
    -H 'Authorization: Bearer sandbox-token' -H 'Content-Type: application/json' -d '{{
      "messaging_product": "whatsapp", "to": "+8613800138000", "type": "template",
      "template": {{"name": "ordertimeoutnotification", "language": {{"code": "en_US"}}, "components": [
        {{"type": "body", "parameters": [{{"type": "text", "text": "Ada"}}, {{"type": "text", "text": "T Shirt"}}]}}]}}}}'
\b
The chat it arrived in, and an answer to it; /phone/ lists all chats:
  http://127.0.0.1:8090/phone/8613800138000
  curl http://127.0.0.1:8090/phone/8613800138000 -d '{{"text": "STOP"}}'
\b
Three throttled answers, then back to normal; every fault off again:
  curl http://127.0.0.1:8090/sandbox/faults -d '{{"kind": "error", "code": 130429, "next": 3}}'
  curl -X DELETE http://127.0.0.1:8090/sandbox/faults
\b
A number that takes 20 messages a second and 45 at once to one recipient; what it refused so far; as before:
  curl http://127.0.0.1:8090/sandbox/numbers \\
    -d '{{"phone_number_id": "106540352242922", "messages_per_second": 20, "pair_limit": true}}'
  curl http://127.0.0.1:8090/sandbox/numbers
  curl -X DELETE http://127.0.0.1:8090/sandbox/numbers
\b
A template is paused, and the webhook told so:
  curl http://127.0.0.1:8090/sandbox/templates \\
    -d '{{"name": "ordertimeoutnotification", "language": "en_US", "status": "PAUSED"}}'
\b
Kinds of faults (for a wrong field the answer names the right ones):
  {", ".join(KINDS)}
"""


@click.command(epilog=EXAMPLE, context_settings={"show_default": True, "max_content_width": 120})
@click.option("--host", default=DEFAULT.host)
@click.option("--port", default=DEFAULT.port, type=click.IntRange(0, 65535), help="0 picks a free one and prints it.")
@click.option("--token", default=DEFAULT.token, help="The bearer token that is accepted.")
@click.option("--app-secret", default=DEFAULT.app_secret, help="Signs the notifications.")
@click.option("--verify-token", default=DEFAULT.verify_token, help="Sent when a webhook is verified.")
@click.option("--webhook-url", default=DEFAULT.webhook_url, help="Gets the notifications.")
@click.option("--journal", type=FILE, help="Append a line for each accepted message to this file.")
@click.option("--answer-after", default=DEFAULT.answer_after, type=SECONDS, help="Seconds before a POST is looked at.")
@click.option("--sent-after", default=DEFAULT.delays.sent, type=SECONDS, help="Seconds until `sent` is notified.")
@click.option("--delivered-after", default=DEFAULT.delays.delivered, type=SECONDS)
@click.option("--read-after", default=DEFAULT.delays.read, type=SECONDS)
@click.option(
    "--notifications/--no-notifications", default=DEFAULT.notifications, help="Tell of sent, delivered, read."
)
@click.option("--tls-cert", type=READABLE, help="Serve https with this certificate (PEM).")
@click.option("--tls-key", type=READABLE, help="Its key, when that is a file of its own.")
def main(sent_after: float, delivered_after: float, read_after: float, **options: Any) -> None:
    """Stand in for Meta's WhatsApp Cloud API on this machine."""
    settings = Settings(delays=Delays(sent_after, delivered_after, read_after), **options)
    try:
        asyncio.run(_until_stopped(settings))
    except OSError as fault:
        click.echo(_sentence(fault, settings), err=True)
        sys.exit(1)


async def _until_stopped(settings: Settings) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with serve(settings, now=lambda: datetime.now(UTC), rng=random.Random()) as running:
        click.echo(f"sandbox listening on {running.url}")
        await stopped.wait()


def _sentence(fault: OSError, settings: Settings) -> str:
    if fault.errno == errno.EADDRINUSE:
        return (
            f"Port {settings.port} is taken: stop what listens there, or choose another with --port (0 = any free one)."
        )
    return f"The sandbox cannot start: {fault}."


if __name__ == "__main__":
    main(prog_name="python -m sandbox")

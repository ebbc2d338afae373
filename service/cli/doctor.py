"""`doctor`: what is missing or wrong, and how to mend it."""

import sys

import click

from service import wiring
from service.config import Settings, environment
from service.doctor.finding import Level


@click.command()
@click.option("--offline", is_flag=True, help="Leave out what asks Meta.")
@click.option("--webhook-url", help="The webhook's public URL, to be asked as Meta asks when it is subscribed.")
def doctor(offline: bool, webhook_url: str | None) -> None:
    """Say what is missing or wrong, in the settings and at Meta, and how to mend it.

    Nothing is changed. ✗ is a problem and makes the exit status 1, ! a warning.

    \b
    whatsapp-channel doctor
    whatsapp-channel doctor --webhook-url https://channel.example.com/webhooks/whatsapp
    """
    settings = Settings.from_environment(environment())
    store = wiring.open_store(settings, announce=False)
    try:
        findings = wiring.examiner(settings, store, offline=offline, webhook_url=webhook_url)()
    finally:
        store.engine.dispose()
    for finding in findings:
        click.echo(str(finding))
    sys.exit(1 if any(one.level is Level.PROBLEM for one in findings) else 0)

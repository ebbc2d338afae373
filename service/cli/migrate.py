"""The command `migrate`: the newest schema."""

import click

from service import wiring
from service.cli.decide import note, opened
from service.cli.pause import resume_command
from service.config import Settings
from service.message import Pause, PauseReason, Scope
from service.outbox import migrations


@click.command()
@click.option("--paused", is_flag=True, help="Pause every number then: for a database that was restored from a backup.")
def migrate(paused: bool) -> None:
    """Bring the database to the newest schema. Safe to run again and by several at once.

    A backup knows nothing of what was sent since. With --paused, before any dispatcher runs, nothing goes out until an
    operator has looked at that and resumes the numbers.

    \b
    whatsapp-channel migrate --paused
    """
    with opened() as (settings, store):
        migrations.migrate(store.engine)
        click.echo("the database has the newest schema")
        if paused:
            _pause_every_number(settings, store)


def _pause_every_number(settings: Settings, store: wiring.Store) -> None:
    """Those of the settings, and those that were ever served with this database."""
    detail = "restored from a backup: look at what was sent since, then resume"
    numbers = sorted({*settings.numbers, *store.report.served_numbers()})
    for number in numbers:
        note(store, "pause", f"{Scope.NUMBER} {number}", detail)
        store.outbox.pause(Pause(Scope.NUMBER, number, PauseReason.OPERATOR, detail, since=wiring.now()))
        click.echo(f"number {number} is paused; to go on: {resume_command(Scope.NUMBER, number)}")
    if not numbers:
        click.echo(
            "no number is known, so none is paused; set FB_BUSINESS_PHONE_ID or CHANNEL_SETTINGS and run it again"
        )

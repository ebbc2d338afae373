"""The command `whatsapp-channel`: one group, a module per kind of command.

serve.py     web, dispatcher, migrate
up.py        up, with processes.py (the pieces), follow.py (a campaign to watch), signpost.py (where to look)
operate.py   event, message, keys
doctor.py    doctor, with meta_checks.py (what it asks outside), finding.py (what a check says)
send.py      send
campaign.py  campaign
decide.py    unanswered, decide, replay, cancel
pause.py     pause, resume, pauses
templates.py templates list, show, check
suppressions.py  suppressions list, add, remove, import
contract.py  openapi, errors
"""

import sys

import click

from service.cli.campaign import campaign
from service.cli.contract import errors, openapi
from service.cli.decide import cancel, decide, replay, unanswered
from service.cli.doctor import doctor
from service.cli.operate import event, keys, message
from service.cli.pause import pause, pauses, resume
from service.cli.send import send
from service.cli.serve import dispatcher, migrate, web
from service.cli.suppressions import suppressions
from service.cli.templates import templates
from service.cli.up import up
from service.config import ConfigError
from service.outbox.database import StoreUnavailable
from service.secrets import SecretProblem


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="whatsapp-channel")
def cli() -> None:
    """A WhatsApp channel for campaign systems: events in, template messages out, every outcome kept."""


for command in (
    *(up, web, dispatcher, migrate),
    *(event, send, message, doctor, keys),
    *(campaign, unanswered, decide, replay, cancel, pause, resume, pauses, suppressions, templates),
    *(openapi, errors),
):
    cli.add_command(command)


def main() -> None:
    """Exit 0 done, 1 failed with a sentence on stderr, 2 wrong usage."""
    try:
        cli()
    except (ConfigError, SecretProblem) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    except StoreUnavailable as error:
        click.echo(
            f"the database cannot be used ({error}); check DATABASE_URL and that it runs; migrate makes its tables",
            err=True,
        )
        sys.exit(1)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        click.echo(f"the system refuses: {error.strerror or error}{where}; mend that and try again", err=True)
        sys.exit(1)

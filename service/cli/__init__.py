"""The command `whatsapp-channel`: one group, a module per kind of command.

web.py, dispatcher.py, migrate.py   one piece each, as in a container
up.py        up, with processes.py (the pieces), follow.py (a campaign to watch), signpost.py (where to look)
operate.py   event, message, keys
users.py     users new
doctor.py    doctor
send.py      send
campaign.py  campaign
status.py    status
decide.py    unanswered, decide, replay, cancel
pause.py     pause, resume, pauses
templates.py templates list, show, check
suppressions.py  suppressions list, add, remove, import
contract.py  openapi, errors
"""

import sys
from importlib import import_module

import click

from service.config import ConfigError
from service.outbox.database import StoreUnavailable
from service.secrets import SecretProblem

_MODULES = {
    "up": ("up",),
    "web": ("web",),
    "dispatcher": ("dispatcher",),
    "migrate": ("migrate",),
    "operate": ("event", "message", "keys"),
    "users": ("users",),
    "send": ("send",),
    "doctor": ("doctor",),
    "campaign": ("campaign",),
    "status": ("status",),
    "decide": ("unanswered", "decide", "replay", "cancel"),
    "pause": ("pause", "resume", "pauses"),
    "templates": ("templates",),
    "suppressions": ("suppressions",),
    "contract": ("openapi", "errors"),
}
_MODULE_OF = {command: module for module, commands in _MODULES.items() for command in commands}


class _Commands(click.Group):
    """Loads a command's module when the command is wanted: all of them take seconds."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return sorted(_MODULE_OF)

    def get_command(self, _context: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULE_OF:
            return None
        found: click.Command = getattr(import_module(f"service.cli.{_MODULE_OF[cmd_name]}"), cmd_name)
        return found


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="whatsapp-channel")
def cli() -> None:
    """A WhatsApp channel for campaign systems: events in, template messages out, every outcome kept."""


COMMANDS = frozenset(_MODULE_OF)


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

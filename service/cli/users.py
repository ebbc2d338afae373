"""The command `users`: entries for CONSOLE_USERS."""

import secrets
import sys
from typing import get_args

import click

from service.config import ConfigError
from service.web.auth import BadKeys
from service.web.console.people import LONGEST_PASSWORD, Role, console_user_entry

_SHORTEST_PASSWORD = 12


@click.group()
def users() -> None:
    """Name the people who may use the console."""


@users.command("new")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(get_args(Role)),
    default="look",
    show_default=True,
    help="look sees everything, phone numbers masked; operate acts and unmasks.",
)
@click.option("--random", "how", flag_value="random", help="Make the password and show it this once.")
@click.option("--password-stdin", "how", flag_value="stdin", help="Read the password from standard input.")
@click.option(
    "--oidc", "how", flag_value="oidc", help="No password: the load balancer of CONSOLE_ALB_ARN signs NAME in."
)
def new_user(name: str, role: str, how: str | None) -> None:
    """Make the entry of CONSOLE_USERS for NAME, which may be an e-mail address.

    Asks for a password, of which the entry holds only a hash. Where CONSOLE_USERS is a secret's ARN, services take an entry
    over within a minute. Another password or role is another entry in the place of the old one; it ends the sessions of NAME.
    With --oidc, NAME is the e-mail address that the identity provider has of somebody, or else their `sub`.

    \b
    whatsapp-channel users new anna --role operate
    whatsapp-channel users new anna@example.com --role look --oidc
    """
    try:
        console_user_entry(name, role, None, b"")
        password = _password(how)
        entry = console_user_entry(name, role, password, secrets.token_bytes(16))
    except BadKeys as error:
        raise ConfigError([str(error)]) from error
    if how == "random":
        click.echo(f"the password, shown only now: {password}")
    click.echo(f"add to CONSOLE_USERS:         {entry}")
    if password is not None:
        click.echo("Keep it in single quotes where a shell or an env file would read its $ signs.", err=True)


def _password(how: str | None) -> str | None:
    match how:
        case "oidc":
            return None
        case "random":
            return secrets.token_urlsafe(18)
        case "stdin":
            return _usable(sys.stdin.readline().rstrip("\r\n"))
    asked: str = click.prompt(
        "Password", hide_input=True, confirmation_prompt="The same again", value_proc=_usable, err=True
    )
    return asked


def _usable(password: str) -> str:
    if not _SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise click.UsageError(f"A password has {_SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.")
    return password

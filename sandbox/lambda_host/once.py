"""One invocation in this process, for systems that AWS's runtime client is not made for.

`python -m sandbox.lambda_host.once FILE` prints what the function returns, its log goes to standard error. Exit 1 with the
kind of its exception and a sentence where it raised.
"""

import contextlib
import json
import sys
from importlib import import_module
from pathlib import Path

import click

from sandbox.lambda_host.invocation import Settings


@click.command()
@click.option(
    "--handler", default=Settings().handler, show_default=True, help="Module and function, as in Lambda's setting."
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(handler: str, file: Path) -> None:
    """Invoke a function once with the event in FILE."""
    module, _, name = handler.rpartition(".")
    function = getattr(import_module(module), name)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            answer = function(json.loads(file.read_bytes()), None)
    except Exception as error:  # noqa: BLE001 - whatever the function raises is its answer
        click.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(1)
    click.echo(json.dumps(answer, indent=2))


if __name__ == "__main__":
    main(prog_name="python -m sandbox.lambda_host.once")

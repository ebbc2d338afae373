"""The command `web`, as in a container."""

import os
import sys
import tempfile

import click
from gunicorn.app.wsgiapp import run

from service import wiring
from service.config import Settings, environment


@click.command()
@click.option("--host", default="0.0.0.0", show_default=True, help="The address to listen on.")  # noqa: S104
def web(host: str) -> None:
    """Run the web service (gunicorn) on PORT.

    Takes events from the shim and notifications from Meta; reports. Never sends.
    """
    settings = Settings.from_environment(environment())
    # prometheus_client looks for this directory when it is imported: the app's modules are loaded after this, and only here
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="whatsapp-channel-metrics-")
    wiring.build_web_app(settings)  # a setting that cannot be used stops here, with a sentence, not in every worker
    arguments = [
        "--config",
        "python:service.web.server",
        "--bind",
        f"{host}:{settings.port}",
        "service.wiring:web_app()",
    ]
    sys.argv[1:] = arguments
    run()

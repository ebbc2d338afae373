"""`python -m sandbox.lambda_host`: AWS Lambda on localhost for one function, until Ctrl-C or SIGTERM."""

import asyncio
import errno
import os
import signal
import sys
import uuid
from datetime import UTC, datetime
from typing import Any

import click

from sandbox.lambda_host.app import serve
from sandbox.lambda_host.invocation import Settings
from sandbox.lambda_host.runtime import missing

DEFAULT = Settings()
SECONDS = click.FloatRange(min=0.1, max=900)  # Lambda's longest time-out is 900 s
WAIT = click.FloatRange(min=0)

EXAMPLES = """
\b
The CLI wants a region and keys, which nothing here looks at:
  export AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x AWS_DEFAULT_REGION=us-east-1
  alias lambda='aws lambda --endpoint-url http://127.0.0.1:9000'
\b
An event from a file, with version 1 and 2 of the AWS CLI:
  lambda invoke --function-name lambda_shim --payload fileb://event.json out.json
\b
With the end of the function's log:
  lambda invoke --function-name lambda_shim --payload fileb://event.json \\
    --log-type Tail --query LogResult --output text out.json | base64 -d
\b
An event on the command line; version 1 has no such option and takes it as it is:
  lambda invoke --function-name lambda_shim --cli-binary-format raw-in-base64-out \\
    --payload '{"Data": "{}"}' out.json
\b
Later and in the background, as Lambda does it for asynchronous calls:
  lambda invoke --function-name lambda_shim --invocation-type Event --payload fileb://event.json out.json
\b
With a queue as a trigger, here one of moto's on this machine:
  AWS_ENDPOINT_URL=http://127.0.0.1:5000 python -m sandbox.lambda_host \\
    --queue-url http://127.0.0.1:5000/123456789012/parking
"""


@click.command(epilog=EXAMPLES, context_settings={"show_default": True, "max_content_width": 120})
@click.option("--handler", default=DEFAULT.handler, help="Module and function, as in Lambda's setting.")
@click.option("--function-name", default=DEFAULT.function_name, help="The name it is invoked by.")
@click.option("--timeout", default=DEFAULT.timeout, type=SECONDS, help="Seconds; Pinpoint waits no longer than 15.")
@click.option("--init-timeout", default=DEFAULT.init_timeout, type=SECONDS, help="Seconds a cold start may take.")
@click.option("--memory", default=DEFAULT.memory, type=click.IntRange(128, 10240), help="MB; only reported.")
@click.option("--concurrency", default=DEFAULT.concurrency, type=click.IntRange(1), help="Invocations at once.")
@click.option(
    "--retry-after", default=DEFAULT.retry_after, nargs=2, type=WAIT, help="Seconds between tries of an Event."
)
@click.option(
    "--queue-url", help="An SQS queue to poll, as Lambda's event source mapping does; boto3 finds endpoint and keys."
)
@click.option(
    "--queue-batch-size", default=DEFAULT.queue_batch_size, type=click.IntRange(1, 10), help="Messages in an event."
)
@click.option(
    "--queue-concurrency", default=DEFAULT.queue_concurrency, type=click.IntRange(1), help="Batches at once, at most."
)
@click.option("--host", default=DEFAULT.host)
@click.option("--port", default=DEFAULT.port, type=click.IntRange(0, 65535), help="0 picks a free one and prints it.")
def main(**options: Any) -> None:
    """Run a Lambda function on this machine, under AWS's own runtime client, for `aws lambda invoke`.

    The function gets this command's environment: SERVICE_URL, SIGNING_KEYS and what else it reads. Its log goes to
    standard error.
    """
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or DEFAULT.region
    settings = Settings(region=region, **options)
    fault = missing()
    if fault is None:
        try:
            asyncio.run(_until_stopped(settings))
        except OSError as error:
            fault = _sentence(error, settings)
    if fault is not None:
        click.echo(fault, err=True)
        sys.exit(1)


async def _until_stopped(settings: Settings) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    serving = serve(settings, environ=os.environ, show=_show, now=lambda: datetime.now(UTC), new_id=uuid.uuid4)
    async with serving as url:
        click.echo(f"lambda host listening on {url}")
        await stopped.wait()


def _show(line: str) -> None:
    click.echo(line, err=True)


def _sentence(fault: OSError, settings: Settings) -> str:
    if fault.errno == errno.EADDRINUSE:
        return (
            f"Port {settings.port} is taken: stop what listens there, or choose another with --port (0 = any free one)."
        )
    return f"The Lambda host cannot start: {fault}."


if __name__ == "__main__":
    main(prog_name="python -m sandbox.lambda_host")

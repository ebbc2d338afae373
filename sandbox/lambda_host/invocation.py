"""The values that are handed on: how the function is set up, one invocation of it, and what came of it."""

import uuid
from dataclasses import dataclass
from datetime import datetime

ACCOUNT = "123456789012"  # AWS's number for examples
LATEST = "$LATEST"


@dataclass(frozen=True, slots=True)
class Settings:
    """What `python -m sandbox.lambda_host` can be told. Spans are seconds, memory is MB and only reported.

    `init_timeout` is Lambda's 10 s for the init phase, `retry_after` its waits before an event is tried again:
    https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    """

    handler: str = "lambda_shim.handler.handler"
    function_name: str = "lambda_shim"
    timeout: float = 15.0
    init_timeout: float = 10.0
    memory: int = 128
    concurrency: int = 10
    retry_after: tuple[float, ...] = (60.0, 120.0)
    region: str = "us-east-1"
    host: str = "127.0.0.1"
    port: int = 9000
    queue_url: str | None = None
    queue_batch_size: int = 10
    queue_concurrency: int = 5

    @property
    def arn(self) -> str:
        """The function's ARN, without a qualifier."""
        return arn_of(self.function_name, self.region)


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event for the function; `client_context` is JSON in ASCII, or None."""

    request_id: str
    payload: bytes
    arn: str
    trace_id: str
    client_context: str | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How an invocation ended: the body its caller gets, and what the log says of it besides START, END and REPORT."""

    body: bytes
    failed: bool = False
    status: str = ""
    line: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What the caller of an invocation gets; `log` is the last 4 KB of it."""

    body: bytes
    failed: bool
    log: bytes


def arn_of(function_name: str, region: str) -> str:
    """A function's ARN in this account."""
    return f"arn:aws:lambda:{region}:{ACCOUNT}:function:{function_name}"


def trace_id(moment: datetime, new_id: uuid.UUID) -> str:
    """X-Ray's header for an invocation whose caller brought none."""
    return f"Root=1-{int(moment.timestamp()):08x}-{new_id.hex[:24]};Sampled=0"

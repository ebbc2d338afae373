"""Lambda's wording: log lines around an invocation, and the errors it reports in the function's place.

Where AWS documents less than is needed, it is that of recorded answers and logs of Lambda from 2025 and 2026; `Billed
Duration` holds the init phase, as it does since August 2025.
"""

import json
import math
from datetime import datetime
from signal import strsignal

from sandbox.lambda_host.invocation import LATEST, Ending

RESPONSE_BYTES = 6_291_556  # 6 MiB and 100 bytes, as Lambda's own message says
INIT_ERROR = "Runtime.Unknown"  # where an init error names no type


def start_line(request_id: str) -> str:
    """The first line of an invocation."""
    return f"START RequestId: {request_id} Version: {LATEST}"


def end_line(request_id: str) -> str:
    """The last line but one of an invocation."""
    return f"END RequestId: {request_id}"


def report_line(
    request_id: str,
    *,
    seconds: float,
    init_seconds: float | None,
    memory: int,
    memory_used: int,
    status: str = "",
) -> str:
    """The last line of an invocation; memory in MB, `init_seconds` None where the environment was warm."""
    facts = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {_milliseconds(seconds)}",
        f"Billed Duration: {math.ceil((seconds + (init_seconds or 0.0)) * 1000)} ms",
        f"Memory Size: {memory} MB",
        f"Max Memory Used: {memory_used} MB",
    ]
    if init_seconds is not None:
        facts.append(f"Init Duration: {_milliseconds(init_seconds)}")
    return "\t".join([*facts, *([status] if status else [])])


def init_report_line(seconds: float, *, phase: str, status: str) -> str:
    """What the log says of an init phase that failed; `phase` is `init`, or `invoke` where it was tried again."""
    return "\t".join([f"INIT_REPORT Init Duration: {_milliseconds(seconds)}", f"Phase: {phase}", status])


def timed_out(request_id: str, seconds: float, now: datetime) -> Ending:
    """The function was still at it when its time was up."""
    sentence = f"Task timed out after {seconds:.2f} seconds"
    moment = f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z"
    body = _error("Sandbox.Timedout", f"RequestId: {request_id} Error: {sentence}")
    return Ending(body, failed=True, status="Status: timeout", line=f"{moment} {request_id} {sentence}")


def exited(request_id: str, status: int) -> Ending:
    """The process ended and answered nothing; `status` is Python's: an exit status, or a signal's number below zero."""
    sentence = f"RequestId: {request_id} Error: {_exit(status)}"
    line = f"{sentence}\nRuntime.ExitError"
    return Ending(
        _error("Runtime.ExitError", sentence), failed=True, status=error_status("Runtime.ExitError"), line=line
    )


def init_failed(body: bytes) -> Ending:
    """The runtime reported that the function cannot be loaded; `body` is its report, and stays as it is."""
    return Ending(body, failed=True, status=error_status(_type_of(body)))


def response_too_large() -> Ending:
    """The function's answer is over the 6 MB that Lambda hands back."""
    sentence = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES} bytes)."
    error_type = "Function.ResponseSizeTooLarge"
    return Ending(_error(error_type, sentence), failed=True, status=error_status(error_type))


def error_status(error_type: str) -> str:
    """How REPORT and INIT_REPORT name an error."""
    return f"Status: error\tError Type: {error_type}"


def _error(error_type: str, message: str) -> bytes:
    return json.dumps({"errorType": error_type, "errorMessage": message}, separators=(",", ":")).encode()


def _type_of(body: bytes) -> str:
    try:
        return str(json.loads(body)["errorType"]) or INIT_ERROR
    except (ValueError, LookupError, TypeError):
        return INIT_ERROR


def _exit(status: int) -> str:
    """As Lambda, which is written in Go, words it."""
    if status == 0:
        return "Runtime exited without providing a reason"
    how = f"exit status {status}" if status > 0 else f"signal: {(strsignal(-status) or str(-status)).lower()}"
    return f"Runtime exited with error: {how}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"

"""A Lambda host as a process, with a small function of the test's own."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

READY = "lambda host listening on "
FUNCTION = '''
import logging
import os
import subprocess
import sys
import time

print("loaded")
calls = 0


def handler(event, context):
    """Does what the event says and returns what it did."""
    return globals()[event["do"]](event, context) if event else event


def echo(event, context):
    return event["value"]


def count(event, context):
    global calls
    calls += 1
    return {"calls": calls, "pid": os.getpid(), "stream": context.log_stream_name}


def fail(event, context):
    raise ValueError(event.get("message", "no such luck"))


def fail_times(event, context):
    with open(event["file"], "a") as file:
        file.write(context.aws_request_id + "\\n")
    if len(open(event["file"]).readlines()) <= event["times"]:
        raise ValueError("not yet")


def wait_for(event, context):
    """Returns when the file is there."""
    while not os.path.exists(event["file"]):
        time.sleep(0.005)
    return os.getpid()


def hang(event, context):
    """With a process of its own, which tells its id."""
    with subprocess.Popen(["sleep", "600"]) as child:
        open(event["file"], "w").write(str(child.pid))


def leave(event, context):
    os._exit(event["status"])


def die(event, context):
    os.kill(os.getpid(), event["signal"])
    time.sleep(600)


def say(event, context):
    print("to stdout")
    sys.stderr.write("to stderr\\n")
    logging.getLogger().warning("to the log")
    sys.stdout.write("without an end")


def say_much(event, context):
    for number in range(20_000):
        print(f"line {number}")


def large(event, context):
    return "a" * event["size"]


def tell(event, context):
    return {
        "id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "name": context.function_name,
        "version": context.function_version,
        "memory": context.memory_limit_in_mb,
        "group": context.log_group_name,
        "left": context.get_remaining_time_in_millis(),
        "custom": context.client_context and context.client_context.custom,
        "trace": os.environ["_X_AMZN_TRACE_ID"],
    }


def environ(event, context):
    return dict(os.environ)
'''


class Host:
    """A host that listens at `url`."""

    def __init__(self, folder: Path, *options: str, **environ: str) -> None:
        """Start it; it looks for handlers in `folder`, which gets the module `function` of this test suite."""
        (folder / "function.py").write_text(FUNCTION)
        self._log = folder / f"host{len(list(folder.glob('host*.log')))}.log"
        command = [
            sys.executable,
            "-m",
            "sandbox.lambda_host",
            "--port",
            "0",
            "--handler",
            "function.handler",
            *options,
        ]
        variables = {**os.environ, "PYTHONPATH": str(folder), **environ}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith(READY), line + self.log()
        self.url = line.removeprefix(READY).strip()

    def post(self, body: bytes | None, function: str = "lambda_shim", **headers: str) -> requests.Response:
        """One call of the Invoke API; `Log_Type="Tail"` is the header X-Amz-Log-Type."""
        named = {f"X-Amz-{name.replace('_', '-')}": value for name, value in headers.items()}
        return requests.post(f"{self.url}/2015-03-31/functions/{function}/invocations", body, headers=named, timeout=30)

    def invoke(self, do: str, **event: Any) -> Any:
        """What the function returned, or its error."""
        return self.post(json.dumps({"do": do, **event}).encode()).json()

    def tail(self, do: str, **event: Any) -> str:
        """The tail of the log of one invocation."""
        answer = self.post(json.dumps({"do": do, **event}).encode(), Log_Type="Tail")
        return base64.b64decode(answer.headers["X-Amz-Log-Result"]).decode()

    def health(self) -> Any:
        return requests.get(f"{self.url}/healthz", timeout=10).json()

    def log(self) -> str:
        """What it has written to standard error."""
        return self._log.read_text()

    def close(self) -> int:
        """SIGTERM, and wait; the exit status."""
        self.process.terminate()
        try:
            self.process.communicate(timeout=10)
        finally:
            self.process.kill()
        return self.process.returncode


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent to notice does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False

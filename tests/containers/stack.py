"""The compose stack of a test: its own project, ports and image, looked at from outside."""

import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests

from tests.conftest import SAMPLES
from tests.crash import judging
from tests.running import campaign, free_port, until

PROJECT = "whatsapp-channel-test"
IMAGE = "whatsapp-channel:test"
API_KEY = "wck_local"
CONSOLE_PASSWORD = "console_local"
SIZE = 50
COMMAND_SECONDS = 400.0
SAMPLE: dict[str, Any] = json.loads((SAMPLES / "pinpoint_campaign_article.json").read_text())


class Engine:
    """`docker`, typed in `folder`."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = dict(environment)

    def docker(self, *arguments: str) -> str:
        """What it prints; an AssertionError with its own words where it fails."""
        done = subprocess.run(
            ["docker", *arguments],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"docker {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def inspect(self, name: str, form: str) -> str:
        return self.docker("inspect", "--format", form, name)


class Stack(Engine):
    """The project in a clean copy of the repository; nothing is started yet."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.web, self.sandbox, self.lambda_host = (f"http://127.0.0.1:{free_port()}" for _ in range(3))
        chosen = {
            "COMPOSE_PROJECT_NAME": PROJECT,
            "CHANNEL_IMAGE": IMAGE,
            "WEB_PORT": _port(self.web),
            "SANDBOX_PORT": _port(self.sandbox),
            "LAMBDA_PORT": _port(self.lambda_host),
            "UNANSWERED_GRACE_SECONDS": "4",
            "PARKING_VISIBILITY_SECONDS": "5",
        }
        super().__init__(folder, {**environment, **chosen})

    def compose(self, *arguments: str) -> str:
        return self.docker("compose", *arguments)

    def up(self, *options: str) -> float:
        """Seconds until everything is healthy."""
        began = time.monotonic()
        self.compose("up", "-d", "--wait", *options)
        return time.monotonic() - began

    def containers(self, service: str) -> list[str]:
        """Full ids, running or not."""
        return self.compose("ps", "--all", "--quiet", service).split()

    def stop(self, container: str) -> tuple[float, int]:
        """`docker stop` with ECS's 30 s; how long it took, and the exit status."""
        began = time.monotonic()
        self.docker("stop", "--time", "30", container)
        return time.monotonic() - began, int(self.inspect(container, "{{.State.ExitCode}}"))

    def invoke(self, event: Path, output: Path) -> dict[str, dict[str, str]]:
        """`aws lambda invoke` as a person types it; each endpoint's attributes."""
        aws = Path(sys.executable).parent / "aws"
        keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
        command = [str(aws), "lambda", "invoke", "--endpoint-url", self.lambda_host, "--function-name", "lambda_shim"]
        subprocess.run(
            [*command, "--payload", f"fileb://{event}", str(output)],
            env={**self._environment, **keys},
            check=True,
            capture_output=True,
            timeout=60,
        )
        return {name: of["EventAttributes"] for name, of in json.loads(output.read_text()).items()}

    def type(self, commands: str) -> str:
        """What commands of the README print, typed in the copy with the AWS CLI at hand; the ports become this stack's."""
        for port, url in (("8080", self.web), ("8090", self.sandbox), ("9000", self.lambda_host)):
            commands = commands.replace(f"http://127.0.0.1:{port}", url)
        path = f"{Path(sys.executable).parent}:{self._environment['PATH']}"
        done = subprocess.run(
            ["bash", "-e", "-c", commands],
            cwd=self._folder,
            env={**self._environment, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        return done.stdout

    def post_campaign(self, name: str, numbers: Iterable[int]) -> Counter[str]:
        """Events of SIZE recipients through the Lambda host, four at a time; how the recipients were answered."""

        def post(number: int) -> list[str]:
            event = {**campaign(SAMPLE, number, SIZE), "CampaignId": name}
            url = f"{self.lambda_host}/2015-03-31/functions/lambda_shim/invocations"
            answer = requests.post(url, json=event, timeout=60)
            assert "X-Amz-Function-Error" not in answer.headers, answer.text
            return [of["EventAttributes"]["whatsapp_status"] for of in answer.json().values()]

        with ThreadPoolExecutor(4) as threads:
            return Counter(status for statuses in threads.map(post, numbers) for status in statuses)

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.web}{path}", headers={"Authorization": f"Bearer {API_KEY}"}, timeout=10)

    def report(self, message_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/v1/messages/{message_id}").json()
        return found

    def counts(self, name: str) -> dict[str, int]:
        """A campaign's messages by status; none where the service cannot tell just now."""
        try:
            answer = self.get(f"/v1/campaigns/{name}")
        except requests.RequestException:
            return {}
        return {status: count for status, count in answer.json().get("counts", {}).items() if count}

    def until_all_read(self, name: str, total: int, seconds: float = 120) -> None:
        until(lambda: self.counts(name) == {"read": total}, lambda: f"{total} read, not {self.counts(name)}", seconds)

    def sent(self, numbers: Iterable[int]) -> list[judging.Sent]:
        """What the Cloud API accepted of these events."""
        prefixes = tuple(f"+86139{number:04}" for number in numbers)
        lines = map(json.loads, requests.get(f"{self.sandbox}/sandbox/accepted", timeout=30).text.splitlines())
        return judging.read(line for line in lines if line["to"].startswith(prefixes))

    def fault(self, **fault: Any) -> None:
        requests.post(f"{self.sandbox}/sandbox/faults", json=fault, timeout=5).raise_for_status()

    def mend(self) -> None:
        requests.delete(f"{self.sandbox}/sandbox/faults", timeout=5).raise_for_status()

    def query(self, sql: str) -> str:
        """The answer of the stack's own database."""
        return self.compose("exec", "-T", "db", "psql", "--username=channel", "--no-align", "--tuples-only", "-c", sql)

    def serving(self) -> str:
        """The container that serves the number: the holder of a lease is named after its host, the container's id."""
        found: list[str] = []

        def is_served() -> bool:
            now = "extract(epoch FROM clock_timestamp())"
            holder = self.query(f"SELECT holder FROM leases WHERE expires_at > {now}").partition("-")[0]
            found[:] = [one for one in self.containers("dispatcher") if holder and one.startswith(holder)]
            return bool(found)

        until(is_served, "a dispatcher to serve the number", 30)
        return found[0]

    def parked(self) -> int:
        """How many events are in the parking queue, being handled or not."""
        code = (
            "import boto3, os; q = boto3.client('sqs').get_queue_attributes(QueueUrl=os.environ['PARKING_QUEUE_URL'],"
            "AttributeNames=['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'])['Attributes'];"
            "print(sum(map(int, q.values())))"
        )
        return int(self.compose("exec", "-T", "lambda", "python", "-c", code))


def recipients(numbers: Iterable[int]) -> list[str]:
    """Everybody in these events, in order."""
    return [f"+86139{event:04}{n:04}" for event in numbers for n in range(SIZE)]


def memory(stack: Stack, service: str) -> str:
    """What `docker stats` says the service's containers use."""
    shown = stack.docker("stats", "--no-stream", "--format", "{{.MemUsage}}", *stack.containers(service))
    return ", ".join(re.findall(r"^(\S+)", shown, re.M))


def _port(url: str) -> str:
    return url.rpartition(":")[2]

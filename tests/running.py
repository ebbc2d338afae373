"""The real thing for a test: web (gunicorn), dispatchers and sandbox as processes of their own, on free ports."""

import base64
import copy
import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import Engine, select, text
from standardwebhooks import Webhook

from service.outbox import tables
from service.outbox.database import open_engine
from service.outbox.leases import database_now

NUMBER = "106540352242922"
PATIENCE_SECONDS = 90.0
EVERY_SECONDS = 0.1
"""How often is looked at what a test waits for: asking takes time that what it waits for needs."""


def until(condition: Callable[[], bool], what: str | Callable[[], str], seconds: float = PATIENCE_SECONDS) -> None:
    """Return as soon as `condition` holds; fail, saying what did not happen (asked only then), after `seconds`."""
    pause = threading.Event()
    deadline = datetime.now(UTC).timestamp() + seconds
    while not condition():
        if datetime.now(UTC).timestamp() >= deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain for: {what if isinstance(what, str) else what()}")
        pause.wait(EVERY_SECONDS)


_GIVEN: set[int] = set()


def free_port() -> int:
    """One that nobody listens on, and that was not given to anybody else who has not begun to listen yet."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = int(probe.getsockname()[1])
        if port not in _GIVEN:
            _GIVEN.add(port)
            return port


class System:
    """One channel with its sandbox, over a given database."""

    def __init__(self, database_url: str, folder: Path, settings: Mapping[str, str]) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._metrics: dict[str, str] = {}
        self.database_url = database_url
        self.engine: Engine = open_engine(database_url).execution_options(read_only=True)  # waits for no writer
        web, sandbox = free_port(), free_port()
        self.url = f"http://127.0.0.1:{web}"
        self.sandbox = f"http://127.0.0.1:{sandbox}"
        self._key = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        self.api_key = f"wck_{secrets.token_urlsafe(16)}"
        self.shim_settings = {"SERVICE_URL": self.url, "SIGNING_KEYS": self._key}
        self.settings = {
            "DATABASE_URL": database_url,
            "FB_BUSINESS_PHONE_ID": NUMBER,
            "FB_APP_TOKEN": "sandbox-token",
            "FB_APP_SECRET": "sandbox-app-secret",
            "WEBHOOK_VERIFY_TOKEN": "sandbox-verify-token",
            "WHATSAPP_API_URL": self.sandbox,
            "SIGNING_KEYS": self._key,
            "API_KEYS": f"test:send+read+operate+pii:{hashlib.sha256(self.api_key.encode()).hexdigest()}",
            "PORT": str(web),
            **settings,
        }

    def until(
        self, condition: Callable[[], bool], what: str | Callable[[], str], seconds: float = PATIENCE_SECONDS
    ) -> None:
        """As `until`, and fail at once when a process has ended by itself."""

        def holds() -> bool:
            for name, process in self._processes.items():
                assert process.poll() is None, f"{name} has ended:\n{self.log(name)[-3000:]}"
            return condition()

        until(holds, what, seconds)

    def start_web(self) -> None:
        self._start("web", ["-m", "service", "web"])
        self.until(lambda: self._answers(f"{self.url}/readyz"), "the web service to be ready")

    def start_sandbox(self, *options: str) -> None:
        port = self.sandbox.rpartition(":")[2]
        webhook = f"{self.url}/webhooks/whatsapp"
        self._start("sandbox", ["-m", "sandbox", "--port", port, "--webhook-url", webhook, *options])
        self.until(lambda: self._answers(f"{self.sandbox}/sandbox/healthz"), "the sandbox to be ready")

    def start_dispatcher(self, name: str = "dispatcher") -> None:
        port = free_port()
        self._metrics[name] = f"http://127.0.0.1:{port}/metrics"
        self._start(name, ["-m", "service", "dispatcher"], DISPATCHER_PORT=str(port))
        self.until(lambda: self._answers(f"http://127.0.0.1:{port}/healthz"), f"{name} to be alive")

    def start_lambda_host(self, *options: str, **settings: str) -> str:
        """The shim under AWS's runtime client, with these settings besides its usual ones; where it is invoked."""
        port = free_port()
        command = ["-m", "sandbox.lambda_host", "--port", str(port), *options]
        self._start("lambda host", command, **{**self.shim_settings, **settings})
        self.until(lambda: self._answers(f"http://127.0.0.1:{port}/healthz"), "the Lambda host to be ready")
        return f"http://127.0.0.1:{port}/2015-03-31/functions/lambda_shim/invocations"

    def kill(self, name: str) -> None:
        """kill -9."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self, name: str) -> int:
        """SIGTERM, and wait; the exit status."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(40)

    def freeze(self, name: str) -> None:
        """SIGSTOP, and wait until all its threads have stopped; its connections stay open."""
        process = self._processes[name]
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self._processes[name].send_signal(signal.SIGCONT)

    def close(self) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)  # what is frozen hears of it only then
        for process in self._processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.engine.dispose()

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()

    def metrics(self, name: str) -> str:
        """What Prometheus would read of a dispatcher, or of "web"."""
        return requests.get(self._metrics.get(name, f"{self.url}/metrics"), timeout=10).text

    def pid(self, name: str) -> int:
        """Of a process that was started here; gunicorn's workers are its children."""
        return self._processes[name].pid

    def post_event(self, event: Mapping[str, Any], name: str | None = None, timeout: float = 30) -> requests.Response:
        """Sign and post an event, as the shim does; `name` is its id."""
        body = json.dumps(event).encode()
        now = datetime.now(UTC)
        name = name or receipt_id()
        headers = {
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self._key).sign(name, now, body.decode()),
            "content-type": "application/json",
        }
        return requests.post(f"{self.url}/v1/events/pinpoint", data=body, headers=headers, timeout=timeout)

    def post_campaign(self, sample: Mapping[str, Any], numbers: Iterable[int], size: int = 50, **data: Any) -> None:
        """The events of `campaign`, from four threads; every recipient of each is accepted."""

        def post(number: int) -> requests.Response:
            event, name = campaign(sample, number, size, **data), receipt_id()
            answer = self.post_event(event, name)
            for _ in range(5):  # as the queue would: on a full machine the store may be busy
                if answer.status_code != 503:
                    break
                threading.Event().wait(float(answer.headers["Retry-After"]))
                answer = self.post_event(event, name)
            return answer

        with ThreadPoolExecutor(4) as threads:
            for answer in threads.map(post, numbers):
                assert answer.json()["accepted"] == size, answer.text

    def fault(self, **fault: Any) -> None:
        requests.post(f"{self.sandbox}/sandbox/faults", json=fault, timeout=5).raise_for_status()

    def mend(self) -> None:
        requests.delete(f"{self.sandbox}/sandbox/faults", timeout=5).raise_for_status()

    def journal(self) -> list[dict[str, str]]:
        """A line per message that the Cloud API accepted."""
        lines = requests.get(f"{self.sandbox}/sandbox/accepted", timeout=30).text.splitlines()
        return [json.loads(line) for line in lines]

    def accepted(self) -> int:
        """How many lines the journal has; much cheaper to ask for than the lines."""
        answer = requests.get(f"{self.sandbox}/sandbox/healthz", timeout=30).json()
        return int(answer["accepted"])

    def forget_journal(self) -> None:
        requests.delete(f"{self.sandbox}/sandbox/accepted", timeout=5).raise_for_status()

    def accept_only(self, token: str) -> None:
        """What the Cloud API takes for a token from now on."""
        requests.post(f"{self.sandbox}/sandbox/token", json={"token": token}, timeout=5).raise_for_status()

    def served(self) -> dict[str, str]:
        """Who serves each number: the processes that run here, frozen ones too, and whose lease has not run out."""
        names = {str(process.pid): name for name, process in self._processes.items()}
        with self.engine.connect() as connection:
            lease = tables.leases.c
            standing = select(lease.phone_number_id, lease.holder).where(lease.expires_at > database_now(connection))
            holders = {row.phone_number_id: row.holder.rsplit("-", 2)[1] for row in connection.execute(standing)}
        return {number: names[pid] for number, pid in holders.items() if pid in names}

    def report(self, message_id: str) -> dict[str, Any]:
        answer = requests.get(
            f"{self.url}/v1/messages/{message_id}", headers={"Authorization": f"Bearer {self.api_key}"}, timeout=5
        )
        report: dict[str, Any] = answer.json()
        return report

    def counts(self) -> Counter[str]:
        """Messages by status."""
        with self.engine.connect() as connection:
            rows = connection.execute(text("SELECT status, count(*) AS number FROM messages GROUP BY status"))
            return Counter({row.status: row.number for row in rows})

    def until_counts(self, wanted: Mapping[str, int], seconds: float = PATIENCE_SECONDS) -> None:
        """Until so many messages stand at each status, and none at another."""
        self.until(lambda: self.counts() == wanted, lambda: f"{dict(wanted)}, not {dict(self.counts())}", seconds)

    def _start(self, name: str, arguments: list[str], **more: str) -> None:
        environment = {**os.environ, **self.settings, **more}
        with (self._folder / f"{name}.log").open("ab") as log:
            # The sandbox is the judge: where the machine is short of time, it goes before what it judges.
            before = [] if name == "sandbox" else ["nice", "-n", "5"]
            command = [*before, sys.executable, *arguments]
            self._processes[name] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    @staticmethod
    def _answers(url: str) -> bool:
        try:
            return requests.get(url, timeout=1).status_code == 200
        except requests.RequestException:
            return False


@contextmanager
def running(database_url: str, folder: Path, **settings: str) -> Iterator[System]:
    """A system that is not started yet; whatever was started in it is stopped at the end."""
    system = System(database_url, folder, settings)
    try:
        yield system
    finally:
        system.close()


def receipt_id() -> str:
    """As the shim makes one."""
    return f"evt_{int(datetime.now(UTC).timestamp() * 1000)}_{uuid.uuid4().hex}"


def campaign(sample: Mapping[str, Any], number: int, size: int = 50, **data: Any) -> dict[str, Any]:
    """An event of one more activity of the sample's campaign, with `size` recipients of its own; `data` adds to its Data."""
    event = copy.deepcopy(dict(sample))
    event["ActivityId"] = f"activity-{number}"
    event["Data"] = json.dumps({**json.loads(event["Data"]), **data})
    like = next(iter(sample["Endpoints"].values()))
    event["Endpoints"] = {f"ep{number:03}{n:03}": {**like, "Address": f"+86139{number:04}{n:04}"} for n in range(size)}
    return event

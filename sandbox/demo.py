"""`python -m sandbox.demo`: two sample campaigns through the real shim, the real service and this sandbox, judged from outside.

Starts `whatsapp-channel up` on free ports with an empty database, invokes the shim as Lambda would, waits until every message
has its outcome, prints them all, and exits 0 only if each is the expected one and Meta's stand-in got each message once.
"""

import base64
import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

SAMPLES = Path("tests/samples")
EVENTS = ("pinpoint_campaign_article.json", "pinpoint_campaign_fifty.json")
VAR = Path("var")
PATIENCE_SECONDS = 60.0

EXPECTED_REJECTIONS = {
    "ep007": "invalid_address",
    "ep013": "opted_out",
    "ep021": "inactive",
    "ep034": "placeholder_missing",
}
"""Everybody else is to read the message (`tests/samples/README.md`)."""


@dataclass(frozen=True, slots=True)
class Channel:
    """The running system, as its callers see it."""

    service: str
    sandbox: str
    signing_key: str
    api_key: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one recipient: a message's status, or the code of its rejection."""

    event: str
    recipient: str
    result: str
    told: str

    @property
    def expected(self) -> str:
        """What should have become of it."""
        return EXPECTED_REJECTIONS.get(self.recipient, "read")


def main() -> int:
    """Run the demo; 0 where every outcome is the expected one."""
    VAR.mkdir(exist_ok=True)
    for leftover in VAR.glob("demo.db*"):
        leftover.unlink()
    with _running() as channel:
        print(f"service {channel.service}, sandbox {channel.sandbox}, log {VAR / 'demo.log'}\n")
        outcomes = [outcome for name in EVENTS for outcome in _send(channel, name)]
        journal = _journal(channel)
    return _judge(outcomes, journal)


@contextmanager
def _running() -> Iterator[Channel]:
    """`whatsapp-channel up` in a process of its own, until the end of the context."""
    web, dispatcher, sandbox, lambda_host = _free_ports(4)
    api_key = f"wck_{secrets.token_urlsafe(24)}"
    channel = Channel(
        service=f"http://127.0.0.1:{web}",
        sandbox=f"http://127.0.0.1:{sandbox}",
        signing_key="whsec_" + base64.b64encode(secrets.token_bytes(24)).decode(),
        api_key=api_key,
    )
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{VAR}/demo.db",
        "PORT": str(web),
        "DISPATCHER_PORT": str(dispatcher),
        "SIGNING_KEYS": channel.signing_key,
        "API_KEYS": f"demo:read:{hashlib.sha256(api_key.encode()).hexdigest()}",
    }
    places = ["--sandbox-port", str(sandbox), "--lambda-port", str(lambda_host)]
    command = [sys.executable, "-m", "service", "up", *places]
    with (VAR / "demo.log").open("w") as log, subprocess.Popen(command, env=environment, stdout=log, stderr=log) as up:  # noqa: S603
        try:
            _wait_until_ready(up, f"{channel.service}/readyz", f"http://127.0.0.1:{dispatcher}/healthz")
            yield channel
        finally:
            up.send_signal(signal.SIGINT)
            up.wait()


def _free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _wait_until_ready(up: "subprocess.Popen[bytes]", *urls: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    waiting = list(urls)
    while waiting:
        if up.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"the channel did not start; its log says why:\n{(VAR / 'demo.log').read_text()[-2000:]}")
        try:
            if requests.get(waiting[0], timeout=1).status_code == 200:
                waiting.pop(0)
                continue
        except requests.RequestException:
            pass
        time.sleep(0.1)


def _send(channel: Channel, name: str) -> list[Outcome]:
    """Invoke the shim with a sample event and wait for what becomes of each recipient."""
    environment = {**os.environ, "SERVICE_URL": channel.service, "SIGNING_KEYS": channel.signing_key}
    shim = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "sandbox.lambda_host.once", str(SAMPLES / name)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if shim.returncode != 0:
        sys.exit(f"the shim failed on {name}:\n{shim.stderr}")
    answer: Mapping[str, Any] = json.loads(shim.stdout)
    return [_outcome(channel, name, recipient, of["EventAttributes"]) for recipient, of in answer.items()]


def _outcome(channel: Channel, event: str, recipient: str, attributes: Mapping[str, str]) -> Outcome:
    if attributes["whatsapp_status"] != "accepted":
        reason = attributes["whatsapp_reason"]
        return Outcome(event, recipient, reason.partition(":")[0], reason.partition(": ")[2])
    address = f"{channel.service}/v1/messages/{attributes['whatsapp_message_id']}"
    headers = {"Authorization": f"Bearer {channel.api_key}"}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        report = requests.get(address, headers=headers, timeout=5).json()
        if report["status"] in {"read", "failed", "expired"} or time.monotonic() > deadline:
            path = " → ".join(status["status"] for of in report["attempts"] for status in of["statuses"])
            return Outcome(event, recipient, report["status"], f"{report['to']}  accepted → {path}")
        time.sleep(0.05)


def _journal(channel: Channel) -> Counter[str]:
    """How often Meta's stand-in accepted a message of each of ours, by message id."""
    lines = requests.get(f"{channel.sandbox}/sandbox/accepted", timeout=5).text.splitlines()
    return Counter(json.loads(line)["callback_data"].partition(".")[0] for line in lines)


def _judge(outcomes: list[Outcome], journal: Counter[str]) -> int:
    for event in EVENTS:
        print(event)
        for outcome in (outcome for outcome in outcomes if outcome.event == event):
            mark = "✓" if outcome.result == outcome.expected else f"✗ expected {outcome.expected}"
            print(f"  {outcome.recipient:<10} {outcome.result:<20} {outcome.told}  {mark}")
    wrong = [outcome for outcome in outcomes if outcome.result != outcome.expected]
    read = sum(outcome.result == "read" for outcome in outcomes)
    twice = [message_id for message_id, times in journal.items() if times > 1]
    print(f"\n{len(outcomes)} recipients: {read} read, {len(outcomes) - read} not sent for the reasons above")
    print(f"the Cloud API accepted {sum(journal.values())} messages, {len(twice)} of them more than once")
    if wrong or twice or len(journal) != read:
        print("NOT as expected")
        return 1
    print("every outcome is the expected one")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The whole system in containers: an event arrives, and trouble neither loses a message nor sends one twice.

`CONTAINERS_OUTAGE_SECONDS` (10) is how long the database is away. Each test has event numbers of its own, so the sandbox's
journal tells them apart.
"""

import json
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.conftest import SAMPLES
from tests.containers.stack import API_KEY, CONSOLE_PASSWORD, SAMPLE, SIZE, Stack, memory, recipients
from tests.crash import judging
from tests.running import until

OUTAGE_SECONDS = float(os.environ.get("CONTAINERS_OUTAGE_SECONDS", "10"))
STOP_SECONDS = 25.0
"""Of the 30 s that ECS gives a task."""
LATENCY = {"kind": "latency", "seconds": 0.3}
"""So that some requests are always under way."""

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]


def test_the_article_s_event_is_read_and_the_phone_shows_the_chat(stack: Stack, tmp_path: Path) -> None:
    print(f"\nmemory at rest: web {memory(stack, 'web')}, dispatcher {memory(stack, 'dispatcher')}")
    answer = stack.invoke(SAMPLES / "pinpoint_campaign_article.json", tmp_path / "out.json")

    assert answer["test123"]["whatsapp_status"] == "accepted"
    message_id = answer["test123"]["whatsapp_message_id"]
    until(lambda: stack.report(message_id)["status"] == "read", "the message to be read")
    (attempt,) = stack.report(message_id)["attempts"]
    assert [status["status"] for status in attempt["statuses"]] == ["sent", "delivered", "read"]
    chat = requests.get(f"{stack.sandbox}/phone/8613800138000", timeout=5).text
    assert "Tuohumai" in chat


def test_the_operator_signs_in_to_the_console_and_sees_the_campaign(stack: Stack, tmp_path: Path) -> None:
    stack.invoke(SAMPLES / "pinpoint_campaign_article.json", tmp_path / "out.json")
    form = {"name": "operator", "password": CONSOLE_PASSWORD, "next": "/console/campaigns"}
    with requests.Session() as browser:
        browser.headers["Origin"] = stack.web
        page = browser.post(f"{stack.web}/console/sign-in", data=form, timeout=10)
    assert (page.status_code, page.url) == (200, f"{stack.web}/console/campaigns")
    assert SAMPLE["CampaignId"] in page.text


def test_fifty_endpoints_have_the_outcomes_that_the_samples_promise(stack: Stack, tmp_path: Path) -> None:
    answer = stack.invoke(SAMPLES / "pinpoint_campaign_fifty.json", tmp_path / "out.json")
    accepted = [of["whatsapp_message_id"] for of in answer.values() if of["whatsapp_status"] == "accepted"]
    assert (len(accepted), len(answer)) == (46, 50)
    until(lambda: all(stack.report(one)["status"] == "read" for one in accepted), "all of them to be read")


def test_everything_of_ours_runs_without_privileges(stack: Stack) -> None:
    for service in ("web", "dispatcher", "sandbox", "lambda", "migrate", "setup"):
        (container,) = stack.containers(service)
        form = "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}"
        assert stack.inspect(container, form) == "10001:10001 true [ALL] [no-new-privileges:true]"
    for container in stack.compose("ps", "--quiet").split():
        form = "{{range $port, $bound := .NetworkSettings.Ports}}{{range $bound}}{{.HostIp}} {{end}}{{end}}"
        assert set(stack.inspect(container, form).split()) <= {"127.0.0.1"}


def test_killed_dispatchers_lose_nothing_and_send_nothing_twice(stack: Stack) -> None:
    stack.up("--scale", "dispatcher=3")
    stack.fault(**LATENCY)
    numbers = range(1000, 1016)
    assert stack.post_campaign("killed", numbers) == {"accepted": len(numbers) * SIZE}

    _until_sent(stack, numbers, 0.2)
    stack.docker("kill", "--signal", "KILL", stack.serving())
    _until_sent(stack, numbers, 0.5)
    stack.compose("kill", "--signal", "KILL", "dispatcher")
    assert stack.counts("killed").get("read") != len(numbers) * SIZE, "this run proved nothing: the campaign was over"
    stack.up("--scale", "dispatcher=3")

    stack.until_all_read("killed", len(numbers) * SIZE)
    _each_once(stack, numbers)
    stack.mend()


def test_a_stopped_dispatcher_finishes_what_it_has_begun_and_gives_its_number_back(stack: Stack) -> None:
    stack.up("--scale", "dispatcher=2")
    stack.fault(**LATENCY)
    numbers = range(2000, 2008)
    stack.post_campaign("stopped", numbers)
    _until_sent(stack, numbers, 0.2)
    serving = stack.serving()
    seconds, status = stack.stop(serving)
    others = stack.query(f"SELECT count(*) FROM leases WHERE holder LIKE '{serving[:12]}%' AND expires_at > 0")
    left = stack.query("SELECT count(*) FROM messages WHERE status = 'unanswered'")
    print(f"\ndocker stop of the dispatcher that serves: {seconds:.1f} s, exit {status}")

    assert (status, others, left) == (0, "0", "0")
    assert seconds < STOP_SECONDS
    stack.until_all_read("stopped", len(numbers) * SIZE)
    _each_once(stack, numbers)
    stack.mend()
    stack.up("--scale", "dispatcher=1")


def test_a_stopped_web_service_answers_what_it_has_begun_to_read(stack: Stack) -> None:
    (container,) = stack.containers("web")
    message = {"to": "+8613800138001", "template": {"name": "ordertimeoutnotification", "params": ["Ada", "Mug"]}}
    body = json.dumps({"messages": [message]}).encode()
    head = (
        "POST /v1/messages?dry_run=true HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {API_KEY}\r\nContent-Length: {len(body)}\r\n"
        "Expect: 100-continue\r\n\r\n"
    )
    port = int(stack.web.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as caller, ThreadPoolExecutor(1) as thread:
        caller.sendall(head.encode())
        assert caller.recv(1024).startswith(b"HTTP/1.1 100 Continue"), "a worker waits for the body"
        stopping = thread.submit(stack.stop, container)
        until(lambda: "Handling signal: term" in stack.compose("logs", "web"), "the service to hear of it")
        caller.sendall(body)
        answer = caller.recv(65536)
        seconds, status = stopping.result()
    print(f"\ndocker stop of web with a request under way: {seconds:.1f} s, exit {status}")

    assert answer.split(b"\r\n", 1)[0] == b"HTTP/1.1 200 OK"
    assert status == 0
    assert seconds < STOP_SECONDS
    stack.up()


def test_a_database_that_goes_away_for_a_while_loses_nothing_and_doubles_nothing(stack: Stack) -> None:
    stack.up("--scale", "dispatcher=2")
    before, during = range(3000, 3014), range(3100, 3104)
    began = _starts(stack)
    assert stack.post_campaign("outage", before) == {"accepted": len(before) * SIZE}
    _until_sent(stack, before, 0.2)
    stack.compose("stop", "db")
    away_since = time.monotonic()
    assert stack.post_campaign("outage", during) == {"parked": len(during) * SIZE}
    assert (stack.get("/healthz").status_code, stack.get("/readyz").status_code) == (200, 503)
    until(lambda: time.monotonic() - away_since > OUTAGE_SECONDS, "the outage to have its time", OUTAGE_SECONDS + 1)
    stack.compose("start", "db")
    away = time.monotonic() - away_since

    everything = [*before, *during]
    stack.until_all_read("outage", len(everything) * SIZE)
    print(f"\ndatabase away {away:.0f} s; all read {time.monotonic() - away_since - away:.0f} s after its return")
    _each_once(stack, everything)
    until(lambda: stack.parked() == 0, "the parking queue to be empty", 30)
    assert _starts(stack) == began, "no piece was started anew: each found the database again by itself"
    stack.up("--scale", "dispatcher=1")


def test_down_and_up_again_keeps_what_was_there(stack: Stack, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    sample = json.loads((SAMPLES / "pinpoint_campaign_article.json").read_text())
    event.write_text(json.dumps({**sample, "ActivityId": "down-and-up"}))
    message_id = stack.invoke(event, tmp_path / "out.json")["test123"]["whatsapp_message_id"]
    until(lambda: stack.report(message_id)["status"] == "read", "the message to be read")
    before = stack.report(message_id)

    stack.compose("down")
    print(f"\nup again, image and database there: {stack.up():.0f} s")

    assert stack.report(message_id) == before
    again = stack.invoke(event, tmp_path / "again.json")["test123"]
    assert again == {"whatsapp_status": "duplicate", "whatsapp_message_id": message_id}
    event.write_text(json.dumps({**sample, "ActivityId": "after-down-and-up"}))
    new = stack.invoke(event, tmp_path / "new.json")["test123"]["whatsapp_message_id"]
    until(lambda: stack.report(new)["status"] == "read", "a new message to be read")


def _until_sent(stack: Stack, numbers: range, part: float) -> None:
    wanted = part * len(numbers) * SIZE
    until(lambda: len(stack.sent(numbers)) >= wanted, f"{part:.0%} of the campaign to be sent")


def _each_once(stack: Stack, numbers: range | list[int]) -> None:
    sent = stack.sent(numbers)
    assert judging.sent_twice(sent) == []
    assert sorted(one.to for one in sent) == recipients(numbers), "every recipient got it once"


def _starts(stack: Stack) -> dict[str, str]:
    """When each container of the service was started last."""
    containers = [one for service in ("web", "dispatcher", "lambda", "sandbox") for one in stack.containers(service)]
    return {one: stack.inspect(one, "{{.State.StartedAt}}") for one in containers}

"""The whole channel in a terminal."""

import os
import signal
import subprocess
import sys
import threading

from service.message import Outcome, Pause, PauseReason, Scope, Status
from tests.cli.operating import NOW, NUMBER, SECOND, Console
from tests.running import until

WIDE = {"COLUMNS": "160"}
HEARS_CTRL_C = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from service.__main__ import main; main()"
)
"""What a shell starts in the background is born deaf to it."""


def lines(console: Console) -> str:
    ran = console.run("status")
    assert (ran.exit_code, ran.sentence) == (0, "")
    return ran.output


def test_an_empty_channel_says_that_nobody_sends(console: Console) -> None:
    shown = lines(console)
    assert "✗ No dispatcher is running: nothing would be sent." in shown
    assert "no campaign is running" in shown
    assert "0 accepted, 0 sent, 0 delivered, 0 read, 0 failed" in shown


def test_it_shows_each_number_what_waits_and_what_needs_a_person(console: Console) -> None:
    console.settled("a1", "a2", outcome=Outcome.UNANSWERED, status=Status.UNANSWERED)
    console.add("b1", "b2", "b3")
    console.store.outbox.report_for_work("a dispatcher")
    console.store.outbox.pause(Pause(Scope.NUMBER, SECOND, PauseReason.OPERATOR, "the audit", since=NOW))
    shown = " ".join(lines(console).split())
    assert "is served by no dispatcher; waiting: 3 messages." in shown
    assert "2 messages got no answer from Meta; somebody has to decide." in shown
    assert f"Number {SECOND} is paused: the audit" in shown
    assert "5 accepted" in shown
    assert "c1" in shown


def test_where_all_is_well_it_says_so(console: Console) -> None:
    console.store.outbox.report_for_work("a dispatcher")
    assert "✓ nothing needs a person; dispatchers running: 1" in lines(console)


def test_it_is_watched_until_ctrl_c(console: Console) -> None:
    """The database's own counts change while it is shown."""
    settings = {**os.environ, **WIDE, "DATABASE_URL": console.store.url, "FB_BUSINESS_PHONE_ID": NUMBER}
    command = [sys.executable, "-c", HEARS_CTRL_C, "status", "--watch", "--every", "0.2"]
    shown: list[str] = []
    with subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines_of = iter(process.stdout.readline, "")
            reader = threading.Thread(target=lambda: shown.extend(lines_of), daemon=True)
            reader.start()
            until(lambda: any("0 accepted" in line for line in shown), "the first look", 30)
            console.add("m1")
            until(lambda: any("1 accepted" in line for line in shown), "the next look", 30)
            process.send_signal(signal.SIGINT)
            assert process.wait(15) == 0
        finally:
            process.kill()

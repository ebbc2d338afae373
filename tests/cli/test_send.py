"""`send`: one message through the service that runs, and what it says when that does not take it."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from click.testing import CliRunner
from werkzeug.serving import make_server

from service.cli import cli
from service.cli.send import _follow, _Service
from service.message import Outcome, Settlement, Status, Template
from service.outbox.outbox import Demand
from service.whatsapp.templates import Rendered
from tests.cli.operating import Ran
from tests.conftest import Store
from tests.running import free_port
from tests.web.serving import NUMBER, READER, SENDER, Service, api_key, told
from tests.web.serving import statuses as notification

TO = "+8613800138000"
BOTH = "wck_both"
SEND = ("send", "--to", TO)
TEMPLATE = ("--template", "order_update")


def render(_number: str, template: Template) -> Rendered | None:
    return Rendered("Your order", "Dear Ada,\nit waits.", None, ["Pay"]) if template.components else None


@dataclass(frozen=True, slots=True)
class Terminal:
    """A user's terminal, and the service that it talks to."""

    service: Service
    url: str

    def run(self, *arguments: str, key: str = BOTH, url: str | None = None) -> Ran:
        environment = {"API_KEY": key, "PORT": (url or self.url).rpartition(":")[2]}
        result = CliRunner().invoke(cli, arguments, env=environment)
        sentence = "" if isinstance(result.exception, SystemExit | None) else str(result.exception)
        return Ran(result.exit_code, result.output, sentence)

    def sent(self, *arguments: str) -> str:
        """The id of the message that these arguments send."""
        ran = self.run(*arguments)
        assert (ran.exit_code, ran.sentence) == (0, ""), ran
        assert len(ran.output.splitlines()) == 1
        return ran.output.split()[1].rstrip(",")

    def settled(self, outcome: Outcome, status: Status, code: int | None = None) -> None:
        """What was sent came to this."""
        outbox = self.service.store.outbox
        lease = outbox.acquire_lease(NUMBER, "a dispatcher")
        assert lease is not None
        for attempt in outbox.claim(Demand(lease, 10), self.service.now):
            name = attempt.message.message_id
            outbox.settle([Settlement(name, 1, outcome, status, code=code, wamid=f"wamid.{name}.1")], self.service.now)


@pytest.fixture
def terminal(store: Store) -> Iterator[Terminal]:
    service = Service(store, render=render, more_keys=(api_key("both", "send+read", BOTH),))
    port = free_port()
    server = make_server("127.0.0.1", port, service.client.application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Terminal(service, f"http://127.0.0.1:{port}")
    server.shutdown()
    thread.join()
    server.server_close()


def stored(terminal: Terminal, message_id: str) -> dict[str, object]:
    facts = terminal.service.store.report.message(message_id)
    assert facts is not None
    return dict(facts.message)


def parameters(row: dict[str, object]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(str(row["components"]))[0]["parameters"]
    return found


def test_a_message_is_sent_and_told_in_one_line(terminal: Terminal) -> None:
    ran = terminal.run(*SEND, *TEMPLATE)
    assert ran.exit_code == 0
    status, message_id, _, event_id = ran.output.replace(",", "").split()
    assert status == "accepted"
    row = stored(terminal, message_id)
    assert (row["to"], row["template_name"], row["status"]) == (TO, "order_update", "queued")
    assert row["event_id"] == event_id


def test_every_option_reaches_the_message(terminal: Terminal) -> None:
    options = ["--language", "de", "--param", "Tuohumai", "--param", "T Shirt", "--priority", "high", "--ttl", "300"]
    options += ["--at", "2026-11-01T12:00:00Z", "--reference", "order-17", "--number", NUMBER]
    row = stored(terminal, terminal.sent(*SEND, *TEMPLATE, *options))
    assert (row["language"], row["priority"], row["reference"]) == ("de", 0, "order-17")
    assert str(row["due_at"]) == "2026-11-01 12:00:00+00:00"
    assert str(row["expires_at"]) == "2026-11-01 12:05:00+00:00"
    assert [parameter["text"] for parameter in parameters(row)] == ["Tuohumai", "T Shirt"]


def test_named_params_have_their_names(terminal: Terminal) -> None:
    row = stored(terminal, terminal.sent(*SEND, *TEMPLATE, "--named", "who=Ada", "--named", "sum=a=b"))
    assert [(one["parameter_name"], one["text"]) for one in parameters(row)] == [("who", "Ada"), ("sum", "a=b")]


def test_a_named_message_is_filled_with_values(terminal: Terminal) -> None:
    values = ["--value", "firstName=Ada", "--value", "attributes.LastProduct=Mug"]
    row = stored(terminal, terminal.sent(*SEND, "--message", "ordertimeoutnotification", "--language", "de", *values))
    assert (row["template_name"], row["language"]) == ("ordertimeoutnotification", "de")
    assert [parameter["text"] for parameter in parameters(row)] == ["Ada", "Mug"]


def test_the_same_idempotency_key_sends_once_and_a_new_one_again(terminal: Terminal) -> None:
    with_key = (*SEND, *TEMPLATE, "--idempotency-key", "k")
    first = terminal.sent(*with_key)
    assert terminal.sent(*with_key) == first
    assert terminal.sent(*SEND, *TEMPLATE) != terminal.sent(*SEND, *TEMPLATE)


def test_a_dry_run_shows_what_would_go_out_and_sends_nothing(terminal: Terminal) -> None:
    ran = terminal.run(*SEND, *TEMPLATE, "--param", "Ada", "--dry-run")
    first, *rendered = ran.output.splitlines()
    assert (ran.exit_code, rendered) == (0, ["  Your order", "  Dear Ada,", "  it waits.", "  [Pay]"])
    assert json.loads(first.removeprefix("would be sent: "))["to"] == TO
    assert terminal.run(*SEND, *TEMPLATE, "--dry-run").output.count("\n") == 1
    assert terminal.service.store.report.queues() == []


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_rejection_is_a_sentence_and_exit_1(terminal: Terminal, dry: tuple[str, ...]) -> None:
    ran = terminal.run("send", "--to", "12", *TEMPLATE, *dry)
    assert ran.exit_code == 1
    assert ran.sentence.startswith("rejected, invalid_address at messages[0].to: the address is no phone number")


def test_a_refusal_is_a_sentence_and_exit_1(terminal: Terminal) -> None:
    ran = terminal.run(*SEND, *TEMPLATE, "--idempotency-key", "schlüssel")
    assert (ran.exit_code, "the service answered 422" in ran.sentence) == (1, True)
    assert terminal.run(*SEND, *TEMPLATE, key=READER).sentence.endswith("lacks the scope send.")
    assert "API_KEY here must be one" in terminal.run(*SEND, *TEMPLATE, key="wck_wrong").sentence


@pytest.mark.parametrize("key", ["", "schlüssel", "wck_a\nb"])
def test_without_a_usable_key_nothing_is_called(terminal: Terminal, key: str) -> None:
    assert terminal.run(*SEND, *TEMPLATE, key=key).sentence.startswith("API_KEY: ")


def test_a_service_that_does_not_answer_is_a_sentence_with_what_to_do(terminal: Terminal) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    sentence = terminal.run(*SEND, *TEMPLATE, "--idempotency-key", "k-1", url=nowhere).sentence
    assert sentence.startswith(f"{nowhere} does not answer (ConnectionError); is the service running?")
    assert sentence.endswith("add --idempotency-key k-1 to try again, and it goes once")
    assert "MissingSchema" in terminal.run(*SEND, *TEMPLATE, "--url", "localhost").sentence


def test_another_service_is_told_apart(terminal: Terminal) -> None:
    assert "the service answered 4" in terminal.run(*SEND, *TEMPLATE, "--url", f"{terminal.url}/docs").sentence


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        TEMPLATE,
        ("--to", TO),
        ("--to", TO, *TEMPLATE, "--message", "m"),
        ("--to", TO, *TEMPLATE, "--param", "a", "--named", "b=c"),
        ("--to", TO, "--message", "m", "--param", "a"),
        ("--to", TO, *TEMPLATE, "--named", "b"),
        ("--to", TO, *TEMPLATE, "--value", "=b"),
        ("--to", TO, *TEMPLATE, "--priority", "urgent"),
        ("--to", TO, *TEMPLATE, "--ttl", "soon"),
        ("--to", TO, *TEMPLATE, "--dry-run", "--follow"),
    ],
)
def test_wrong_usage_is_exit_2(arguments: tuple[str, ...]) -> None:
    assert CliRunner().invoke(cli, ["send", *arguments], env={"API_KEY": BOTH}).exit_code == 2


def test_follow_shows_a_message_until_it_is_read(terminal: Terminal) -> None:
    with_key = (*SEND, *TEMPLATE, "--idempotency-key", "k")
    message_id = terminal.sent(*with_key)
    terminal.settled(Outcome.ACCEPTED, Status.ACCEPTED)
    terminal.service.notify(notification(told(f"{message_id}.1", "read")))
    ran = terminal.run(*with_key, "--follow")
    assert (ran.exit_code, ran.output.splitlines()[-1]) == (0, "2026-11-01T09:00:00.123Z read")


def test_follow_ends_with_exit_1_and_what_to_do_where_the_message_failed(terminal: Terminal) -> None:
    with_key = (*SEND, *TEMPLATE, "--idempotency-key", "k")
    terminal.sent(*with_key)
    terminal.settled(Outcome.REFUSED, Status.FAILED, code=131026)
    ran = terminal.run(*with_key, "--follow")
    assert (ran.exit_code, ran.output.splitlines()[-1].endswith(" failed")) == (1, True)
    assert ran.sentence


def test_follow_gives_up_where_nothing_changes(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    message_id = terminal.sent(*SEND, *TEMPLATE)
    _follow(_Service(terminal.url, BOTH), message_id, patience=0)
    assert capsys.readouterr().out.splitlines() == [
        "2026-11-01T09:00:00.123Z queued",
        f"still queued; later: whatsapp-channel message {message_id}",
    ]


def test_follow_needs_a_key_that_may_read(terminal: Terminal) -> None:
    ran = terminal.run(*SEND, *TEMPLATE, "--follow", key=SENDER)
    assert (ran.exit_code, ran.output.startswith("accepted ")) == (1, True)
    assert ran.sentence.endswith("lacks the scope read.")

"""The compose files, their example of settings and the health check, without an engine."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from deploy.container import alive
from service.config import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
REAL = (ROOT / "docker-compose.aws.yml").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()
IN_THE_SECRET = {"FB_APP_TOKEN", "FB_APP_SECRET", "WEBHOOK_VERIFY_TOKEN"}
FIXED = {"PORT", "DISPATCHER_PORT"}


def _asked_for(text: str) -> set[str]:
    """The variables that a compose file takes from .env: `${NAME…}`, and `NAME:` without a value."""
    return set(re.findall(r"\$\{([A-Z_]+)", text)) | set(re.findall(r"^ +([A-Z_]+):$", text, re.M))


def test_the_example_names_exactly_what_the_compose_files_ask_for() -> None:
    named = set(re.findall(r"^#([A-Z_]+)=", EXAMPLE, re.M))
    assert named == _asked_for(COMPOSE) | _asked_for(REAL)


def test_every_setting_of_the_service_is_set_or_can_be_set() -> None:
    settings = {field.alias for field in Settings.model_fields.values() if field.alias}
    named = set(re.findall(r"^ +([A-Z_]+):", COMPOSE + REAL, re.M))
    assert settings - named <= IN_THE_SECRET | FIXED


def test_everything_starts_without_any_setting() -> None:
    assert not re.findall(r"\$\{[A-Z_]+(?!:-)[^A-Z_]", COMPOSE), "each has a default"
    assert not [line for line in EXAMPLE.splitlines() if line and not line.startswith("#")]


def test_ports_are_for_this_machine_only() -> None:
    published = re.findall(r"^    ports: (.*)$", COMPOSE, re.M)
    assert published
    assert all(line.startswith('["127.0.0.1:') for line in published)


def test_the_builder_gets_only_what_the_dockerfile_copies() -> None:
    first, *others = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.*) \S+$", (ROOT / "Dockerfile").read_text(), re.M)
    wanted = {
        "deploy/container" if name.startswith("deploy/container") else name for one in copied for name in one.split()
    }
    assert first == "*"
    assert {line.removeprefix("!") for line in others if line.startswith("!")} == wanted


@pytest.mark.parametrize(
    ("command", "environment", "place"),
    [
        ("/sbin/docker-init -- entrypoint web", {}, (8080, "/healthz")),
        ("/venv/bin/python -m gunicorn --bind 0.0.0.0:8081", {"PORT": "8081"}, (8081, "/healthz")),
        ("/venv/bin/python /app/bin/whatsapp-channel dispatcher", {"DISPATCHER_PORT": ""}, (9090, "/healthz")),
        ("/venv/bin/python -m sandbox --host 0.0.0.0", {"PORT": "1"}, (8090, "/sandbox/healthz")),
        ("/venv/bin/python -m sandbox.lambda_host", {}, (9000, "/healthz")),
        ("/venv/bin/python /app/bin/whatsapp-channel migrate", {}, None),
    ],
)
def test_the_health_check_asks_the_piece_that_runs(
    command: str, environment: dict[str, str], place: tuple[int, str] | None
) -> None:
    assert alive.place(command.split(), environment) == place


@pytest.mark.parametrize(
    ("answer", "healthy"), [(b"HTTP/1.0 200 OK\r\n\r\n", True), (b"HTTP/1.1 503 No\r\n\r\n", False), (b"", False)]
)
def test_only_200_is_healthy(answer: bytes, *, healthy: bool) -> None:
    with _answering(answer) as port:
        assert alive.answers(port, "/healthz") is healthy


def test_nobody_there_is_not_healthy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    assert not alive.answers(port, "/healthz")


@contextmanager
def _answering(answer: bytes) -> Iterator[int]:
    """A server for one call."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with closing(server.accept()[0]) as caller:
                caller.recv(1024)
                caller.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()

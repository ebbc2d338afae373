"""Who may import whom (the house's rules), read from the source."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("service", "lambda_shim", "sandbox")

PURE: dict[str, tuple[str, ...]] = {
    "service/message.py": (),
    "service/people.py": (),
    "service/intake/": ("service.message", "service.intake", "pydantic", "phonenumbers"),
    "service/dispatch/retry.py": (
        "service.message",
        "service.whatsapp.send_error",
        "service.whatsapp.answer",
        "random.Random",
    ),
    "service/cloudwatch/lines.py": (),
    "service/doctor/finding.py": (),
    "service/dispatch/throttle.py": (),
    "service/dispatch/spacing.py": (),
    "service/dispatch/ahead.py": (),
    "service/dispatch/line.py": ("service.message",),
    "service/dispatch/sharing.py": (),
    "service/whatsapp/payload.py": ("service.message", "service.intake.address"),
    "service/whatsapp/send_error.py": ("service.message",),
    "service/whatsapp/errors.py": ("service.message", "service.whatsapp.send_error"),
    "service/whatsapp/limits.py": ("service.message", "service.whatsapp.answer"),
    "service/whatsapp/asking.py": ("service.whatsapp.errors", "service.whatsapp.send_error"),
    "service/whatsapp/pausing.py": ("service.message", "service.whatsapp.errors", "service.whatsapp.webhook"),
    "service/whatsapp/answer.py": ("service.message", "service.whatsapp.errors", "service.whatsapp.send_error"),
    "service/whatsapp/inbound.py": ("service.people", "service.whatsapp.answer", "unicodedata"),
    "service/whatsapp/webhook.py": (
        "service.message",
        "service.people",
        "service.whatsapp.errors",
        "service.whatsapp.send_error",
        "service.whatsapp.answer",
        "service.whatsapp.inbound",
    ),
    "service/whatsapp/template": (
        "service.whatsapp.templates",
        "service.whatsapp.template_values",
        "service.whatsapp.template_buttons",
    ),
}
"""Modules that only turn values into values, and what each may import besides VALUES."""

VALUES = ("collections", "dataclasses", "datetime", "enum", "hashlib", "hmac", "json", "math", "re", "typing")
"""The part of the standard library that reads no clock, no environment, no file, no socket and throws no dice."""

SEAMS = {"time", "uuid", "random", "secrets", "os.environ", "os.getenv"}
"""Clock, ids, randomness and environment: `wiring` hands them on, and the CLI runs outside the path of a message."""

OWNERS = {
    "argon2": ("service/web/console/people.py", "sandbox/aws_setup.py"),
    "jwt": ("service/web/console/oidc.py",),
    "flask": ("service/web/", "service/wiring/"),
    "gunicorn": ("service/cli/web.py", "service/cli/web_worker.py"),
    "spectree": ("service/web/",),
    "sqlalchemy": ("service/outbox/", "service/wiring/"),
    "alembic": ("service/outbox/",),
    "psycopg": ("service/dispatch/wakeup.py", "service/outbox/silence.py"),
    "aiohttp": ("service/whatsapp/client.py", "service/dispatch/health.py", "sandbox/"),
    "requests": (
        "service/cli/",
        "service/doctor/meta.py",
        "service/whatsapp/catalogue.py",
        "service/whatsapp/account.py",
        "service/web/console/oidc.py",
        "lambda_shim/forward.py",
        "sandbox/demo",
    ),
    "boto3": (
        "service/secrets.py",
        "service/dispatch/publish.py",
        "lambda_shim/forward.py",
        "sandbox/aws_setup.py",
        "sandbox/lambda_host/",
    ),
    "botocore": (
        "service/secrets.py",
        "service/dispatch/publish.py",
        "lambda_shim/forward.py",
        "sandbox/aws_setup.py",
        "sandbox/lambda_host/",
    ),
    "prometheus_client": (
        "service/metrics.py",
        "service/web/health.py",
        "service/web/__init__.py",
        "service/web/server.py",
        "service/dispatch/health.py",
        "service/wiring/",
        "service/cli/dispatcher.py",
        "service/cli/contract.py",
    ),
    "rich": ("service/cli/",),
    "jinja2": ("sandbox/phone/",),
    "mangum": ("lambda_shim/",),
}


def _sources() -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def _imports(name: str) -> Iterator[str]:
    """Everything a file imports, in full: `from a import b` is `a.b`."""
    for node in ast.walk(ast.parse((ROOT / name).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name}: imports say the whole name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_or_is_in(module: str, packages: Iterable[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _within(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name.startswith(prefix) for prefix in prefixes)


@pytest.mark.parametrize("name", _sources())
def test_each_library_has_one_owner(name: str) -> None:
    for module in _imports(name):
        owners = OWNERS.get(module.partition(".")[0])
        assert owners is None or _within(name, owners), f"{name} imports {module}, which belongs to {owners}"


@pytest.mark.parametrize("name", _sources())
def test_service_shim_and_sandbox_do_not_know_each_other(name: str) -> None:
    others = set(PACKAGES) - {name.partition("/")[0]}
    assert not [module for module in _imports(name) if module.partition(".")[0] in others]


@pytest.mark.parametrize("name", [name for name in _sources() if _within(name, tuple(PURE))])
def test_pure_modules_import_only_values(name: str) -> None:
    (more,) = (allowed for prefix, allowed in PURE.items() if name.startswith(prefix))
    assert not [module for module in _imports(name) if not _is_or_is_in(module, (*VALUES, *more))]


@pytest.mark.parametrize("prefix", PURE)
def test_every_pure_module_exists(prefix: str) -> None:
    assert [name for name in _sources() if name.startswith(prefix)]


@pytest.mark.parametrize("name", [name for name in _sources() if name.startswith("service/")])
def test_web_and_dispatch_meet_only_in_the_outbox(name: str) -> None:
    forbidden = {
        "service/web/": ("service.dispatch", "service.whatsapp.client"),
        "service/dispatch/": ("service.web",),
        "service/outbox/": ("service.web", "service.dispatch", "service.whatsapp", "service.intake"),
        "service/intake/": ("service.outbox", "service.web", "service.dispatch", "service.whatsapp"),
        "service/whatsapp/": ("service.outbox", "service.web", "service.dispatch"),
    }
    for folder, modules in forbidden.items():
        if name.startswith(folder):
            assert not [module for module in _imports(name) if _is_or_is_in(module, modules)]


@pytest.mark.parametrize("name", [name for name in _sources() if name.startswith("service/")])
def test_who_shows_findings_is_given_them(name: str) -> None:
    doctors = {module for module in _imports(name) if _is_or_is_in(module, ("service.doctor",))}
    if name.startswith("service/doctor/"):
        others = ("service.web", "service.dispatch", "service.wiring", "service.cli", "service.whatsapp.client")
        assert not [module for module in _imports(name) if _is_or_is_in(module, others)]
    elif not name.startswith("service/wiring/"):
        assert not [module for module in doctors if not _is_or_is_in(module, ("service.doctor.finding",))]


@pytest.mark.parametrize("name", [name for name in _sources() if name.startswith("service/")])
def test_clock_ids_randomness_and_environment_come_from_one_place(name: str) -> None:
    if _within(name, ("service/wiring/", "service/cli/")):
        return
    allowed = {"random.Random"}
    if name == "service/outbox/silence.py":
        allowed.add("time.monotonic")  # how long a connection was idle concerns nobody else
    taken = {module for module in _imports(name) if _is_or_is_in(module, SEAMS)}
    assert taken <= allowed
    text = (ROOT / name).read_text()
    assert not re.search(r"datetime\.(now|today)\(|utcnow\(", text)
    assert "os.environ" not in text or name == "service/config.py"


@pytest.mark.parametrize("name", _sources())
def test_no_drawer_for_everything(name: str) -> None:
    parts = set(name.removesuffix(".py").split("/"))
    assert not parts & {"utils", "helpers", "common", "core", "manager", "models", "services"}

"""The image: what is in it, what is not, and as whom it runs."""

import json

import pytest

from tests.containers.engine import ROOT
from tests.containers.stack import IMAGE, Engine

BASE = "python:3.13-slim"
MOST_MEGABYTES = 150
HARDENED = ("--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]


def _sh(image: Engine, script: str, *options: str) -> str:
    return image.docker("run", *HARDENED, *options, "--entrypoint", "sh", IMAGE, "-c", script)


def test_it_adds_less_than_150_mb_to_its_base(image: Engine) -> None:
    size, base = (int(image.docker("image", "inspect", "--format", "{{.Size}}", name)) for name in (IMAGE, BASE))
    print(f"\nimage {(size - base) / 1e6:.0f} MB over {BASE}")
    assert (size - base) / 1e6 < MOST_MEGABYTES


def test_it_runs_as_nobody_special_on_a_file_system_that_cannot_be_written(image: Engine) -> None:
    assert _sh(image, "id -u; id -g; touch /app/x 2>&1; touch /venv/x 2>&1; touch /tmp/x && echo written") == (
        "10001\n10001\n"
        "touch: cannot touch '/app/x': Read-only file system\n"
        "touch: cannot touch '/venv/x': Read-only file system\n"
        "written"
    )


def test_it_has_no_compiler_no_build_tool_and_no_cache(image: Engine) -> None:
    tools = "for tool in cc gcc g++ make git; do command -v $tool; done; ls -d /venv/bin/pip* /venv/lib/*/*/setuptools"
    caches = "ls -d /root/.cache /app/.cache /tmp/* /var/cache/pip"
    assert _sh(image, f"{{ {tools}; {caches}; }} 2>/dev/null || true", "--user", "0") == ""


def test_every_file_of_the_packages_is_in_it_and_compiled(image: Engine) -> None:
    ours = [path for package in ("service", "lambda_shim", "sandbox") for path in (ROOT / package).rglob("*.*")]
    wanted = {str(path.relative_to(ROOT)) for path in ours if path.is_file() and path.suffix != ".pyc"}
    found = set(_sh(image, "cd /app && find service lambda_shim sandbox -type f").splitlines())
    assert wanted <= found
    sources = {name for name in found if name.endswith(".py")}
    compiled = {name.replace("__pycache__/", "").partition(".cpython")[0] + ".py" for name in found - sources}
    assert sources <= compiled


def test_its_command_chooses_the_piece(image: Engine) -> None:
    pieces = ("web", "dispatcher", "migrate", "doctor", "sandbox", "lambda", "aws-setup")
    shown = _sh(image, "".join(f"entrypoint {piece} --help | head -1 && " for piece in pieces) + "entrypoint --version")
    assert shown.splitlines() == [
        *(f"Usage: whatsapp-channel {piece} [OPTIONS]" for piece in pieces[:4]),
        *(f"Usage: python -m {module} [OPTIONS]" for module in ("sandbox", "sandbox.lambda_host", "sandbox.aws_setup")),
        "whatsapp-channel, version 0.1.0",
    ]


@pytest.mark.parametrize(("piece", "status"), [("dispatcher", "1"), ("web", "1"), ("sandbox", "1"), ("migrate", "0")])
def test_a_piece_that_listens_is_healthy_only_while_it_answers(image: Engine, piece: str, status: str) -> None:
    command = ("sh", IMAGE, "-c", "alive; echo $?", piece)  # the shell is the first process, named like the piece
    assert image.docker("run", *HARDENED, "--entrypoint", *command) == status


def test_its_labels_say_what_it_is(image: Engine) -> None:
    labels = json.loads(image.docker("image", "inspect", "--format", "{{json .Config.Labels}}", IMAGE))
    assert labels["org.opencontainers.image.version"] == "9.9.9"
    assert labels["org.opencontainers.image.title"] == "whatsapp-channel"


def test_no_layer_holds_a_secret_or_what_the_image_does_not_need(image: Engine) -> None:
    names = "-name .git -o -name '.env*' -o -name up.env -o -name 'channel*.db' -o -path '/app/tests'"
    assert _sh(image, f"find / -xdev -path /var/cache/apt -prune -o \\( {names} \\) -print", "--user", "0") == ""
    environment = json.loads(image.docker("image", "inspect", "--format", "{{json .Config.Env}}", IMAGE))
    assert not [one for one in environment if any(word in one for word in ("KEY", "TOKEN", "SECRET", "PASSWORD"))]

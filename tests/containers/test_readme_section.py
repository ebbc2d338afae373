"""The commands of the README's section "In containers", typed as they stand there; only the ports are the test's own."""

import re

import pytest

from tests.containers.engine import ROOT
from tests.containers.stack import Stack
from tests.running import until

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]


def _section() -> str:
    (section,) = re.findall(r"^## In containers\n(.*?)(?=^## )", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)
    return str(section)


def test_the_section_on_containers_does_what_it_says(stack: Stack) -> None:
    commands = re.findall(r"^```shell\n(.*?)^```$", _section(), re.M | re.S)
    (shown,) = re.findall(r"^```console\n(.*?)^```$", _section(), re.M | re.S)
    assert "docker compose up --build -d --wait\n" in commands
    output = stack.type("".join(commands))
    lines = iter(output.splitlines())
    for line in filter("…".__ne__, shown.splitlines()):
        pattern = re.escape(line).replace("…", ".*")
        assert any(re.fullmatch(pattern, candidate) for candidate in lines), (
            f"{line}\nis not, in this order, in\n{output}"
        )
    assert stack.compose("ps", "--all", "--quiet") == "", "the last command has taken everything down"
    stack.up()
    until(lambda: stack.get("/readyz").status_code == 200, "the service to be ready")

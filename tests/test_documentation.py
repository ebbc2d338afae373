"""What the documents say is what the code does."""

import re
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

from service.cli import COMMANDS, cli
from service.config import Settings
from service.intake.rules import ADDRESS_FIELDS
from service.message import MOVES, Status
from service.people import Blocked

ROOT = Path(__file__).parent.parent
_README = (ROOT / "README.md").read_text()
_TEST = re.compile(r"^def (test_\w+)", re.MULTILINE)
_SETTING = r"^\| `([A-Z_]+)` \|"


def _rows(text: str, columns: int) -> list[list[str]]:
    """The cells of every table row with so many columns, heads and rules left out."""
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| ")
    ]
    return [row for row in rows if len(row) == columns and not row[0].startswith("---")]


def settings_table() -> list[str]:
    """The README's table as the code has it."""
    lines = []
    for field in Settings.model_fields.values():
        if field.alias:
            default = (
                "–"
                if field.default is None
                else f"`{field.default:g}`"
                if isinstance(field.default, float)
                else f"`{field.default}`"
            )
            lines.append(f"| `{field.alias}` | {default} | {field.description} |")
    return lines


def test_the_readme_has_every_setting_as_it_is() -> None:
    service, shim = _README.split("The shim has settings of its own")
    assert [line for line in service.splitlines() if re.match(_SETTING, line)] == settings_table()
    read = re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', (ROOT / "lambda_shim/forward.py").read_text())
    assert sorted(re.findall(_SETTING, shim, re.M)) == sorted(set(read))


def test_the_settings_file_of_the_readme_can_be_used() -> None:
    (toml,) = re.findall(r"^```toml\n(.*?)^```$", _README, re.M | re.S)
    settings = Settings.from_environment({"CHANNEL_SETTINGS": toml})
    assert set(tomllib.loads(toml)) == {"numbers", "messages", "connect", "consent"}
    assert settings.numbers
    assert settings.messages
    assert settings.connect.address_fields != ADDRESS_FIELDS
    assert settings.consent.stop_blocks is Blocked.MARKETING


def test_each_move_is_drawn_once_and_by_a_function_that_exists() -> None:
    drawn: dict[Status, set[Status]] = {status: set() for status in Status}
    for origin, targets, by, _when in _rows((ROOT / "docs/states.md").read_text(), 4)[1:]:
        drawn[Status(origin)] |= {Status(target) for target in targets.split(", ")}
        if by != "–":
            module, _, name = by.strip("`").partition(".")
            assert callable(getattr(import_module(f"service.outbox.{module}"), name))
    assert drawn == {status: set(targets) for status, targets in MOVES.items()}


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(cli, [command, "--help"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 4
    assert r"\b" not in result.output, "click wants the character, not the letters"


def test_the_commands_of_the_readme_exist() -> None:
    named = set(re.findall(r"whatsapp-channel ([a-z]+)", _README))
    assert named <= set(COMMANDS)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", _README, re.M)) <= targets


def test_the_page_of_the_calls_is_what_the_contract_says() -> None:
    written = CliRunner().invoke(cli, ["openapi", "--markdown"])
    assert written.exit_code == 0
    assert (ROOT / "docs/api.md").read_text() == written.output, "make docs writes it anew"


def test_the_page_of_the_errors_is_the_table() -> None:
    written = CliRunner().invoke(cli, ["errors", "--markdown"])
    assert written.exit_code == 0
    assert (ROOT / "docs/errors.md").read_text() == written.output, "make docs writes it anew"


def test_the_page_of_the_threats_names_what_exists() -> None:
    page = (ROOT / "docs/threats.md").read_text()
    tests = {name for path in (ROOT / "tests").rglob("test_*.py") for name in _TEST.findall(path.read_text())}
    named = set(re.findall(r"`(test_\w+)`", page))
    assert named
    assert named <= tests
    for path, name in re.findall(r"`((?:service|lambda_shim)/[\w/]+\.py)(?::(\w+))?`", page):
        assert re.search(rf"^\s*(?:def|class) {name}\b|^{name}\b", (ROOT / path).read_text(), re.MULTILINE) or not name
    rows = _rows(page, 5)[1:]
    assert len(rows) > 10
    assert all("`test_" in shown for *_, shown, _remains in rows)


def test_make_lists_its_commands() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M):
        assert f"make {target} " in listed


def test_no_lock_file_names_an_address() -> None:
    for path in ROOT.glob("requirements*.txt"):
        assert "://" not in path.read_text()

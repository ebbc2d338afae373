"""docs/operations.md and docs/cut-over.md name nothing that is not there: commands, options, settings, parameters, links.

The commands are those of the sh blocks and of the inline code. AWS's are looked up in the AWS CLI's own tables, none is run.
"""

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from typing import Any

import click
import pytest

from service.cli import cli
from service.config import Settings
from tests.deploy.stack import TEMPLATE
from tests.test_documentation import ROOT

DOCUMENTS = ("docs/operations.md", "docs/cut-over.md")
GLOBAL_OPTIONS = {"--query", "--output"}
_NAME = r"[A-Z]+(?:_[A-Z]+)+"


@dataclass(frozen=True, slots=True)
class Document:
    """One of the two, by its path in the repository."""

    path: str

    @property
    def text(self) -> str:
        return (ROOT / self.path).read_text("utf-8")

    @property
    def blocks(self) -> list[str]:
        """What is in the sh blocks, continued lines joined."""
        found = re.findall(r"^( *)```sh\n(.*?)^\1```$", self.text, re.M | re.S)
        return [dedent(content).replace("\\\n", " ") for _, content in found]

    @property
    def spans(self) -> list[str]:
        """Inline code."""
        prose = re.sub(r"^( *)```.*?^\1```$", "", self.text, flags=re.M | re.S)
        return re.findall(r"`([^`\n]+)`", prose)

    def commands(self, program: str) -> Iterator[list[str]]:
        """The words after the program's name, wherever it is typed."""
        for text in (*self.blocks, *self.spans):
            for rest in re.findall(rf"(?<![\w/-]){program} +([a-z].*)", text):
                yield _words(rest)


ALL = [Document(path) for path in DOCUMENTS]


def _words(rest: str) -> list[str]:
    """The words of one simple command, without what the shell keeps for itself; `$(…)` counts as a word."""
    plain = re.sub(r"\$\(\((?:[^()]|\([^()]*\)|\((?:[^()]|\([^()]*\))*\))*\)\)|\$\([^()]*\)", "SUBSTITUTED", rest)
    lexer = shlex.shlex(plain, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    words = []
    for word in lexer:
        if set(word) <= set("();<>|&"):
            break
        words.append(word)
    return words


def _named(program: str) -> list[list[str]]:
    return [words for document in ALL for words in document.commands(program)]


OURS = _named("whatsapp-channel")
AWS = _named("aws")


def test_there_is_something_to_look_at() -> None:
    assert len(OURS) > 40
    assert len(AWS) > 40
    assert ["decide", "0192e4a87c3b7d1e9f00a1b2c3d4e5f6", "sent"] in OURS
    assert ["cancel", "--yes"] in OURS, "what the shell adds is cut off"


def test_each_command_parses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for words in OURS:
        for word in words:
            if word.endswith((".csv", ".json")):
                Path(word).touch()
        try:
            _parse(words)
        except click.UsageError as error:
            pytest.fail(f"whatsapp-channel {shlex.join(words)}: {error.format_message()}")


def _parse(words: list[str]) -> None:
    """Read the words as click would, without doing anything; raise UsageError."""
    command: click.Command = cli
    context = click.Context(cli, info_name="whatsapp-channel")
    rest = list(words)
    while isinstance(command, click.Group):
        name = rest.pop(0) if rest else ""
        found = command.get_command(context, name)
        if found is None:
            raise click.UsageError(f"there is no command {name!r}")
        command = found
        context = click.Context(command, parent=context, info_name=name)
    command.make_context(command.name, rest, parent=context.parent)


def test_a_command_that_does_not_exist_would_be_found() -> None:
    for words in (["replays"], ["replay", "--campaigns", "x"], ["suppressions", "export"], ["decide", "id", "maybe"]):
        with pytest.raises(click.UsageError):
            _parse(words)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_each_call_of_aws_is_one_that_its_cli_knows() -> None:
    top = _below(import_module("awscli.clidriver").create_clidriver())
    assert [complaint for words in AWS if (complaint := _complaint_of_aws(top, words))] == []
    assert _complaint_of_aws(top, ["ecs", "wait", "tasks-stopped", "--clusters", "x"]) is not None
    assert _complaint_of_aws(top, ["sqs", "redrive"]) is not None


def _complaint_of_aws(top: Mapping[str, Any], words: list[str]) -> str | None:
    """What the CLI does not know of these words; options are not read any further than their names."""
    table, rest, command = top, list(words), None
    while rest and table and not rest[0].startswith("--"):
        name = rest.pop(0)
        if name not in table:
            return f"aws {shlex.join(words)}: no {name}"
        command = table[name]
        table = _below(command)
    known = {f"--{name}" for name in command.arg_table} | GLOBAL_OPTIONS if command else set()
    unknown = {word for word in rest if re.fullmatch(r"--[a-z0-9-]+", word)} - known
    return f"aws {shlex.join(words)}: no {sorted(unknown)}" if unknown else None


def _below(command: Any) -> Mapping[str, Any]:
    """The commands below one of the CLI's own."""
    made: Callable[[], Mapping[str, Any]] | None = getattr(command, "_get_command_table", None)
    return made() if made else dict(getattr(command, "subcommand_table", {}))


@pytest.mark.parametrize("document", ALL, ids=DOCUMENTS)
def test_each_block_is_good_shell(document: Document) -> None:
    for block in document.blocks:
        checked = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True, check=False)
        assert checked.returncode == 0, f"{checked.stderr}{block}"


@pytest.mark.parametrize("document", ALL, ids=DOCUMENTS)
def test_each_make_target_exists(document: Document) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    assert {words[0] for words in document.commands("make")} <= targets


@pytest.mark.parametrize("document", ALL, ids=DOCUMENTS)
def test_each_setting_exists(document: Document) -> None:
    settings = {field.alias for field in Settings.model_fields.values() if field.alias}
    readers = (ROOT / "lambda_shim/forward.py", *(ROOT / "service/cli").glob("*.py"))
    settings |= {name for path in readers for name in re.findall(rf'"({_NAME})"', path.read_text("utf-8"))}
    named = {name for span in document.spans for name in re.findall(rf"^({_NAME})(?:=.*)?$", span)}
    named |= {name for block in document.blocks for name in re.findall(rf"\bexport ({_NAME})=", block)}
    assert {name for name in named if not name.startswith("AWS_")} <= settings


@pytest.mark.parametrize("document", ALL, ids=DOCUMENTS)
def test_each_parameter_and_output_is_in_the_template(document: Document) -> None:
    given = {
        word.partition("=")[0]
        for words in document.commands("aws")
        if words[:2] == ["cloudformation", "deploy"]
        for word in words[words.index("--parameter-overrides") + 1 :]
    }
    given |= {name for span in document.spans for name in re.findall(r"^([A-Z][a-z]+(?:[A-Z][a-z]*)+)=", span)}
    assert given
    assert given <= TEMPLATE["Parameters"].keys()
    outputs = {name for text in (*document.blocks, *document.spans) for name in re.findall(r"\bout ([A-Z]\w+)", text)}
    assert outputs
    assert outputs <= TEMPLATE["Outputs"].keys()


def _anchors(text: str) -> set[str]:
    """Where a link into a page may go, as GitHub names its headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", ALL, ids=DOCUMENTS)
def test_each_link_and_each_file_that_is_named_exists(document: Document) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.text):
        path, _, anchor = target.partition("#")
        page = (ROOT / document.path).parent / path if path else ROOT / document.path
        assert page.exists(), target
        assert not anchor or anchor in _anchors(page.read_text("utf-8")), target
    named = {span for span in document.spans if re.fullmatch(r"(?:docs|deploy|tests|service)/[\w./-]+", span)}
    assert [path for path in named if not (ROOT / path).exists()] == []

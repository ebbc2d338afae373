"""The command as its user runs it: a process, an exit status, a sentence."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SAMPLES
from tests.running import running

KEYS = {"SIGNING_KEYS": "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ=", "API_KEYS": f"ops:read:{'0' * 64}"}


def _run(*arguments: str, folder: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = {**clean, "DATABASE_URL": f"sqlite:///{folder}/channel.db", **settings}
    command = [sys.executable, "-m", "service", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("command", ["web", "dispatcher", "doctor", "migrate"])
def test_a_bad_setting_is_one_sentence_and_exit_1(tmp_path: Path, command: str) -> None:
    result = _run(command, folder=tmp_path, PORT="eighty")
    assert result.returncode == 1
    assert result.stderr.startswith("PORT: ")
    assert "Traceback" not in result.stderr


def test_wrong_usage_is_exit_2(tmp_path: Path) -> None:
    assert _run("message", folder=tmp_path).returncode == 2


def test_a_database_of_another_kind_is_refused(tmp_path: Path) -> None:
    result = _run("migrate", folder=tmp_path, DATABASE_URL="mysql://root@127.0.0.1/x")
    assert result.returncode == 1
    assert result.stderr.startswith("DATABASE_URL: ")


def test_a_taken_port_is_said_and_nothing_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = _run("up", folder=tmp_path, PORT=str(taken.getsockname()[1]))
    assert result.returncode == 1
    assert re.match(r"port \d+ is taken .*; stop what listens there .*, or choose another with PORT", result.stderr)


def test_a_new_key_is_shown_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    result = _run("keys", "new", "billing", "--scopes", "read", folder=tmp_path)
    key, entry = (line.rpartition(" ")[2] for line in result.stdout.splitlines())
    assert key.startswith("wck_")
    assert re.fullmatch(r"billing:read:[0-9a-f]{64}", entry)
    assert _run("keys", "new", "billing", "--scopes", "fly", folder=tmp_path).returncode == 1


def test_an_event_is_handed_over_and_its_message_can_be_followed(database_url: str, tmp_path: Path) -> None:
    with running(database_url, tmp_path) as system:
        system.start_sandbox()
        system.start_web()
        system.start_dispatcher()
        shown = _run("event", str(SAMPLES / "pinpoint_campaign_fifty.json"), folder=tmp_path, **system.settings)
        assert "46 accepted, 0 duplicates, 4 rejected" in shown.stdout
        assert "ep013                    rejected   opted_out: " in shown.stdout
        system.until(lambda: system.counts() == {"read": 46}, "46 messages to be read")

        message_id = shown.stdout.split()[2]
        timeline = _run("message", message_id, folder=tmp_path, **system.settings).stdout
        assert timeline.startswith(f"{message_id}  read since ")
        assert "+86••••••••000 (ep000), template ordertimeoutnotification en_US" in timeline
        assert [line.split()[0] for line in timeline.splitlines()[-3:]] == ["sent", "delivered", "read"]

        wrong = _run(
            "event", str(SAMPLES / "pinpoint_campaign_article.json"), folder=tmp_path, **{**system.settings, **KEYS}
        )
        assert wrong.returncode == 1
        assert "SIGNING_KEYS here and there must share a key" in wrong.stderr
        refused = _run("event", str(SAMPLES / "pinpoint_console_without_data.json"), folder=tmp_path, **system.settings)
        assert refused.returncode == 1
        assert "422" in refused.stderr
        assert "Data" in refused.stderr


def test_an_event_of_connect_is_handed_to_its_own_call(database_url: str, tmp_path: Path) -> None:
    named = '[messages.ordertimeoutnotification]\ntemplate = "ordertimeoutnotification"'
    with running(database_url, tmp_path, CHANNEL_SETTINGS=named) as system:
        system.start_web()
        shown = _run("event", str(SAMPLES / "connect_journey_action.json"), folder=tmp_path, **system.settings)
        assert "a1b2c3d4e5f60718293a4b5c6d7e8f90 accepted " in shown.stdout
        assert "1 accepted, 0 duplicates, 1 rejected" in shown.stdout
        (tmp_path / "half.json").write_text('{"Items": {}}')
        refused = _run("event", str(tmp_path / "half.json"), folder=tmp_path, **system.settings)
        assert (refused.returncode, "InvocationMetadata.CampaignContext.ActionId" in refused.stderr) == (1, True)


def test_an_unknown_message_is_one_sentence(tmp_path: Path) -> None:
    _run("migrate", folder=tmp_path)
    result = _run("message", "nope", folder=tmp_path)
    assert (result.returncode, result.stderr.strip()) == (1, "no message nope; ids are in the answer to its event")

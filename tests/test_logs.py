"""A log line is one line and ours, and no library writes down what it should not."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
from boto3.session import Session
from moto.server import ThreadedMotoServer

from service.logs import OneLine

REGION = "eu-central-1"
CANARY = "EAAGcanaryOfTheSecret"
AWS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_EC2_METADATA_DISABLED": "true"}
READING = """
import logging, sys
from service.logs import set_up_logging
from service.secrets import SecretsManager
set_up_logging(sys.argv[1])
assert SecretsManager(endpoint_url=sys.argv[2]).credentials(sys.argv[3]).token == sys.argv[4]
logging.getLogger("service.secrets").debug("read")
logging.getLogger("botocore").info("said")
"""


def written(text: str, *facts: object) -> str:
    return OneLine("%(message)s").format(logging.LogRecord("x", logging.INFO, "x", 1, text, facts, None))


@pytest.mark.parametrize("ending", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1b[2K", "\x85", "\u2028", "\u2029", "\0"])
def test_nobody_writes_a_line_of_his_own(ending: str) -> None:
    line = written("paused key=%s", f"campaign{ending}2026-11-01 ERROR service paused key=another")
    assert len(line.splitlines()) == 1
    assert line.isprintable()


def test_other_people_s_letters_stay_as_they_are() -> None:
    assert written("paused key=%s", "夏季促销 été") == "paused key=夏季促销 été"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.mark.parametrize(
    ("level", "own", "theirs"), [("DEBUG", True, True), ("INFO", False, True), ("WARNING", False, False)]
)
def test_a_secret_is_read_without_a_word_of_it_at_any_level(endpoint: str, level: str, own: bool, theirs: bool) -> None:
    session = Session("testing", "testing", region_name=REGION)
    with closing(session.client("secretsmanager", endpoint_url=endpoint)) as aws:
        arn = aws.create_secret(Name=f"whatsapp-{level}", SecretString=json.dumps({"FB_APP_TOKEN": CANARY}))["ARN"]
    command = [sys.executable, "-c", READING, level, endpoint, arn, CANARY]
    told = subprocess.run(command, env={**os.environ, **AWS}, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert CANARY not in told.stdout + told.stderr
    assert ("service.secrets read" in told.stderr, "botocore said" in told.stderr) == (own, theirs)

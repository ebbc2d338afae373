"""The access token is replaced in mid-campaign: nothing fails, nothing is sent twice, and sending goes on by itself (G7)."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.crash import judging
from tests.lambda_shim.account import Aws
from tests.running import System, running

EVENTS, SIZE = 20, 50
TOTAL = EVENTS * SIZE
OLD, NEW = "the-token-of-last-year", "the-token-of-this-year"
BETWEEN_SECONDS = 3
RECHECK_SECONDS = 60.0
"""How often a dispatcher looks at the secret whose token was refused."""

pytestmark = pytest.mark.proof


def secret(token: str) -> str:
    document = {"FB_APP_TOKEN": token, "FB_APP_SECRET": "sandbox-app-secret", "WEBHOOK_VERIFY_TOKEN": "a-word"}
    return json.dumps(document)


def at_meta_first(replace_at_meta: Callable[[], None], change_the_secret: Callable[[], None], system: System) -> None:
    replace_at_meta()
    _let_pass(system, BETWEEN_SECONDS)
    change_the_secret()


def in_the_secret_first(
    replace_at_meta: Callable[[], None], change_the_secret: Callable[[], None], system: System
) -> None:
    change_the_secret()
    _let_pass(system, BETWEEN_SECONDS)
    replace_at_meta()


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("rotate", "longest_pause"), [(at_meta_first, BETWEEN_SECONDS + RECHECK_SECONDS + 2), (in_the_secret_first, 2.0)]
)
def test_a_new_token_costs_no_message(
    rotate: Callable[..., None],
    longest_pause: float,
    database_url: str,
    tmp_path: Path,
    sample: dict[str, Any],
    aws: Aws,
) -> None:
    """1,000 messages; a request takes 50 ms, so some are in flight with the old token whenever it is replaced."""
    arn = aws.new_secret(secret(OLD))
    own = {"FB_APP_TOKEN": "", "FB_APP_SECRET": "", "WEBHOOK_VERIFY_TOKEN": ""}
    settings = {**aws.environment, **own, "FB_SECRET_ARN": arn, "MESSAGES_PER_SECOND": "100", "LOG_LEVEL": "INFO"}
    with running(database_url, tmp_path, **settings) as system:
        system.start_sandbox("--token", OLD, "--answer-after", "0.05")
        system.start_web()
        system.post_campaign(sample, range(EVENTS), SIZE)
        system.start_dispatcher()
        system.until(lambda: system.accepted() > TOTAL // 4, "a quarter of the campaign to be sent")
        rotate(lambda: system.accept_only(NEW), lambda: aws.change_secret(arn, secret(NEW)), system)
        system.until_counts({"read": TOTAL}, seconds=150)

        sent = judging.read(system.journal())
        pause = judging.longest(judging.gaps([one.at for one in sent]))
        refused = system.log("dispatcher").count("outcome=unauthorised")
        print(
            f"\n{rotate.__name__}: messages {TOTAL}, refused requests {refused}, failed 0, "
            f"twice {len(judging.sent_twice(sent))}; sending paused {pause:.1f} s"
        )
        assert refused > 0, "this run proved nothing: no request carried the old token"
        assert judging.sent_twice(sent) == []
        assert len({one.to for one in sent}) == TOTAL
        assert pause < longest_pause


def _let_pass(system: System, seconds: float) -> None:
    since = time.monotonic()
    system.until(lambda: time.monotonic() - since > seconds, f"{seconds:.0f} s to pass")

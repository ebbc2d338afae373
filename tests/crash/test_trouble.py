"""One dispatcher, three numbers: for one the Cloud API hangs, for one the token is refused. The third goes on as if alone.

`TROUBLE_SECONDS` (15) is how long the third needs for its campaign at its paced rate.
"""

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.crash import judging
from tests.lambda_shim.account import Aws
from tests.running import NUMBER, System, running

SECONDS = float(os.environ.get("TROUBLE_SECONDS", "15"))
LIMIT, SHARE = 60, 0.9
HANGS, REFUSED = "222222222222222", "333333333333333"
SIZE = 50
EVENTS = math.ceil(SECONDS * LIMIT * SHARE / SIZE)
TOTAL = EVENTS * SIZE

pytestmark = pytest.mark.proof


@pytest.mark.timeout(180 + 3 * SECONDS)
def test_one_numbers_trouble_slows_no_other(
    database_url: str, tmp_path: Path, sample: dict[str, Any], aws: Aws
) -> None:
    arn = aws.new_secret(json.dumps({"FB_APP_TOKEN": "withdrawn"}))
    numbers = f'[numbers.{HANGS}]\n[numbers.{REFUSED}]\nsecret_arn = "{arn}"\n'
    settings = {**aws.environment, "CHANNEL_SETTINGS": numbers, "MESSAGES_PER_SECOND": str(LIMIT)}
    with running(database_url, tmp_path, **settings, RATE_SHARE=str(SHARE)) as system:
        system.start_sandbox()
        system.start_web()
        system.fault(kind="hang", accepted=False, phone_number_id=HANGS)
        for place, number in enumerate([HANGS, REFUSED, NUMBER]):
            system.post_campaign(sample, range(place * 1000, place * 1000 + EVENTS), SIZE, phoneNumberId=number)
        system.start_dispatcher()
        finish = SECONDS / 0.5 + 20
        system.until(lambda: system.accepted() >= TOTAL, "the number without trouble to send its campaign", finish)

        sent = judging.read(system.journal())
        at = judging.moments(sent, NUMBER)
        used = judging.rate(at) / (LIMIT * SHARE)
        hanging, refused = _waiting(system, HANGS), system.log("dispatcher").count("outcome=unauthorised")
        print(
            f"\nbeside {hanging} requests that hang and {refused} refused: {TOTAL} messages at {used:.0%} of the paced rate, "
            f"longest gap {judging.longest(judging.gaps(at)):.2f} s"
        )
        system.kill("dispatcher")  # which would wait for what hangs
        assert hanging >= LIMIT // 2, "this run proved nothing: nothing hung"
        assert refused > 0, "this run proved nothing: no token was refused"
        assert f"paused scope=token key={arn} reason=refused" in system.log("dispatcher")
        assert {one.phone_number_id for one in sent} == {NUMBER}
        assert judging.sent_twice(sent) == []
        assert used >= 0.85


def _waiting(system: System, phone_number_id: str) -> int:
    """How many requests of this number are out."""
    query = text("SELECT count(*) FROM messages WHERE phone_number_id = :number AND status = 'sending'")
    with system.engine.connect() as connection:
        return int(connection.execute(query, {"number": phone_number_id}).scalar_one())

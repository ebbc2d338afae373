"""What comes out of the parking queue late, and more than once: the shim and the service for real."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

from lambda_shim.forward import Forwarder
from lambda_shim.handler import handler
from tests.conftest import SAMPLES
from tests.running import running

HOUR_MS = 3_600_000


def _record(event: dict[str, Any], event_id: str) -> dict[str, Any]:
    """As Lambda gets it from the queue's trigger."""
    attribute = {"stringValue": event_id, "dataType": "String", "stringListValues": [], "binaryListValues": []}
    return {
        "messageId": f"m-{event_id}",
        "body": json.dumps(event),
        "attributes": {"SentTimestamp": "1791486000000", "ApproximateReceiveCount": "3"},
        "messageAttributes": {"webhook-id": attribute},
        "eventSource": "aws:sqs",
    }


def test_a_journey_parked_beyond_the_window_and_delivered_three_times_is_one_message(
    database_url: str, tmp_path: Path
) -> None:
    """Received an hour ago, with a window of fifteen minutes: its key has long expired, its delivery is still known."""
    event = json.loads((SAMPLES / "pinpoint_journey.json").read_text())
    record = _record(event, f"evt_{time.time_ns() // 1_000_000 - HOUR_MS}_8f5b7f1e")
    with running(database_url, tmp_path) as system:
        system.start_web()
        forwarder = Forwarder(system.shim_settings)
        for records in ([record], [record], [record, record]):
            assert handler({"Records": records}, None, forwarder) == {"batchItemFailures": []}
        assert system.counts() == {"queued": 1}


def test_one_bad_record_holds_up_no_other(migrated: Path, tmp_path: Path) -> None:
    event = json.loads((SAMPLES / "pinpoint_campaign_article.json").read_text())
    good, refused = _record(event, "evt_1_good"), _record({"Data": ""}, "evt_2_refused")
    broken = _record(event, "evt_3_broken") | {"body": "{"}
    with running(f"sqlite:///{shutil.copy(migrated, tmp_path)}", tmp_path) as system:
        system.start_web()
        answer = handler({"Records": [broken, refused, good]}, None, Forwarder(system.shim_settings))
        assert answer == {"batchItemFailures": [{"itemIdentifier": "m-evt_3_broken"}]}
        assert system.counts() == {"queued": 1}

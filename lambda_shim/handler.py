"""What Lambda calls, in both functions: `lambda_shim.handler.handler`."""

import asyncio
import base64
import gzip
import json
from typing import Any

from mangum import Mangum
from mangum.protocols import HTTPCycle

from lambda_shim.adapters import ConnectEvent, NotTaken, PinpointEvent, Refused, look_up, read_results
from lambda_shim.forward import Forwarder, log_invocation

KINDS: list[Any] = [ConnectEvent, PinpointEvent]
SHAPES = "a Pinpoint event (Endpoints, Data), a Connect custom action (Items), parked events (Records), or HTTP"
FORWARDER = Forwarder()  # one per process: its connection outlives the invocation


def handler(event: Any, context: Any, forwarder: Forwarder = FORWARDER) -> dict[str, Any]:
    """Hand the event to the service; return what its sender expects, or raise Refused or NotTaken (see adapters)."""
    if (records := look_up(event, "Records", [])) and all(look_up(record, "messageId", "") for record in records):
        return _from_queue(records, context, forwarder)
    with asyncio.Runner():  # Mangum runs the app in the thread's current loop, which a thread or Python 3.14 has not
        mangum = Mangum(forwarder, lifespan="off", custom_handlers=KINDS, text_mime_types=["text/", "application/"])
        try:
            adapter = mangum.infer(event, context)
            request = HTTPCycle(adapter.scope, adapter.body)
        except Exception:  # noqa: BLE001 - whatever Mangum stumbles over; nothing was sent
            log_invocation(error="unknown shape")
            raise Refused(f"The event has no known shape. This function takes {SHAPES}.") from None
        return adapter(request(forwarder))


def _from_queue(records: list[Any], context: Any, forwarder: Forwarder) -> dict[str, Any]:
    """Parked events one by one; what is to come again stays in the queue and is not parked anew."""
    failed, refused = {}, 0
    for record in records:
        try:
            facts = {name: look_up(given, "stringValue", "") for name, given in record["messageAttributes"].items()}
            body = gzip.decompress(base64.b64decode(record["body"])) if "content-encoding" in facts else record["body"]
            parked = json.loads(body)
            kind = next(kind for kind in KINDS if kind.infer(parked, context, None))
            event = kind(parked, context, None, facts.get("webhook-id") or f"evt_{record['messageId']}")
            read_results(forwarder.post(event.scope, event.body), len(event.recipients))
        except Refused:
            refused += 1  # the service has kept it and says why
        except Exception as error:  # noqa: BLE001 - one bad record never holds up the others
            failed[record["messageId"]] = str(error) if isinstance(error, NotTaken) else type(error).__name__
    log_invocation(records=len(records), refused=refused, failed=failed)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}

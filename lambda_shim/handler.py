"""What Lambda calls: `lambda_shim.handler.handler`."""

import asyncio
from typing import Any

from mangum import Mangum
from mangum.types import ASGI

from lambda_shim.adapters import PinpointEvent, Refused, log_invocation
from lambda_shim.forward import Forwarder

KNOWN_SHAPES = "a Pinpoint campaign or journey event (ApplicationId, CampaignId or JourneyId, Data, Endpoints)"
FORWARDER = Forwarder()  # one per process: its connection outlives the invocation


def handler(event: Any, context: Any, forwarder: ASGI = FORWARDER) -> dict[str, Any]:
    """Hand the event to the service; return what its sender expects, or raise Refused or NotTaken (see adapters)."""
    if not PinpointEvent.infer(event, context, None):
        log_invocation(error="unknown shape")
        raise Refused(f"The event has no known shape. This function takes {KNOWN_SHAPES}.")
    with asyncio.Runner() as runner:
        runner.get_loop()  # Mangum runs the app in the thread's current loop, which a thread or Python 3.14 has not
        return Mangum(forwarder, lifespan="off", custom_handlers=[PinpointEvent])(event, context)

"""What is said and counted of each attempt."""

import logging

from service import metrics
from service.message import Settlement
from service.whatsapp.errors import UNKNOWN, verdict_on

log = logging.getLogger(__name__)


def tell(settlement: Settlement, seconds: float) -> None:
    """One line and one count per attempt: every fact and no content."""
    log.info(
        "message.attempted message_id=%s attempt=%d outcome=%s status=%s http_status=%s code=%s duration_ms=%s next_at=%s",
        settlement.message_id,
        settlement.attempt,
        settlement.outcome,
        settlement.status,
        settlement.http_status,
        settlement.code,
        settlement.duration_ms,
        settlement.due_at.isoformat() if settlement.due_at else None,
    )
    known = settlement.code is None or verdict_on(settlement.code) is not UNKNOWN
    metrics.ATTEMPTS.labels(settlement.outcome.value, settlement.code if known else "unknown").inc()
    metrics.ATTEMPT_SECONDS.observe(seconds)
    if not known:
        metrics.UNKNOWN_CODES.labels(settlement.code).inc()

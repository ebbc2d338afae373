"""What all calls that bring messages share: reading the body, counting what came, answering with a receipt."""

import json
from collections import Counter
from collections.abc import Sequence

from flask import Response

from service import metrics
from service.message import Fault, ParsedEvent, Rejection
from service.outbox.outbox import Receipt
from service.web.problems import CONTENT_TYPE


class NotJson(ValueError):
    """The body is not JSON; the sentence says why, and quotes nothing of it."""


def read_json(body: bytes) -> object:
    """The document in a body; raise NotJson."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise NotJson(f"the body is not JSON: {reason}") from error


def in_words(faults: Sequence[Fault]) -> str:
    """All faults in one sentence, for the detail of a problem."""
    return "; ".join(f"{fault.path or 'body'}: {fault.detail}" for fault in faults)


def count(parsed: ParsedEvent, receipt: Receipt) -> None:
    """Count the results of an event that was not known before."""
    codes = Counter(item.code for item in parsed.results if isinstance(item, Rejection))
    codes["suppressed"] += receipt.suppressed
    duplicates = len(parsed.results) - codes.total() - receipt.queued
    for result, number in (("accepted", receipt.queued), ("duplicate", duplicates), ("rejected", codes.total())):
        metrics.RECIPIENTS.labels(parsed.event.source, result).inc(number)
    for code, number in codes.items():
        metrics.REJECTIONS.labels(code).inc(number)


def answered(receipt: Receipt) -> Response:
    """The stored answer; a header tells where it was given before."""
    content_type = "application/json" if receipt.http_status == 202 else CONTENT_TYPE
    answer = Response(receipt.answer, receipt.http_status, content_type=content_type)
    if receipt.replayed:
        answer.headers["Idempotent-Replayed"] = "true"
    return answer

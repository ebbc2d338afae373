"""Every Prometheus name. Counters are counted where the thing happens; gauges of the queue are read at each scrape."""

from collections.abc import Callable, Iterable

from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.outbox.report import QueueFacts

EVENTS = Counter("channel_events_total", "Events received, by source and HTTP status.", ["source", "http_status"])
RECIPIENTS = Counter("channel_recipients_total", "Recipients of events, by source and result.", ["source", "result"])
REJECTIONS = Counter("channel_rejections_total", "Rejected recipients, by code.", ["code"])
UNVERIFIED = Counter(
    "channel_unverified_calls_total", "Calls with a missing, wrong or stale signature or key.", ["call"]
)
STATUSES = Counter(
    "channel_statuses_total", "Status updates from Meta: new, known, unmatched, ignored, unreadable.", ["kind"]
)
LATE_FAILURES = Counter(
    "channel_late_failures_total", "Messages that failed after they were accepted, by code.", ["code"]
)

ATTEMPTS = Counter("channel_attempts_total", "HTTP calls to the Cloud API, by outcome and code.", ["outcome", "code"])
ATTEMPT_SECONDS = Histogram(
    "channel_attempt_seconds",
    "How long the Cloud API took to answer.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
UNKNOWN_CODES = Counter("channel_unknown_codes_total", "Answers with a code that the table does not have.", ["code"])
RESCUED = Counter("channel_rescued_total", "Messages in doubt after a dispatcher was lost.")
RESENT = Counter("channel_resent_on_evidence_total", "Unanswered messages queued again because Meta never took them.")
EXPIRED = Counter("channel_expired_total", "Messages that waited past their time to live.")
PAUSED = Counter("channel_pauses_total", "Pauses of a phone number, by reason.", ["reason"])


class QueueCollector(Collector):
    """What waits, per number and status, and for how long the oldest has."""

    def __init__(self, queues: Callable[[], list[QueueFacts]], now: Callable[[], float]) -> None:
        self._queues = queues
        self._now = now

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering it asks no database."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Read the store; a scrape fails where the store is down, which is itself the alarm."""
        labels = ["phone_number_id", "status"]
        waiting = GaugeMetricFamily("channel_messages_waiting", "Messages that are not finished.", labels=labels)
        oldest = GaugeMetricFamily("channel_oldest_waiting_seconds", "Age of the oldest of them.", labels=labels)
        for queue in self._queues():
            labelled = [queue.phone_number_id, queue.status]
            waiting.add_metric(labelled, queue.count)
            oldest.add_metric(labelled, max(0.0, self._now() - queue.oldest_due_at.timestamp()))
        return [waiting, oldest]

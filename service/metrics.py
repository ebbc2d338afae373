"""Every Prometheus name. Counters are counted where the thing happens; gauges of the queue are read at each scrape."""

from collections.abc import Callable, Iterable
from datetime import datetime
from logging import Logger

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.message import Pause
from service.outbox.report import Report

EVENTS = Counter("channel_events_total", "Events received, by source and HTTP status.", ["source", "http_status"])
RECIPIENTS = Counter("channel_recipients_total", "Recipients of events, by source and result.", ["source", "result"])
REJECTIONS = Counter("channel_rejections_total", "Rejected recipients, by code.", ["code"])
UNVERIFIED = Counter(
    "channel_unverified_calls_total", "Calls with a missing, wrong or stale signature, key or password.", ["call"]
)
STATUSES = Counter(
    "channel_statuses_total",
    "News from Meta: status updates that are new, known or unmatched, inbound and preference from people, ignored, unreadable.",
    ["kind"],
)
WISHES = Counter(
    "channel_wishes_total", "What people asked for: stop or start messages, by where they said it.", ["source", "wish"]
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
ERASED = Counter(
    "channel_erased_total", "What was erased once it was old enough: messages, events, replies, people.", ["what"]
)
PAUSED = Counter("channel_pauses_total", "Pauses that were made, by scope and reason.", ["scope", "reason"])
CATALOGUE_READS = Counter(
    "channel_catalogue_reads_total", "Times that an account's templates were read from Meta: read, failed.", ["result"]
)
OUTCOMES_PUBLISHED = Counter("channel_outcomes_published_total", "Outcomes that the event bus has taken.")
OUTCOMES_FAILED = Counter(
    "channel_outcomes_failed_total", "Outcomes that the event bus did not take and that wait, by AWS's code.", ["code"]
)
SLOWED = Counter(
    "channel_slowed_total",
    "Times that a phone number was slowed: Meta said that its rate is too high, or answered nothing any more.",
    ["phone_number_id"],
)
TOKENS_UNUSED = Counter(
    "channel_tokens_unused_total",
    "Messages that a phone number's pace allowed, that waited, and that were not sent in time: something here is too slow.",
    ["phone_number_id"],
)
RATE = Gauge(
    "channel_rate_per_second",
    "Messages a second that a phone number is paced at by the dispatcher that serves it.",
    ["phone_number_id"],
)


def count_pause(pause: Pause, log: Logger) -> None:
    """A pause was made: one line for the operator, and one more."""
    until = pause.until.isoformat() if pause.until else None
    facts = pause.scope, pause.key, pause.reason, until, pause.detail
    log.error("paused scope=%s key=%s reason=%s until=%s detail=%s", *facts)
    PAUSED.labels(pause.scope.value, pause.reason.value).inc()


class StoreCollector(Collector):
    """What the store tells at each scrape: what waits, what is paused, how much of the daily limits is used."""

    def __init__(self, report: Report, now: Callable[[], datetime]) -> None:
        self._report = report
        self._now = now

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering it asks no database."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Read the store; a scrape fails where the store is down, which is itself the alarm."""
        now = self._now()
        labels = ["phone_number_id", "status"]
        waiting = GaugeMetricFamily("channel_messages_waiting", "Messages that are not finished.", labels=labels)
        oldest = GaugeMetricFamily("channel_oldest_waiting_seconds", "Age of the oldest of them.", labels=labels)
        for queue in self._report.queues():
            labelled = [queue.phone_number_id, queue.status]
            waiting.add_metric(labelled, queue.count)
            oldest.add_metric(labelled, max(0.0, (now - queue.oldest_due_at).total_seconds()))
        paused = GaugeMetricFamily("channel_paused", "Pauses that stand: 1 each.", labels=["scope", "key", "reason"])
        for pause in self._report.pauses(now):
            paused.add_metric([pause.scope.value, pause.key, pause.reason.value], 1)
        limit = GaugeMetricFamily("channel_daily_limit", "People that may be written to in 24 h.", labels=["portfolio"])
        used = GaugeMetricFamily("channel_daily_used", "People that were written to in 24 h.", labels=["portfolio"])
        for portfolio, most, people in self._report.daily_usage():
            limit.add_metric([portfolio], most)
            used.add_metric([portfolio], people)
        told = GaugeMetricFamily("channel_outcomes_waiting", "Outcomes that are still to be published.")
        told.add_metric([], self._report.outcomes_waiting())
        return [waiting, oldest, paused, limit, used, told]

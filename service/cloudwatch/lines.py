"""What is counted and measured, as lines of CloudWatch's embedded metric format: one for each combination of dimensions.

The format: docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
(read 2026-11). Names are those of Prometheus. A counter is written as what was added since the last line (statistic Sum), a
gauge as it stands (Maximum: every dispatcher writes the store's).
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

COUNTED = ("_total", "_sum", "_count")
"""How the names of counters end."""

LONGEST_VALUE = 250
"""Characters of a dimension's value; CloudWatch takes 1,024. So a line stays below 4,096 bytes, which a pipe takes whole."""


class Sample(Protocol):
    """As prometheus_client has it."""

    @property
    def name(self) -> str:
        """With a counter's ending."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Values by label."""

    @property
    def value(self) -> float:
        """As it stands; a counter's since the process began."""


class Family(Protocol):
    """As prometheus_client has it."""

    @property
    def name(self) -> str:
        """Without a counter's ending."""

    @property
    def samples(self) -> Iterable[Sample]:
        """None where there is nothing to measure, or nothing was counted yet."""


Dimension = tuple[str, str] | None
"""A label with its value; None: over all labels."""

Totals = Mapping[tuple[str, Dimension], float]
"""Values by name and dimension."""


@dataclass(frozen=True, slots=True)
class Told:
    """How one metric is written: by each label of `by`, None for all labels together; `join` is what is made of the values.

    `at_rest`, of a gauge, is written as 0 where nothing is there, so that an alarm upon it recovers.
    """

    by: tuple[str | None, ...]
    unit: str = "Count"
    join: Callable[[Iterable[float]], float] = sum
    at_rest: tuple[Dimension, ...] = ()


TABLE: Mapping[str, Told] = {
    "channel_events_total": Told((None,)),
    "channel_recipients_total": Told(("result",)),
    "channel_rejections_total": Told((None, "code")),
    "channel_unverified_calls_total": Told(("call",)),
    "channel_statuses_total": Told(("kind",)),
    "channel_late_failures_total": Told((None,)),
    "channel_attempts_total": Told((None, "outcome")),
    "channel_attempt_seconds_sum": Told((None,), "Seconds"),
    "channel_attempt_seconds_count": Told((None,)),
    "channel_unknown_codes_total": Told((None,)),
    "channel_tokens_unused_total": Told((None, "phone_number_id")),
    "channel_slowed_total": Told((None, "phone_number_id")),
    "channel_rescued_total": Told((None,)),
    "channel_resent_on_evidence_total": Told((None,)),
    "channel_expired_total": Told((None,)),
    "channel_catalogue_reads_total": Told(("result",)),
    "channel_outcomes_failed_total": Told((None,)),
    "channel_rate_per_second": Told(("phone_number_id",), "Count/Second"),
    "channel_messages_waiting": Told(
        (None, "phone_number_id", "status"), at_rest=(None, ("status", "queued"), ("status", "unanswered"))
    ),
    "channel_oldest_waiting_seconds": Told(
        (None, "phone_number_id", "status"),
        "Seconds",
        max,
        at_rest=(None, ("status", "queued"), ("status", "unanswered")),
    ),
    "channel_paused": Told((None, "scope"), at_rest=(None, ("scope", "number"), ("scope", "token"), ("scope", "waba"))),
    "channel_daily_limit": Told(("portfolio",)),
    "channel_daily_used": Told(("portfolio",)),
    "channel_outcomes_waiting": Told((None,)),
}
"""All that is written. CloudWatch bills each name with each value of a dimension as a metric of its own, 0.30 USD a month
(us-east-1, the first 10,000), for the hours in which it is written. So: one label at most, none that grows with what is sent,
and what somebody looks at once something is wrong stays in Prometheus and in the report (codes of failures, the spread of
Meta's answering times)."""


def lines(families: Iterable[Family], before: Totals, now: datetime, namespace: str) -> tuple[list[str], Totals]:
    """The lines for what was read now, without their ends; and what to give as `before` the next time.

    A counter over all labels is written each time, also as 0; by a label only where something was added. A gauge that has gone
    (the number's last message was sent, the pause was lifted) is written as 0 once.
    """
    totals = _totals(families)
    written: dict[Dimension, dict[str, float]] = {}
    for (name, dimension), value in totals.items():
        counted = name.endswith(COUNTED)
        value_now = value - before.get((name, dimension), 0.0) if counted else value
        if value_now or dimension is None or not counted:
            written.setdefault(dimension, {})[name] = value_now
    for name, dimension in sorted(before.keys() - totals.keys(), key=str):
        if not name.endswith(COUNTED):
            written.setdefault(dimension, {})[name] = 0.0
    milliseconds = int(now.timestamp() * 1000)
    return [_line(dimension, values, milliseconds, namespace) for dimension, values in written.items()], totals


def _totals(families: Iterable[Family]) -> Totals:
    """Values by name and dimension, joined as the table says."""
    found: dict[tuple[str, Dimension], list[float]] = {}
    for family in families:
        if family.name in TABLE:
            found |= {(family.name, dimension): [0.0] for dimension in TABLE[family.name].at_rest}
        for sample in family.samples:
            for label in TABLE[sample.name].by if sample.name in TABLE else ():
                dimension = None if label is None else (label, sample.labels[label])
                found.setdefault((sample.name, dimension), []).append(sample.value)
    return {key: float(TABLE[key[0]].join(values)) for key, values in found.items()}


def _line(dimension: Dimension, values: Mapping[str, float], milliseconds: int, namespace: str) -> str:
    directive = {
        "Namespace": namespace,
        "Dimensions": [[dimension[0]] if dimension else []],
        "Metrics": [{"Name": name, "Unit": TABLE[name].unit} for name in values],
    }
    document: dict[str, object] = {"_aws": {"Timestamp": milliseconds, "CloudWatchMetrics": [directive]}}
    if dimension:
        document[dimension[0]] = _printable(dimension[1])
    numbers = {name: int(value) if value.is_integer() else value for name, value in values.items()}
    return json.dumps(document | numbers, separators=(",", ":"))


def _printable(value: str) -> str:
    """A dimension's value holds printable ASCII only, and is not blank."""
    return value.encode("unicode_escape").decode()[:LONGEST_VALUE].strip() or "-"


def usable_namespace(name: str) -> str:
    """The namespace, if CloudWatch takes it; raise ValueError."""
    if not re.fullmatch(r"[0-9A-Za-z._/#-]{1,255}", name) or name.startswith("AWS/"):
        raise ValueError("give letters, digits and . - _ / #, at most 255, not beginning with AWS/")
    return name

"""What CloudWatch is told: which metrics, by which dimensions, what was added since, and when."""

import json
import logging
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric

from service import metrics
from service.cloudwatch.lines import COUNTED, TABLE, Totals, lines
from service.cloudwatch.teller import Read, Teller
from service.metrics import StoreCollector
from service.outbox.database import StoreUnavailable
from tests.conftest import Store
from tests.embedded_metrics import LINE_BYTES, Key, read_all

NOW = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
NUMBER = "106540352242922"
SUM: tuple[tuple[str, str], ...] = ()


class Counting:
    """Some of the service's metrics in a registry of their own, and what the last lines said."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.attempts = Counter("channel_attempts_total", "-", ["outcome", "code"], registry=self.registry)
        self.rescued = Counter("channel_rescued_total", "-", registry=self.registry)
        self.seconds = Histogram("channel_attempt_seconds", "-", registry=self.registry)
        self.rate = Gauge("channel_rate_per_second", "-", ["phone_number_id"], registry=self.registry)
        self.unknown = Counter("channel_of_tomorrow_total", "-", registry=self.registry)
        self._before: Totals = {}

    def told(self) -> dict[Key, float]:
        written, self._before = lines(self.registry.collect(), self._before, NOW, "Test")
        return {point.key: point.value for point in read_all(written)}


@pytest.fixture
def counting() -> Counting:
    return Counting()


# --- counters ---------------------------------------------------------------------------------------------------------


def test_a_counter_is_written_as_what_was_added_since_the_last_line(counting: Counting) -> None:
    counting.rescued.inc(3)
    assert counting.told()["channel_rescued_total", SUM] == 3
    counting.rescued.inc(4)
    assert counting.told()["channel_rescued_total", SUM] == 4
    assert counting.told()["channel_rescued_total", SUM] == 0


def test_a_counter_is_summed_over_the_labels_that_are_no_dimension(counting: Counting) -> None:
    counting.attempts.labels("accepted", None).inc(40)
    counting.attempts.labels("refused", 131026).inc(2)
    counting.attempts.labels("refused", 131049).inc(3)
    told = counting.told()
    assert {key: value for key, value in told.items() if key[0] == "channel_attempts_total"} == {
        ("channel_attempts_total", SUM): 45,
        ("channel_attempts_total", (("outcome", "accepted"),)): 40,
        ("channel_attempts_total", (("outcome", "refused"),)): 5,
    }


def test_by_a_dimension_nothing_is_written_where_nothing_was_added(counting: Counting) -> None:
    counting.attempts.labels("accepted", None).inc()
    counting.told()
    counting.attempts.labels("refused", 131026).inc()
    told = counting.told()
    assert told["channel_attempts_total", (("outcome", "refused"),)] == 1
    assert ("channel_attempts_total", (("outcome", "accepted"),)) not in told


def test_a_counter_that_never_counted_here_is_another_processs_to_tell(counting: Counting) -> None:
    assert ("channel_attempts_total", SUM) not in counting.told()


def test_the_time_that_answers_took_is_a_sum_and_a_count(counting: Counting) -> None:
    for seconds in (0.25, 0.5):
        counting.seconds.observe(seconds)
    told = counting.told()
    assert told["channel_attempt_seconds_sum", SUM] == 0.75
    assert told["channel_attempt_seconds_count", SUM] == 2
    assert {name for name, _ in told if "attempt_seconds" in name} == {
        "channel_attempt_seconds_sum",
        "channel_attempt_seconds_count",
    }


@given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 10**6)), max_size=8), max_size=8))
def test_over_all_lines_a_counter_is_what_prometheus_says(rounds: list[list[tuple[str, int]]]) -> None:
    counting, told = Counting(), dict[Key, float]()
    for additions in rounds:
        for outcome, number in additions:
            counting.attempts.labels(outcome, "1").inc(number)
        for key, value in counting.told().items():
            told[key] = told.get(key, 0.0) + value
    for outcome in "abc":
        said = counting.registry.get_sample_value("channel_attempts_total", {"outcome": outcome, "code": "1"}) or 0
        assert told.get(("channel_attempts_total", (("outcome", outcome),)), 0) == said


# --- gauges -----------------------------------------------------------------------------------------------------------


def waiting(*queues: tuple[str, str, float]) -> Iterable[Metric]:
    """The age of what waits, by number and status."""
    family = GaugeMetricFamily("channel_oldest_waiting_seconds", "-", labels=["phone_number_id", "status"])
    for number, status, age in queues:
        family.add_metric([number, status], age)
    return [family]


def test_an_age_over_several_labels_is_the_greatest() -> None:
    written, _ = lines(waiting(("1", "queued", 5), ("1", "unanswered", 70), ("2", "queued", 9)), {}, NOW, "Test")
    assert {point.dimensions: point.value for point in read_all(written)} == {
        SUM: 70,
        (("phone_number_id", "1"),): 70,
        (("phone_number_id", "2"),): 9,
        (("status", "queued"),): 9,
        (("status", "unanswered"),): 70,
    }


def test_a_gauge_that_has_gone_is_written_as_0_once_and_over_all_labels_always() -> None:
    before: Totals = {}
    told = []
    for queues in ([("1", "queued", 5.0)], [], []):
        written, before = lines(waiting(*queues), before, NOW, "Test")
        told.append({point.dimensions: point.value for point in read_all(written)})
    assert [values.get((("phone_number_id", "1"),)) for values in told] == [5, 0, None]
    assert [values[SUM] for values in told] == [5, 0, 0]
    assert [values[("status", "queued"),] for values in told] == [5, 0, 0]


def test_a_store_in_which_nothing_waits_and_nothing_is_paused_says_so(store: Store) -> None:
    written, _ = lines(StoreCollector(store.report, lambda: NOW).collect(), {}, NOW, "Test")
    told = {point.key: point.value for point in read_all(written)}
    assert set(told.values()) == {0}
    assert {of[0] for name, of in told if name == "channel_paused" and of} == {
        ("scope", "number"),
        ("scope", "token"),
        ("scope", "waba"),
    }
    assert {name for name, of in told if not of} == {
        "channel_messages_waiting",
        "channel_oldest_waiting_seconds",
        "channel_paused",
        "channel_outcomes_waiting",
    }


# --- the form ---------------------------------------------------------------------------------------------------------


def test_a_line_is_what_the_specification_shows(counting: Counting) -> None:
    counting.rate.labels(NUMBER).set(70.5)
    written, _ = lines(counting.registry.collect(), {}, NOW, "Whats/App")
    assert json.loads(written[-1]) == {
        "_aws": {
            "Timestamp": 1793523600000,
            "CloudWatchMetrics": [
                {
                    "Namespace": "Whats/App",
                    "Dimensions": [["phone_number_id"]],
                    "Metrics": [{"Name": "channel_rate_per_second", "Unit": "Count/Second"}],
                }
            ],
        },
        "phone_number_id": NUMBER,
        "channel_rate_per_second": 70.5,
    }


@pytest.mark.parametrize("value", ["销售", "a\nb", "\\", " ", "", "x" * 512, "销" * 512, '"' * 512])
def test_whatever_a_dimension_is_called_the_line_can_be_read(value: str) -> None:
    family = GaugeMetricFamily("channel_daily_limit", "-", labels=["portfolio"])
    family.add_metric([value], 250)
    written, _ = lines([family], {}, NOW, "N" * 255)
    assert [point.value for point in read_all(written)] == [250]


def test_no_line_is_longer_than_a_pipe_takes_at_once() -> None:
    everything = Metric("everything", "-", "unknown")
    for name, told in TABLE.items():
        everything.add_sample(name, {label: "销" * 250 for label in told.by if label}, 1e15 / 7)
    written, _ = lines([everything], {}, NOW, "N" * 255)
    assert {point.name for point in read_all(written)} == set(TABLE)
    assert max(len(line) for line in written) < LINE_BYTES


def _counted_here() -> dict[str, set[str]]:
    """Every name that the service counts or measures by itself, with its labels."""
    found: dict[str, set[str]] = {}
    for metric in (value for value in vars(metrics).values() if isinstance(value, Counter | Gauge | Histogram)):
        (family,) = metric.describe()
        endings = {"counter": ["_total"], "histogram": ["_sum", "_count"], "gauge": [""]}[family.type]
        found |= {f"{family.name}{ending}": set(metric._labelnames) for ending in endings}
    return found


LEFT_OUT = {
    "channel_erased_total": "nobody acts upon it; the log has a line each time",
    "channel_wishes_total": "the report has them",
    "channel_pauses_total": "channel_paused tells what stands",
    "channel_outcomes_published_total": "channel_outcomes_waiting tells whether they are",
}


def test_every_metric_is_written_or_left_out_for_a_reason(store: Store) -> None:
    of_store = {family.name for family in StoreCollector(store.report, lambda: NOW).collect()}
    assert TABLE.keys() | LEFT_OUT.keys() == _counted_here().keys() | of_store
    assert not TABLE.keys() & LEFT_OUT.keys()


def test_every_dimension_is_a_label_of_its_metric() -> None:
    for name, labels in _counted_here().items():
        assert set(TABLE[name].by if name in TABLE else ()) - {None} <= labels


def test_only_gauges_are_at_rest() -> None:
    for name, told in TABLE.items():
        assert not (told.at_rest and name.endswith(COUNTED))
        assert all((dimension[0] if dimension else None) in told.by for dimension in told.at_rest)


# --- when -------------------------------------------------------------------------------------------------------------


class Away:
    """A store that is down."""

    def __call__(self) -> Iterable[Metric]:
        raise StoreUnavailable("the database does not answer")


class Hanging:
    """A store that does not answer, until it is let go."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.over = threading.Event()

    def __call__(self) -> Iterable[Metric]:
        self.asked.set()
        self.over.wait(30)
        return []


class Tellers:
    """Makes tellers of what is counted; `lines` is what they wrote."""

    def __init__(self, counting: Counting) -> None:
        self._counting = counting
        self.lines: list[str] = []
        self.wrote = threading.Event()
        self.broken = False

    def make(self, *measured: Read, every: timedelta = timedelta(hours=1)) -> Teller:
        read = self._counting.registry.collect
        return Teller(read, measured, write=self._write, now=lambda: NOW, namespace="Test", every=every)

    def _write(self, line: str) -> None:
        if self.broken:
            raise BrokenPipeError(32, "Broken pipe")
        self.lines.append(line)
        self.wrote.set()

    def rescued(self) -> list[float]:
        return [point.value for point in read_all(self.lines) if point.name == "channel_rescued_total"]


@pytest.fixture
def tellers(counting: Counting) -> Tellers:
    return Tellers(counting)


def test_what_was_counted_since_the_last_lines_is_written_at_the_end(counting: Counting, tellers: Tellers) -> None:
    teller = tellers.make()
    teller.start()
    assert tellers.wrote.wait(30)
    counting.rescued.inc(5)
    teller.stop()
    assert tellers.rescued() == [0, 5]


def test_lines_are_written_each_period(counting: Counting, tellers: Tellers) -> None:
    counting.rescued.inc(5)
    teller = tellers.make(every=timedelta(milliseconds=5))
    teller.start()
    assert tellers.wrote.wait(30)
    counting.rescued.inc(2)
    teller.stop()
    assert sum(tellers.rescued()) == 7


def test_a_store_that_is_down_stops_nothing(
    counting: Counting, tellers: Tellers, caplog: pytest.LogCaptureFixture
) -> None:
    counting.rescued.inc()
    seen = threading.Event()

    def measured() -> Iterable[Metric]:
        seen.set()
        return waiting(("1", "queued", 5))

    teller = tellers.make(Away(), measured, every=timedelta(milliseconds=5))
    with caplog.at_level(logging.WARNING):
        teller.start()
        assert seen.wait(30)
        teller.stop()
    assert sum(tellers.rescued()) == 1
    assert "cloudwatch.waits reason=the database does not answer" in caplog.messages


def test_a_store_that_hangs_does_not_keep_the_end_from_what_was_counted(counting: Counting, tellers: Tellers) -> None:
    store = Hanging()
    teller = tellers.make(store, every=timedelta(milliseconds=5))
    teller.start()
    assert store.asked.wait(30)
    counting.rescued.inc(5)
    teller.stop()
    store.over.set()
    assert sum(tellers.rescued()) == 5


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.WARNING):
        yield caplog


def test_what_could_not_be_written_is_in_the_next_lines(
    counting: Counting, tellers: Tellers, log: pytest.LogCaptureFixture
) -> None:
    counting.rescued.inc(5)
    teller = tellers.make()
    tellers.broken = True
    teller.start()
    teller.stop()
    assert log.messages == ["cloudwatch.waits reason=[Errno 32] Broken pipe"] * 2
    tellers.broken = False
    teller.stop()
    assert tellers.rescued() == [5]

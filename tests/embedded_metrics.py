"""A strict reading of CloudWatch's embedded metric format, for tests: a line in, its values by name and dimension out.

docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html, its schema too;
docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html and API_MetricDatum.html (read 2026-11).
"""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

LINE_BYTES = 4096
"""What a pipe takes whole (PIPE_BUF on Linux). CloudWatch Logs takes 256 KB."""

_SIZES = [
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
]
UNITS = {"Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "Count/Second", "None"}
UNITS |= {*_SIZES, *(f"{size}/Second" for size in _SIZES)}

Key = tuple[str, tuple[tuple[str, str], ...]]
"""A metric: its name, and its dimensions."""


@dataclass(frozen=True, slots=True)
class Point:
    """What one line says of one metric."""

    namespace: str
    milliseconds: int
    name: str
    dimensions: tuple[tuple[str, str], ...]
    unit: str
    value: float

    @property
    def key(self) -> Key:
        return self.name, self.dimensions


def read(line: str) -> list[Point]:
    """What CloudWatch takes from this line; AssertionError where it would not take all of it."""
    assert len(line.encode()) < LINE_BYTES
    root = json.loads(line, parse_constant=_no_number, object_pairs_hook=_once)
    assert isinstance(root, dict)
    metadata = root["_aws"]
    assert metadata.keys() == {"Timestamp", "CloudWatchMetrics"}
    assert type(metadata["Timestamp"]) is int
    assert metadata["CloudWatchMetrics"]
    points = [
        point
        for directive in metadata["CloudWatchMetrics"]
        for point in _points(root, metadata["Timestamp"], directive)
    ]
    told = {"_aws", *(point.name for point in points), *(name for point in points for name, _ in point.dimensions)}
    assert root.keys() == told, "nothing stands there that is no metric and no dimension"
    return points


def read_all(lines: Iterable[str]) -> list[Point]:
    """The points of these lines in their order."""
    return [point for line in lines for point in read(line)]


def _points(root: dict[str, Any], milliseconds: int, directive: dict[str, Any]) -> Iterable[Point]:
    assert directive.keys() == {"Namespace", "Dimensions", "Metrics"}
    namespace = directive["Namespace"]
    assert re.fullmatch(r"[^:].{0,254}", namespace)
    assert not namespace.startswith("AWS/")
    assert directive["Dimensions"]
    assert 1 <= len(directive["Metrics"]) <= 100
    for chosen in directive["Dimensions"]:
        assert len(chosen) <= 30
        dimensions = tuple((name, _dimension(name, root[name])) for name in chosen)
        for metric in directive["Metrics"]:
            assert {"Name", "Unit"} == metric.keys()
            assert metric["Unit"] in UNITS
            assert 1 <= len(metric["Name"]) <= 255
            assert metric["Name"] not in chosen
            yield Point(
                namespace, milliseconds, metric["Name"], dimensions, metric["Unit"], _number(root[metric["Name"]])
            )


def _dimension(name: str, value: object) -> str:
    assert 1 <= len(name) <= 250
    assert re.fullmatch(r"[!-9;-~][!-~]*", name), "ASCII, and no colon at its beginning"
    assert isinstance(value, str)
    assert re.fullmatch(r"[ -~]{1,1024}", value), "printable ASCII"
    assert value.strip()
    return value


def _number(value: object) -> float:
    """A number that CloudWatch keeps: nothing between 0 and 2**-360, nothing beyond 2**360."""
    assert type(value) in {int, float}
    assert isinstance(value, int | float)
    assert value == 0 or 2**-360 <= math.fabs(value) <= 2**360
    return float(value)


def _no_number(text: str) -> float:
    raise AssertionError(f"{text} is no JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), "each member once"
    return dict(pairs)

"""Every alarm and every line of the dashboard looks at a metric that is written, with a dimension that it has."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from service.cloudwatch.lines import COUNTED, TABLE
from service.message import Outcome, Scope, Status
from tests.deploy.stack import ROOT, TEMPLATE, resources

OURS = {"Fn::Sub": "whatsapp-channel/${AWS::StackName}"}
AWS = {
    "AWS/SQS": {"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"},
    "AWS/ApplicationELB": {
        "HealthyHostCount",
        "HTTPCode_ELB_5XX_Count",
        "HTTPCode_Target_5XX_Count",
        "RequestCount",
        "TargetResponseTime",
    },
    "AWS/Lambda": {"Errors", "Invocations", "Throttles", "Url5xxCount", "UrlRequestCount"},
    "AWS/RDS": {"CPUUtilization", "DatabaseConnections", "FreeStorageSpace"},
    "AWS/ECS": {"CPUUtilization", "MemoryUtilization"},
}
"""AWS's own metrics that are used, as its documentation names them (read 2026-11)."""

ALARMS = resources("CloudWatch::Alarm")
OPERATIONS = ROOT / "docs" / "operations.md"


def _suffix(alarm: dict[str, Any]) -> str:
    return str(alarm["AlarmName"]["Fn::Sub"]).removeprefix("${AWS::StackName}-")


def _metrics(alarm: dict[str, Any]) -> Iterator[tuple[Any, str, dict[str, Any], str]]:
    """Namespace, name, dimensions and statistic of all that an alarm looks at."""
    of = [entry["MetricStat"] for entry in alarm.get("Metrics", []) if "MetricStat" in entry]
    looked = [(entry["Metric"], entry["Stat"]) for entry in of] or [(alarm, alarm["Statistic"])]
    for metric, statistic in looked:
        dimensions = {dimension["Name"]: dimension["Value"] for dimension in metric.get("Dimensions", [])}
        yield metric["Namespace"], metric["MetricName"], dimensions, statistic


def _values() -> dict[str, set[str]]:
    """The values that a dimension of ours can have."""
    calls = set()
    for path in (ROOT / "service" / "web").rglob("*.py"):
        calls |= set(re.findall(r'UNVERIFIED\.labels\("(\w+)"\)', path.read_text()))
    return {"outcome": set(Outcome), "scope": set(Scope), "status": set(Status), "call": calls}


LOOKED_AT = [(_suffix(alarm), *metric) for alarm in ALARMS.values() for metric in _metrics(alarm)]


@pytest.mark.parametrize(("alarm", "namespace", "name", "dimensions", "statistic"), LOOKED_AT)
def test_an_alarm_looks_at_a_metric_that_is_written(
    alarm: str, namespace: Any, name: str, dimensions: dict[str, Any], statistic: str
) -> None:
    if namespace != OURS:
        assert name in AWS[namespace]
        return
    (label,) = dimensions or (None,)
    assert label in TABLE[name].by
    if label is not None:
        assert dimensions[label] in _values()[label]
    if alarm != "dispatchers-silent":  # it counts the samples, whatever they say
        assert statistic == ("Sum" if name.endswith(COUNTED) else "Maximum")


def test_an_alarm_of_ours_uses_what_is_written_also_while_all_is_well() -> None:
    for alarm, namespace, name, dimensions, _ in LOOKED_AT:
        if namespace == OURS and not name.endswith(COUNTED) and TABLE[name].at_rest:
            (dimension,) = dimensions.items() or (None,)
            assert dimension in TABLE[name].at_rest, alarm


def test_an_expression_names_what_is_there() -> None:
    for alarm in ALARMS.values():
        ids = {entry["Id"] for entry in alarm.get("Metrics", [])}
        for entry in alarm.get("Metrics", []):
            used = {
                name for name in re.findall(r"[A-Za-z]+", entry.get("Expression", "")) if name not in {"FILL", "IF"}
            }
            assert used <= ids - {"alarm"}


def test_every_alarm_has_a_name_of_its_own_says_what_it_means_and_tells_the_topic() -> None:
    assert len({_suffix(alarm) for alarm in ALARMS.values()}) == len(ALARMS)
    for alarm in ALARMS.values():
        assert alarm["AlarmDescription"]
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmTopic"}]


def test_what_misses_its_figures_rings_only_where_silence_is_the_fault() -> None:
    breaching = {
        _suffix(alarm): alarm["ActionsEnabled"] for alarm in ALARMS.values() if alarm["TreatMissingData"] == "breaching"
    }
    told = {"Fn::If": ["ServicesRunNow", True, False]}
    assert breaching == {"dispatchers-silent": told, "no-healthy-web": told}


def test_the_issues_alarms_are_there() -> None:
    wanted = {
        "backlog",
        "failure-ratio",
        "number-paused",
        "parked-for-good",
        "server-errors",
        "bad-signatures",
        "tokens-unused",
    }
    assert wanted <= {_suffix(alarm) for alarm in ALARMS.values()}


@pytest.mark.skipif(not OPERATIONS.exists(), reason="docs/operations.md is not written yet")
def test_the_operations_page_has_a_section_for_each_alarm_and_for_no_other() -> None:
    part = OPERATIONS.read_text(encoding="utf-8").partition("\n## Alarms\n")[2].partition("\n## ")[0]
    sections = re.findall(r"^### (.+)$", part, re.M)
    assert sorted(sections) == sorted(_suffix(alarm) for alarm in ALARMS.values())


def _dashboard() -> list[dict[str, Any]]:
    body = resources("CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]["Fn::Sub"]
    widgets: list[dict[str, Any]] = json.loads(re.sub(r"\$\{[^}]+\}", "stack", body))["widgets"]
    return widgets


def test_the_dashboard_shows_metrics_that_are_written() -> None:
    for widget in _dashboard():
        for line in widget["properties"]["metrics"]:
            if isinstance(line[0], dict):
                label, name = re.findall(r'",(\w+)} MetricName="(\w+)"', line[0]["expression"])[0]
                assert label in TABLE[name].by
            elif line[0].startswith("whatsapp-channel/"):
                assert (line[2] if len(line) > 3 else None) in TABLE[line[1]].by
            else:
                assert line[1] in AWS[line[0]]


def test_the_dashboards_widgets_do_not_overlap() -> None:
    places = [(widget["x"], widget["y"]) for widget in _dashboard()]
    assert len(set(places)) == len(places)
    assert all((widget["x"] % widget["width"], widget["y"] % widget["height"]) == (0, 0) for widget in _dashboard())


def test_whatever_the_dashboard_names_is_in_the_stack() -> None:
    body = resources("CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]["Fn::Sub"]
    named = {name.partition(".")[0] for name in re.findall(r"\$\{([^}]+)\}", body)}
    assert named - {"AWS::Region", "AWS::StackName"} <= set(TEMPLATE["Resources"])

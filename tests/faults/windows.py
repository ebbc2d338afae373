"""What the operator is shown of a trouble. Each window returns what it showed in a few words, for a row of the table.

log       a line that a process wrote
metric    a figure of Prometheus, once it is above what it was
alarm     an alarm of the stack's template, evaluated as CloudWatch would for the figures given
console   a page of the running web service, as somebody who is signed in reads it

A window waits for what it is to show, and fails with what it shows instead.
"""

import ast
import html
import operator
import re
from collections.abc import Callable
from typing import Any

import requests
from prometheus_client.parser import text_string_to_metric_families

from service.web.console.people import console_user_entry
from tests.deploy.stack import TEMPLATE, resources
from tests.running import System

PERSON, PASSWORD = "anna", "canary password of anna"
SETTINGS = {"CONSOLE_USERS": console_user_entry(PERSON, "operate", PASSWORD, b"anna's own salt!")}
"""What a system needs for `console`."""

PATIENCE_SECONDS = 30.0
LONGEST = 160


def log(system: System, name: str, pattern: str, *, seconds: float = PATIENCE_SECONDS) -> str:
    """The first line that fits in what the process `name` has logged."""
    looks_for = re.compile(pattern)

    def found() -> str:
        return next((line for line in system.log(name).splitlines() if looks_for.search(line)), "")

    system.until(lambda: found() != "", lambda: f"{pattern} in the log of {name}:\n{system.log(name)[-3000:]}", seconds)
    line = found()
    start = re.search(r"[a-z_]+\.[a-z_]+ |[a-z]+ [a-z_]+=", line)
    return f"log of {name}: {line[start.start() if start else 0 :][:LONGEST]}"


def read(system: System, name: str, metric: str, **labels: str) -> float:
    """The sum over all that have these labels in what Prometheus would read of the process; 0 where there is none."""
    families = text_string_to_metric_families(system.metrics(name))
    samples = (sample for family in families for sample in family.samples if sample.name == metric)
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def metric(
    system: System, name: str, metric: str, *, above: float = 0.0, seconds: float = PATIENCE_SECONDS, **labels: str
) -> str:
    """The figure, as soon as it is above `above`."""
    seen = [0.0]

    def is_above() -> bool:
        seen[0] = read(system, name, metric, **labels)
        return seen[0] > above

    shown = metric + "".join(f" {label}={value}" for label, value in labels.items())
    system.until(is_above, lambda: f"{shown} to be above {above}, not {seen[0]}", seconds)
    return f"metric of {name}: {shown} {seen[0]:g}"


def no_metric(system: System, name: str) -> str:
    """A scrape of the process fails: that its figures are missing is what is seen."""
    try:
        answer = requests.get(system._metrics.get(name, f"{system.url}/metrics"), timeout=10)
    except requests.RequestException as error:
        return f"metrics of {name}: none ({type(error).__name__})"
    assert answer.status_code >= 500, f"{name} told its figures"
    return f"metrics of {name}: none ({answer.status_code})"


def alarm(name: str, **figures: float | None) -> str:
    """The alarm, which goes off for these figures.

    `name` is its name without the stack's, or a metric that only this alarm looks at. A figure is named by the id that the
    alarm gives it, the only one `value`; None stands for a metric of which nothing is written, as does what is left out.
    """
    found = [of for of in resources("CloudWatch::Alarm").values() if name == suffix(of) or name in _looked_at(of)]
    assert len(found) == 1, f"{len(found)} alarms are called {name} or look at it"
    (of,) = found
    assert set(figures) <= _ids(of), f"{suffix(of)} knows {_ids(of)}"
    assert _goes_off(of, figures), f"the alarm {suffix(of)} stays quiet for {figures}"
    return f"alarm {suffix(of)}: {of['AlarmDescription']}"


def suffix(of: dict[str, Any]) -> str:
    """An alarm's name without the stack's."""
    return str(of["AlarmName"]["Fn::Sub"]).removeprefix("${AWS::StackName}-")


def console(system: System, page: str) -> str:
    """The text of a page such as `/console/`, without its marks."""
    with requests.Session() as browser:
        answer = browser.post(
            f"{system.url}/console/sign-in",
            data={"name": PERSON, "password": PASSWORD, "next": page},
            headers={"Sec-Fetch-Site": "same-origin"},
            timeout=20,
        )
    assert answer.status_code == 200, f"{answer.status_code}: {answer.text[:500]}"
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", answer.text, flags=re.DOTALL)
    return " ".join(html.unescape(text).split())


def console_says(system: System, page: str, pattern: str, *, seconds: float = PATIENCE_SECONDS) -> str:
    """The words on a page of the console that fit, as soon as they are there."""
    seen = [""]

    def is_said() -> bool:
        seen[0] = console(system, page)
        return re.search(pattern, seen[0]) is not None

    system.until(is_said, lambda: f"{pattern} on {page}: {seen[0]}", seconds)
    said = re.search(pattern, seen[0])
    assert said
    return f"console {page}: {said[0][:LONGEST]}"


# --- CloudWatch's arithmetic ------------------------------------------------------------------------------------------

_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
}
_COUNTED: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def _looked_at(of: dict[str, Any]) -> set[str]:
    stats = [entry["MetricStat"]["Metric"] for entry in of.get("Metrics", []) if "MetricStat" in entry]
    return {metric["MetricName"] for metric in stats or [of]}


def _ids(of: dict[str, Any]) -> set[str]:
    return {entry["Id"] for entry in of.get("Metrics", []) if "MetricStat" in entry} or {"value"}


def _goes_off(of: dict[str, Any], figures: dict[str, float | None]) -> bool:
    known: dict[str, float | None] = dict.fromkeys(_ids(of)) | figures
    for entry in of.get("Metrics", []):
        if "Expression" in entry:
            known[entry["Id"]] = _evaluated(ast.parse(entry["Expression"], mode="eval").body, known)
    value = known["alarm" if "alarm" in known else "value"]
    if value is None:
        return bool(of["TreatMissingData"] == "breaching")
    return _COMPARED[of["ComparisonOperator"]](value, _number(of["Threshold"]))


def _number(value: Any) -> float:
    """A threshold, or the default of the parameter that gives it."""
    return float(TEMPLATE["Parameters"][value["Ref"]]["Default"] if isinstance(value, dict) else value)


def _evaluated(node: ast.expr, known: dict[str, float | None]) -> float | None:
    """A metric expression; None where a metric has no figure. IF looks at one of its branches only."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return known[name]
        case ast.Call(func=ast.Name(id="FILL"), args=[filled, otherwise]):
            value = _evaluated(filled, known)
            return _evaluated(otherwise, known) if value is None else value
        case ast.Call(func=ast.Name(id="IF"), args=[ast.Compare(left, [ast.GtE()], [right]), then, otherwise]):
            a, b = _evaluated(left, known), _evaluated(right, known)
            return None if a is None or b is None else _evaluated(then if a >= b else otherwise, known)
        case ast.BinOp(left, kind, right):
            a, b = _evaluated(left, known), _evaluated(right, known)
            return None if a is None or b is None else _COUNTED[type(kind)](a, b)
    raise AssertionError(f"{ast.unparse(node)} is nothing that an alarm of ours says")

"""The CloudFormation template as Python values, and ways to look at it. Short forms of functions become the long ones.

!Ref X → {"Ref": "X"}     !GetAtt X.Arn → {"Fn::GetAtt": ["X", "Arn"]}     !Sub … → {"Fn::Sub": …}
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # it has no types of its own

ROOT = Path(__file__).parent.parent.parent
PATH = ROOT / "deploy" / "channel.yaml"

NOTHING = {"Ref": "AWS::NoValue"}


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # of a module without types
    """Knows CloudFormation's short forms."""


def _function(loader: Any, name: str, node: Any) -> dict[str, Any]:
    kinds = {yaml.ScalarNode: loader.construct_scalar, yaml.SequenceNode: loader.construct_sequence}
    value = kinds[type(node)](node) if isinstance(node, yaml.ScalarNode) else kinds[type(node)](node, deep=True)
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in {"Ref", "Condition"} else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _function)


def load() -> dict[str, Any]:
    """The template; each call a new one, so that a test may change its own."""
    found: dict[str, Any] = yaml.load(PATH.read_text(encoding="utf-8"), _Loader)
    return found


TEMPLATE = load()


def resources(kind: str) -> dict[str, Any]:
    """Properties by logical id, of all resources of a type such as `SQS::Queue`."""
    found = TEMPLATE["Resources"].items()
    return {name: resource.get("Properties", {}) for name, resource in found if resource["Type"] == f"AWS::{kind}"}


def entries(items: list[Any]) -> Iterator[Any]:
    """A list's entries under whatever condition: both branches of an `!If`."""
    for item in items:
        if isinstance(item, dict) and "Fn::If" in item:
            yield from entries(item["Fn::If"][1:])
        elif item != NOTHING:
            yield item


def container(task: str) -> dict[str, Any]:
    """The only container of a task definition, by the logical id of that."""
    (found,) = resources("ECS::TaskDefinition")[task]["ContainerDefinitions"]
    return dict(found)


def variables(task: str) -> dict[str, Any]:
    """Name → value of the variables that a task's container always or sometimes has, those from secrets too."""
    of = container(task)
    plain = {entry["Name"]: entry["Value"] for entry in entries(of["Environment"])}
    return plain | {entry["Name"]: entry["ValueFrom"] for entry in entries(of.get("Secrets", []))}


def referred(value: Any) -> set[str]:
    """Every parameter, resource and pseudo parameter that a value mentions."""
    text = json.dumps(value)
    refs = re.findall(r'"Ref": "([^"]+)"', text) + re.findall(r'"Fn::GetAtt": \["([^"]+)"', text)
    return {*refs, *re.findall(r"\$\{([\w:]+)", text)}

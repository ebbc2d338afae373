"""Who may do what: exactly what the code calls, on exactly what it needs; every `*` has a reason."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from tests.deploy.stack import ROOT, TEMPLATE, entries, referred, resources

META = {"MetaSecret", "MetaSecretArn", "NumberSecretArns"}
SIGNING = {"SigningKeysSecret", "SigningKeysSecretArn"}
API = {"ApiKeysSecret", "ApiKeysSecretArn"}
CONSOLE = {"ConsoleUsersSecret", "ConsoleUsersSecretArn"}

READ = "secretsmanager:GetSecretValue"
SECRETS = {
    "ExecutionRole": {"DatabaseSecret", "ChannelSettingsSecretArn"},
    "WebRole": META | SIGNING | API | CONSOLE,
    "DispatcherRole": META,
    "OperatorRole": META | SIGNING | API | CONSOLE,
    "EventsRole": SIGNING,
    "DoorRole": set(),
}
"""Which secrets each may read: made by the stack, or given as a parameter."""

CODE = {
    "WebRole": "service",
    "DispatcherRole": "service",
    "OperatorRole": "service",
    "EventsRole": "lambda_shim",
    "DoorRole": "lambda_shim",
}

BY_AWS = {
    "ecr:GetAuthorizationToken": "ECS pulls the image",
    "ecr:BatchCheckLayerAvailability": "ECS pulls the image",
    "ecr:BatchGetImage": "ECS pulls the image",
    "ecr:GetDownloadUrlForLayer": "ECS pulls the image",
    "logs:CreateLogStream": "ECS and Lambda write what stdout says",
    "logs:PutLogEvents": "ECS and Lambda write what stdout says",
    "sqs:ReceiveMessage": "Lambda's trigger takes parked events",
    "sqs:DeleteMessage": "Lambda's trigger removes what is done",
    "sqs:GetQueueAttributes": "Lambda's trigger looks at the queue",
    "ssmmessages:CreateControlChannel": "ECS Exec",
    "ssmmessages:CreateDataChannel": "ECS Exec",
    "ssmmessages:OpenControlChannel": "ECS Exec",
    "ssmmessages:OpenDataChannel": "ECS Exec",
    "ec2:AssignPrivateIpAddresses": "Lambda puts the function into the VPC",
    "ec2:CreateNetworkInterface": "Lambda puts the function into the VPC",
    "ec2:DeleteNetworkInterface": "Lambda puts the function into the VPC",
    "ec2:DescribeNetworkInterfaces": "Lambda puts the function into the VPC",
    "ec2:DescribeSubnets": "Lambda puts the function into the VPC",
    "ec2:UnassignPrivateIpAddresses": "Lambda puts the function into the VPC",
    "kms:Decrypt": "Secrets Manager opens a secret with a key of yours, in the reader's name",
}
"""What AWS does with a role; everything else is a call of our code."""

STARS = {
    ("ExecutionRole", "ecr:GetAuthorizationToken"): "the token is the registry's; the action knows no resource",
    ("OperatorRole", "ssmmessages:"): "the actions know no resource",
    ("NetworkInterfaces", "ec2:"): "the interfaces do not exist yet; Lambda refuses a role that names some",
}
"""Role or policy and the beginning of the action → why its resource is `*`."""


def _statements() -> Iterator[tuple[str, dict[str, Any]]]:
    """Logical id and statement of every role and managed policy."""
    for name, role in resources("IAM::Role").items():
        for policy in role.get("Policies", []):
            yield from ((name, statement) for statement in entries(policy["PolicyDocument"]["Statement"]))
    for name, policy in resources("IAM::ManagedPolicy").items():
        yield from ((name, statement) for statement in entries(policy["PolicyDocument"]["Statement"]))


def _actions(statement: dict[str, Any]) -> list[str]:
    action = statement["Action"]
    return action if isinstance(action, list) else [action]


@cache
def _called(package: str) -> set[str]:
    """The names of all methods that a package calls."""
    sources = (ROOT / package).rglob("*.py")
    nodes = (node for path in sources for node in ast.walk(ast.parse(path.read_text())))
    return {node.func.attr for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)}


def _method(action: str) -> str:
    """`secretsmanager:GetSecretValue` → `get_secret_value`, boto3's name."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", action.partition(":")[2]).lower()


ALLOWED = [
    (name, action, statement)
    for name, statement in _statements()
    if statement["Effect"] == "Allow"
    for action in _actions(statement)
]


@pytest.mark.parametrize(("name", "action"), sorted({(name, action) for name, action, _ in ALLOWED}))
def test_an_action_is_used_by_our_code_or_by_aws_itself(name: str, action: str) -> None:
    assert "*" not in action
    if action not in BY_AWS and not (name == "ExecutionRole" and action == READ):
        assert _method(action) in _called(CODE[name])


def test_what_our_code_calls_is_allowed_to_who_runs_it() -> None:
    ours = {name: {action for of, action, _ in ALLOWED if of == name and action not in BY_AWS} for name in CODE}
    assert ours == {
        "WebRole": {READ},
        "DispatcherRole": {READ, "events:PutEvents"},
        "OperatorRole": {READ},
        "EventsRole": {READ, "sqs:SendMessage"},
        "DoorRole": set(),
    }


@pytest.mark.parametrize("name", SECRETS)
def test_a_role_reads_exactly_its_secrets(name: str) -> None:
    conditions = set(TEMPLATE["Conditions"]) | {"AWS::NoValue"}
    read = [statement for of, action, statement in ALLOWED if of == name and action == READ]
    assert {ref for statement in read for ref in referred(statement["Resource"])} - conditions == SECRETS[name]


def test_every_star_has_a_reason_and_every_reason_a_star() -> None:
    found = set()
    for name, action, statement in ALLOWED:
        if statement["Resource"] == "*":
            (reason,) = (key for key in STARS if key[0] == name and action.startswith(key[1]))
            found.add(reason)
    assert found == set(STARS)


def test_no_resource_is_a_pattern() -> None:
    for name, action, statement in ALLOWED:
        assert statement["Resource"] == "*" or "*" not in str(statement["Resource"]), (name, action)


def test_the_functions_code_may_not_use_what_lambda_needs() -> None:
    allow, deny = (statement for name, statement in _statements() if name == "NetworkInterfaces")
    assert (allow["Effect"], deny["Effect"]) == ("Allow", "Deny")
    assert allow["Action"] == deny["Action"]
    names = {function["FunctionName"]["Fn::Sub"] for function in resources("Lambda::Function").values()}
    denied = deny["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"]
    assert {arn["Fn::Sub"].partition(":function:")[2] for arn in denied} == names


def test_each_task_and_function_has_a_role_of_its_own() -> None:
    tasks = {name: referred(task.get("TaskRoleArn", "")) for name, task in resources("ECS::TaskDefinition").items()}
    functions = {name: referred(function["Role"]) for name, function in resources("Lambda::Function").items()}
    assert tasks | functions == {
        "WebTask": {"WebRole"},
        "DispatcherTask": {"DispatcherRole"},
        "MigrateTask": set(),
        "OperatorTask": {"OperatorRole"},
        "EventsFunction": {"EventsRole"},
        "DoorFunction": {"DoorRole"},
    }


def test_a_role_is_taken_by_its_service_only() -> None:
    for name, role in resources("IAM::Role").items():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        service = "lambda" if name in {"EventsRole", "DoorRole"} else "ecs-tasks"
        assert trust["Principal"] == {"Service": f"{service}.amazonaws.com"}
        assert "ManagedPolicyArns" not in role


def test_connect_may_invoke_events_and_pinpoint_only_where_asked_for() -> None:
    permissions = resources("Lambda::Permission")
    connect, pinpoint = permissions["ConnectMayInvoke"], permissions["PinpointMayInvokeEvents"]
    assert connect["Principal"] == "connect-campaigns.amazonaws.com"
    assert pinpoint["Principal"] == {"Fn::Sub": "pinpoint.${AWS::Region}.amazonaws.com"}
    for permission in (connect, pinpoint):
        assert permission["FunctionName"] == {"Ref": "EventsFunction"}
        assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}
    assert "ConnectInstanceArn" in referred(connect["SourceArn"])
    assert all(":mobiletargeting:" in arn["Fn::Sub"] for arn in pinpoint["SourceArn"]["Fn::If"][1:])
    assert TEMPLATE["Resources"]["PinpointMayInvokeEvents"]["Condition"] == "PinpointMayInvoke"
    assert TEMPLATE["Parameters"]["PinpointApplication"]["Default"] == ""


def test_the_world_may_invoke_the_door_by_its_url_and_nothing_else() -> None:
    of_everybody = [
        permission for permission in resources("Lambda::Permission").values() if permission["Principal"] == "*"
    ]
    assert {permission["FunctionName"]["Ref"] for permission in of_everybody} == {"DoorFunction"}
    by_url = {
        permission["Action"]: permission.get("FunctionUrlAuthType") or permission["InvokedViaFunctionUrl"]
        for permission in of_everybody
    }
    assert by_url == {"lambda:InvokeFunctionUrl": "NONE", "lambda:InvokeFunction": True}
    (url,) = resources("Lambda::Url").values()
    assert url == {"TargetFunctionArn": {"Ref": "DoorFunction"}, "AuthType": "NONE"}

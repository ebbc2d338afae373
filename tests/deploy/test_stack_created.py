"""What moto can make of the stack is made, and then used as the service and the shim use it."""

import ast
import json
import logging
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from lambda_shim.forward import Forwarder
from lambda_shim.handler import handler
from service import wiring
from service.config import Settings
from service.web.auth import Signatures
from service.web.console.people import People
from tests.deploy.account import DOMAIN, MORE_SETTINGS, NUMBER, REGION, Account, Stack
from tests.lambda_shim.serving import Context, article

HERE = "eu-central-1:123456789012"
BUS = f"arn:aws:events:{HERE}:event-bus/outcomes"
CONNECT = f"arn:aws:connect:{HERE}:instance/11111111-2222-3333-4444-555555555555"
PROVIDER = "https://login.example.com"
OIDC = {
    "ConsoleOidcIssuer": PROVIDER,
    "ConsoleOidcAuthorizationEndpoint": f"{PROVIDER}/authorize",
    "ConsoleOidcTokenEndpoint": f"{PROVIDER}/token",
    "ConsoleOidcUserInfoEndpoint": f"{PROVIDER}/userinfo",
    "ConsoleOidcClientId": "whatsapp-console",
    "ConsoleOidcClientSecretArn": f"arn:aws:secretsmanager:{HERE}:secret:console/oidc-AbCdEf",
}
NUMBERS_SECRET = f"arn:aws:secretsmanager:{HERE}:secret:connect/whatsapp-AbCdEf"


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Account(f"http://{host}:{port}")
    server.stop()


@pytest.fixture(scope="module")
def stack(account: Account) -> Stack:
    """With the defaults, and Pinpoint allowed."""
    given = {"PhoneNumberId": NUMBER, "ChannelSettings": MORE_SETTINGS, "PinpointApplication": "*"}
    return account.create("whatsapp", given)


@pytest.fixture(scope="module")
def other(account: Account) -> Stack:
    """With what the other conditions turn on."""
    given = {"ClientCidr": "10.8.0.0/16", "EventBusArn": BUS, "ConnectInstanceArn": CONNECT}
    return account.create("other", {**given, "NumberSecretArns": NUMBERS_SECRET, **OIDC, **account.given})


@pytest.fixture(autouse=True)
def _account(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a container or a function finds beside its own variables."""
    given = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION}
    for name, value in (given | {"AWS_ENDPOINT_URL": account.url}).items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)


def _function(stack: Stack, name: str) -> dict[str, Any]:
    found = stack.account.client("lambda").get_function_configuration(FunctionName=stack.ids[name])
    return dict(found)


def _allowed(stack: Stack, role: str) -> dict[str, set[str]]:
    """Action → resources of a role's inline policy, as made; moto gives it as Python writes it."""
    iam, found = stack.account.client("iam"), dict[str, set[str]]()
    policy = ast.literal_eval(iam.get_role_policy(RoleName=stack.ids[role], PolicyName="needed")["PolicyDocument"])
    for statement in filter(None, policy["Statement"]):
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        for action in statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]:
            found.setdefault(action, set()).update(filter(None, resources))
    return found


@pytest.mark.parametrize("task", ["WebTask", "DispatcherTask", "MigrateTask", "OperatorTask"])
def test_a_tasks_variables_are_settings_that_can_be_used(stack: Stack, task: str) -> None:
    settings = Settings.from_environment(stack.variables(task))
    assert set(settings.numbers) == {NUMBER, "222222222222222"}
    assert stack.variables(task)["PGPASSWORD"] == json.loads(stack.account.secret("DatabaseSecret"))["password"]


def test_settings_certificate_secrets_and_bus_may_be_given(other: Stack) -> None:
    found = other.variables("DispatcherTask")
    assert found["CHANNEL_SETTINGS"] == MORE_SETTINGS
    assert set(Settings.from_environment(found).numbers) == {"222222222222222"}
    assert found["FB_SECRET_ARN"] == other.account.given["MetaSecretArn"]
    assert found["EVENT_BUS"] == BUS
    events = _function(other, "EventsFunction")
    assert events["Environment"]["Variables"]["SERVICE_URL"] == f"https://{DOMAIN}"


def test_what_is_given_is_allowed_and_what_is_not_asked_for_is_not(other: Stack) -> None:
    read, given = "secretsmanager:GetSecretValue", other.account.given
    assert _allowed(other, "DispatcherRole") == {
        read: {given["MetaSecretArn"], NUMBERS_SECRET},
        "events:PutEvents": {BUS},
    }
    assert given["ChannelSettingsSecretArn"] in _allowed(other, "ExecutionRole")[read]
    policy = other.account.client("lambda").get_policy(FunctionName=other.ids["EventsFunction"])["Policy"]
    (statement,) = json.loads(policy)["Statement"]
    assert statement["Principal"] == {"Service": "connect-campaigns.amazonaws.com"}
    assert statement["Condition"]["ArnLike"] == {"AWS:SourceArn": CONNECT}


def test_a_client_is_let_in_by_the_load_balancer_at_the_port_of_its_certificate(other: Stack) -> None:
    group = other.ids["LoadBalancerSecurityGroup"]
    (made,) = other.account.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert {rule["FromPort"] for rule in made["IpPermissions"]} == {443}
    ranges = [each["CidrIp"] for rule in made["IpPermissions"] for each in rule["IpRanges"]]
    assert ranges == ["10.8.0.0/16"]


def test_web_reads_the_keys_that_the_stack_made_and_knows_no_caller_yet(stack: Stack) -> None:
    settings = Settings.from_environment(stack.variables("WebTask"))
    assert wiring.key_entries(settings, settings.signing_keys) == [stack.account.secret("SigningKeysSecret")]
    assert wiring.key_entries(settings, settings.api_keys) == []
    assert People(wiring.keys(settings, settings.console_users), float).is_empty()
    assert settings.console_alb_arn is None
    Signatures(wiring.keys(settings, settings.signing_keys), float)


def test_an_identity_provider_signs_people_in_to_the_console_and_to_nothing_else(other: Stack, stack: Stack) -> None:
    balancing = other.account.client("elbv2")
    rule, rest = balancing.describe_rules(ListenerArn=other.ids["Listener"])["Rules"]
    (condition,) = rule["Conditions"]
    assert condition["PathPatternConfig"]["Values"] == ["/console", "/console/*", "/oauth2/idpresponse"]
    sign_in, forward = sorted(rule["Actions"], key=lambda action: int(action["Order"]))
    assert sign_in["Type"] == "authenticate-oidc"
    config = sign_in["AuthenticateOidcConfig"]
    assert [config[name] for name in ("Issuer", "TokenEndpoint", "ClientId")] == [
        PROVIDER,
        f"{PROVIDER}/token",
        "whatsapp-console",
    ]
    assert forward["TargetGroupArn"] == other.ids["TargetGroup"]
    assert [action["Type"] for action in rest["Actions"]] == ["forward"], "API and webhooks sign nobody in"
    settings = Settings.from_environment(other.variables("WebTask"))
    assert settings.console_alb_arn == other.ids["LoadBalancer"]
    assert "ConsoleSignIn" not in stack.ids


def test_the_secret_for_meta_says_what_is_still_to_be_filled_in(stack: Stack) -> None:
    made = json.loads(stack.account.secret("MetaSecret"))
    assert made.pop("WEBHOOK_VERIFY_TOKEN").isalnum()
    assert made == {"FB_APP_TOKEN": "", "FB_APP_SECRET": ""}


@pytest.fixture
def trigger(stack: Stack) -> dict[str, Any]:
    """The parking queue's, switched off: moto would run the function, in a container."""
    functions = stack.account.client("lambda")
    (found,) = functions.list_event_source_mappings(FunctionName=stack.ids["EventsFunction"])["EventSourceMappings"]
    return dict(functions.update_event_source_mapping(UUID=found["UUID"], Enabled=False))


def test_the_function_parks_what_the_service_does_not_take_in_the_queue_that_triggers_it(
    stack: Stack, trigger: dict[str, Any]
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        given = _function(stack, "EventsFunction")["Environment"]["Variables"]
        service = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        answer = handler(article(), Context(), Forwarder({**given, "SERVICE_URL": service}))
    assert {each["EventAttributes"]["whatsapp_status"] for each in answer.values()} == {"parked"}
    (message,) = stack.account.client("sqs").receive_message(QueueUrl=stack.outputs["ParkingQueueUrl"])["Messages"]
    assert json.loads(message["Body"]) == article()
    assert trigger["EventSourceArn"] == stack.outputs["ParkingQueueArn"]
    assert trigger["FunctionArn"] == stack.outputs["EventsFunctionArn"]


def test_the_queues_are_made_with_the_agreed_numbers(stack: Stack) -> None:
    sqs = stack.account.client("sqs")
    parking = sqs.get_queue_attributes(QueueUrl=stack.outputs["ParkingQueueUrl"], AttributeNames=["All"])["Attributes"]
    assert (parking["VisibilityTimeout"], parking["MessageRetentionPeriod"]) == ("90", "1209600")
    redrive = json.loads(parking["RedrivePolicy"])
    assert redrive == {"deadLetterTargetArn": stack.outputs["DeadLetterQueueArn"], "maxReceiveCount": 500}


def test_the_functions_are_made_with_roles_variables_and_concurrency_of_their_own(stack: Stack) -> None:
    events, door = _function(stack, "EventsFunction"), _function(stack, "DoorFunction")
    assert events["Role"] != door["Role"]
    assert set(door["Environment"]["Variables"]) == {"SERVICE_URL"}
    assert events["VpcConfig"]["SecurityGroupIds"] != door["VpcConfig"]["SecurityGroupIds"]
    for function in (events, door):
        of = stack.account.client("lambda").get_function_concurrency(FunctionName=function["FunctionName"])
        assert (function["Runtime"], function["Timeout"], of["ReservedConcurrentExecutions"]) == ("python3.13", 15, 20)


def test_the_made_roles_name_the_made_secrets_queue_repository_and_logs(stack: Stack) -> None:
    secrets = stack.account.secrets
    events, web, dispatcher = (_allowed(stack, name) for name in ("EventsRole", "WebRole", "DispatcherRole"))
    read = "secretsmanager:GetSecretValue"
    assert events[read] == {secrets["SigningKeysSecret"]}
    assert events["sqs:SendMessage"] == events["sqs:ReceiveMessage"] == {stack.outputs["ParkingQueueArn"]}
    assert web[read] == {
        secrets[name] for name in ("MetaSecret", "SigningKeysSecret", "ApiKeysSecret", "ConsoleUsersSecret")
    }
    assert dispatcher == {read: {secrets["MetaSecret"]}}
    execution = _allowed(stack, "ExecutionRole")
    assert execution[read] == {secrets["DatabaseSecret"]}
    assert execution["ecr:BatchGetImage"] == {"arn:aws:ecr:eu-central-1:111122223333:repository/team/whatsapp-channel"}
    assert {arn.partition("log-group:")[2] for arn in execution["logs:PutLogEvents"]} == {
        f"/whatsapp-channel/whatsapp/{name}" for name in ("web", "dispatcher", "tasks")
    }


def test_both_functions_have_the_policy_for_their_interfaces(stack: Stack) -> None:
    for role in ("EventsRole", "DoorRole"):
        attached = stack.account.client("iam").list_attached_role_policies(RoleName=stack.ids[role])["AttachedPolicies"]
        assert [policy["PolicyArn"] for policy in attached] == [stack.ids["NetworkInterfaces"]]


def test_who_may_invoke_which_function(stack: Stack) -> None:
    found = {}
    for name in ("EventsFunction", "DoorFunction"):
        policy = stack.account.client("lambda").get_policy(FunctionName=stack.ids[name])["Policy"]
        for statement in json.loads(policy)["Statement"]:
            principal = statement["Principal"]
            who = principal if isinstance(principal, str) else principal["Service"]
            found[name, who, statement["Action"]] = statement.get("Condition")
    account = {"AWS:SourceAccount": "123456789012"}
    applications = {"AWS:SourceArn": "arn:aws:mobiletargeting:eu-central-1:123456789012:apps/*"}
    assert found == {
        ("EventsFunction", "connect-campaigns.amazonaws.com", "lambda:InvokeFunction"): {"StringEquals": account},
        ("EventsFunction", "pinpoint.eu-central-1.amazonaws.com", "lambda:InvokeFunction"): {
            "StringEquals": account,
            "ArnLike": applications,
        },
        ("DoorFunction", "*", "lambda:InvokeFunctionUrl"): None,
        ("DoorFunction", "*", "lambda:InvokeFunction"): None,
    }


def test_only_the_load_balancers_group_is_let_in_by_web_and_only_tasks_by_the_database(stack: Stack) -> None:
    ec2 = stack.account.client("ec2")
    made = ec2.describe_security_groups(GroupIds=[id_ for id_ in stack.ids.values() if id_.startswith("sg-")])
    let_in = {
        group["GroupId"]: {pair["GroupId"] for rule in group["IpPermissions"] for pair in rule["UserIdGroupPairs"]}
        for group in made["SecurityGroups"]
    }
    ids = {
        name: stack.ids[f"{name}SecurityGroup"]
        for name in ("LoadBalancer", "Web", "Dispatcher", "Operator", "Database")
    }
    assert let_in[ids["Web"]] == {ids["LoadBalancer"]}
    assert let_in[ids["Database"]] == {ids["Web"], ids["Dispatcher"], ids["Operator"]}
    assert let_in[ids["Dispatcher"]] == let_in[ids["Operator"]] == set()


def test_logs_are_kept_for_thirty_days_and_the_database_stands_in_two_zones(stack: Stack) -> None:
    groups = stack.account.client("logs").describe_log_groups(logGroupNamePrefix="/whatsapp-channel/whatsapp/")
    assert [group["retentionInDays"] for group in groups["logGroups"]] == [30] * 5
    made = stack.account.client("rds").describe_db_instances(DBInstanceIdentifier=stack.outputs["DatabaseIdentifier"])
    (database,) = made["DBInstances"]
    assert (database["MultiAZ"], database["StorageEncrypted"], database["PubliclyAccessible"]) == (True, True, False)


def test_the_printed_commands_name_the_task_and_where_it_runs(stack: Stack) -> None:
    for output, task, flag in (
        ("MigrateCommand", "MigrateTask", ""),
        ("OperatorCommand", "OperatorTask", "--enable-execute-command"),
    ):
        command = stack.outputs[output]
        assert f"--task-definition {stack.ids[task]} " in command
        assert stack.account.network["PrivateSubnetIds"] in command
        assert flag in command

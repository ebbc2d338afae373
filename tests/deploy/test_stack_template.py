"""deploy/channel.yaml beside the code it runs: the shim's environment, the tasks' commands and settings, the agreed numbers."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest
from psycopg.pq import Conninfo

from deploy.package import RUNTIME
from lambda_shim import forward
from service.cli import COMMANDS
from service.config import Settings
from service.web.console import cookie
from tests.deploy.stack import PATH, ROOT, TEMPLATE, container, referred, resources, variables

SETTINGS = {field.alias: field for field in Settings.model_fields.values() if field.alias}
LIBPQ = {option.envvar.decode() for option in Conninfo.get_defaults() if option.envvar}
NOT_ON_AWS = {"REQUESTS_CA_BUNDLE"}
"""What the shim may read and the stack does not set: the load balancer's certificate is ACM's, which is trusted anyway."""

SERVICES = ("WebTask", "DispatcherTask")
TASKS = (*SERVICES, "MigrateTask", "OperatorTask")
ONE_PIECE = (*SERVICES, "MigrateTask")


def _constants(name: str) -> dict[str, Any]:
    """The plain values that a module gives to names at its top, without importing it."""
    found = {}
    for node in ast.parse((ROOT / name).read_text()).body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.targets[0], ast.Name)
        ):
            found[node.targets[0].id] = node.value.value
    return found


def test_cfn_lint_finds_nothing() -> None:
    command = [sys.executable, "-c", "from cfnlint.runner.cli import main; main()", "--template", str(PATH)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_every_parameter_is_described_and_in_one_group() -> None:
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    assert sorted(grouped) == sorted(TEMPLATE["Parameters"])
    assert [name for name, parameter in TEMPLATE["Parameters"].items() if not parameter["Description"]] == []


def test_only_these_parameters_have_to_be_given() -> None:
    given = {name for name, parameter in TEMPLATE["Parameters"].items() if "Default" not in parameter}
    assert given == {"VpcId", "PrivateSubnetIds", "ImageUri", "LambdaBucket", "LambdaKey"}


@pytest.mark.parametrize("name", ["EventsFunction", "DoorFunction"])
def test_a_function_runs_the_zips_handler_on_the_zips_python(name: str) -> None:
    function = resources("Lambda::Function")[name]
    module, _, attribute = function["Handler"].rpartition(".")
    assert callable(getattr(import_module(module), attribute))
    assert function["Runtime"] == f"python{RUNTIME}"
    assert function["Architectures"] == [{"Fn::If": ["OnArm", "arm64", "x86_64"]}]


def test_the_function_events_has_all_that_the_shim_reads_and_the_door_no_key() -> None:
    read = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', (ROOT / "lambda_shim/forward.py").read_text()))
    given = {name: set(of["Environment"]["Variables"]) for name, of in resources("Lambda::Function").items()}
    assert set(forward.SETTINGS) <= read
    assert given == {"EventsFunction": read - NOT_ON_AWS, "DoorFunction": {"SERVICE_URL"}}


def test_both_functions_end_with_pinpoints_patience_and_after_the_shims_own() -> None:
    for function in resources("Lambda::Function").values():
        assert function["Timeout"] == 15
        assert function["Timeout"] > 12 + forward.KEPT


def test_the_queues_have_the_agreed_numbers() -> None:
    queues = resources("SQS::Queue")
    parking, dead = queues["ParkingQueue"], queues["DeadLetterQueue"]
    assert parking["VisibilityTimeout"] == 90
    assert parking["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]},
        "maxReceiveCount": 500,
    }
    for queue in (parking, dead):
        assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
        assert queue["SqsManagedSseEnabled"] is True
        assert queue["MaximumMessageSize"] > forward.LARGEST


def test_a_parked_event_comes_back_by_itself_and_only_where_it_failed() -> None:
    (trigger,) = resources("Lambda::EventSourceMapping").values()
    assert trigger["ScalingConfig"] == {"MaximumConcurrency": 5}
    assert trigger["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert referred(trigger) == {"EventsFunction", "ParkingQueue"}
    assert TEMPLATE["Parameters"]["EventsConcurrency"]["Default"] > 5


@pytest.mark.parametrize("name", ONE_PIECE)
def test_a_tasks_command_is_one_that_the_image_has(name: str) -> None:
    of = container(name)
    (command,) = of["Command"]
    assert "EntryPoint" not in of
    assert command in COMMANDS
    assert command not in re.findall(r"^\s+(\S+)\) exec", (ROOT / "deploy/container/entrypoint.sh").read_text(), re.M)


@pytest.mark.parametrize("name", TASKS)
def test_every_variable_of_a_task_is_a_setting_or_libpqs(name: str) -> None:
    assert set(variables(name)) <= SETTINGS.keys() | LIBPQ


@pytest.mark.parametrize("name", TASKS)
def test_no_secret_stands_in_a_task_definition(name: str) -> None:
    plain = {entry["Name"] for entry in container(name)["Environment"] if "Name" in entry}
    assert not plain & {"PGPASSWORD", "FB_APP_TOKEN", "FB_APP_SECRET", "WEBHOOK_VERIFY_TOKEN"}
    for variable in plain & {"FB_SECRET_ARN", "SIGNING_KEYS", "API_KEYS", "CONSOLE_USERS"}:
        assert all(part.endswith(("Secret", "SecretArn")) for part in referred(variables(name)[variable]))


def test_tasks_of_one_database_agree_about_it() -> None:
    of_database = {name: {k: v for k, v in variables(name).items() if k in LIBPQ | {"DATABASE_URL"}} for name in TASKS}
    assert all(found == of_database["WebTask"] for found in of_database.values())
    assert of_database["WebTask"]["PGSSLMODE"] == "require"
    assert "channel" == of_database["WebTask"]["PGUSER"] == resources("RDS::DBInstance")["Database"]["MasterUsername"]


def test_what_keeps_outcomes_has_the_bus_and_what_runs_on_demand_no_metrics() -> None:
    having = {variable: {name for name in TASKS if variable in variables(name)} for variable in SETTINGS}
    assert having["EVENT_BUS"] == {*SERVICES, "OperatorTask"}
    assert having["CLOUDWATCH_NAMESPACE"] == set(SERVICES)
    assert having["CONSOLE_USERS"] == {"WebTask", "OperatorTask"}, "who serves the console, and who runs doctor"
    assert having["CONSOLE_ALB_ARN"] == {"WebTask"}
    assert having["CHANNEL_SETTINGS"] == having["FB_BUSINESS_PHONE_ID"] == set(TASKS)


@pytest.mark.parametrize("name", ONE_PIECE)
def test_a_piece_writes_to_tmp_only_and_has_no_privileges(name: str) -> None:
    of = container(name)
    assert of["ReadonlyRootFilesystem"] is True
    assert of["MountPoints"] == [{"SourceVolume": "tmp", "ContainerPath": "/tmp"}]
    assert re.search(r"^VOLUME /tmp$", (ROOT / "Dockerfile").read_text(), re.M)  # whose owner and mode the volume takes
    assert of["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert "User" not in of, "the image says who: it is not root"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_asked_by_the_images_own_check_and_has_time_to_stop(name: str) -> None:
    of = container(name)
    assert of["HealthCheck"]["Command"] == ["CMD", "alive"]
    assert of["StopTimeout"] > _constants("service/web/server.py")["graceful_timeout"]
    assert of["StopTimeout"] <= 120, "Fargate allows no more"


def test_the_load_balancer_asks_the_web_task_where_it_listens() -> None:
    (target,) = resources("ElasticLoadBalancingV2::TargetGroup").values()
    assert target["Port"] == SETTINGS["PORT"].default
    assert container("WebTask")["PortMappings"] == [{"ContainerPort": target["Port"]}]
    assert target["HealthCheckPath"] == "/healthz"


def test_the_load_balancer_is_the_one_that_closes_a_quiet_connection() -> None:
    (balancer,) = resources("ElasticLoadBalancingV2::LoadBalancer").values()
    attributes = {entry["Key"]: entry["Value"] for entry in balancer["LoadBalancerAttributes"]}
    assert int(attributes["idle_timeout.timeout_seconds"]) < _constants("service/web/server.py")["keepalive"]


@pytest.mark.parametrize("name", ["WebService", "DispatcherService"])
def test_a_service_is_rolled_back_by_itself_and_starts_only_when_told(name: str) -> None:
    service = resources("ECS::Service")[name]
    assert service["DeploymentConfiguration"]["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert service["DeploymentConfiguration"]["MinimumHealthyPercent"] == 100
    assert service["DesiredCount"] == {"Fn::If": ["ServicesRunNow", {"Ref": "AWS::NoValue"}, 0]}
    assert TEMPLATE["Parameters"]["ServicesRun"]["Default"] == "no"


def test_web_scales_by_cpu_and_requests_and_dispatchers_by_cpu() -> None:
    found: dict[str, set[str]] = {}
    for policy in resources("ApplicationAutoScaling::ScalingPolicy").values():
        metric = policy["TargetTrackingScalingPolicyConfiguration"]["PredefinedMetricSpecification"]
        found.setdefault(policy["ScalingTargetId"]["Ref"], set()).add(metric["PredefinedMetricType"])
    cpu = "ECSServiceAverageCPUUtilization"
    assert found == {"WebTasks": {cpu, "ALBRequestCountPerTarget"}, "DispatcherTasks": {cpu}}


def test_the_database_is_encrypted_kept_and_not_public() -> None:
    database = TEMPLATE["Resources"]["Database"]
    assert database["DeletionPolicy"] == database["UpdateReplacePolicy"] == "Snapshot"
    assert database["Properties"]["StorageEncrypted"] is True
    assert database["Properties"]["PubliclyAccessible"] is False
    defaults = {name: parameter.get("Default") for name, parameter in TEMPLATE["Parameters"].items()}
    assert defaults["DatabaseMultiAz"] == defaults["DatabaseDeletionProtection"] == "true"


def test_calls_go_one_way_and_nobody_listens_to_the_world() -> None:
    ingress = resources("EC2::SecurityGroupIngress")
    ways = {
        (rule.get("SourceSecurityGroupId", rule.get("CidrIp"))["Ref"], rule["GroupId"]["Ref"])
        for rule in ingress.values()
    }
    balancer, database = "LoadBalancerSecurityGroup", "DatabaseSecurityGroup"
    callers = {
        "EventsSecurityGroup",
        "DoorSecurityGroup",
        "OperatorSecurityGroup",
        "ClientCidr",
        "ClientSecurityGroupId",
    }
    assert ways == {
        *((caller, balancer) for caller in callers),
        (balancer, "WebSecurityGroup"),
        *((group, database) for group in ("WebSecurityGroup", "DispatcherSecurityGroup", "OperatorSecurityGroup")),
    }
    for group in resources("EC2::SecurityGroup").values():
        assert "SecurityGroupIngress" not in group
        assert group["SecurityGroupEgress"], "none would let EC2 add one that allows everything"
    (load_balancer,) = resources("ElasticLoadBalancingV2::LoadBalancer").values()
    assert load_balancer["Scheme"] == "internal"


def test_the_door_reaches_the_load_balancer_only() -> None:
    (rule,) = resources("EC2::SecurityGroup")["DoorSecurityGroup"]["SecurityGroupEgress"]
    assert rule["DestinationSecurityGroupId"] == {"Ref": "LoadBalancerSecurityGroup"}


def _world(group: str) -> list[Any]:
    """Under which condition a group reaches any address, and at which ports."""
    rules = resources("EC2::SecurityGroup")[group]["SecurityGroupEgress"]
    found = [(rule["Fn::If"][0], rule["Fn::If"][1]) if "Fn::If" in rule else (None, rule) for rule in rules]
    return [(when, rule["FromPort"], rule["ToPort"]) for when, rule in found if rule.get("CidrIp") == "0.0.0.0/0"]


def test_the_load_balancer_reaches_an_identity_provider_only_where_there_is_one_and_web_its_public_keys() -> None:
    assert _world("LoadBalancerSecurityGroup") == [("ConsoleIsByOidc", 443, 443)]
    assert _world("WebSecurityGroup") == [(None, 443, 443)]


def test_an_identity_provider_is_off_by_default_and_is_given_whole_over_https() -> None:
    wanted = {name for name in TEMPLATE["Parameters"] if name.startswith("ConsoleOidc")} - {"ConsoleOidcIssuer"}
    rule = TEMPLATE["Rules"]["ConsoleOidcIsWhole"]
    asserted = {name for one in rule["Assertions"] for name in referred(one["Assert"])}
    assert referred(rule["RuleCondition"]) == {"ConsoleOidcIssuer"}
    assert asserted == wanted | {"CertificateArn"}
    assert {TEMPLATE["Parameters"][name]["Default"] for name in wanted | {"ConsoleOidcIssuer"}} == {""}
    assert TEMPLATE["Resources"]["ConsoleSignIn"]["Condition"] == "ConsoleIsByOidc"
    assert {"Condition": "HasCertificate"} in TEMPLATE["Conditions"]["ConsoleIsByOidc"]["Fn::And"]


def test_an_identity_provider_signs_in_for_as_long_as_a_password_and_tells_the_address() -> None:
    sign_in, _forward = resources("ElasticLoadBalancingV2::ListenerRule")["ConsoleSignIn"]["Actions"]
    config = sign_in["AuthenticateOidcConfig"]
    assert config["SessionTimeout"] == cookie.LIFETIME.total_seconds()
    assert set(config["Scope"].split()) == {"openid", "email"}
    assert config["ClientSecret"]["Fn::Sub"].startswith("{{resolve:secretsmanager:${ConsoleOidcClientSecretArn}")


def test_the_console_sees_the_host_that_the_browser_sees() -> None:
    (balancer,) = resources("ElasticLoadBalancingV2::LoadBalancer").values()
    attributes = {entry["Key"]: entry["Value"] for entry in balancer["LoadBalancerAttributes"]}
    assert attributes["routing.http.preserve_host_header.enabled"] == "true"


def test_every_log_ends_some_day() -> None:
    assert {group["RetentionInDays"]["Ref"] for group in resources("Logs::LogGroup").values()} == {"LogDays"}

"""The stack in an AWS account on this machine (moto), as far as moto can make it; the rest is looked at in the template.

What moto's CloudFormation does not make: secrets (made here by Secrets Manager itself, from the template's own properties),
scaling, function URL, subscription, alarms. Its dashboard and subnet group do not know what they refer to.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from boto3.session import Session

from tests.deploy.stack import load, referred

REGION = "eu-central-1"
DOMAIN = "channel.example.internal"
NUMBER, MORE_SETTINGS = "106540352242922", '[numbers.222222222222222]\nwaba_id = "1"\n'
IMAGE = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/team/whatsapp-channel:1.0.0@sha256:" + "a" * 64
LEFT_OUT = {
    "AWS::SecretsManager::Secret",
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::Lambda::Url",
    "AWS::SNS::Subscription",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
}


@cache
def _client(url: str, service: str) -> Any:
    """Made once: reading a service's description takes long."""
    session: Any = Session("testing", "testing", region_name=REGION)
    return session.client(service, endpoint_url=url)


@dataclass(frozen=True)
class Account:
    """An account behind `url`, with a VPC of two subnets and a bucket that holds a zip."""

    url: str

    def client(self, service: str) -> Any:
        """boto3's, for that account."""
        return _client(self.url, service)

    @cached_property
    def network(self) -> dict[str, str]:
        """The parameters that say where."""
        ec2 = self.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"][
                "SubnetId"
            ]
            for n, zone in enumerate("ab")
        ]
        return {"VpcId": vpc, "PrivateSubnetIds": ",".join(subnets)}

    @cached_property
    def code(self) -> dict[str, str]:
        """The parameters that say where the zip is. What is in it does not matter: it is not run here."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("lambda_shim/handler.py", "")
        s3 = self.client("s3")
        s3.create_bucket(Bucket="builds", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket="builds", Key="shim.zip", Body=packed.getvalue())
        return {"LambdaBucket": "builds", "LambdaKey": "shim.zip"}

    @cached_property
    def secrets(self) -> dict[str, str]:
        """Logical id → ARN of the secrets that the template makes."""
        found = {name: of["Properties"] for name, of in load()["Resources"].items() if of["Type"].endswith("::Secret")}
        return {name: self._make_secret(name, of) for name, of in found.items()}

    def _make_secret(self, name: str, properties: dict[str, Any]) -> str:
        """As CloudFormation's documentation says that it does."""
        manager = self.client("secretsmanager")
        text = properties.get("SecretString", "")
        if wanted := properties.get("GenerateSecretString"):
            options = {k: v for k, v in wanted.items() if k in {"PasswordLength", "ExcludePunctuation"}}
            text = manager.get_random_password(**options)["RandomPassword"]
            if "GenerateStringKey" in wanted:
                text = json.dumps(json.loads(wanted["SecretStringTemplate"]) | {wanted["GenerateStringKey"]: text})
        return str(manager.create_secret(Name=name, SecretString=text)["ARN"])

    @cached_property
    def given(self) -> dict[str, str]:
        """The parameters that name secrets and a certificate of your own, which are there."""
        texts = {"MetaSecretArn": "{}", "SigningKeysSecretArn": "whsec_", "ApiKeysSecretArn": ","}
        texts |= {"ConsoleUsersSecretArn": ",", "ChannelSettingsSecretArn": MORE_SETTINGS}
        manager = self.client("secretsmanager")
        made = {name: manager.create_secret(Name=name, SecretString=text)["ARN"] for name, text in texts.items()}
        certificate = self.client("acm").request_certificate(DomainName=DOMAIN)["CertificateArn"]
        return {**made, "CertificateArn": certificate, "DomainName": DOMAIN}

    def secret(self, name: str) -> str:
        """What a secret of the template holds."""
        return str(self.client("secretsmanager").get_secret_value(SecretId=self.secrets[name])["SecretString"])

    def create(self, name: str, parameters: Mapping[str, str]) -> "Stack":
        """Make a stack; raise where CloudFormation would."""
        given = {**self.network, **self.code, "ImageUri": IMAGE, **parameters}
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=json.dumps(reduced(load(), self.secrets)),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        made = cloudformation.list_stack_resources(StackName=name)["StackResourceSummaries"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        return Stack(self, {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in made}, outputs)


@dataclass(frozen=True)
class Stack:
    """A stack that was made: physical ids by logical ones, and the outputs."""

    account: Account
    ids: Mapping[str, str]
    outputs: Mapping[str, str]

    def variables(self, task: str) -> dict[str, str]:
        """What a task's container gets, as ECS would set it: secrets read, empty ones too."""
        found = self.account.client("ecs").describe_task_definition(taskDefinition=self.ids[task])["taskDefinition"]
        (container,) = found["containerDefinitions"]
        plain = {entry["name"]: entry["value"] for entry in container["environment"] if entry}
        return plain | {entry["name"]: self._value_from(entry["valueFrom"]) for entry in container["secrets"] if entry}

    def _value_from(self, reference: str) -> str:
        """`arn` is the secret's text, `arn:key::` a value of its JSON."""
        arn, key = ":".join(reference.split(":")[:7]), reference.split(":")[7:8]
        text = str(self.account.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
        return str(json.loads(text)[key[0]]) if key else text


def reduced(template: dict[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """The template without what moto cannot make; what refers to a secret has its ARN."""
    kept = {name: of for name, of in template["Resources"].items() if of["Type"] not in LEFT_OUT}
    gone = set(template["Resources"]) - set(kept) - set(secrets)
    for of in kept.values():
        wanted = of.get("DependsOn", [])
        of["DependsOn"] = [name for name in ([wanted] if isinstance(wanted, str) else wanted) if name in kept]
    outputs = {name: output for name, output in template["Outputs"].items() if not gone & referred(output)}
    rest = {name: template[name] for name in ("AWSTemplateFormatVersion", "Parameters", "Conditions")}
    return {**rest, "Resources": _resolved(kept, secrets), "Outputs": _resolved(outputs, secrets)}


def _resolved(value: Any, secrets: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        if value.get("Ref") in secrets:
            return secrets[value["Ref"]]
        return {name: _resolved(part, secrets) for name, part in value.items()}
    if isinstance(value, list):
        return [_resolved(part, secrets) for part in value]
    for name, arn in secrets.items():
        value = value.replace(f"${{{name}}}", arn) if isinstance(value, str) else value
    return value

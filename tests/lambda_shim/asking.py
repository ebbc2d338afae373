"""HTTP as AWS hands it to a function: one builder for each documented shape, and the reply as the caller sees it.

Function URL, HTTP API   https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
REST API                 https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
ALB                      https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qs

AGENT = "curl/8.5.0"
FORWARDED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Port": "443", "X-Forwarded-Proto": "https"}
TARGET_GROUP = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/door/6d0ecf831eec9f09"


class Shape(Protocol):
    def __call__(
        self, method: str, target: str, *, headers: Mapping[str, str] = {}, body: bytes = b"", encoded: bool = False
    ) -> dict[str, Any]:
        """The event for a request; `encoded` is what AWS does with a body that may be no text."""


def _split(target: str) -> tuple[str, str]:
    path, _, query = target.partition("?")
    return path, query


def _body(body: bytes, *, encoded: bool) -> dict[str, Any]:
    text = base64.b64encode(body).decode() if encoded else body.decode()
    return {"body": text, "isBase64Encoded": encoded}


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    return {"Host": "abc123.lambda-url.eu-central-1.on.aws", "User-Agent": AGENT, **FORWARDED, **given}


def _version_2(
    method: str, target: str, *, headers: Mapping[str, str] = {}, body: bytes = b"", encoded: bool = False
) -> dict[str, Any]:
    path, query = _split(target)
    context = {
        "accountId": "anonymous",
        "apiId": "abc123",
        "domainName": "abc123.lambda-url.eu-central-1.on.aws",
        "domainPrefix": "abc123",
        "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": AGENT},
        "requestId": "b0a4b2f1",
        "routeKey": "$default",
        "stage": "$default",
        "time": "23/Nov/2026:05:00:00 +0000",
        "timeEpoch": 1795410000000,
    }
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "cookies": ["session=evil"],
        "headers": {name.lower(): value for name, value in _headers(headers).items()},
        "requestContext": context,
        **_body(body, encoded=encoded),
    }


def _rest(
    method: str, target: str, *, headers: Mapping[str, str] = {}, body: bytes = b"", encoded: bool = False
) -> dict[str, Any]:
    """Query values come decoded."""
    path, query = _split(target)
    asked, given = parse_qs(query, keep_blank_values=True), _headers(headers)
    context = {
        "accountId": "111122223333",
        "apiId": "abc123",
        "httpMethod": method,
        "identity": {"sourceIp": "203.0.113.7", "userAgent": AGENT},
        "path": f"/prod{path}",
        "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        "resourcePath": "/{proxy+}",
        "stage": "prod",
    }
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": given,
        "multiValueHeaders": {name: [value] for name, value in given.items()},
        "queryStringParameters": {name: values[-1] for name, values in asked.items()} or None,
        "multiValueQueryStringParameters": asked or None,
        "pathParameters": {"proxy": path[1:]},
        "stageVariables": None,
        "requestContext": context,
        **(_body(body, encoded=encoded) if body else {"body": None, "isBase64Encoded": False}),
    }


def _http_api_1(method: str, target: str, **more: Any) -> dict[str, Any]:
    return {"version": "1.0", **_rest(method, target, **more)}


def _alb(
    method: str, target: str, *, headers: Mapping[str, str] = {}, body: bytes = b"", encoded: bool = False
) -> dict[str, Any]:
    """Query values come as they are spelled."""
    path, query = _split(target)
    return {
        "requestContext": {"elb": {"targetGroupArn": TARGET_GROUP}},
        "httpMethod": method,
        "path": path,
        "queryStringParameters": dict(each.partition("=")[::2] for each in query.split("&") if each),
        "headers": {name.lower(): value for name, value in _headers(headers).items()},
        **_body(body, encoded=encoded),
    }


def _alb_multi(method: str, target: str, **more: Any) -> dict[str, Any]:
    """A target group with multi-value headers."""
    event = _alb(method, target, **more)
    for name in ("headers", "queryStringParameters"):
        event[f"multiValue{name[0].upper()}{name[1:]}"] = {key: [value] for key, value in event.pop(name).items()}
    return event


SHAPES: dict[str, Shape] = {
    "function url": _version_2,
    "http api 1.0": _http_api_1,
    "rest api": _rest,
    "alb": _alb,
    "alb, multi-value": _alb_multi,
}


@dataclass(frozen=True)
class Reply:
    """What the caller gets."""

    status: int
    headers: dict[str, str]
    body: bytes


def reply(answer: dict[str, Any]) -> Reply:
    """Reads what the function returned as AWS does."""
    headers = dict(answer.get("headers", {}))
    headers |= {name: ", ".join(values) for name, values in answer.get("multiValueHeaders", {}).items()}
    body = base64.b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"].encode()
    return Reply(answer["statusCode"], {name.lower(): value for name, value in headers.items()}, body)

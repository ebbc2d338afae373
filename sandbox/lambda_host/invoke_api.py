"""The Lambda Invoke API over HTTP, as `aws lambda invoke` and the SDKs call it. Signatures are not looked at.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import base64
import binascii
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any, NoReturn

from aiohttp import web

from sandbox.lambda_host.event_source import EventSource
from sandbox.lambda_host.function import Function, Throttled
from sandbox.lambda_host.invocation import LATEST, Invocation, Result, Settings, arn_of, trace_id

FUNCTION = web.AppKey("function", Function)
EVENT_SOURCE: web.AppKey[EventSource | None] = web.AppKey("event_source")
NEW_ID: web.AppKey[Callable[[], uuid.UUID]] = web.AppKey("new_id")
NOW: web.AppKey[Callable[[], datetime]] = web.AppKey("now")

INVOCATIONS = "/2015-03-31/functions/{function}/invocations"
LIMITS = {"RequestResponse": 6_291_456, "Event": 1_048_576}  # bytes; the former as Lambda's own message says
NAME = re.compile(
    r"(?:arn:aws[a-z-]*:lambda:[a-z0-9-]+:)?(?:\d{12}:)?(?:function:)?(?P<name>[\w.-]+)(?::(?P<qualifier>[$\w-]+))?",
    re.ASCII,
)


class InvokeError(Exception):
    """What the Invoke API answers in place of a result; the function did not run."""

    def __init__(self, status: int, error_type: str, message: str, **more: str) -> None:
        super().__init__(message)
        self.status, self.error_type = status, error_type
        key = "Message" if status == 404 else "message"  # as AWS's model of the API spells each
        self.body = {**more, "Type": "Service" if status == 500 else "User", key: message}


async def invoke(request: web.Request) -> web.Response:
    """200 with the function's answer or error, 202 for an event, 204 for a dry run; else see InvokeError."""
    function = request.app[FUNCTION]
    arn = _invoked_arn(request, function.settings)
    kind = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
    if kind == "DryRun":
        return web.Response(status=204)
    if kind not in LIMITS:
        raise InvokeError(400, "InvalidParameterValueException", f"Unknown invocation type {kind!r}.")
    is_event = kind == "Event"
    invocation = Invocation(
        request_id=request["request_id"],
        payload=await _payload(request, LIMITS[kind]),
        arn=arn,
        trace_id=request.headers.get("X-Amzn-Trace-Id") or trace_id(request.app[NOW](), request.app[NEW_ID]()),
        client_context=None if is_event else _client_context(request),
    )
    if is_event:
        function.accept(invocation)
        return web.Response(status=202)
    return _as_response(await _run(function, invocation), request.headers.get("X-Amz-Log-Type") == "Tail")


async def healthz(request: web.Request) -> web.Response:
    """200 as long as it runs, with what it has run; `queue` counts messages where one is polled."""
    function, event_source = request.app[FUNCTION], request.app[EVENT_SOURCE]
    counts = function.counts
    return web.json_response(
        {
            "status": "ok",
            "function": function.settings.function_name,
            "environments": {"busy": function.busy, "idle": function.idle, "at_most": function.settings.concurrency},
            "invocations": {"done": counts.invocations, "failed": counts.errors, "throttled": counts.throttled},
            "events": {"waiting": function.waiting, "dropped": counts.dropped},
            **({"queue": asdict(event_source.counts)} if event_source else {}),
        }
    )


async def unknown(request: web.Request) -> NoReturn:
    """Any other path or method: 404."""
    path = INVOCATIONS.format(function=request.app[FUNCTION].settings.function_name)
    raise InvokeError(404, "UnknownOperationException", f"The one call this host knows is POST {path}.")


@web.middleware
async def explain(request: web.Request, handler: Any) -> web.StreamResponse:
    """Gives each request its id, and answers an InvokeError of a handler."""
    request["request_id"] = str(request.app[NEW_ID]())
    try:
        answer: web.StreamResponse = await handler(request)
    except InvokeError as fault:
        answer = web.json_response(fault.body, status=fault.status, headers={"x-amzn-ErrorType": fault.error_type})
    answer.headers["x-amzn-RequestId"] = request["request_id"]
    return answer


async def _run(function: Function, invocation: Invocation) -> Result:
    try:
        return await function.invoke(invocation)
    except Throttled:
        reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
        raise InvokeError(429, "TooManyRequestsException", "Rate Exceeded.", Reason=reason) from None
    except OSError as fault:
        raise InvokeError(500, "ServiceException", f"The host cannot start a process: {fault}.") from fault


def _invoked_arn(request: web.Request, settings: Settings) -> str:
    """The ARN as the function is to see it: with the qualifier, if the caller used one."""
    named = NAME.fullmatch(request.match_info["function"])
    if named is None:
        raise InvokeError(400, "ValidationException", "The function is named by its name, a partial ARN or an ARN.")
    in_name, in_query = named["qualifier"], request.query.get("Qualifier")
    if in_name and in_query and in_name != in_query:
        sentence = "The derived qualifier from the function name does not match the specified qualifier."
        raise InvokeError(400, "InvalidParameterValueException", sentence)
    qualifier = in_name or in_query
    arn = arn_of(named["name"], settings.region) + (f":{qualifier}" if qualifier else "")
    if named["name"] != settings.function_name or qualifier not in {None, LATEST}:
        sentence = f"Function not found: {arn}. This host serves {settings.function_name}, version {LATEST}."
        raise InvokeError(404, "ResourceNotFoundException", sentence)
    return arn


async def _payload(request: web.Request, limit: int) -> bytes:
    """The body as it came. A body that is empty is `{}` for the function: so it is in Lambda."""
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        body = bytes(limit + 1)
    if len(body) > limit:
        sentence = f"Request must be smaller than {limit} bytes for the InvokeFunction operation"
        raise InvokeError(413, "RequestTooLargeException", sentence)
    try:
        json.loads(body.decode() or "{}", parse_constant=_no_json)
    except (ValueError, RecursionError) as fault:
        sentence = f"Could not parse request body into json: {fault}"
        raise InvokeError(400, "InvalidRequestContentException", sentence) from None
    return body or b"{}"


def _no_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _client_context(request: web.Request) -> str | None:
    """JSON in ASCII, fit for a header."""
    header = request.headers.get("X-Amz-Client-Context")
    if not header:
        return None
    try:
        return json.dumps(json.loads(base64.b64decode(header, validate=True)))
    except (binascii.Error, ValueError, RecursionError):
        sentence = "Client context must be a valid Base64-encoded JSON object."
        raise InvokeError(400, "InvalidRequestContentException", sentence) from None


def _as_response(result: Result, with_log: bool) -> web.Response:
    headers = {"X-Amz-Executed-Version": LATEST}
    if result.failed:
        headers["X-Amz-Function-Error"] = "Unhandled"
    if with_log:
        headers["X-Amz-Log-Result"] = base64.b64encode(result.log).decode()
    return web.Response(body=result.body, content_type="application/json", headers=headers)

"""HTTP through the door: Meta's webhooks and /v1, in each of AWS's event shapes, untouched; everything else stays out."""

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qs

import pytest

from lambda_shim.adapters import Refused
from lambda_shim.forward import Forwarder
from lambda_shim.handler import handler
from tests.lambda_shim.asking import SHAPES, Reply, Shape, reply
from tests.lambda_shim.conftest import Desk
from tests.lambda_shim.serving import HANGS_UP, SILENT, Answer, Context, Log, Service, problem, sample

BODY = '{"object": "whatsapp_business_account",\n "entry": [{"name": "张三 é\\ud83d"}]}  '.encode()
SIGNATURE = "sha256=" + hmac.new(b"app secret", BODY, hashlib.sha256).hexdigest()
OWN_HEADERS = {"host", "content-length", "accept-encoding", "user-agent"}  # of every request
every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


@pytest.fixture
def ask(forwarder: Forwarder) -> Any:
    """Asks through the door; the reply as the caller sees it."""

    def asked(shape: Shape, method: str, target: str, **more: Any) -> Reply:
        return reply(handler(shape(method, target, **more), Context(), forwarder))

    return asked


@every_shape
@pytest.mark.parametrize("encoded", [False, True])
def test_a_notification_arrives_byte_for_byte_and_unsigned_by_us(
    shape: Shape, encoded: bool, ask: Any, service: Service, log: Log
) -> None:
    service.answers(Answer(200, b"", {"Content-Type": "text/plain"}))
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": SIGNATURE, "User-Agent": "facebookexternalua"}
    assert ask(shape, "POST", "/webhooks/whatsapp", headers=headers, body=BODY, encoded=encoded).status == 200
    (request,) = service.requests
    assert (request.method, request.target, request.body) == ("POST", "/webhooks/whatsapp", BODY)
    arrived = {name.lower(): value for name, value in request.headers.items()}
    assert arrived.keys() == OWN_HEADERS | {"content-type", "x-hub-signature-256"}
    assert arrived["x-hub-signature-256"] == SIGNATURE
    assert arrived["content-type"] == "application/json"
    assert arrived["user-agent"] == "facebookexternalua"
    assert arrived["host"] == service.url.removeprefix("http://")
    assert log.line() == {"status": 200, "path": "/webhooks/whatsapp"}


def test_the_sample_notification_arrives(service: Service, forwarder: Forwarder) -> None:
    event = sample("lambda_function_url_webhook")
    service.answers(Answer(200, b"", {"Content-Type": "text/plain"}))
    assert handler(event, Context(), forwarder)["statusCode"] == 200
    assert service.bodies == [event["body"].encode()]
    assert service.requests[0].headers["X-Hub-Signature-256"] == "sha256=COMPUTE_OVER_THE_BODY"


@every_shape
def test_metas_challenge_is_asked_and_answered(shape: Shape, ask: Any, service: Service) -> None:
    service.answers(Answer(200, b"1158201444", {"Content-Type": "text/plain; charset=utf-8"}))
    query = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=a%2Bb%20%26c%3D%25%C3%A9"
    answer = ask(shape, "GET", f"/webhooks/whatsapp?{query}")
    assert (answer.status, answer.body) == (200, b"1158201444")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    (request,) = service.requests
    assert (request.method, request.path, request.body) == ("GET", "/webhooks/whatsapp", b"")
    asked = {"hub.mode": ["subscribe"], "hub.challenge": ["1158201444"], "hub.verify_token": ["a+b &c=%é"]}
    assert parse_qs(request.target.partition("?")[2]) == asked


@pytest.mark.parametrize(
    "query", ["a=%2F%3F%23%26&b=%25", "hub.challenge=what?", "a=1&a=2&b", "x=%C3%A9+y", "a=%00%0d%0aX-Injected:%20y"]
)
def test_a_function_urls_query_is_passed_on_as_it_is_spelled(query: str, ask: Any, service: Service) -> None:
    ask(SHAPES["function url"], "GET", f"/v1/messages?{query}")
    (request,) = service.requests
    assert request.target.lower() == f"/v1/messages?{query}".lower()
    assert "X-Injected" not in request.headers


@every_shape
def test_a_call_to_the_api_arrives_with_its_key(shape: Shape, ask: Any, service: Service) -> None:
    receipt = json.dumps({"event_id": "é"}).encode()
    service.answers(Answer(202, receipt, {"Content-Type": "application/json", "Idempotent-Replayed": "true"}))
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Authorization": "Bearer wck_1",
        "Idempotency-Key": "order-17",
        "Webhook-Id": "evt_1_x",
        "Webhook-Timestamp": "1791486000",
        "Webhook-Signature": "v1,abc",
    }
    answer = ask(shape, "POST", "/v1/messages?dry_run=true", headers=headers, body=b'{"messages": []}')
    assert (answer.status, answer.body) == (202, receipt)
    assert answer.headers["idempotent-replayed"] == "true"
    (request,) = service.requests
    assert request.target == "/v1/messages?dry_run=true"
    assert {name: request.headers[name] for name in headers} == headers


@every_shape
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
def test_the_method_is_the_callers(method: str, shape: Shape, ask: Any, service: Service) -> None:
    service.answers(Answer(405, b"", {"Allow": "POST"}))
    answer = ask(shape, method, "/v1/messages")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert [request.method for request in service.requests] == [method]


KEPT_TO_OURSELVES = """
Forwarded X-Forwarded-For X-Forwarded-Proto X-Forwarded-Host X-Forwarded-Prefix X-Real-Ip X-Amzn-Trace-Id X-Amzn-Oidc-Data
X-Amz-Cf-Id X-Amzn-Lambda-Context X-Original-Url X-Rewrite-Url X-Http-Method-Override Script-Name X-Script-Name X-User
Connection Keep-Alive Transfer-Encoding TE Trailer Upgrade Expect Proxy-Authorization Cookie Content-Encoding Range Origin
If-None-Match X-Hub-Signature X-Authorization Authorization-2 Webhook Webhook-Id-2
"""


@every_shape
def test_only_headers_of_the_list_are_passed_on(shape: Shape, ask: Any, service: Service) -> None:
    headers = dict.fromkeys(KEPT_TO_OURSELVES.split(), "evil")
    headers |= {"Host": "evil.example", "Content-Length": "7", "X-Forwarded-Port": "666"}
    ask(shape, "POST", "/v1/messages", headers=headers, body=b"ten  bytes")
    (request,) = service.requests
    assert {name.lower() for name in request.headers} == OWN_HEADERS
    assert request.body == b"ten  bytes"
    assert request.headers["host"] == service.url.removeprefix("http://")
    assert "evil" not in str(request.headers)


@every_shape
@pytest.mark.parametrize("odd", [{"Host": "a:b:c"}, {"Host": "[::1]:80"}, {"X-Forwarded-Port": "x"}], ids=str)
def test_a_header_that_mangum_cannot_read_reaches_nothing(odd: Any, shape: Shape, ask: Any, service: Service) -> None:
    """AWS writes these two itself; elsewhere the caller gets its gateway's 502."""
    with pytest.raises(Refused, match="no known shape"):
        ask(shape, "GET", "/v1/messages", headers=odd)
    assert not service.requests


@every_shape
@pytest.mark.parametrize(
    "value", ["a\r\nX-Injected: y", "a\nb", "a\r\n\r\nGET /metrics HTTP/1.1", " leading", "a\0b\r"]
)
def test_a_header_cannot_bring_another(value: str, shape: Shape, ask: Any, service: Service) -> None:
    ask(shape, "POST", "/v1/messages", headers={"Authorization": value}, body=b"{}")
    assert all("X-Injected" not in request.headers for request in service.requests)
    assert {request.target for request in service.requests} <= {"/v1/messages"}
    assert len(service.requests) <= 1


SPELT = r"""
/ /metrics /readyz /healthz /openapi.json /console/ /docs /v1 /v1/ /v2/messages /V1/messages x/v1/messages v1/messages
/v1/../metrics /v1/messages/../../metrics /v1/.. /v1/. /v1/./messages /v1/... /v1/messages/..;/x /v1/messages;x=y
/v1/%2e%2e/metrics /v1/%2E%2E%2Fmetrics /v1/%252e%252e/metrics /v1/messages%2f..%2f..%2fmetrics /v1%2Fmessages /v1/%00
/%76%31/messages /webhooks%2Fwhatsapp /webhooks/%77hatsapp /webhooks/whatsapp%00 /webhooks/whatsapp%0a /v1/messages%0d%0a
//v1/messages /v1//messages /v1/messages/ //evil.example/v1/messages /v1/@evil.example @evil.example/v1/messages
:80/v1/messages .evil.example/v1/messages http://evil.example/v1/messages /v1/messages#x /v1\messages /v1/\..\metrics
/webhooks /webhooks/ /webhooks/whatsapp/ /webhooks/whatsapp/../../metrics /webhooks/whatsappx /webhooks/WhatsApp
/v1/méssages /v1/．．/metrics /v1∕messages /x/v1/messages /v1/webhooks/whatsapp/ /webhooks/whatsapp|/v1/messages *
"""
OUTSIDE = [
    *SPELT.split(),
    "",
    "/v1/messages\n",
    "/v1/messages\r\nX-Injected: y",
    "/webhooks/whatsapp\n",
    "/v1/mess ages",
]


@every_shape
def test_nothing_else_is_reached(shape: Shape, ask: Any, service: Service, log: Log) -> None:
    answers = {path: ask(shape, "GET", path, headers={"Authorization": "Bearer wck_1"}) for path in OUTSIDE}
    assert [path for path, answer in answers.items() if answer.status != 404] == []
    assert {answer.headers["content-type"] for answer in answers.values()} == {"application/problem+json"}
    assert [request.target for request in service.requests] == []
    assert log.lines() == [{"status": 404, "path": "elsewhere"}] * len(OUTSIDE)


@every_shape
def test_the_services_answer_comes_back_without_its_own_affairs(shape: Shape, ask: Any, service: Service) -> None:
    body = b"\x89PNG\xff\x00" * 100
    own = {
        "Server": "gunicorn",
        "Set-Cookie": "a=b",
        "Location": "/x",
        "X-Internal": "10.0.0.7",
        "Connection": "keep-alive",
    }
    passed = {"Content-Type": "image/png", "Retry-After": "5", "Content-Disposition": 'attachment; filename="a.png"'}
    service.answers(Answer(200, body, own | passed))
    answer = ask(shape, "GET", "/v1/campaigns/c1")
    assert (answer.status, answer.body) == (200, body)
    assert answer.headers == {name.lower(): value for name, value in passed.items()}


@every_shape
def test_a_header_of_the_service_that_is_no_ascii_spoils_nothing(shape: Shape, ask: Any, service: Service) -> None:
    service.answers(
        Answer(200, b"x", {"Content-Type": "text/csv", "Content-Disposition": "attachment; filename=\xfc.csv"})
    )
    answer = ask(shape, "GET", "/v1/campaigns/c1")
    assert (answer.status, answer.body) == (200, b"x")
    assert answer.headers["content-disposition"] == "attachment; filename=?.csv"


@every_shape
@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503, 504])
def test_any_answer_is_the_callers_and_asked_for_once(status: int, shape: Shape, ask: Any, service: Service) -> None:
    told = problem(status) if status >= 400 else b"{}"
    service.answers(Answer(status, told, {"Content-Type": "application/problem+json", "Location": "/v1/x"}))
    answer = ask(shape, "POST", "/v1/messages", body=b"{}")
    assert (answer.status, answer.body) == (status, told)
    assert len(service.requests) == 1


@every_shape
@pytest.mark.parametrize("trouble", [HANGS_UP, SILENT], ids=lambda trouble: str(trouble.way))
def test_without_an_answer_it_is_503_and_come_again_and_never_parked(
    trouble: Answer, shape: Shape, desk: Desk, log: Log
) -> None:
    desk.service.answers(trouble)
    event = shape("POST", "/webhooks/whatsapp", body=BODY, headers={"X-Hub-Signature-256": SIGNATURE})
    answer = reply(handler(event, Context(), desk.impatient))
    assert answer.status == 503
    assert answer.headers == {"content-type": "application/problem+json", "retry-after": "10"}
    assert json.loads(answer.body)["status"] == 503
    assert len(desk.service.requests) == 1
    assert desk.queue.messages() == []
    assert log.line() == {"status": 503, "path": "/webhooks/whatsapp"}


def test_the_door_needs_no_key(service: Service) -> None:
    service.answers(Answer(200, b"ok", {"Content-Type": "text/plain"}))
    event = SHAPES["function url"]("POST", "/webhooks/whatsapp", body=BODY)
    assert handler(event, Context(), Forwarder({"SERVICE_URL": service.url}))["statusCode"] == 200


@every_shape
def test_a_body_that_is_no_text_is_refused_by_aws_own_encoding(shape: Shape, ask: Any, service: Service) -> None:
    """AWS encodes what is no UTF-8; whatever the bytes are, they are the service's to judge."""
    for body in (b"\xff\xfe\x00", b"", b"\r\n\r\n", base64.b64encode(b"x"), b"[" * 100_000):
        ask(shape, "POST", "/v1/messages", body=body, encoded=True)
    assert service.bodies == [b"\xff\xfe\x00", b"", b"\r\n\r\n", base64.b64encode(b"x"), b"[" * 100_000]

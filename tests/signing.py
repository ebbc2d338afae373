"""What Schemathesis does before each call (`test_every_call.py`): sign as the call's own caller would, ask for what exists.

Schemathesis loads this file in its own process; keys and ids come from the environment.
"""

import base64
import hashlib
import hmac
import os
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

import schemathesis
from requests import PreparedRequest
from requests.auth import AuthBase


def _mac(key: bytes, *parts: bytes) -> bytes:
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def shims(body: bytes) -> dict[str, str]:
    """Standard Webhooks, over whatever bytes."""
    name, moment = f"evt_{uuid.uuid4().hex}", str(int(time.time()))
    key = base64.b64decode(os.environ["SIGNING_KEYS"].removeprefix("whsec_"))
    signature = base64.b64encode(_mac(key, f"{name}.{moment}.".encode(), body)).decode()
    return {"webhook-id": name, "webhook-timestamp": moment, "webhook-signature": f"v1,{signature}"}


def metas(body: bytes) -> dict[str, str]:
    return {"X-Hub-Signature-256": f"sha256={_mac(os.environ['FB_APP_SECRET'].encode(), body).hex()}"}


class Signing(AuthBase):
    """The last to touch a request: its body is what goes over the wire."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        path, body = urlsplit(str(request.url)).path, request.body or b""
        body = body if isinstance(body, bytes) else body.encode()
        if request.method == "POST" and path.startswith("/v1/events/"):
            request.headers.update(shims(body))
        elif request.method == "POST" and path == "/webhooks/whatsapp":
            request.headers.update(metas(body))
        else:
            request.headers["Authorization"] = f"Bearer {os.environ['API_KEY']}"
        return request


schemathesis.auth.set_from_requests(Signing())  # type: ignore[attr-defined]


@schemathesis.hook
def map_path_parameters(_context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Every second id is one that exists: `message_id` is that of MESSAGE_ID."""
    return path_parameters and {
        name: os.environ.get(name.upper(), value) if len(str(value)) % 2 else value
        for name, value in path_parameters.items()
    }


@schemathesis.hook
def map_query(_context: Any, query: dict[str, Any] | None) -> dict[str, Any] | None:
    """Every second challenge has the verify token."""
    if query and len(str(query.get("hub.verify_token", ""))) % 2:
        return {**query, "hub.verify_token": os.environ["WEBHOOK_VERIFY_TOKEN"]}
    return query

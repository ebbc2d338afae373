"""Answers of the Cloud API, made up for tests."""

import json

from service.whatsapp.answer import Answer, classify
from service.whatsapp.send_error import SendError


def answer(status: int, document: object = None, **headers: str) -> Answer:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def error(code: object, status: int = 400, headers: dict[str, str] | None = None, **more: object) -> SendError:
    """What a refusal with this code means."""
    fields = {"message": f"(#{code}) Not so", "type": "OAuthException", "code": code, "fbtrace_id": "AbC"}
    found = classify(answer(status, {"error": fields | more}, **(headers or {})))
    assert isinstance(found, SendError)
    return found

"""Errors as RFC 9457 problem+json: what is wrong, where, and what to do."""

import json
import logging
from collections.abc import Sequence
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from service.message import Fault, printable
from service.outbox.outbox import StoreUnavailable

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = "5"

log = logging.getLogger(__name__)


def problem_text(status: int, title: str, detail: str, faults: Sequence[Fault] = (), **more: Any) -> str:
    """The problem's JSON. `more` are members of our own, such as event_id."""
    document: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    if faults:
        document["errors"] = [{"path": f.path, "code": f.code, "detail": f.detail} for f in faults]
    return printable(json.dumps(document, ensure_ascii=False))  # half a character becomes JSON's own escape for it


def problem(status: int, title: str, detail: str, faults: Sequence[Fault] = (), **more: Any) -> Response:
    """The problem as an answer."""
    return Response(problem_text(status, title, detail, faults, **more), status, content_type=CONTENT_TYPE)


def unauthorised() -> Response:
    """An empty 401: whoever cannot prove who they are learns nothing, not even why."""
    return Response(status=401)


def register(app: Flask) -> None:
    """Answer every error of `app` as a problem."""
    app.register_error_handler(StoreUnavailable, _store_unavailable)
    app.register_error_handler(RequestEntityTooLarge, _too_large)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def _store_unavailable(error: StoreUnavailable) -> Response:
    """Nothing was stored: the shim parks the event, Meta sends the notification again."""
    log.error("request.refused route=%s reason=%s", _route(), error)
    answer = problem(503, "Store unavailable", "The database cannot be reached; nothing was stored. Send it again.")
    answer.headers["Retry-After"] = RETRY_AFTER_SECONDS
    return answer


def _too_large(_error: RequestEntityTooLarge) -> Response:
    log.warning("request.too_large route=%s bytes=%s", _route(), request.content_length)
    return problem(413, "Body too large", "The body may have 6 MB at most; send fewer recipients in one event.")


def _http_error(error: HTTPException) -> Response:
    answer = problem(error.code or 500, error.name, error.description or error.name)
    if error.code == 405:
        answer.headers["Allow"] = ", ".join(getattr(error, "valid_methods", None) or [])
    return answer


def _unexpected(error: Exception) -> Response:
    """A mistake of ours: logged by its kind and place, never with what the request held."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}")
        trace = trace.tb_next
    log.error("request.failed route=%s error=%s at=%s", _route(), type(error).__name__, " > ".join(frames[-6:]))
    return problem(500, "Internal error", "The service failed on this request; it is logged. Send it again later.")


def _route() -> str:
    """The rule that the path fits; the path itself is the caller's, and may hold anything."""
    return request.url_rule.rule if request.url_rule else "none"

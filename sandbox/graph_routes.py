"""Meta's side of the sandbox over HTTP: POST /messages and /marketing_messages, GET of a number and of the templates.

A handler reads, asks the sandbox, and answers as the faults of the moment let it.
"""

import asyncio
import json
from typing import Any

from aiohttp import web

from sandbox.cloud_api import MARKETING_DOOR, Door
from sandbox.compact import compact
from sandbox.errors import REFUSED_TOKEN, GraphError
from sandbox.faults import Drop, Error, Hang, Raw
from sandbox.number_json import node
from sandbox.state import Call, Reply, Sandbox

SANDBOX = web.AppKey("sandbox", Sandbox)
JSON = "application/json; charset=UTF-8"


async def post_message(request: web.Request) -> web.Response:
    """Meta's answer, or what a fault puts in its place.

    200 accepted, in the journal · 4xx and 5xx with Meta's error body · or a closed or silent connection.
    """
    sandbox = request.app[SANDBOX]
    call = await _read(request)
    course = sandbox.course_for(call)
    delay = sandbox.settings.answer_after + (course.delay.seconds if course.delay else 0.0)
    if delay:
        await asyncio.sleep(delay)
    reply = sandbox.answer(call, course) if course.is_looked_at else None
    match course.answer:
        case Drop():
            return _closed(request)
        case Hang():
            await sandbox.stopping.wait()
            return _closed(request)
        case Raw() as fault:
            headers = {"Content-Type": "text/html; charset=utf-8", **fault.headers}
            return web.Response(status=fault.http_status, body=fault.body.encode(), headers=headers)
        case Error() as fault:
            error = GraphError(fault.code, fault.details, http_status=fault.http_status)
            return as_json(sandbox.refusal(error), **fault.headers)
    assert reply is not None, "only a fault's own answer leaves a request unlooked at"
    return as_json(reply)


async def number(request: web.Request) -> web.Response:
    """Meta's node of a phone number: of its fields those that `fields` names, and its id."""
    sandbox = request.app[SANDBOX]
    if not sandbox.is_authorised(request.headers.get("Authorization", "")):
        return as_json(sandbox.refusal(REFUSED_TOKEN))
    settings = sandbox.numbers.settings_of(request.match_info["phone_number_id"])
    told = node(settings, request.query.get("fields", ""))
    return as_json(sandbox.refusal(told) if isinstance(told, GraphError) else Reply(200, told))


async def list_templates(request: web.Request) -> web.Response:
    """Meta's list of templates, page by page: `limit`, `after`."""
    sandbox = request.app[SANDBOX]
    if not sandbox.is_authorised(request.headers.get("Authorization", "")):
        return as_json(sandbox.refusal(REFUSED_TOKEN))
    page = sandbox.catalogue.page(request.query.get("limit", ""), request.query.get("after", ""))
    if isinstance(page, GraphError):
        return as_json(sandbox.refusal(page))
    paging: dict[str, Any] = {"cursors": {"before": page.before, "after": page.after}}
    if page.has_next:
        paging["next"] = str(request.url.update_query(after=page.after))
    return as_json(Reply(200, {"data": page.data, "paging": paging}))


async def _read(request: web.Request) -> Call:
    raw = await request.read()
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):  # the latter: thousands of brackets in one another
        body = None
    door: Door = MARKETING_DOOR if request.match_info["door"] == MARKETING_DOOR else "messages"
    return Call(request.match_info["phone_number_id"], door, request.headers.get("Authorization", ""), raw, body)


def _closed(request: web.Request) -> web.Response:
    """Close the connection; the response that aiohttp asks for goes nowhere."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def as_json(reply: Reply, **headers: str) -> web.Response:
    """The reply in the form of Meta's answers."""
    return web.Response(status=reply.status, body=compact(reply.body), headers={"Content-Type": JSON, **headers})

"""`/sandbox/…`: what tests and people look at and switch while the sandbox runs.

Nothing here asks for a token. What is wrong with a body is answered 400 with a sentence: `{"error": "…"}`.
"""

import json
from typing import Any

import aiohttp
from aiohttp import web

from sandbox.catalogue import parse_templates
from sandbox.errors import InputError
from sandbox.fault_json import fault_as_json, parse_fault
from sandbox.graph_routes import SANDBOX
from sandbox.number_json import number_as_json, parse_number

CHALLENGE = "1158201444"


async def healthz(request: web.Request) -> web.Response:
    """200 as long as it runs, with what it has accepted and notified."""
    sandbox = request.app[SANDBOX]
    webhook = sandbox.webhook
    updates = {"waiting": webhook.waiting, "delivered": webhook.delivered, "refused_posts": webhook.refused}
    return as_answer({"status": "ok", "accepted": len(sandbox.journal), "updates": updates})


async def accepted(request: web.Request) -> web.Response:
    """The journal: one line per accepted message as NDJSON, or one array when JSON is asked for."""
    journal = request.app[SANDBOX].journal
    if "application/json" in request.headers.get("Accept", ""):
        return web.Response(body=journal.as_array(), content_type="application/json")
    return web.Response(body=journal.as_ndjson(), content_type="application/x-ndjson")


async def forget_accepted(request: web.Request) -> web.Response:
    """Empty the journal; the file it also goes to keeps what it has."""
    request.app[SANDBOX].journal.clear()
    return web.Response(status=204)


async def messages(request: web.Request) -> web.Response:
    """The latest accepted bodies byte for byte as they came, in one array; `?to=` narrows it to one recipient."""
    to = request.query.get("to")
    if to is not None and (digits := to.strip().removeprefix("+")).isdigit():
        to = f"+{digits}"  # a plus that was not escaped arrives as a space
    return web.Response(body=request.app[SANDBOX].journal.bodies(to), content_type="application/json")


async def add_fault(request: web.Request) -> web.Response:
    """201 with the fault and its id."""
    effect, selection = parse_fault(await body_of(request))
    return as_answer(fault_as_json(request.app[SANDBOX].switchboard.add(effect, selection)), status=201)


async def faults(request: web.Request) -> web.Response:
    """Every fault with how many requests it has seen and met."""
    return as_answer([fault_as_json(fault) for fault in request.app[SANDBOX].switchboard.all()])


async def clear_faults(request: web.Request) -> web.Response:
    """Switch all faults off."""
    request.app[SANDBOX].switchboard.clear()
    return web.Response(status=204)


async def remove_fault(request: web.Request) -> web.Response:
    """Switch one off; 404 when there is none of this id."""
    fault_id = request.match_info["fault_id"]
    if request.app[SANDBOX].switchboard.remove(fault_id):
        return web.Response(status=204)
    return as_answer({"error": f"There is no fault {fault_id}; GET /sandbox/faults lists them."}, status=404)


async def set_number(request: web.Request) -> web.Response:
    """201 with the number as it is from now on; what was not given is as if nobody had set it."""
    settings = parse_number(await body_of(request))
    return as_answer(number_as_json(request.app[SANDBOX].numbers.set(settings)), status=201)


async def numbers(request: web.Request) -> web.Response:
    """Every number that is set, with how often it was refused something, by code."""
    return as_answer([number_as_json(number) for number in request.app[SANDBOX].numbers.all()])


async def forget_numbers(request: web.Request) -> web.Response:
    """From now on no number is set."""
    request.app[SANDBOX].numbers.clear()
    return web.Response(status=204)


async def add_templates(request: web.Request) -> web.Response:
    """Add or replace one template, a list of them, or Meta's `{"data": […]}`: all of them or none.

    One that is known need not repeat its components; when its status is another than before, the webhook is told.
    """
    sandbox = request.app[SANDBOX]
    templates = parse_templates(await body_of(request), sandbox.catalogue)
    sandbox.add_templates(templates)
    return as_answer({"data": [template.listing for template in templates]}, status=201)


async def templates(request: web.Request) -> web.Response:
    """Every template."""
    return as_answer({"data": request.app[SANDBOX].catalogue.listing()})


async def replace_token(request: web.Request) -> web.Response:
    """From now on only this bearer token is accepted."""
    request.app[SANDBOX].token = _text(await body_of(request), "token")
    return web.Response(status=204)


async def replace_webhook(request: web.Request) -> web.Response:
    """Notifications go to this URL from now on, those that wait too.

    With `"verify": true` the URL is asked first as Meta asks it; 400 when it does not echo the challenge.
    """
    sandbox = request.app[SANDBOX]
    body = await body_of(request)
    url = _text(body, "url")
    if not url.startswith(("http://", "https://")):
        raise InputError("url must start with http:// or https://.")
    if body.get("verify") is True and not await _echoes(url, sandbox.settings.verify_token):
        raise InputError("url does not echo the challenge: it must answer the GET with 200 and hub.challenge as it is.")
    sandbox.webhook.url = url
    return web.Response(status=204)


@web.middleware
async def explain(request: web.Request, handler: Any) -> web.StreamResponse:
    """Answers a InputError of a handler: 400, and what is wrong with the body it was given."""
    try:
        answer: web.StreamResponse = await handler(request)
    except InputError as fault:
        return as_answer({"error": str(fault)}, status=400)
    return answer


async def _echoes(url: str, verify_token: str) -> bool:
    """Whether the URL passes Meta's verification of a webhook."""
    query = {"hub.mode": "subscribe", "hub.challenge": CHALLENGE, "hub.verify_token": verify_token}
    timeout = aiohttp.ClientTimeout(total=5)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, params=query) as answer:
            return answer.status == 200 and await answer.text() == CHALLENGE
    except (aiohttp.ClientError, TimeoutError):
        return False


async def body_of(request: web.Request) -> Any:
    """The request's JSON; raise InputError."""
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as fault:
        raise InputError(f"The body must be JSON: {fault}.") from fault


def _text(body: object, key: str) -> str:
    value = body.get(key) if isinstance(body, dict) else None
    if not isinstance(value, str) or not value:
        raise InputError(f'{key} must be a string that is not empty: {{"{key}": "…"}}.')
    return value


def as_answer(body: object, status: int = 200) -> web.Response:
    """JSON with an end of line, for those who look at it in a terminal."""
    return web.json_response(text=json.dumps(body) + "\n", status=status)

"""`/phone/…` over HTTP: pages for people, fragments of them for their script, and what people post.

Nothing here asks for a token, as nothing in the sandbox is anybody's; a page of another origin may neither post nor frame.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from sandbox.cloud_api import DISPLAY_PHONE_NUMBER
from sandbox.graph_routes import SANDBOX
from sandbox.phone import people
from sandbox.phone.chats import SHOWN_CHATS, Chat, chat, chats
from sandbox.phone.replying import LIMIT, TOO_LONG, Refusal, draft
from sandbox.state import Sandbox

SAFE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
STATIC = Path(__file__).with_name("static")
NOBODY = "This is neither a phone number with its country code, such as 8613800138000, nor a business-scoped user id."
FOREIGN = "Only this page itself may send what a person types or taps."


def application(sandbox: Sandbox) -> web.Application:
    """The phones of one sandbox, to be mounted at `/phone`."""
    app = web.Application(middlewares=[own_posts_only])
    app[SANDBOX] = sandbox
    app.on_response_prepare.append(_secure)
    app.add_routes(
        [
            web.get("", to_chats),
            web.get("/", show_chats),
            web.get("/chats", show_chat_lines),
            web.get("/{who}", show_chat),
            web.get("/{who}/messages", show_messages),
            web.post("/{who}", send),
            web.static("/static", STATIC),
        ]
    )
    return app


async def to_chats(_: web.Request) -> web.Response:
    """The list has its address with a slash at the end."""
    raise web.HTTPMovedPermanently("/phone/")


async def show_chats(request: web.Request) -> web.Response:
    """The chats, newest first; a number in `q` that is written out in full opens its chat, anything else narrows the list."""
    sought = request.query.get("q", "")
    facts = _chats(request)
    if facts["is_empty_search"] and (who := people.parse_who(sought)):
        raise web.HTTPSeeOther(f"/phone/{people.path_of(who)}")
    return _page("chats.html", **facts)


async def show_chat_lines(request: web.Request) -> web.Response:
    """The list alone; 304 while the caller has it as it is."""
    return _fragment(request, "chat_lines.html", **_chats(request))


async def show_chat(request: web.Request) -> web.Response:
    """One person's chat; it is empty where nobody has written to them. 404: this can be nobody's number or user id."""
    who = people.parse_who(request.match_info["who"])
    return _chat_page(request, who) if who else _trouble(404, NOBODY)


async def show_messages(request: web.Request) -> web.Response:
    """The messages of a chat alone; 304 while the caller has them as they are."""
    who = people.parse_who(request.match_info["who"])
    return _fragment(request, "messages.html", **_chat(request, who)) if who else _trouble(404, NOBODY)


async def send(request: web.Request) -> web.Response:
    """The person types or taps: a form or JSON, as in replying.py.

    A form is sent back to the chat (303). JSON is answered 201 with the message as the webhook is told of it. What is
    refused is 4xx with a sentence: the page with what was typed, or `{"error": "…"}`.
    """
    who = people.parse_who(request.match_info["who"])
    try:
        given, is_json = _posted(await request.read(), request.content_type)
    except web.HTTPRequestEntityTooLarge:
        given, is_json = None, False
    is_json = is_json or "application/json" in request.headers.get("Accept", "")
    if not who:
        return _refused(request, Refusal(404, NOBODY), is_json=is_json)
    chosen = TOO_LONG if given is None else draft(_chat_of(request, who), given)
    if isinstance(chosen, Refusal):
        return _refused(request, chosen, given, is_json=is_json)
    inbound = request.app[SANDBOX].send_back(chosen)
    if is_json:
        return _json(201, inbound.as_json())
    raise web.HTTPSeeOther(f"/phone/{people.path_of(who)}")


@web.middleware
async def own_posts_only(request: web.Request, handler: Any) -> web.StreamResponse:
    """403 for what a page of another origin posts. A caller that is no browser says nothing of where it comes from."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    is_own = site in {"same-origin", "none"} if site else origin in {None, f"{request.scheme}://{request.host}"}
    if request.method == "POST" and not is_own:
        return _trouble(403, FOREIGN)
    answer: web.StreamResponse = await handler(request)
    return answer


async def _secure(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(SAFE)
    is_asset = request.path.startswith("/phone/static/")
    response.headers["Cache-Control"] = "no-cache" if is_asset else "no-store"


def _posted(raw: bytes, content_type: str) -> tuple[object, bool]:
    """What was posted, and whether it is JSON; like the rest of the sandbox it takes JSON under any content type.

    A form never starts with a brace: that would be escaped. JSON that cannot be read is "".
    """
    is_json = content_type == "application/json" or raw.lstrip().startswith(b"{")
    if not is_json:
        return dict(parse_qsl(raw.decode(errors="replace"), keep_blank_values=True)), False
    try:
        return json.loads(raw), True
    except (ValueError, RecursionError):
        return "", True


def _refused(request: web.Request, refusal: Refusal, given: object = None, *, is_json: bool) -> web.Response:
    if is_json:
        return _json(refusal.status, {"error": refusal.sentence})
    who = people.parse_who(request.match_info["who"])
    if not who:
        return _trouble(refusal.status, refusal.sentence)
    typed = given.get("text", "") if isinstance(given, Mapping) else ""
    return _chat_page(request, who, status=refusal.status, notice=refusal.sentence, typed=typed)


def _chats(request: web.Request) -> dict[str, Any]:
    sandbox = request.app[SANDBOX]
    now = sandbox.now()
    sought = request.query.get("q", "").strip()
    digits = people.path_of(people.parse_who(sought)) or sought.lstrip("+")
    lines, count = chats(sandbox.journal, sandbox.settings.delays, now, digits)
    return {
        "lines": lines,
        "count": count,
        "shown": SHOWN_CHATS,
        "sought": sought,
        "is_empty_search": bool(sought) and not lines,
        "now": now,
        "origin": _origin(request),
    }


def _chat(request: web.Request, who: str) -> dict[str, Any]:
    return {"chat": _chat_of(request, who), "who": who, "origin": _origin(request)}


def _chat_of(request: web.Request, who: str) -> Chat:
    sandbox = request.app[SANDBOX]
    return chat(who, sandbox.journal, sandbox.settings.delays, sandbox.now())


def _chat_page(request: web.Request, who: str, status: int = 200, notice: str = "", typed: str = "") -> web.Response:
    facts = {"business": people.as_read(f"+{DISPLAY_PHONE_NUMBER}"), "limit": LIMIT, "notice": notice, "typed": typed}
    return _page("chat.html", status, **_chat(request, who), **facts)


def _json(status: int, body: dict[str, Any]) -> web.Response:
    """With an end of line, for those who look at it in a terminal."""
    return web.json_response(text=json.dumps(body) + "\n", status=status)


def _origin(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}"


def _trouble(status: int, sentence: str) -> web.Response:
    return _page("trouble.html", status, sentence=sentence)


def _page(name: str, status: int = 200, **facts: Any) -> web.Response:
    return web.Response(body=_drawn(name, facts), status=status, content_type="text/html", charset="utf-8")


def _fragment(request: web.Request, name: str, **facts: Any) -> web.Response:
    body = _drawn(name, facts)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    if request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers={"ETag": tag})
    return web.Response(body=body, content_type="text/html", charset="utf-8", headers={"ETag": tag})


def _drawn(name: str, facts: dict[str, Any]) -> bytes:
    """Half of a surrogate pair, which JSON may carry, cannot be encoded: it becomes a question mark."""
    return _PAGES.get_template(name).render(facts).encode(errors="replace")


_PAGES = Environment(
    loader=PackageLoader("sandbox.phone", "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.filters |= {"as_read": people.as_read, "path_of": people.path_of, "hue": people.hue_of}

"""Meta's facts about the token and the account over HTTP, and `/sandbox/account`, which sets them."""

from aiohttp import web

from sandbox.account import Account, account_as_json, parse_account, subscriptions, token_facts
from sandbox.control_routes import as_answer, body_of
from sandbox.errors import REFUSED_TOKEN, GraphError
from sandbox.graph_routes import SANDBOX, as_json
from sandbox.state import Reply

NO_INPUT = GraphError(100, title="The parameter input_token is required")


async def debug_token(request: web.Request) -> web.Response:
    """What Meta knows of the token `input_token`: whether it is valid, until when, and what it may do."""
    sandbox = request.app[SANDBOX]
    if not sandbox.is_authorised(request.headers.get("Authorization", "")):
        return as_json(sandbox.refusal(REFUSED_TOKEN))
    asked = request.query.get("input_token", "")
    if not asked:
        return as_json(sandbox.refusal(NO_INPUT))
    return as_json(Reply(200, {"data": token_facts(sandbox.account, is_valid=asked == sandbox.token)}))


async def subscribed_apps(request: web.Request) -> web.Response:
    """The apps that are subscribed to the account's webhooks."""
    sandbox = request.app[SANDBOX]
    if not sandbox.is_authorised(request.headers.get("Authorization", "")):
        return as_json(sandbox.refusal(REFUSED_TOKEN))
    return as_json(Reply(200, {"data": subscriptions(sandbox.account)}))


async def set_account(request: web.Request) -> web.Response:
    """201 with the account as it is from now on; what was not given is as if nobody had set it."""
    sandbox = request.app[SANDBOX]
    sandbox.account = parse_account(await body_of(request))
    return as_answer(account_as_json(sandbox.account), status=201)


async def account(request: web.Request) -> web.Response:
    """What is told of the token and the subscriptions."""
    return as_answer(account_as_json(request.app[SANDBOX].account))


async def forget_account(request: web.Request) -> web.Response:
    """As if nobody had set anything."""
    request.app[SANDBOX].account = Account()
    return web.Response(status=204)

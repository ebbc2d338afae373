"""The Lambda Runtime API for one process: it asks for its next invocation, and posts what became of it.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import asyncio
from contextlib import suppress

from aiohttp import web

from sandbox.lambda_host.invocation import Ending, Invocation
from sandbox.lambda_host.report import RESPONSE_BYTES, init_failed, response_too_large

RUNTIME = "/2018-06-01/runtime"
HEADER_BYTES = 2**21  # awslambdaric tells X-Ray of an error in a header of up to 1 MB
Handed = tuple[Invocation, int]


class RuntimeApi:
    """Serves one process on a port of its own, since the runtime client knows no path before `/2018-06-01`.

    `at_rest` is set when the process waits for an invocation, or has said that it cannot start. `ending` is what it
    answered to the invocation it was handed, or its report of a failed start.
    """

    def __init__(self) -> None:
        self.at_rest = asyncio.Event()
        self.ending: Ending | None = None
        self._handed: Invocation | None = None
        self._next: asyncio.Future[Handed] | None = None
        self._runner: web.AppRunner | None = None

    async def listen(self) -> str:
        """Start to serve; the address for AWS_LAMBDA_RUNTIME_API."""
        app = web.Application(client_max_size=RESPONSE_BYTES)
        app.add_routes(
            [
                web.get(RUNTIME + "/invocation/next", self._hand_out),
                web.post(RUNTIME + "/invocation/{request_id}/response", self._take_response),
                web.post(RUNTIME + "/invocation/{request_id}/error", self._take_error),
                web.post(RUNTIME + "/init/error", self._take_init_error),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, max_field_size=HEADER_BYTES)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0]
        return f"{host}:{port}"

    def hand(self, invocation: Invocation, deadline_ms: int) -> None:
        """Give the waiting process its invocation, which must be over at `deadline_ms` of the Unix clock."""
        assert self._next is not None, "the process is at rest"
        self.at_rest.clear()
        self.ending, self._handed = None, invocation
        if not self._next.done():  # it is while the host stops
            self._next.set_result((invocation, deadline_ms))

    async def close(self) -> None:
        """Stop serving; a process that still waits loses its connection."""
        if self._next is not None:
            self._next.cancel()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _hand_out(self, _request: web.Request) -> web.Response:
        if self._handed is not None and self.ending is None:
            return _refusal(403, "InvalidStateTransition", "The last invocation was not answered.")
        self._next = asyncio.get_running_loop().create_future()
        self.at_rest.set()
        with suppress(asyncio.CancelledError):
            return _as_response(*await self._next)
        return _refusal(500, "Shutdown", "The execution environment has ended.")

    async def _take_response(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        try:
            self.ending = Ending(await request.read())
        except web.HTTPRequestEntityTooLarge:
            self.ending = response_too_large()
            sentence = f"Exceeded maximum allowed payload size ({RESPONSE_BYTES} bytes)."
            return _refusal(413, "RequestEntityTooLarge", sentence)
        return _accepted()

    async def _take_error(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        self.ending = Ending(await request.read(), failed=True)
        return _accepted()

    async def _take_init_error(self, request: web.Request) -> web.Response:
        self.ending = init_failed(await request.read())
        self.at_rest.set()
        return _accepted()

    def _refusal(self, request: web.Request) -> web.Response | None:
        """None where the answer belongs to the invocation that runs."""
        if self._handed is None or request.match_info["request_id"] != self._handed.request_id:
            return _refusal(400, "InvalidRequestID", "Invalid request ID")
        if self.ending is not None:
            return _refusal(403, "InvalidStateTransition", "The invocation was answered already.")
        return None


def _as_response(invocation: Invocation, deadline_ms: int) -> web.Response:
    headers = {
        "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
        "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
        "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
        "Lambda-Runtime-Trace-Id": invocation.trace_id,
    }
    if invocation.client_context is not None:
        headers["Lambda-Runtime-Client-Context"] = invocation.client_context
    return web.Response(body=invocation.payload, content_type="application/json", headers=headers)


def _accepted() -> web.Response:
    return web.json_response({"status": "OK"}, status=202)


def _refusal(status: int, error_type: str, message: str) -> web.Response:
    return web.json_response({"errorMessage": message, "errorType": error_type}, status=status)

"""The answers table: what the service says, and what it means for an event (design, section 8)."""

import json

from tests.lambda_shim.serving import HANGS_UP, SILENT, TRICKLES, Answer, problem, receipt, result

HTML = b"<html>8613800138000</html>"


def _json(**more: object) -> bytes:
    return json.dumps(more).encode()


TAKEN = {
    "202": Answer(202),
    "202, kept connection closed": Answer(202, way="closes"),
}
REFUSED = {f"{status}": Answer(status) for status in (400, 413, 422)}
NO_ANSWER = {
    "compressed, but not": Answer(202, b"{}", {"Content-Encoding": "gzip"}),
    "without a length": Answer(202, b"{}", {"Content-Length": "x"}),
    "hangs up": HANGS_UP,
    "is silent": SILENT,
    "trickles": TRICKLES,
}
NOT_TAKEN = {
    **NO_ANSWER,
    **{f"{status}": Answer(status) for status in (200, 201, 204, 301, 307, 401, 403, 404, 405, 408, 409, 418, 429)},
    **{f"{status}": Answer(status) for status in (500, 501, 502, 503, 504, 599)},
    "503 of the service": Answer(503, problem(503, "The database cannot be reached; nothing was stored.")),
    "404 of the service": Answer(404, problem(404)),
    "200 that looks right": Answer(200, receipt([result("test123")])),
    "202, empty": Answer(202, b""),
    "202, HTML": Answer(202, HTML),
    "202, no UTF-8": Answer(202, b"\xff\xfe{}"),
    "202, too deep": Answer(202, b"[" * 100_000),
    "202, no results": Answer(202, _json(event_id="e")),
    "202, too few": Answer(202, receipt([])),
    "202, too many": Answer(202, receipt([result(name) for name in "abc"])),
    "202, another outcome": Answer(202, receipt([result("a", "queued"), result("b", "status")])),
    "202, results that are none": Answer(202, _json(results=["a", "b"])),
    "400, HTML": Answer(400, HTML),
    "400, of an API gateway": Answer(400, _json(message="Bad request body")),
    "413, of a load balancer": Answer(413, HTML),
    "413, too deep": Answer(413, b'{"detail": ' * 100_000),
    "422, of another service": Answer(422, _json(detail=[{"input": "8613800138000"}])),
    "422, empty": Answer(422, b""),
}

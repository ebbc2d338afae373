"""`POST /v1/messages/search`, `POST /v1/messages/export`: messages by what they have in common. API key with scope `read`.

A filter in the body, since phone numbers stand in no URL; pages of JSON, or all of it as CSV while it is read.
"""

import binascii
import csv
import io
import logging
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any

from flask import Blueprint, Response, g, jsonify

from service.outbox.database import StoreUnavailable
from service.outbox.report import MessageFacts
from service.outbox.search import Filter
from service.web.auth import ApiKeys, needs_scope
from service.web.bodies import Fields, answer_bad_bodies, read_fields
from service.web.contract import Problem
from service.web.filters import FILTERS, filter_of
from service.web.openapi import REPORTS, SPEC, Answers
from service.web.report_forms import message_report
from service.web.reports import Reports, is_id
from service.web.search_contract import Found, MessageExport, MessageSearch

MOST = 1_000
_USUAL = 100

_COLUMNS = (
    *("message_id", "event_id", "campaign_id", "recipient", "to", "phone_number_id", "template", "language", "status"),
    *("status_at", "reference", "code", "title", "explanation", "next_step"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a cell begins that a spreadsheet would compute (OWASP, CSV injection)."""

log = logging.getLogger(__name__)


class _CsvAnswers(Answers):
    """Answers of which the 200 is a CSV file."""

    def generate_spec(self, naming_strategy: Any = None) -> dict[str, Any]:
        """The responses of an operation, by status."""
        responses = super().generate_spec(naming_strategy)
        responses["200"]["content"] = {"text/csv": {"schema": {"type": "string"}}}
        return responses


def _streamed(documented: Callable[[], Response], view: Callable[[], Response]) -> Callable[[], Response]:
    """`view` under the documentation of `documented`, which would read a whole answer before it passes it on."""

    @wraps(documented)
    def streamed() -> Response:
        return view()

    return streamed


def blueprint(reports: Reports, keys: ApiKeys) -> Blueprint:
    """The routes of this file."""
    routes = Blueprint("search", __name__)
    answer_bad_bodies(routes)
    _add_search(routes, reports, keys)
    _add_export(routes, reports, keys)
    return routes


def _add_search(routes: Blueprint, reports: Reports, keys: ApiKeys) -> None:
    @routes.post("/v1/messages/search")
    @SPEC.validate(
        json=MessageSearch,
        resp=Answers(
            HTTP_200=Found,
            HTTP_400=Problem,
            HTTP_401=None,
            HTTP_403=Problem,
            HTTP_413=Problem,
            HTTP_422=Problem,
            HTTP_503=Problem,
        ),
        security={"api_key": []},
        tags=[REPORTS],
        skip_validation=True,
        operation_id="search_messages",
    )
    @needs_scope(keys, "read")
    def search() -> Response:
        """Find messages by what they have in common, newest first, a page at a time.

        Each with its newest attempt only. Go on with `next` as `cursor` and the same filter. Scope `read`.
        """
        fields = read_fields((*FILTERS, "limit", "cursor"))
        wanted, limit, after = filter_of(fields), fields.whole("limit", 1, MOST), _after(fields)
        fields.check()
        page = reports.search.page(wanted, limit or _USUAL, after)
        return jsonify(
            {
                "messages": [
                    message_report(facts, pauses, unmasked="pii" in g.api_key.scopes)
                    for facts, pauses in zip(page.messages, reports.all_wait_for(page.messages), strict=True)
                ],
                "next": _cursor(page.last) if page.last else None,
            }
        )


def _add_export(routes: Blueprint, reports: Reports, keys: ApiKeys) -> None:
    @needs_scope(keys, "read")
    def export() -> Response:
        """Export messages as CSV: a line for each that fits, newest first.

        RFC 4180, UTF-8, under a header line; `title`, `explanation` and `next_step` say why a message did not arrive, `code` is
        Meta's of the newest attempt. A cell that a spreadsheet would compute begins with `'`; `to` does not, since it holds
        nothing but a number. The file is sent while it is read, so its lines may be of different moments; where the store
        fails meanwhile, the transfer is broken off. Scope `read`.
        """
        fields = read_fields(FILTERS)
        wanted = filter_of(fields)
        fields.check()
        return csv_of(reports, wanted, unmasked="pii" in g.api_key.scopes)

    documented = SPEC.validate(
        json=MessageExport,
        resp=_CsvAnswers(
            HTTP_200=None,
            HTTP_400=Problem,
            HTTP_401=None,
            HTTP_403=Problem,
            HTTP_413=Problem,
            HTTP_422=Problem,
            HTTP_503=Problem,
        ),
        security={"api_key": []},
        tags=[REPORTS],
        skip_validation=True,
        operation_id="export_messages",
    )(export)
    routes.post("/v1/messages/export")(_streamed(documented, export))


def csv_of(reports: Reports, wanted: Filter, *, unmasked: bool) -> Response:
    """All messages that fit as a file that is sent while it is read. Raise StoreUnavailable, and send no half a file then."""
    pages = reports.search.stream(wanted)
    first = next(pages)
    answer = Response(_lines(first, pages, unmasked=unmasked), content_type="text/csv; charset=utf-8; header=present")
    answer.headers["Content-Disposition"] = 'attachment; filename="messages.csv"'
    return answer


def _cursor(last: str) -> str:
    return urlsafe_b64encode(last.encode()).decode().rstrip("=")


def _after(fields: Fields) -> str | None:
    """The id that a cursor stands for; null is the first page, as `next` is null after the last."""
    given = fields.given.get("cursor")
    if given is None:
        return None
    try:
        padded = given + "=" * (-len(given) % 4) if isinstance(given, str) else ""
        last = urlsafe_b64decode(padded.encode("ascii")).decode("ascii")
    except (binascii.Error, ValueError):
        last = ""
    if is_id(last):
        return last
    fields.fault("cursor", "invalid_value", "give `next` of the page before as it is, or leave the field out")
    return None


def _lines(first: list[MessageFacts], others: Iterable[list[MessageFacts]], *, unmasked: bool) -> Iterator[str]:
    """The file in pieces, a page of messages each."""
    yield _csv([_COLUMNS, *(_row(facts, unmasked=unmasked) for facts in first)])
    try:
        for page in others:
            yield _csv(_row(facts, unmasked=unmasked) for facts in page)
    except StoreUnavailable as error:
        log.error("export.broken_off reason=%s", error)
        raise


def _csv(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _row(facts: MessageFacts, *, unmasked: bool) -> list[object]:
    report = message_report(facts, unmasked=unmasked)
    newest = facts.attempts[-1] if facts.attempts else {}
    cells = {
        **report,
        "template": report["template"]["name"],
        "language": report["template"]["language"],
        "code": newest.get("code"),
        **{name: (report["failure"] or {}).get(name) for name in ("title", "explanation", "next_step")},
    }
    return [cells[name] if name == "to" else _inert(cells[name]) for name in _COLUMNS]


def _inert(cell: object) -> object:
    """The cell so that no spreadsheet computes it; `to` needs none of it: this service has written it itself."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell

"""`/v1/suppressions`: who must not get messages. API key with scope `operate`.

PUT     suppress a person              DELETE  lift what stands for a person, whoever said it
POST /search  a page of them           POST /import  a list as CSV, each line for itself

Numbers travel in bodies, and are masked in answers unless the key has the scope `pii`. Each change is logged with the name of
the key and with numbers of rows, never with an address, and written into the audit before it is made.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ParamSpec

from flask import Blueprint, Response, g, jsonify, request
from pydantic import BaseModel

from service.intake.address import HOW_TO_MEND, mask, parse_address
from service.message import printable
from service.outbox.audit import Audit, Deed
from service.outbox.consent import Consent, Place, Wanted
from service.people import Blocked, Suppression, SuppressionSource
from service.web.auth import ApiKeys, needs_scope
from service.web.bodies import Fields, answer_bad_bodies, read_fields, unusable
from service.web.consent_contract import (
    Imported,
    Lifted,
    LiftRequest,
    SuppressionPage,
    SuppressionRow,
    SuppressionSearch,
    SuppressRequest,
)
from service.web.contract import Problem
from service.web.openapi import OPERATE, SPEC, Answers
from service.web.suppression_list import LONGEST_REASON, BadList, read_list

_MOST = 1_000
_PLACE = re.compile(r"(?P<at>[0-9T:.+-]{20,40})/(?P<skip>[0-9]{1,9})")
_SHOWN = 1_000
"""So many bad lines are told one by one."""

P = ParamSpec("P")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Suppressing:
    """What the handlers are given."""

    consent: Consent
    audit: Audit
    now: Callable[[], datetime]

    def note(self, action: str, subject: str, detail: str = "") -> None:
        """Write down that the key does this; raise StoreUnavailable, and then it had better not be done."""
        self.audit.record(Deed(self.now(), g.api_key.name, "api", action, subject, detail))


def blueprint(suppressing: Suppressing, keys: ApiKeys) -> Blueprint:
    """The routes of this file."""
    routes = Blueprint("suppressions", __name__)
    answer_bad_bodies(routes)
    _change_one(routes, suppressing, keys)
    _look(routes, suppressing, keys)
    _import(routes, suppressing, keys)
    return routes


def _documented(
    answer: type[BaseModel], operation_id: str, json: type[BaseModel] | None = None
) -> Callable[[Callable[P, Response]], Callable[P, Response]]:
    """A call of this file in the contract: all are refused alike, but what takes no JSON not for that."""
    problems = {f"HTTP_{status}": Problem for status in (*([400] if json else []), 403, 413, 422, 503)}
    documented: Callable[[Callable[P, Response]], Callable[P, Response]] = SPEC.validate(
        json=json,
        resp=Answers(HTTP_200=answer, HTTP_401=None, **problems),
        security={"api_key": []},
        tags=[OPERATE],
        skip_validation=True,
        operation_id=operation_id,
    )
    return documented


def _change_one(routes: Blueprint, suppressing: Suppressing, keys: ApiKeys) -> None:
    consent = suppressing.consent

    @routes.put("/v1/suppressions")
    @_documented(SuppressionRow, "suppress", json=SuppressRequest)
    @needs_scope(keys, "operate")
    def suppress() -> Response:
        """Suppress a person: what is queued for them does not go, new messages are rejected.

        What is queued becomes `suppressed`. What is being sent just now still goes. The same again renews `since`. Scope
        `operate`.
        """
        fields = read_fields(("to", "category", "reason"))
        to, blocked, reason = _address(fields), _blocked(fields) or Blocked.ALL, fields.text("reason")
        fields.check()
        now, said = suppressing.now(), printable(reason)[:LONGEST_REASON] if reason else None
        one = Suppression(to or "", blocked, SuppressionSource.OPERATOR, now, said)
        suppressing.note("suppress", mask(one.to), ", ".join(part for part in (blocked.value, said) if part))
        withheld = consent.suppress([one], now)
        log.info("operate.suppressed by=%s blocked=%s messages=%d", g.api_key.name, blocked, withheld)
        return jsonify(_row(one))

    @routes.delete("/v1/suppressions")
    @_documented(Lifted, "lift_suppression", json=LiftRequest)
    @needs_scope(keys, "operate")
    def lift() -> Response:
        """Lift what stands for a person, whoever said it.

        What was suppressed stays so: only new messages go. A person who stops messages anew is suppressed anew. Scope
        `operate`.
        """
        fields = read_fields(("to", "category"))
        to, blocked = _address(fields), _blocked(fields)
        fields.check()
        suppressing.note("lift", mask(to or ""), blocked.value if blocked else "")
        lifted = consent.lift(to or "", suppressing.now(), blocked)
        log.info("operate.suppressions_lifted by=%s lifted=%d", g.api_key.name, lifted)
        return jsonify({"lifted": lifted})


def _look(routes: Blueprint, suppressing: Suppressing, keys: ApiKeys) -> None:
    @routes.post("/v1/suppressions/search")
    @_documented(SuppressionPage, "search_suppressions", json=SuppressionSearch)
    @needs_scope(keys, "operate")
    def search() -> Response:
        """List who must not get messages and who said so, the newest first.

        Scope `operate`.
        """
        fields = read_fields(("to", "category", "source", "since", "limit", "cursor"))
        to = _address(fields) if "to" in fields.given else None
        wanted = Wanted(to, _blocked(fields), _source(fields), fields.moment("since"))
        limit, after = fields.whole("limit", 1, _MOST) or 100, _place(fields)
        fields.check()
        found, more = suppressing.consent.search(wanted, limit, after)
        following = f"{more[0].isoformat()}/{more[1]}" if more else None
        return jsonify({"suppressions": [_row(one) for one in found], "next": following})


def _import(routes: Blueprint, suppressing: Suppressing, keys: ApiKeys) -> None:
    @routes.post("/v1/suppressions/import")
    @_documented(Imported, "import_suppressions")
    @needs_scope(keys, "operate")
    def take_list() -> Response:
        """Suppress everybody on a list.

        CSV in UTF-8, its first line `to,category,reason,since`. Only `to` is needed; `category` is `all` where it is empty,
        `since` now. One bad line never spoils the others. Many take several transactions: after a 503 the same list can be sent
        again. Scope `operate`.
        """
        now = suppressing.now()
        try:
            read = read_list(request.get_data(cache=False), now)
        except BadList as error:
            raise unusable("", "invalid_value", str(error)) from error
        added, rejected = len(read.suppressions), len(read.rejected)
        suppressing.note("import", "suppressions", f"{added} people, {rejected} bad lines")
        withheld = suppressing.consent.suppress(read.suppressions, now)
        names = g.api_key.name, added, rejected, withheld
        log.info("operate.suppressions_imported by=%s added=%d rejected=%d messages=%d", *names)
        shown = [{"line": one.line, "code": one.code, "detail": one.detail} for one in read.rejected[:_SHOWN]]
        return jsonify({"added": added, "rejected": shown, "more_rejected": rejected - len(shown)})


def _address(fields: Fields) -> str | None:
    """The address, checked; a fault where there is none. What was given is not repeated."""
    written = fields.given.get("to")
    if written is None:
        fields.fault("to", "missing", "give the person's number with its country code, or a business-scoped user id")
        return None
    address = parse_address(written)
    if address is None:
        fields.fault("to", "invalid_address", f"this {HOW_TO_MEND}")
    return address


def _blocked(fields: Fields) -> Blocked | None:
    name = fields.text("category")
    if name is None or name in set(Blocked):
        return Blocked(name) if name else None
    fields.fault("category", "invalid_value", f"give {' or '.join(Blocked)}, or leave the field out")
    return None


def _source(fields: Fields) -> SuppressionSource | None:
    name = fields.text("source")
    if name is None or name in set(SuppressionSource):
        return SuppressionSource(name) if name else None
    fields.fault("source", "invalid_value", f"give one of {', '.join(SuppressionSource)}, or leave the field out")
    return None


def _place(fields: Fields) -> Place | None:
    """Where the cursor says that the page begins. It names a moment and no person."""
    given = fields.given.get("cursor")
    if given is None:  # as `next` is after the last page
        return None
    match = _PLACE.fullmatch(given) if isinstance(given, str) else None
    try:
        at = datetime.fromisoformat(match["at"]) if match else None
    except ValueError:
        at = None
    if match is None or at is None or at.tzinfo is None:
        fields.fault("cursor", "invalid_value", "give `next` of the page before as it was, or leave the field out")
        return None
    return at, int(match["skip"])


def _row(one: Suppression) -> dict[str, Any]:
    return {
        "to": one.to if "pii" in g.api_key.scopes else mask(one.to),
        "category": one.blocked.value,
        "source": one.source.value,
        "since": one.since.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "reason": one.reason,
    }

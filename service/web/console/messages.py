"""`/console/messages`: messages by what they have in common, newest first, and the search for one person's.

What is searched for may be a phone number: it comes in the body of a POST, and the answer shows what was found. Where an id of
ours or Meta's was given, the answer leads to that message's page.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from service.intake.address import parse_address, variants
from service.message import printable
from service.outbox.report import MessageFacts
from service.outbox.search import Filter
from service.web.console import words
from service.web.console.actions import given, meant
from service.web.console.given import Console
from service.web.console.page import show
from service.web.report_forms import message_report
from service.web.reports import is_id
from service.whatsapp.errors import verdict_on

PAGE = 50
_LONGEST = 600


@dataclass(frozen=True, slots=True)
class Row:
    """One message in the list: the report of it, its moment, and why it did not arrive in a few words."""

    told: dict[str, Any]
    since: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Chip:
    """One condition of the list, and the address of the list without it."""

    name: str
    value: str
    without: str


def add(routes: Blueprint, console: Console) -> None:
    """The routes of this file."""

    @routes.get("/messages")
    @console.guard.signed_in()
    def messages() -> Response:
        fields: dict[str, Any] = dict(given())
        wanted, after = meant(), request.args.get("after", "")
        page = console.search.page(wanted, PAGE, after if is_id(after) else None)
        following = url_for("console.messages", **fields, after=page.last) if page.last else None
        return show(
            "messages.html",
            parts=("message_rows",),
            rows=_rows(page.messages),
            chips=list(_chips(fields)),
            following=following,
            is_first=not after,
            narrow=wanted.is_narrow,
            fields=fields,
        )

    @routes.get("/messages/search")
    @console.guard.signed_in()
    def ask_anew() -> ResponseReturnValue:
        """What was searched for is in no address, so that loading the page anew begins anew."""
        return redirect(url_for("console.messages"), 303)

    @routes.post("/messages/search")
    @console.guard.signed_in()
    def search() -> ResponseReturnValue:
        wanted = printable(request.form.get("q", "")).strip()[:_LONGEST]
        if not wanted:
            return redirect(url_for("console.messages"), 303)
        message_id = _one(console, wanted)
        if message_id is not None:
            return redirect(url_for("console.message", message_id=message_id), 303)
        return _found(console, wanted, request.form.get("by", ""), request.form.get("after", ""))


def _one(console: Console, wanted: str) -> str | None:
    """The message that has this id, ours or Meta's."""
    if is_id(wanted) and console.report.message(wanted):
        return wanted
    return console.report.message_of_wamid(wanted)


def _found(console: Console, wanted: str, by: str, after: str) -> Response:
    """A page of what was found: by the number, else by the caller's reference, else by the recipient's name."""
    for name, fitting in _ways(wanted):
        if by and by != name:
            continue
        page = console.search.page(fitting, PAGE, after if is_id(after) else None)
        if page.messages:
            return show("found.html", q=wanted, by=name, rows=_rows(page.messages), last=page.last)
    return show("found.html", q=wanted, by="", rows=[], last=None)


def _ways(wanted: str) -> Iterator[tuple[str, Filter]]:
    address = parse_address(wanted)
    for written in variants(address) if address else ():
        yield "to", Filter(to=written)
    yield "reference", Filter(reference=wanted)
    yield "recipient", Filter(recipient=wanted)


def _rows(messages: Sequence[MessageFacts]) -> list[Row]:
    return [_row(facts) for facts in messages]


def _row(facts: MessageFacts) -> Row:
    told = message_report(facts)
    return Row(told, facts.message["status_at"], told["failure"]["title"] if told["failure"] else "")


def _chips(fields: dict[str, str]) -> Iterator[Chip]:
    for name, value in fields.items():
        others: dict[str, Any] = {other: fields[other] for other in fields if other != name}
        yield Chip(words.FIELDS[name], _shown(name, value), url_for("console.messages", **others))


def _shown(name: str, value: str) -> str:
    if name == "status":
        return words.STATUSES.get(value, (value,))[0]
    return f"{value}, {verdict_on(int(value)).title}" if name == "code" else value

"""`/console/templates`: each account's templates as Meta listed them last, and a page each: how it looks, how it is sent."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flask import Blueprint, Response

from service.message import Pause, Scope
from service.outbox.catalogue import Listing, Standing
from service.web.console import words
from service.web.console.example import asks, example
from service.web.console.given import Console
from service.web.console.page import show
from service.web.console.sessions import refused
from service.whatsapp.templates import parse_definition, render

_NOTHING_WRONG = {"", "NONE"}


@dataclass(frozen=True, slots=True)
class Listed:
    """One template in one language, in Meta's words; each "" where Meta said nothing."""

    waba_id: str
    name: str
    language: str
    category: str
    status: str
    quality: str
    problem: str
    pauses: Sequence[Pause]

    @property
    def mark(self) -> str:
        """The kind of chip that its status is shown in."""
        return words.TEMPLATE_MARKS.get(self.status, "off")


@dataclass(frozen=True, slots=True)
class Account:
    """An account with its templates; `standing` says when they were read."""

    waba_id: str
    standing: Standing
    templates: Sequence[Listed]


def add(routes: Blueprint, console: Console) -> None:
    """The routes of this file."""

    @routes.get("/templates")
    @console.guard.signed_in()
    def templates() -> Response:
        pauses = _pauses(console)
        standings = console.catalogues.standings(console.wabas)
        accounts = [
            Account(waba, standings.get(waba, Standing(waba)), list(_listed(console, waba, pauses)))
            for waba in console.wabas
        ]
        return show("templates.html", accounts=accounts)

    @routes.get("/templates/<waba_id>/<name>/<language>")
    @console.guard.signed_in()
    def template(waba_id: str, name: str, language: str) -> Response:
        listings = console.catalogues.listings(waba_id) if waba_id in console.wabas else []
        found = next((one for one in listings if (one.get("name"), one.get("language")) == (name, language)), None)
        if found is None:
            return refused(404, "No such template", "The account has no such template in this language.")
        definition = parse_definition(found)
        others = sorted({str(one["language"]) for one in listings if one.get("name") == name} - {language})
        return show(
            "template.html",
            listed=_one(waba_id, found, _pauses(console)),
            others=others,
            rendered=render(definition, "") if definition else None,
            asked=asks(definition) if definition else [],
            sent=json.dumps(example(definition), ensure_ascii=False, indent=2) if definition else None,
        )


def _pauses(console: Console) -> list[Pause]:
    return [pause for pause in console.report.pauses(console.now()) if pause.scope is Scope.TEMPLATE]


def _listed(console: Console, waba_id: str, pauses: Sequence[Pause]) -> Iterator[Listed]:
    yield from (_one(waba_id, listing, pauses) for listing in console.catalogues.listings(waba_id))


def _one(waba_id: str, listing: Listing, pauses: Sequence[Pause]) -> Listed:
    score = listing.get("quality_score")
    problem = _text(listing, "rejected_reason")
    name, language = _text(listing, "name"), _text(listing, "language")
    keys = {f"{name}/{language}", f"{name}/{language}@{waba_id}"}
    return Listed(
        waba_id,
        name,
        language,
        category=_text(listing, "category").upper(),
        status=_text(listing, "status").upper(),
        quality=_text(score, "score").upper() if isinstance(score, dict) else "",
        problem="" if problem.upper() in _NOTHING_WRONG else problem,
        pauses=[pause for pause in pauses if pause.key in keys],
    )


def _text(fields: Listing, key: str) -> str:
    value = fields.get(key)
    return value if isinstance(value, str) else ""

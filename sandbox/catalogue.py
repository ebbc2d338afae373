"""The templates of the account: found by name and language, listed page by page as Meta lists them."""

import base64
import binascii
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.errors import GraphError, InputError
from sandbox.templates import Template, parse_template

LIMIT = re.compile(r"[1-9][0-9]{0,3}")
WHY_NOT_SENDABLE = {"PAUSED": 132015, "DISABLED": 132016}


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the templates as Meta lists them, and the cursors around them."""

    data: list[Any]
    before: str
    after: str
    has_next: bool


class Catalogue:
    """Templates by name and language, in the order in which they were added."""

    def __init__(self, templates: Iterable[Template]) -> None:
        self._templates: dict[tuple[str, str], Template] = {}
        self.add(templates)

    def add(self, templates: Iterable[Template]) -> list[Template]:
        """Add each template, or replace the one of the same name and language; those whose status is another now."""
        changed = []
        for template in templates:
            before = self._templates.get((template.name, template.language))
            self._templates[template.name, template.language] = template
            if before is not None and before.status != template.status:
                changed.append(template)
        return changed

    def completed(self, given: object) -> object:
        """What was given without components of a template that is known, with the rest as it is; else as given."""
        if not isinstance(given, dict) or "components" in given:
            return given
        known = self._templates.get((str(given.get("name")), str(given.get("language"))))
        return {**known.listing, **given} if known else given

    def find(self, name: str, language: str) -> Template | GraphError:
        """The template when messages can be sent with it, else what Meta answers instead."""
        template = self._templates.get((name, language))
        if template is None or template.status not in {"APPROVED", *WHY_NOT_SENDABLE}:
            return GraphError(132001, f"template name ({name}) does not exist in {language}")
        if template.status != "APPROVED":
            return GraphError(
                WHY_NOT_SENDABLE[template.status], f"template name ({name}) is {template.status} in {language}"
            )
        return template

    def listing(self) -> list[Any]:
        """Every template as Meta lists it."""
        return [template.listing for template in self._templates.values()]

    def page(self, limit: str, after: str) -> Page | GraphError:
        """The templates that follow the cursor `after` ("" = from the first), at most `limit` ("" = 25)."""
        start = _position(after)
        if start is None:
            return GraphError(100, "Param after must be a cursor from an earlier page.")
        if not LIMIT.fullmatch(limit or "25"):
            return GraphError(100, "Param limit must be a number from 1 to 9999.")
        end = start + int(limit or "25")
        everything = self.listing()
        return Page(everything[start:end], _cursor(start), _cursor(min(end, len(everything))), end < len(everything))


def parse_templates(given: object, known: Catalogue | None = None) -> list[Template]:
    """Read one template, a list of them, or Meta's `{"data": […]}`; one that is known need not repeat its components.

    Raises:
        InputError: one of them is no template; the text names its position and what is allowed.
    """
    if isinstance(given, dict) and "data" in given:
        given = given["data"]
    items = given if isinstance(given, list) else [given]
    templates = []
    for position, item in enumerate(items):
        try:
            templates.append(parse_template(known.completed(item) if known else item))
        except InputError as fault:
            raise InputError(f"template {position}: {fault}") from fault
    return templates


def default_templates() -> list[Template]:
    """The templates every sandbox starts with: templates.json of this package."""
    return parse_templates(json.loads(Path(__file__).with_name("templates.json").read_text("utf-8")))


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(str(position).encode()).decode()


def _position(cursor: str) -> int | None:
    if not cursor:
        return 0
    try:
        return max(0, int(base64.urlsafe_b64decode(cursor)))
    except (binascii.Error, ValueError):
        return None

"""The template catalogue as a process that takes messages in knows it: the store's, looked at again every two seconds.

An account of which nothing was ever read passes everything; Meta judges then.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from service.intake.rules import Judgement
from service.message import Category, Template
from service.outbox.catalogue import Catalogues
from service.outbox.outbox import StoreUnavailable
from service.whatsapp.template_check import check
from service.whatsapp.templates import Definition, Rendered, parse_definition, pick_language, render

LOOK_SECONDS = 2.0
SHOWN_LANGUAGES = 10

log = logging.getLogger(__name__)

_CATEGORIES = {category.value: category for category in Category}


@dataclass(slots=True)
class _Account:
    """What is known of an account's templates since `read_at`: by name, then by language."""

    read_at: datetime | None = None
    templates: Mapping[str, Mapping[str, Definition]] = field(default_factory=dict)


class KnownTemplates:
    """Judges and renders filled templates; safe to use from many threads. `wabas` names each number's account."""

    def __init__(self, store: Catalogues, wabas: Mapping[str, str], monotonic: Callable[[], float]) -> None:
        self._store = store
        self._wabas = wabas
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._look_at = float("-inf")
        self._accounts: dict[str, _Account] = {}

    def language(self, phone_number_id: str, name: str, wanted: str | None, default: str) -> str:
        """The language of the template that fits `wanted` best, among those that can be sent."""
        definitions = self._of(phone_number_id).templates.get(name, {})
        sendable = [language for language, one in definitions.items() if one.status == "APPROVED"]
        return pick_language(sendable, wanted, default) or default

    def judge(self, phone_number_id: str, template: Template) -> Judgement:
        """What Meta would say of it, as far as is known."""
        account = self._of(phone_number_id)
        if account.read_at is None:
            return Judgement()
        languages = account.templates.get(template.name, {})
        definition = languages.get(template.language)
        if definition is None:
            return Judgement(code="template_unknown", detail=_unknown(template, sorted(languages)))
        category = _CATEGORIES.get(definition.category or "")
        code, detail = _first_misfit(definition, template.components)
        return Judgement(category, code, detail)

    def render(self, phone_number_id: str, template: Template) -> Rendered | None:
        """What the person will see; None where the template is not known."""
        definition = self._of(phone_number_id).templates.get(template.name, {}).get(template.language)
        return render(definition, template.components) if definition else None

    def _of(self, phone_number_id: str) -> _Account:
        waba_id = self._wabas.get(phone_number_id)
        if waba_id is None:
            return _Account()
        if self._monotonic() >= self._look_at:
            self._look()
        return self._accounts.get(waba_id) or _Account()

    def _look(self) -> None:
        """Read anew what was read from Meta meanwhile. While the store is down, what is known stands."""
        with self._lock:
            if self._monotonic() < self._look_at:
                return
            try:
                standings = self._store.standings(set(self._wabas.values()))
                for waba_id, standing in standings.items():
                    known = self._accounts.get(waba_id)
                    if standing.read_at is not None and (known is None or known.read_at != standing.read_at):
                        self._accounts[waba_id] = _Account(standing.read_at, self._templates(waba_id))
            except StoreUnavailable as error:
                log.warning("catalogue.not_looked_at reason=%s", error)
            self._look_at = self._monotonic() + LOOK_SECONDS

    def _templates(self, waba_id: str) -> dict[str, dict[str, Definition]]:
        found: dict[str, dict[str, Definition]] = {}
        for listing in self._store.listings(waba_id):
            definition = parse_definition(listing)
            if definition is not None:
                found.setdefault(definition.name, {})[definition.language] = definition
        return found


@lru_cache(maxsize=1024)
def _first_misfit(definition: Definition, components: str) -> tuple[str | None, str]:
    """The code and the sentence of the first thing that does not fit; a campaign's recipients often get the same."""
    misfits = check(definition, components)
    if not misfits:
        return None, ""
    first = misfits[0]
    more = f" ({len(misfits) - 1} more)" if len(misfits) > 1 else ""
    return first.code, f"{first.path}: {first.detail}{more}" if first.path else f"{first.detail}{more}"


def _unknown(template: Template, languages: list[str]) -> str:
    name, language = template.name, template.language
    if not languages:
        return f"the account has no template {name}; check its name, or wait until Meta has approved it"
    listed = ", ".join(languages[:SHOWN_LANGUAGES])
    return f"the template {name} is not in {language}; it is in {listed}: name one of these, or auto"

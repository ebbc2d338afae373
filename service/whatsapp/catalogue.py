"""`GET /{waba_id}/message_templates`: an account's templates from Meta, all pages of them.

Meta allows an app 200 such calls an hour for an account that is new (template reference and rate limits, read 2026-11), so
pages are large and nobody but the dispatcher asks.
"""

from collections.abc import Mapping
from typing import Any

import requests

from service.message import printable
from service.whatsapp.answer import Answer, classify
from service.whatsapp.send_error import SendError

FIELDS = "id,name,language,status,category,components,parameter_format,quality_score,rejected_reason"
PAGE = 250
"""An account has 250 templates, or 6,000 once the business is verified: 24 pages at most."""
MOST_PAGES = 100
TIMEOUT = (3.0, 20.0)
LONGEST_NAME, LONGEST_LANGUAGE = 512, 64


class CatalogueUnreadable(Exception):
    """Meta's list could not be had; the sentence says why and what to do."""


class TemplatesApi:
    """Meta's list of templates. `base_url` is without the version."""

    def __init__(self, base_url: str, version: str) -> None:
        self._base = f"{base_url.rstrip('/')}/{version}"

    def read(self, waba_id: str, token: str) -> list[Mapping[str, Any]]:
        """Every template of the account as Meta lists it; raise CatalogueUnreadable."""
        found: list[Mapping[str, Any]] = []
        after: str | None = None
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {token}"
            for _ in range(MOST_PAGES):
                page = self._page(session, waba_id, after)
                data = page.get("data")
                if not isinstance(data, list):
                    raise CatalogueUnreadable("Meta's answer holds no list of templates; it is tried again")
                found += [one for one in data if _is_template(one)]
                after = _next(page)
                if after is None:
                    return found
        raise CatalogueUnreadable(f"Meta lists more than {MOST_PAGES * PAGE:,} templates, or the same page for ever")

    def _page(self, session: requests.Session, waba_id: str, after: str | None) -> Mapping[str, Any]:
        """One page. The address is always our own: a token must not follow one that came with an answer."""
        query = {"fields": FIELDS, "limit": str(PAGE), **({"after": after} if after else {})}
        try:
            answer = session.get(
                f"{self._base}/{waba_id}/message_templates", params=query, timeout=TIMEOUT, allow_redirects=False
            )
            if answer.status_code != 200:
                raise CatalogueUnreadable(_why(answer))
            document = answer.json()
        except (requests.JSONDecodeError, RecursionError):  # raised on, the first would quote the answer
            document = None
        except requests.RequestException as error:
            raise CatalogueUnreadable(f"Meta does not answer ({type(error).__name__}); it is tried again") from None
        if not isinstance(document, dict):
            raise CatalogueUnreadable("Meta's answer is no JSON object; it is tried again")
        return document


def _next(page: Mapping[str, Any]) -> str | None:
    """The cursor after this page, None on the last one."""
    paging = page.get("paging")
    if not isinstance(paging, dict) or not paging.get("next"):
        return None
    cursors = paging.get("cursors")
    after = cursors.get("after") if isinstance(cursors, dict) else None
    return after if isinstance(after, str) and after else None


def _is_template(one: object) -> bool:
    if not isinstance(one, dict):
        return False
    name, language = one.get("name"), one.get("language")
    if not isinstance(name, str) or not isinstance(language, str):
        return False
    fits = 0 < len(name) <= LONGEST_NAME and 0 < len(language) <= LONGEST_LANGUAGE
    return fits and printable(name) == name and printable(language) == language


def _why(answer: requests.Response) -> str:
    """Meta's refusal in the words that a refusal of a message has."""
    refusal = classify(Answer(answer.status_code, answer.content))
    if not isinstance(refusal, SendError):
        return f"Meta answers {answer.status_code}; check WHATSAPP_BUSINESS_ACCOUNT_ID and WHATSAPP_API_URL"
    code = f"code {refusal.code}" if refusal.code is not None else f"HTTP {answer.status_code}"
    hint = "the token needs whatsapp_business_management, and the account's id must be right"
    return f"Meta refuses to list the templates: {refusal.title} ({code}); {hint}"

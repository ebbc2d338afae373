"""Suppressions in the public contract as models, with an example of each."""

from typing import Literal

from pydantic import BaseModel, Field

from service.web.contract import MOMENT, Body, example

SINCE = "2026-11-01T09:00:00.000Z"
_ROW = {
    "to": "+86••••••••000",
    "category": "marketing",
    "source": "operator",
    "since": SINCE,
    "reason": "asked for it by phone",
}

Category = Literal["marketing", "all"]
Source = Literal["stop_reply", "user_preferences", "error_131050", "operator", "import"]

_CATEGORY = (
    "`marketing`: marketing templates, and those whose category is not known; "
    "`all`: everything but authentication codes"
)


class SuppressRequest(Body):
    """Who must not get messages."""

    model_config = example({"to": "+8613800138000", "category": "marketing", "reason": "asked for it by phone"})

    to: str = Field(description="the number with its country code in any usual writing, or a business-scoped user id")
    category: Category = Field("all", description=_CATEGORY)
    reason: str | None = Field(None, description="up to 1,000 characters; shown with it")


class LiftRequest(Body):
    """Who may get messages again."""

    model_config = example({"to": "+8613800138000"})

    to: str
    category: Category | None = Field(None, description="only what was suppressed so; without it, everything")


class SuppressionSearch(Body):
    """Which suppressions: those that fit all that is given, the newest first."""

    model_config = example({"source": "stop_reply", "since": SINCE, "limit": 100})

    to: str | None = None
    category: Category | None = None
    source: Source | None = None
    since: str | None = Field(
        None, json_schema_extra=MOMENT, description="RFC 3339 with zone: those that were added since then"
    )
    limit: int = Field(100, ge=1, le=1000)
    cursor: str | None = Field(None, description="`next` of the page before; null or absent for the first")


class SuppressionRow(BaseModel):
    """Somebody who must not get messages, and who said so."""

    model_config = example(_ROW)

    to: str = Field(description="masked unless the key has the scope pii")
    category: Category = Field(description=_CATEGORY)
    source: Source = Field(
        description="`stop_reply`: the person answered with a stop word; `user_preferences`: the person stopped marketing in "
        "WhatsApp; `error_131050`: Meta refused a message for that; `operator`: this call or a command; `import`: a list"
    )
    since: str = Field(description="when the person or the operator said so")
    reason: str | None


class SuppressionPage(BaseModel):
    """Suppressions, and where the next page begins."""

    model_config = example({"suppressions": [_ROW], "next": None})

    suppressions: list[SuppressionRow]
    next: str | None = Field(description="the `cursor` of the next page; null at the end")


class Lifted(BaseModel):
    """How many suppressions of the person were lifted."""

    model_config = example({"lifted": 1})

    lifted: int


class BadLine(BaseModel):
    """A line of a list that could not be used: the header is line 1."""

    line: int
    code: Literal["invalid_address", "invalid_value", "invalid_csv"]
    detail: str


class Imported(BaseModel):
    """What became of a list. Every line that can be used is kept, whatever the others are."""

    model_config = example(
        {
            "added": 2,
            "rejected": [
                {
                    "line": 3,
                    "code": "invalid_address",
                    "detail": "to: write it with its country code, such as +8613800138000",
                }
            ],
            "more_rejected": 0,
        }
    )

    added: int
    rejected: list[BadLine] = Field(description="the first thousand")
    more_rejected: int = Field(description="how many were rejected besides those")

"""Meta's error codes as this sandbox answers them, and the shape of the body they come in.

    GraphError     a value: what Meta refuses, and how it says so
    x InputError     raised for what a person or a test hands to /sandbox/…; answered 400 with its text

Source: Meta's error table of 2025-12-12 and its page on error responses, read in November 2026; 131055 and 131063 stand on
its pages of the Marketing Messages API.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# code: (HTTP status, title)
CODES: Mapping[int, tuple[int, str]] = {
    0: (401, "AuthException"),
    1: (500, "An unknown error occurred"),
    2: (503, "Service temporarily unavailable"),
    3: (500, "Capability or permissions issue"),
    4: (400, "Application request limit reached"),
    10: (403, "Application does not have permission for this action"),
    33: (400, "The business phone number has been deleted"),
    100: (400, "Invalid parameter"),
    190: (401, "Error validating access token: Session has expired"),
    200: (403, "You do not have the necessary permissions to send messages on behalf of this business"),
    368: (403, "Temporarily blocked for policies violations"),
    80007: (400, "Rate limit issues"),
    130429: (400, "Rate limit hit"),
    130472: (400, "User's number is part of an experiment"),
    130497: (403, "Business account is restricted from messaging users in this country"),
    131000: (500, "Something went wrong"),
    131005: (403, "Access denied"),
    131008: (400, "Required parameter is missing"),
    131009: (400, "Parameter value is not valid"),
    131016: (500, "Service unavailable"),
    131026: (400, "Message undeliverable"),
    131031: (403, "Account has been locked"),
    131042: (400, "Business eligibility payment issue"),
    131045: (500, "Incorrect certificate"),
    131047: (400, "Re-engagement message"),
    131048: (400, "Spam rate limit hit"),
    131049: (400, "This message was not delivered to maintain healthy ecosystem engagement."),
    131050: (400, "Unable to deliver the message. This recipient has chosen to stop receiving marketing messages"),
    131051: (400, "Unsupported message type"),
    131053: (400, "Media upload error"),
    131055: (400, "Method not allowed"),
    131056: (400, "(Business Account, Consumer Account) pair rate limit hit"),
    131057: (500, "Account in maintenance mode"),
    131063: (400, "Marketing templates disabled for Cloud API"),
    132000: (400, "Number of parameters does not match the expected number of params"),
    132001: (404, "Template name does not exist in the translation"),
    132005: (400, "Translated text too long"),
    132007: (400, "Template format character policy violated"),
    132012: (400, "Parameter format does not match format in the created template"),
    132015: (400, "Template is paused"),
    132016: (400, "Template is disabled"),
    132018: (400, "There is an issue with the parameters in your template"),
    133010: (400, "Phone number not registered"),
}
UNKNOWN = (400, "Something Meta has not documented")


class InputError(ValueError):
    """A sentence that names the field and what is allowed."""


@dataclass(frozen=True, slots=True)
class GraphError:
    """A refusal by Meta. `http_status`, `title` and `subcode` default to what Meta says with this code."""

    code: int
    details: str = ""
    title: str = ""
    subcode: int | None = None
    http_status: int | None = None

    @property
    def status(self) -> int:
        """The HTTP status it is answered with."""
        return self.http_status if self.http_status is not None else CODES.get(self.code, UNKNOWN)[0]

    def body(self, fbtrace_id: str) -> dict[str, Any]:
        """The JSON Meta answers. A refused token carries a subcode and no details, as in Meta's own example."""
        title = self.title or title_of(self.code)
        error: dict[str, Any] = {
            "message": title if self.code == 190 else f"(#{self.code}) {title}",
            "type": "OAuthException",
            "code": self.code,
        }
        if self.details:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        error["fbtrace_id"] = fbtrace_id
        return {"error": error}


def title_of(code: int) -> str:
    """Meta's short text for a code."""
    return CODES.get(code, UNKNOWN)[1]


REFUSED_TOKEN = GraphError(190, subcode=463)

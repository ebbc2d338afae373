"""What to say where Meta was asked about something and did not tell: our table's words, never Meta's own. Pure.

Meta's may quote the token.
"""

from service.whatsapp.errors import verdict_on
from service.whatsapp.send_error import Refused, SendError


def why_not_told(error: SendError) -> str:
    """What Meta refused, or that it did not answer, and what to do."""
    if error.code is None:
        status = f" (HTTP {error.http_status})" if error.http_status else ""
        return f"{error.title}{status}; check WHATSAPP_API_URL and the network path, and try again"
    return words_for(error.code, error.subcode)


def words_for(code: int | None, subcode: int | None) -> str:
    """What a refusal with this code means for a question."""
    verdict = verdict_on(code, subcode)
    if issubclass(verdict.kind, Refused):  # what the table says of these is about messages
        return f"Meta refuses to tell it (code {code}); check the id, and that the system user has full control of the account"
    return f"{verdict.title} (code {code}). {verdict.explanation} {verdict.next_step}"

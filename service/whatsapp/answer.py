"""An answer of the Cloud API → Accepted, or the SendError that it means. Pure.

Judged by Meta's code and subcode first, by HTTP status second: permanent errors come as 500, throttles as 400, 403 or 429. A
code that the table does not have is refused on a 4xx, but of the token on a 401, throttled on a 429, and unanswered on
anything else, where Meta may have taken it. How long to wait says Meta's answer; where it does not, the table.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from service.message import Scope, printable
from service.whatsapp.errors import UNKNOWN, UNKNOWN_401, verdict_on
from service.whatsapp.send_error import SendError, Throttled, Unanswered, Unauthorised, Unavailable

_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)
_NUMBER = re.compile(r"[0-9]{1,10}")
_PERSON = re.compile(r"\+[0-9]{8,15}(?![0-9])|(?<![0-9.])[0-9]{10,14}(?![0-9])")
"""Meta's own ids are longer: 15 digits and more."""
_TOKEN = re.compile(r"[^\s\"'(){}<>]{24,}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over the wire. Headers are found by their lower-case names."""

    http_status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Accepted:
    """Meta took the message: `held` where it keeps it back for a quality check before it is delivered."""

    wamid: str
    http_status: int = 200
    held: bool = False


def classify(answer: Answer) -> Accepted | SendError:
    """What the answer to a send means for its message."""
    document = _json_object(answer.body)
    error = document.get("error") if document else None
    if isinstance(error, dict):
        return _classify_error(answer, error)
    if 200 <= answer.http_status < 300:
        return _classify_success(answer.http_status, document)
    if answer.http_status >= 500:
        return Unanswered("HTTP error without Meta's answer", http_status=answer.http_status)
    if answer.http_status == 401:
        return Unauthorised(UNKNOWN_401.title, http_status=401, scope=UNKNOWN_401.scope, wait=UNKNOWN_401.wait)
    wait = _asked_wait(answer.headers)
    if answer.http_status == 429:
        return Throttled("Too many requests", http_status=429, scope=Scope.NUMBER, wait=wait or _SECOND)
    return Unavailable("HTTP error without Meta's answer", http_status=answer.http_status, wait=wait)


def _classify_success(http_status: int, document: dict[str, object] | None) -> Accepted | SendError:
    messages = document.get("messages") if document else None
    first = messages[0] if isinstance(messages, list) and messages else None
    wamid = first.get("id") if isinstance(first, dict) else None
    if not isinstance(first, dict) or not isinstance(wamid, str) or not wamid:
        return Unanswered("Answer without a message id", http_status=http_status)
    held = first.get("message_status") in ("held_for_quality_assessment", "paused")
    return Accepted(printable(wamid)[:256], http_status, held)


def _classify_error(answer: Answer, error: dict[str, object]) -> SendError:
    code, subcode = read_code(error.get("code")), read_code(error.get("error_subcode"))
    verdict = verdict_on(code, subcode, answer.http_status)
    kind, scope, wait = verdict.kind, verdict.scope, verdict.wait
    if verdict.doubtful and not 400 <= answer.http_status < 500:
        kind = Unanswered
    elif verdict is UNKNOWN and answer.http_status == 429:
        kind, scope, wait = Throttled, Scope.NUMBER, _SECOND
    elif verdict.doubtful and error.get("is_transient") is True:
        kind = Unavailable
    passing = kind in {Throttled, Unavailable}
    words = _without_tokens if kind is Unauthorised else read_error_words
    return kind(
        words(error.get("message")) or verdict.title,
        details=words(_details(error)),
        code=code,
        http_status=answer.http_status,
        fbtrace_id=read_words(error.get("fbtrace_id"), 64),
        wait=_asked_wait(answer.headers) or wait if passing else wait,
        scope=scope,
        subcode=subcode,
    )


def _json_object(body: bytes | str) -> dict[str, object] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def read_code(value: object) -> int | None:
    """Meta's code as a number that fits the store; it has come as a string before."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31:
        return value
    return None


def _details(error: dict[str, object]) -> str | None:
    """`error_data` is an object with `details`, or just a string."""
    data = error.get("error_data")
    if isinstance(data, dict):
        return read_words(data.get("details"))
    return read_words(data) or read_words(error.get("error_user_msg"))


def read_words(value: object, longest: int = 1000) -> str | None:
    """Meta's words as they can be kept, or None where there are none."""
    return printable(value)[:longest] if isinstance(value, str) and value else None


def read_error_words(value: object) -> str | None:
    """Meta's words about an error, which may quote the recipient: what looks like a phone number is masked, as ours are."""
    words = read_words(value)
    return (
        _PERSON.sub(lambda found: f"{found[0][:3]}{'•' * (len(found[0]) - 6)}{found[0][-3:]}", words) if words else None
    )


def _without_tokens(value: object) -> str | None:
    """Meta's words about a token, which may quote it (`Malformed access token EAAG…`): what is as long as one is cut out."""
    words = read_error_words(value)
    return _TOKEN.sub("…", words) if words else None


def _asked_wait(headers: Mapping[str, str]) -> timedelta | None:
    """The longest wait that Meta's headers ask for, at most a day; None where they ask for none."""
    return min(max(_retry_after(headers), _regained_after(headers)), _DAY) or None


def _retry_after(headers: Mapping[str, str]) -> timedelta:
    """`Retry-After` in seconds; the form with a date is not used by Meta."""
    text = headers.get("retry-after", "")
    return timedelta(seconds=int(text)) if _NUMBER.fullmatch(text) else timedelta(0)


def _regained_after(headers: Mapping[str, str]) -> timedelta:
    """`X-Business-Use-Case-Usage`: in how many minutes calls are allowed again, the most of all the limits in it."""
    document = _json_object(headers.get("x-business-use-case-usage", "")) or {}
    limits = [limit for listed in document.values() if isinstance(listed, list) for limit in listed]
    times = [limit.get("estimated_time_to_regain_access") for limit in limits if isinstance(limit, dict)]
    minutes = [time for time in times if isinstance(time, int) and not isinstance(time, bool)]
    return min(max(minutes, default=0), 1440) * timedelta(minutes=1)

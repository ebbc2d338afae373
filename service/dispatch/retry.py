"""What an attempt's end makes of its message. Pure: now and randomness are arguments."""

from datetime import datetime, timedelta
from random import Random

from service.message import Attempt, Door, Outcome, Settlement, Status
from service.whatsapp.answer import Accepted
from service.whatsapp.send_error import NotSent, OptedOut, Refused, SendError, Throttled, Unanswered, Unauthorised

BASE = timedelta(seconds=4)
LONGEST = timedelta(hours=1)
UNREACHED_LONGEST = timedelta(minutes=1)
"""Where Meta was not even reached, the wait stays short: it is over for all messages at the same moment."""


def backoff(earlier: int, rng: Random, longest: timedelta = LONGEST) -> timedelta:
    """Full jitter: anything up to 4 s, 16 s, 64 s … after so many earlier tries, never over `longest`."""
    ceiling = min(longest.total_seconds(), BASE.total_seconds() * 4.0 ** min(earlier, 10))
    return timedelta(seconds=rng.uniform(0, ceiling))


def settle_accepted(attempt: Attempt, accepted: Accepted, duration_ms: int, door: Door = Door.MESSAGES) -> Settlement:
    """Meta took it."""
    return Settlement(
        attempt.message.message_id,
        attempt.number,
        Outcome.HELD if accepted.held else Outcome.ACCEPTED,
        Status.HELD if accepted.held else Status.ACCEPTED,
        http_status=accepted.http_status,
        wamid=accepted.wamid,
        duration_ms=duration_ms,
        door=door,
    )


def settle_error(
    attempt: Attempt,
    error: SendError,
    duration_ms: int,
    *,
    now: datetime,
    rng: Random,
    max_tries: int,
    door: Door = Door.MESSAGES,
    switched: bool = False,
) -> Settlement:
    """Meta did not take it, or we do not know: failed, unanswered, or queued again for a moment while there is time.

    `switched`: it was the wrong door, and the other one is tried.
    """
    due_at = None
    counts = _counts(error) and not switched
    status = Status.QUEUED if switched else _end(error)
    if status is Status.QUEUED:
        due_at = now + _wait(attempt, error, rng)
        if counts and attempt.tries + 1 >= max_tries:
            status = Status.FAILED
        elif due_at >= attempt.message.expires_at:
            status = Status.EXPIRED
    return Settlement(
        attempt.message.message_id,
        attempt.number,
        error.outcome,
        status,
        due_at=due_at,
        counts=counts,
        http_status=error.http_status,
        code=error.code,
        title=error.title,
        details=error.details,
        fbtrace_id=error.fbtrace_id,
        duration_ms=duration_ms,
        door=door,
        opted_out=isinstance(error, OptedOut),
    )


def _end(error: SendError) -> Status:
    match error:
        case Unanswered():
            return Status.UNANSWERED
        case Refused():
            return Status.FAILED
    return Status.QUEUED


def _counts(error: SendError) -> bool:
    """A limit, a token or a network of ours uses up no try."""
    waiting = isinstance(error, Throttled | Unauthorised | NotSent)
    return not waiting and not _unreached(error)


def _unreached(error: SendError) -> bool:
    return error.outcome is Outcome.UNAVAILABLE and error.http_status is None


def _wait(attempt: Attempt, error: SendError, rng: Random) -> timedelta:
    match error:
        case Unauthorised() | Refused():
            return timedelta(0)  # a pause says when it may go, or the other door is open
        case NotSent() | Throttled():
            return error.wait or timedelta(0)
    if _unreached(error):  # which uses up no try
        return backoff(attempt.number - 1, rng, UNREACHED_LONGEST)
    return max(error.wait or timedelta(0), backoff(attempt.tries, rng))

"""What an operator decides of one message that Meta has left open: that it arrived, that it did not, or that it goes again.

The write is fenced by the status and the attempt that were judged.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, null, update

from service.message import Status
from service.outbox import outcomes, tables
from service.outbox.queue import lock_messages
from service.outbox.replay import look, time_to_live

DECIDED = "Decided by an operator"
"""How the title of an attempt begins that a person has settled."""

_messages = tables.messages.c
_attempts = tables.attempts.c


class Decision(StrEnum):
    """How an operator settles one message."""

    SENT = "sent"
    FAILED = "failed"
    RESEND = "resend"


class Undecidable(Exception):
    """This cannot be decided of this message; the sentence says how it stands and what can be done."""


class UnknownMessage(Undecidable):
    """No message has this id."""


DECISIONS: Mapping[Status, Mapping[Decision, Status]] = {
    Status.UNANSWERED: {
        Decision.SENT: Status.SENT,
        Decision.FAILED: Status.FAILED,
        Decision.RESEND: Status.QUEUED,
    },
    Status.HELD: {Decision.SENT: Status.SENT, Decision.FAILED: Status.FAILED},
}
"""What can be decided in which status, and what becomes of the message. What is held, Meta may still release."""

_INSTEAD: Mapping[Status, str] = {
    Status.QUEUED: "it has yet to go; wait for its outcome",
    Status.SENDING: "it is under way; wait for its outcome",
    Status.ACCEPTED: "Meta has it; wait for Meta's notification",
    Status.SENT: "Meta has sent it; wait for Meta's notification",
    Status.DELIVERED: "it has arrived, and nothing is left to decide",
    Status.READ: "it has arrived, and nothing is left to decide",
    Status.FAILED: "its outcome is known; send it again with replay if it still matters",
    Status.EXPIRED: "it was given up in time; send it again with replay if it still matters",
    Status.HELD: "Meta has it and may still release it; wait for Meta's notification, or decide sent or failed",
    Status.SUPPRESSED: "the recipient wants no such messages, and nothing is left to decide",
    Status.CANCELLED: "it was called off, and nothing is left to decide",
}


def check(message_id: str, status: Status, decision: Decision) -> Status:
    """What a message of this status becomes by this decision. Raise Undecidable."""
    possible = DECISIONS.get(status, {})
    if decision not in possible:
        raise Undecidable(f"message {message_id} is {status}: {_INSTEAD[status]}")
    return possible[decision]


def decide(connection: Connection, message_id: str, decision: Decision, now: datetime) -> Status:
    """Settle one message that is unanswered or held; its new status. Raise Undecidable, UnknownMessage among it.

    Its newest attempt says that a person decided. Meta's later notifications still move the message forward.
    """
    lock_messages(connection, [message_id])
    found = look(connection, _messages.message_id == message_id)
    if not found:
        raise UnknownMessage(f"no message {message_id}; ids are in the answer to its event")
    [row] = found
    status = check(message_id, Status(row.status), decision)
    if decision is Decision.RESEND and (row.delivered or row.taken):
        raise Undecidable(
            f"message {message_id} is {row.status}: Meta has an earlier attempt of it; decide sent or failed"
        )
    values: dict[str, Any] = {"status": status.value, "status_at": now, "code": None}
    if decision is Decision.RESEND:
        values |= {"due_at": now, "shelf": None}
        if row.expires_at <= now:
            values |= {"created_at": now, "expires_at": now + time_to_live(row)}
    as_judged = _messages.status == row.status, _messages.attempts == row.attempts
    connection.execute(update(tables.messages).where(_messages.message_id == message_id, *as_judged).values(values))
    connection.execute(
        update(tables.attempts)
        .where(_attempts.message_id == message_id, _attempts.attempt == row.attempts)
        .values(title=f"{DECIDED}: {decision}", details=null())
    )
    outcomes.keep(connection, [message_id], now)
    return status

"""What became of messages of campaign `c1`, for the suites of what an operator does."""

from typing import Any

from sqlalchemy import update

from service.message import Outcome, Status
from service.outbox import tables
from tests.outbox.making import NOW, Desk, queued_again, settlement, unanswered


def of_campaign(desk: Desk, n: int = 1, **changes: Any) -> Any:
    """The n-th message, being sent."""
    return desk.sending(n=n, campaign_id="c1", **changes)


def refused(desk: Desk, n: int = 1, code: int = 131026, **changes: Any) -> Any:
    """The n-th message, which Meta has refused."""
    attempt = of_campaign(desk, n, **changes)
    desk.settle(settlement(attempt, Outcome.REFUSED, Status.FAILED, code=code, title="Undeliverable", details="no one"))
    return attempt


def doubtful(desk: Desk, n: int = 1, **changes: Any) -> Any:
    """The n-th message, to which no answer came."""
    attempt = of_campaign(desk, n, **changes)
    desk.settle(unanswered(attempt))
    return attempt


def doubtful_again(desk: Desk) -> Any:
    """A message that went twice and got no answer either time; its first attempt."""
    attempt = of_campaign(desk)
    desk.settle(queued_again(attempt, due_at=NOW))
    [second] = desk.claim()
    desk.settle(unanswered(second))
    return attempt


def set_message(desk: Desk, **facts: Any) -> None:
    with desk.store.engine.begin() as connection:
        connection.execute(update(tables.messages).values(**facts))

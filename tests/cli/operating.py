"""An operator over a store: commands that are run in this process, messages that have come to something."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from click.testing import CliRunner

from service.cli import cli
from service.message import (
    Event,
    Message,
    Outcome,
    ParsedEvent,
    Pause,
    PauseReason,
    Scope,
    Settlement,
    Status,
    Template,
)
from service.outbox.outbox import Demand
from tests.conftest import Store

NOW = datetime.now(UTC).replace(microsecond=0)
NUMBER, SECOND = "106540352242922", "222222222222222"
TWO_NUMBERS = f'[numbers.{SECOND}]\nwaba_id = "77"'
PHONE = "+8613800138000"


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended: exit status, what it printed, and the sentence that `main` prints of what it raised."""

    exit_code: int
    output: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Console:
    """An operator's terminal over a store."""

    store: Store

    def run(self, *arguments: str) -> Ran:
        settings = {
            "DATABASE_URL": self.store.url,
            "FB_BUSINESS_PHONE_ID": NUMBER,
            "CHANNEL_SETTINGS": TWO_NUMBERS,
        }
        result = CliRunner().invoke(cli, arguments, env=settings)
        sentence = "" if isinstance(result.exception, SystemExit | None) else str(result.exception)
        return Ran(result.exit_code, result.output, sentence)

    def add(self, *message_ids: str, **changes: Any) -> None:
        facts: dict[str, Any] = {
            "recipient": "endpoint1",
            "to": PHONE,
            "phone_number_id": NUMBER,
            "template": Template("order_update", "en_US"),
            "due_at": NOW,
            "expires_at": NOW + timedelta(days=1),
            "campaign_id": "c1",
        } | changes
        messages = [Message(message_id=name, key=name, **facts) for name in message_ids]
        named = facts["campaign_id"]
        event = Event(f"e-{message_ids[0]}", "pinpoint", NOW, NOW + timedelta(days=1), campaign_id=named)
        self.store.outbox.add(ParsedEvent(event, list(messages)), NOW)

    def settled(self, *message_ids: str, outcome: Outcome, status: Status, code: int | None = None) -> None:
        """Messages that were sent a while ago and came to this."""
        self.add(*message_ids)
        outbox = self.store.outbox
        lease = outbox.acquire_lease(NUMBER, "test")
        assert lease is not None
        attempts = outbox.claim(Demand(lease, 100), NOW)
        outbox.settle([Settlement(one.message.message_id, 1, outcome, status, code=code) for one in attempts], NOW)
        outbox.release_lease(lease)

    def failed(self, *message_ids: str, code: int = 131026) -> None:
        self.settled(*message_ids, outcome=Outcome.REFUSED, status=Status.FAILED, code=code)

    def unanswered(self, *message_ids: str) -> None:
        self.settled(*message_ids, outcome=Outcome.UNANSWERED, status=Status.UNANSWERED)

    def status(self, message_id: str) -> str:
        facts = self.store.report.message(message_id)
        assert facts is not None
        return str(facts.message["status"])

    def pause_campaign(self, campaign_id: str) -> None:
        self.store.outbox.pause(Pause(Scope.CAMPAIGN, campaign_id, PauseReason.OPERATOR, "", since=NOW))

    def paused(self) -> list[Pause]:
        return self.store.report.pauses(datetime.now(UTC))


def moment(at: datetime) -> str:
    """As the commands show it."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"

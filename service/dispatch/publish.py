"""Tells outsiders what became of messages and what people replied: the outbox's outcomes as events on an EventBridge bus.

    claim ≤ 100 → PutEvents, ≤ 10 entries and ≤ 256 KB each → done, or put back with growing distance

Every dispatcher publishes, whichever numbers it serves. An event may come twice, under the same `detail.outcome_id`; of one
message they go out in the order in which they happened, the next only once the one before was taken. While the bus cannot be
reached, the outcomes wait in the store. Personal data goes along only with EVENT_BUS_PII.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, Protocol

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from service import metrics
from service.intake.address import mask
from service.message import Status
from service.outbox.outbox import StoreUnavailable
from service.outbox.outcomes import Outcome, Outcomes, ReplyOutcome, StatusOutcome
from service.whatsapp.errors import verdict_on

SOURCE = "whatsapp-channel"
STATUS_TYPE, REPLY_TYPE = "WhatsApp message status", "WhatsApp reply"

CLAIMED_AT_ONCE = 100
ENTRIES, BYTES = 10, 256 * 1024
"""Of one PutEvents. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html, read 2026-11"""
LONGEST_TEXT = 4096
"""Characters of a WhatsApp text message (Meta's text message reference); so no entry alone is too large for a call."""
LOOK_SECONDS = 1.0
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=1), timedelta(minutes=2)

log = logging.getLogger(__name__)

Entry = Mapping[str, Any]
"""One entry of PutEvents."""


class BusUnavailable(Exception):
    """The bus took nothing of a call, as far as we know. The text is AWS's code, or what stopped the call."""


class EventsClient(Protocol):
    """What is used of boto3's client of EventBridge."""

    def put_events(self, *, Entries: Sequence[Entry]) -> Mapping[str, Any]:  # noqa: N803 - AWS's name
        """One call."""

    def close(self) -> None:
        """Let the connections go."""


class Bus:
    """One EventBridge bus, by its name or ARN; to be called from one thread at a time."""

    def __init__(self, name: str, region: str | None = None, endpoint_url: str | None = None) -> None:
        self.name = name
        parts = name.split(":")
        self._region = parts[3] if len(parts) > 5 and parts[0] == "arn" else region
        self._endpoint_url = endpoint_url
        self._client: EventsClient | None = None

    def put(self, entries: Sequence[Entry]) -> list[str | None]:
        """One PutEvents; for each entry None where it was taken, else AWS's error code. Raise BusUnavailable."""
        try:
            client = self._client = self._client or self._connect()
            answer = client.put_events(Entries=[{**entry, "EventBusName": self.name} for entry in entries])
        except ClientError as error:
            raise BusUnavailable(str(error.response.get("Error", {}).get("Code"))) from None
        except (BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is no URL
            raise BusUnavailable(type(error).__name__) from None
        results = answer.get("Entries") or []
        if len(results) != len(entries):
            raise BusUnavailable("AnswerWithoutEntries")
        return [None if result.get("EventId") else str(result.get("ErrorCode")) for result in results]

    def close(self) -> None:
        """Let the connections go; the next call makes new ones."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connect(self) -> EventsClient:
        """Few tries of its own: what fails waits in the store, where it can be seen."""
        config = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2})
        session: Any = Session()  # its type knows no EventBridge without a package for that
        client: EventsClient = session.client(
            "events", region_name=self._region, endpoint_url=self._endpoint_url, config=config
        )
        return client


class Publisher:
    """Moves outcomes from the store to the bus. `with_personal_data`: phone numbers whole, and texts along."""

    def __init__(
        self,
        outcomes: Outcomes,
        bus: Bus,
        *,
        now: Callable[[], datetime],
        rng: Random,
        with_personal_data: bool = False,
    ) -> None:
        self._outcomes = outcomes
        self._bus = bus
        self._now = now
        self._rng = rng
        self._with_personal_data = with_personal_data
        self._failures = 0

    async def run(self, _serves: Callable[[str], bool]) -> None:
        """Publish for ever."""
        try:
            while True:
                wait = await asyncio.to_thread(self.publish)
                await asyncio.sleep(wait.total_seconds())
        finally:
            self._bus.close()

    def publish(self) -> timedelta:
        """One round: claim, put, settle. How long to wait before the next one."""
        try:
            return self._publish()
        except StoreUnavailable as error:  # what is out by now goes out again
            log.warning("outcomes.wait reason=%s", error)
            return FIRST_WAIT

    def _publish(self) -> timedelta:
        claimed = self._outcomes.claim(CLAIMED_AT_ONCE, self._now())
        if not claimed:
            return timedelta(seconds=LOOK_SECONDS)
        taken: list[int] = []
        failures: Counter[str] = Counter()
        events = [(one.outcome_id, entry_of(one, with_personal_data=self._with_personal_data)) for one in claimed]
        for call in calls(events):
            try:
                codes = self._bus.put([entry for _, entry in call])
            except BusUnavailable as error:
                failures[str(error)] += len(call)
                break  # the rest waits too: a bus that hangs would hold the claim past its time
            taken += [outcome_id for (outcome_id, _), code in zip(call, codes, strict=True) if code is None]
            failures.update(code for code in codes if code is not None)
        metrics.OUTCOMES_PUBLISHED.inc(len(taken))
        for code, number in failures.items():
            metrics.OUTCOMES_FAILED.labels(code).inc(number)
        self._outcomes.done(taken)
        return self._after([one.outcome_id for one in claimed if one.outcome_id not in taken], failures)

    def _after(self, failed: Sequence[int], codes: Mapping[str, int]) -> timedelta:
        """Go on at once, or wait with what failed: the longer, the more rounds in a row had a failure."""
        if not failed:
            self._failures = 0
            return timedelta(0)
        longest = min(FIRST_WAIT * 2 ** min(self._failures, 10), LONGEST_WAIT)
        self._failures += 1
        wait: timedelta = longest * (0.5 + self._rng.random() / 2)
        self._outcomes.put_back(failed, self._now() + wait)
        counted = ",".join(f"{code}:{number}" for code, number in sorted(codes.items()))
        log.warning("outcomes.not_published bus=%s codes=%s wait_s=%.1f", self._bus.name, counted, wait.total_seconds())
        return wait


def calls(events: Iterable[tuple[int, Entry]]) -> Iterator[list[tuple[int, Entry]]]:
    """The entries, each behind its outcome's id, in as few calls as AWS allows, in their order."""
    call: list[tuple[int, Entry]] = []
    size = 0
    for outcome_id, entry in events:
        more = _size(entry)
        if call and (len(call) == ENTRIES or size + more > BYTES):
            yield call
            call, size = [], 0
        call.append((outcome_id, entry))
        size += more
    if call:
        yield call


def _size(entry: Entry) -> int:
    """As AWS counts it: the texts in UTF-8, 14 for the time."""
    return 14 + sum(len(entry[name].encode()) for name in ("Source", "DetailType", "Detail"))


def entry_of(outcome: Outcome, *, with_personal_data: bool) -> Entry:
    """The event of one outcome. Without personal data the person is masked, what they wrote and Meta's id of it left out.

    The id (wamid) spells the person's number in base64.
    """
    if isinstance(outcome, StatusOutcome):
        kind, person, detail = STATUS_TYPE, "to", _status_detail(outcome)
    else:
        kind, person, detail = REPLY_TYPE, "from", _reply_detail(outcome)
    if not with_personal_data:
        detail[person] = mask(detail[person])
        for name in ("text", "wamid"):
            detail.pop(name, None)
    text = json.dumps(detail, ensure_ascii=False, separators=(",", ":"))
    return {"Source": SOURCE, "DetailType": kind, "Time": outcome.at, "Detail": text}


def _status_detail(outcome: StatusOutcome) -> dict[str, Any]:
    failure = {}
    if outcome.status == Status.FAILED.value:
        failure = {"code": outcome.code, "title": outcome.title or verdict_on(outcome.code).title}
    return {
        "outcome_id": outcome.outcome_id,
        "message_id": outcome.message_id,
        "event_id": outcome.event_id,
        "campaign_id": outcome.campaign_id,
        "recipient": outcome.recipient,
        "reference": outcome.reference,
        "to": outcome.to,
        "phone_number_id": outcome.phone_number_id,
        "template": {"name": outcome.template, "language": outcome.language},
        "status": outcome.status,
        "at": _iso(outcome.at),
        **failure,
    }


def _reply_detail(outcome: ReplyOutcome) -> dict[str, Any]:
    return {
        "outcome_id": outcome.outcome_id,
        "wamid": outcome.wamid,
        "message_id": outcome.message_id,
        "event_id": outcome.event_id,
        "campaign_id": outcome.campaign_id,
        "recipient": outcome.recipient,
        "reference": outcome.reference,
        "from": outcome.sender,
        "phone_number_id": outcome.phone_number_id,
        "kind": outcome.kind,
        "text": outcome.text[:LONGEST_TEXT] if outcome.text else None,
        "payload": outcome.payload[:LONGEST_TEXT] if outcome.payload else None,
        "at": _iso(outcome.at),
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

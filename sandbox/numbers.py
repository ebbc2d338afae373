"""The numbers of the business that have been set, and what each of them refuses.

A number nobody has set is STANDARD, TIER_UNLIMITED and refuses nothing; asking for it is one look into a dictionary. What
a number refuses, in this order; a message that passes all three counts against its limits:

    marketing_door        "only": MARKETING at /messages 131063     "never": at /marketing_messages 131055
    messages_per_second   one more than so many within the last 1.0 s                               130429
    pair_limit            more than 45 at once to one recipient, and then than one each 6 s         131056

`number_json.py` reads and writes them as JSON. Source: Meta's pages on throughput, on the platform's limits and on sending
marketing messages, read in November 2026.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sandbox.cloud_api import MARKETING_DOOR, WABA_ID, Door, Message
from sandbox.errors import GraphError
from sandbox.limits import Pairs, Rate

TOO_FAST = GraphError(130429, "Cloud API message throughput has been reached.")
TOO_MANY_TO_ONE = GraphError(
    131056,
    "Too many messages sent from the sender phone number to the same recipient phone number in a short period of time.",
)
NOT_AT_MESSAGES = GraphError(
    131063,
    "Your template is categorized as Marketing, but marketing templates are currently disabled for your Cloud API"
    " configuration. To send this template, use the Marketing Messages API for WhatsApp or enable marketing templates on"
    " Cloud API by turning off disable_marketing_messages_on_cloud_api.",
)
NOT_AT_MARKETING = GraphError(131055, "You must accept the Marketing Messages API terms to use the API.")

# (setting, door): what a template of category MARKETING gets
CLOSED_DOORS = {("only", "messages"): NOT_AT_MESSAGES, ("never", MARKETING_DOOR): NOT_AT_MARKETING}


@dataclass(frozen=True, slots=True)
class NumberSettings:
    """What can be set of a number.

    `throughput`, `messaging_limit` and what follows `waba_id` are only told; None and False enforce nothing.
    """

    phone_number_id: str
    throughput: str = "STANDARD"
    messaging_limit: str = "TIER_UNLIMITED"
    messages_per_second: int | None = None
    pair_limit: bool = False
    marketing_door: str = "either"
    waba_id: str = WABA_ID
    quality_rating: str = "GREEN"
    status: str = "CONNECTED"
    can_send_message: str = "AVAILABLE"


class Number:
    """A number that is set. `refusals` counts by code what it, or Meta's judgement, refused since then."""

    def __init__(self, settings: NumberSettings) -> None:
        self.settings = settings
        self.refusals: Counter[int] = Counter()
        self._rate = Rate(settings.messages_per_second) if settings.messages_per_second else None
        self._pairs = Pairs() if settings.pair_limit else None

    def refuse_or_count(self, message: Message, door: Door, at: datetime) -> GraphError | None:
        """Why it does not take the message; None when it does, and the message counts."""
        if message.category == "MARKETING" and (closed := CLOSED_DOORS.get((self.settings.marketing_door, door))):
            return closed
        if self._rate is not None and self._rate.is_reached(at):
            return TOO_FAST
        if self._pairs is not None and self._pairs.is_reached(message.to, at):
            return TOO_MANY_TO_ONE
        if self._rate is not None:
            self._rate.count(at)
        if self._pairs is not None:
            self._pairs.count(message.to, at)
        return None


class Numbers:
    """The numbers that are set, by phone number id."""

    def __init__(self) -> None:
        self._numbers: dict[str, Number] = {}

    def set(self, settings: NumberSettings) -> Number:
        """From now on the number is so, whatever it was; its limits and counts start anew."""
        number = self._numbers[settings.phone_number_id] = Number(settings)
        return number

    def find(self, phone_number_id: str) -> Number | None:
        """None: nobody has set it."""
        return self._numbers.get(phone_number_id)

    def settings_of(self, phone_number_id: str) -> NumberSettings:
        """What is set, or what holds for a number nobody has set."""
        number = self.find(phone_number_id)
        return number.settings if number else NumberSettings(phone_number_id)

    def all(self) -> Iterable[Number]:
        """Every number that is set, in the order in which they were."""
        return self._numbers.values()

    def waba_ids(self) -> list[str]:
        """The account there always is, and those that numbers were set to belong to."""
        return list(dict.fromkeys([WABA_ID, *(number.settings.waba_id for number in self.all())]))

    def clear(self) -> None:
        """Forget them, with what they have refused."""
        self._numbers.clear()

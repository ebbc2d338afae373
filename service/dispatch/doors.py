"""Which of a number's two calls a message goes through: by its template's category, until Meta asks for the other one."""

import asyncio
import logging
from datetime import datetime, timedelta

from service.dispatch.number import Clock, Number
from service.message import Category, Door, Message, Template
from service.outbox.outbox import Outbox, StoreUnavailable

OTHER = {Door.MESSAGES: Door.MARKETING, Door.MARKETING: Door.MESSAGES}

log = logging.getLogger(__name__)


SETTLED = timedelta(hours=1)
"""A call that was learned for a template is not given up again before this: else a message would go to and fro."""


class Doors:
    """What one number has learned of its templates."""

    def __init__(self, number: Number, *, outbox: Outbox, clock: Clock) -> None:
        self._number = number
        self._outbox = outbox
        self._clock = clock
        self._learned: dict[tuple[str, str], tuple[Door, datetime]] = {}

    def choose(self, message: Message) -> Door:
        """The call to make: what Meta has asked for, else the number's own for marketing and for unknown categories."""
        learned = self._learned.get((message.template.name, message.template.language))
        if learned:
            return learned[0]
        return self._number.door if message.category in {Category.MARKETING, None} else Door.MESSAGES

    async def read(self) -> None:
        """Take over what was learned before."""
        number, now = self._number.phone_number_id, self._clock.now()
        self._learned = await asyncio.to_thread(self._outbox.learned_doors, number, now)

    async def switch(self, template: Template, used: Door) -> bool:
        """Meta wants the other call for this template; False where we have come from that one just now."""
        key, now = (template.name, template.language), self._clock.now()
        door, learned_at = self._learned.get(key, (None, now))
        if door is OTHER[used]:
            return True  # another message has learned it already
        if door is used and now - learned_at < SETTLED:
            return False
        self._learned[key] = OTHER[used], now
        log.warning("door.switched template=%s language=%s door=%s", *key, OTHER[used].value)
        try:
            await asyncio.to_thread(self._outbox.learn_door, self._number.phone_number_id, template, OTHER[used], now)
        except StoreUnavailable as trouble:
            log.warning("door.not_kept reason=%s", trouble)
        return True

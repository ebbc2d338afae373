"""Keeps the templates of an account as Meta lists them: at the start, every ten minutes, and when Meta says that one changed.

Of the dispatchers, the one reads that serves the account's first number.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from service import metrics
from service.outbox.catalogue import Catalogues
from service.outbox.outbox import PauseKey, StoreUnavailable
from service.secrets import SecretProblem, Source
from service.whatsapp.catalogue import CatalogueUnreadable, TemplatesApi
from service.whatsapp.pausing import lifted_by_listings

READ_EVERY = timedelta(minutes=10)
TRY_AGAIN_AFTER = timedelta(minutes=1)
LOOK_SECONDS = 2.0

Lift = Callable[[Sequence[PauseKey], datetime], object]
"""Lifts those of these pauses that a notification of Meta's made before a moment."""

log = logging.getLogger(__name__)


class CatalogueKeeper:
    """Of one account, of which the dispatcher reads that serves `phone_number_id`, with that number's token."""

    def __init__(
        self,
        waba_id: str,
        phone_number_id: str,
        credentials: Source,
        *,
        store: Catalogues,
        api: TemplatesApi,
        lift: Lift,
        now: Callable[[], datetime],
    ) -> None:
        self.waba_id = waba_id
        self._phone_number_id = phone_number_id
        self._credentials = credentials
        self._store = store
        self._api = api
        self._lift = lift
        self._now = now
        self._served = False
        self._not_before: datetime | None = None

    async def run(self, serves: Callable[[str], bool]) -> None:
        """Look for ever."""
        while True:
            try:
                await self.look(serves=serves(self._phone_number_id))
            except StoreUnavailable as error:
                log.warning("catalogue.waits waba_id=%s reason=%s", self.waba_id, error)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, *, serves: bool) -> None:
        """Read the templates where it is time, or where the number has newly come to us."""
        newly, self._served = serves and not self._served, serves
        now = self._now()
        if not serves or (self._not_before is not None and now < self._not_before):
            return
        standing = (await asyncio.to_thread(self._store.standings, [self.waba_id])).get(self.waba_id)
        if newly or standing is None or standing.is_due(now, READ_EVERY):
            await asyncio.to_thread(self._read, now)

    def _read(self, now: datetime) -> None:
        try:
            listings = self._api.read(self.waba_id, self._credentials.get().token)
        except (CatalogueUnreadable, SecretProblem) as problem:
            self._not_before = now + TRY_AGAIN_AFTER
            log.warning("catalogue.unread waba_id=%s reason=%s", self.waba_id, problem)
            metrics.CATALOGUE_READS.labels("failed").inc()
            self._store.failed(self.waba_id, str(problem))
            return
        self._not_before = None
        self._store.replace(self.waba_id, listings, now)
        self._lift(lifted_by_listings(listings, self.waba_id), now)
        metrics.CATALOGUE_READS.labels("read").inc()
        log.info("catalogue.read waba_id=%s templates=%d", self.waba_id, len(listings))

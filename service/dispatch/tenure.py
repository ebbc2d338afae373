"""The lease of one phone number, and until when we may rely on it (G6).

The database times the lease by its clock; we keep our own deadline by a monotonic one, counted from before we asked, and stop
a margin earlier. A process that freezes finds the deadline passed when it wakes.
"""

import asyncio
import logging
from collections.abc import Callable

from service.outbox.leases import LEASE_SECONDS
from service.outbox.outbox import Lease, Outbox, StoreUnavailable

MARGIN_SECONDS = 2.0
"""What remains for a byte that was allowed out to arrive before somebody else may serve the number."""
RENEW_SECONDS = 3.0
LOOK_SECONDS = 1.0
"""How often a dispatcher looks who serves what."""

log = logging.getLogger(__name__)


class Tenure:
    """Holds a number, or waits for it."""

    def __init__(self, outbox: Outbox, phone_number_id: str, holder: str, monotonic: Callable[[], float]) -> None:
        self._outbox = outbox
        self._phone_number_id = phone_number_id
        self._holder = holder
        self._monotonic = monotonic
        self._deadline = float("-inf")
        self.lease: Lease | None = None

    def stands(self) -> bool:
        """Whether a request may still be written. Ask right before the first byte."""
        return self.lease is not None and self._monotonic() < self._deadline - MARGIN_SECONDS

    def wants_renewal(self) -> bool:
        """Whether it is time to prolong the lease that we hold."""
        return self.lease is not None and self._monotonic() >= self._deadline - LEASE_SECONDS + RENEW_SECONDS

    async def refresh(self, rate: float | None = None) -> bool:
        """Renew the lease, or try to get it. True where it is newly ours: what an earlier holder left is in doubt.

        `rate` is what the number was found to carry, kept for whoever comes next.
        """
        asked_at = self._monotonic()
        if self.lease is not None:
            if await asyncio.to_thread(self._outbox.renew_lease, self.lease, rate):
                self._deadline = asked_at + LEASE_SECONDS
                return False
            log.warning("lease.lost phone_number_id=%s epoch=%d", self._phone_number_id, self.lease.epoch)
            self.lease = None
        asked_at = self._monotonic()
        self.lease = await asyncio.to_thread(self._outbox.acquire_lease, self._phone_number_id, self._holder)
        if self.lease is None:
            return False
        self._deadline = asked_at + LEASE_SECONDS
        log.info("lease.acquired phone_number_id=%s epoch=%d", self._phone_number_id, self.lease.epoch)
        return True

    async def release(self) -> None:
        """Give the number back; whoever waits for it has it within a second."""
        lease, self.lease = self.lease, None
        if lease is not None:
            try:
                await asyncio.to_thread(self._outbox.release_lease, lease)
            except StoreUnavailable as error:
                log.warning("lease.not_released phone_number_id=%s reason=%s", self._phone_number_id, error)

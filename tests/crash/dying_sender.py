"""`python -m tests.crash.dying_sender SEAM NTH`: a dispatcher that is killed, as by kill -9, around its NTH request.

    before write    the next thing would have been the first byte
    after write     the request has left, nobody has read an answer
    after answer    Meta's answer is read, nobody has settled it

`dying` meets a process at its commits; what lies between two of them is met here, by a client that ends its process.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from random import Random

from service import wiring
from service.config import Settings, environment
from service.dispatch.dispatcher import Dispatcher
from service.dispatch.lane import Lane
from service.dispatch.number import Clock, Number, Policy
from service.dispatch.tenure import Tenure
from service.logs import set_up_logging
from service.message import Door, Settlement
from service.whatsapp.answer import Accepted
from service.whatsapp.client import Client, Fence

SEAMS = ("before write", "after write", "after answer")
PER_SECOND = 300.0


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingClient(Client):
    """The real one, until its `nth` request."""

    def __init__(self, settings: Settings, seam: str, nth: int) -> None:
        super().__init__(settings.api_url, settings.api_version)
        self._seam = seam
        self._left = nth

    async def send(
        self,
        phone_number_id: str,
        token: str,
        body: bytes,
        may_write: Fence = lambda: True,
        door: Door = Door.MESSAGES,
    ) -> Accepted:
        self._left -= 1
        if self._left > 0:
            return await super().send(phone_number_id, token, body, may_write, door)
        accepted = await super().send(phone_number_id, token, body, self._doomed(may_write), door)
        if self._seam == "after answer":
            _die()
        return accepted

    def _doomed(self, may_write: Fence) -> Fence:
        """Asked in the very call that writes the first byte; what is called soon comes after that call."""

        def ask() -> bool:
            allowed = may_write()
            if allowed and self._seam == "before write":
                _die()
            if allowed and self._seam == "after write":
                asyncio.get_running_loop().call_soon(_die)
            return allowed

        return ask


def build(settings: Settings, client: Client) -> Dispatcher:
    """As `wiring.build_dispatcher`, with this client."""
    outbox = wiring.open_store(settings, announce=False).outbox
    clock = Clock(wiring.now, wiring.monotonic)
    holder = f"dying-{os.getpid()}-0"
    policy = Policy(settings.max_attempts, timedelta(seconds=settings.unanswered_grace_seconds))
    credentials = wiring.sources(settings)

    def make_lane(number: Number, settle: Callable[[Settlement], None]) -> Lane:
        tenure = Tenure(outbox, number.phone_number_id, holder, clock.monotonic)
        rng = Random()
        return Lane(
            number, outbox=outbox, client=client, tenure=tenure, settle=settle, clock=clock, policy=policy, rng=rng
        )

    numbers = [Number(one, PER_SECOND, credentials[one]) for one in settings.numbers]
    return Dispatcher(numbers, holder=holder, outbox=outbox, client=client, clock=clock, make_lane=make_lane)


async def main() -> None:
    seam, nth = sys.argv[1:]
    assert seam in SEAMS
    settings = Settings.from_environment(environment())
    set_up_logging(settings.log_level)
    dispatcher = build(settings, DyingClient(settings, seam, int(nth)))
    await dispatcher.run(asyncio.Event(), wiring.build_wakeup(settings))


if __name__ == "__main__":
    asyncio.run(main())
